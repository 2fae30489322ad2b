"""Command line: `dnastudy --help`. Results go to stdout, progress and messages to stderr."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from dnastudy import __version__
from dnastudy.cli import data, publish, split, study, tasks
from dnastudy.cli.options import (
    Duplicates,
    Empty,
    Greedy,
    Invalid,
    Join,
    Json,
    Prequential,
    Preset,
    Set,
    Train,
    Trained,
    Validation,
    parse_pairs,
    read,
)
from dnastudy.core.errors import ModelError, StudyError
from dnastudy.display.terminal import emit, progress, say, training_progress
from dnastudy.models import DEFAULT
from dnastudy.models.base import check_folder

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="What do generative language models learn from the nucleotide sequences of human genes?",
)


def _version(value: bool) -> None:
    if value:
        print(__version__)
        raise typer.Exit


@app.callback()
def _main(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    pass


@app.command(cls=Greedy)
def evaluate(
    model: Annotated[str, typer.Argument(help="Registered model, for instance ngram (see `dnastudy models`).")],
    train: Train,
    test: Annotated[Path, typer.Option(help="Genes to predict; each is scored on its own.")],
    validation: Validation = None,
    add_validation: Join = False,
    prequential: Prequential = False,
    set: Set = None,
    preset: Preset = "",
    invalid: Invalid = "error",
    empty: Empty = "error",
    duplicates: Duplicates = "error",
    as_json: Json = False,
) -> None:
    """Train a model and measure how well it predicts held-out genes.

    For example:

        dnastudy evaluate ngram --train train.csv --validation validation.csv --test test.csv

        dnastudy evaluate ngram --train a.csv b.fa.gz --test test.csv --set order=6 smoothing=laplace --json
    """
    from dnastudy.core.provenance import peak_memory_mb
    from dnastudy.evaluation import metrics, scoring

    policies = {"invalid": invalid, "empty": empty, "duplicates": duplicates}
    given = _settings(model, preset, set, validation, add_validation, prequential)
    genes = read(test, **policies)  # before training: a mistake in it should not cost one
    fitted, learned, fit_seconds = _fit(model, given, train, validation, add_validation, policies, test=genes)
    parameters = fitted.num_parameters
    shared = int(genes["sequence"].isin(learned).sum())
    if shared:
        say(f"{shared} of {len(genes)} test sequences are also among the genes learned from: the score is too good")
    start = time.perf_counter()
    with progress(f"score {model}", len(genes)) as step:
        scores = scoring.score(fitted, genes, step, prequential)
    seconds = {"fit": fit_seconds, "score": time.perf_counter() - start}
    found = metrics.summarise(scores)
    emit(
        {
            "model": model,
            "settings": fitted.settings.model_dump(mode="json"),
            "tuned": fitted.tuned,
            "joined_validation": add_validation,
            "prequential": prequential,
            **{key: found[key] for key in ("nucleotide_perplexity", "bits_per_base", "interval", "paper_perplexity")},
            **{key: found[key] for key in ("genes", "nucleotides")},
            "parameters": parameters,
            "shared_sequences": shared,
            "seconds": seconds,
            "peak_memory_mb": peak_memory_mb(),
        },
        as_json,
    )


def _settings(model, preset, settings, validation, add_validation, prequential=False):
    """Settings given on the command line, checked before any file is read."""
    from dnastudy.experiments.fitting import check_update
    from dnastudy.models import create, model_class

    cls = model_class(model)
    given = {**(cls.preset(preset) if preset else {}), **parse_pairs("--set", settings)}
    cls.Settings.parse(given, model)
    if add_validation and validation is None:
        raise ModelError("--add-validation needs --validation")
    if add_validation or prequential:
        check_update(create(model, given))
    return given


def _fit(model, given, train, validation, add_validation, policies, workspace=None, test=None, by_type=False):
    """Return the fitted model, the sequences it has learned from, and the seconds; what is on two sides is said."""
    from dnastudy.experiments.fitting import fit_model, learnable
    from dnastudy.models import model_class
    from dnastudy.models.conditional import ENOUGH, frequent_types
    from dnastudy.training.report import TrainingError

    genes = read(train, **policies)
    learned = list(genes["sequence"])
    held_out = read(validation, **policies) if validation else None
    tuning = None if held_out is None else list(held_out["sequence"])
    join = tuning if add_validation else None
    if by_type:
        types = frequent_types(genes["type"])
        if not types:
            raise ModelError(
                f"--by-type: no gene type has {ENOUGH} genes in {', '.join(map(str, train))}; types stand "
                "in the column GeneType of CSV, in headers of FASTA as [type=tRNA]"
            )
        model, given = model_class(model).with_types(given, types)
    if tuning and (both := len({*tuning} & {*learned})):
        say(f"{both} of the validation sequences are also among the training genes: what is tuned on them is too bold")
    if tuning and test is not None and (both := int(test["sequence"].isin(tuning).sum())):
        say(f"{both} of {len(test)} test sequences are also among the validation genes, which the model is tuned on")
    if tuning is None:
        say("no --validation: what would be tuned on it keeps its default, or is tuned inside the training genes")
    try:
        with training_progress(f"fit {model} on {len(learned):,} genes") as report:
            told = [None if frame is None else learnable(model, given, frame) for frame in (genes, held_out)]
            fitted, seconds = fit_model(model, given, *told, join, workspace, report)
    except TrainingError as error:
        raise error.named(list(genes["id"])) from error
    return fitted, {*learned, *(join or [])}, seconds


@app.command(cls=Greedy)
def train(
    model: Annotated[str, typer.Argument(help="Registered model (see `dnastudy models`).")],
    train: Train,
    out: Annotated[Path, typer.Option(help="Folder for the trained model.")],
    validation: Validation = None,
    add_validation: Join = False,
    set: Set = None,
    preset: Preset = "",
    by_type: Annotated[
        bool, typer.Option("--by-type", help="Learn the gene types too, to be asked for with `generate --type`.")
    ] = False,
    tensorboard: Annotated[bool, typer.Option(help="Write TensorBoard events beside the checkpoints.")] = False,
    invalid: Invalid = "error",
    empty: Empty = "error",
    duplicates: Duplicates = "error",
    as_json: Json = False,
) -> None:
    """Train a model and save it.

    The checkpoint of a long training (one a minute, and after each epoch), its log and its TensorBoard events lie in
    OUT.training: the same command goes on from there when it was stopped. Under `torchrun` or `fabric run` all
    processes train together.

    With --by-type a network is told of gene types by a token; any other model is trained once on all genes and once on
    those of each type. Types are those with at least 20 training genes.

    For example:

        dnastudy train ngram --train train.csv --set order=8 --out models/ngram8

        dnastudy train lstm --preset paper-256-512-4 --train train.csv --validation validation.csv --out models/lstm
    """
    from dnastudy.training.log import CHECKPOINT, Workspace, is_main_process

    check_folder(out)
    policies = {"invalid": invalid, "empty": empty, "duplicates": duplicates}
    given = _settings(model, preset, set, validation, add_validation)
    workspace = Workspace(out.with_name(f"{out.name}.training"), tensorboard=tensorboard)
    if (workspace.folder / CHECKPOINT).exists():
        say(f"goes on from the checkpoint in {workspace.folder}")
    fitted, learned, seconds = _fit(
        model, given, train, validation, add_validation, policies, workspace, by_type=by_type
    )
    if not is_main_process():
        return
    fitted.save(out)
    workspace.finish()
    facts = {"model": fitted.name, "settings": fitted.settings.model_dump(mode="json"), "genes": len(learned)}
    if by_type:
        facts["types"] = list(fitted.types)
    emit({**facts, "parameters": fitted.num_parameters, "seconds": {"fit": seconds}, "folder": str(out)}, as_json)


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="Sequences to score: CSV, FASTA, gzip of both, or NCBI gene package.")],
    model: Trained = DEFAULT,
    per_base: Annotated[bool, typer.Option(help="Also the log-probability of every single nucleotide.")] = False,
    invalid: Invalid = "error",
    empty: Empty = "error",
    as_json: Json = False,
) -> None:
    """Score sequences: log-probability (nats, over A C G T) and bits per base of each.

    For example:

        dnastudy score my.fa

        dnastudy score my.fa --model models/ngram8

        dnastudy score my.fa --model models/ngram8 --per-base --json
    """
    from dnastudy import models
    from dnastudy.core.provenance import finite
    from dnastudy.evaluation import metrics, scoring

    fitted = models.load(model)
    genes = read(file, invalid, empty, "keep")
    with progress(f"score {file.name}", len(genes)) as step:
        scores = scoring.score(fitted, genes, step)
    rows = [
        {
            "id": gene,
            "nucleotides": int(n),
            "log_prob": float(nats),
            "bits_per_base": -float(nats) / int(n) / metrics.NATS_PER_BIT,
        }
        for gene, n, nats in scores[["id", "nucleotides", "nucleotide_log_prob"]].itertuples(index=False)
    ]
    bases = fitted.nucleotide_log_probs(list(genes["sequence"])) if per_base else []
    if as_json:
        for row, nats in zip(rows, bases, strict=False):
            row["per_base"] = nats.tolist()
        print(json.dumps(finite({"model": model, "sequences": rows}), allow_nan=False))
    elif per_base:
        print("id\tposition\tnucleotide\tlog_prob")
        for row, sequence, nats in zip(rows, genes["sequence"], bases, strict=True):
            for position, (base, value) in enumerate(zip(sequence, nats, strict=True), 1):
                print(f"{row['id']}\t{position}\t{base}\t{value:.6f}")
    else:
        print("id\tnucleotides\tlog_prob\tbits_per_base")
        for row in rows:
            print(f"{row['id']}\t{row['nucleotides']}\t{row['log_prob']:.6f}\t{row['bits_per_base']:.6f}")


@app.command()
def models(as_json: Json = False) -> None:
    """List the models and their settings.

    For example:

        dnastudy models --json
    """
    from dnastudy.models import MODELS, model_class

    listing = {}
    for name in MODELS:
        cls = model_class(name)
        fields = cls.Settings.model_fields.items()
        plain = cls.Settings().model_dump(mode="json")
        listing[name] = {
            "family": cls.family,
            "about": (cls.__doc__ or "").strip().splitlines()[0],
            "settings": {key: {"default": plain[key], "about": field.description} for key, field in fields},
            "presets": cls.presets,
        }
    if as_json:
        print(json.dumps(listing))
        return
    for name, facts in listing.items():
        print(f"{name}  ({facts['family']})  {facts['about']}")
        for key, field in facts["settings"].items():
            print(f"    {key}={field['default']}  {field['about']}")
        if facts["presets"]:
            print(f"    --preset {', '.join(facts['presets'])}  (the settings of each: --json)")


app.add_typer(data.app, name="data")
split.register(app)
study.register(app)
publish.register(app)
tasks.register(app)


def main() -> None:
    """Run the command line; errors people can mend become one line on stderr and exit status 1."""
    try:
        app()
    except (StudyError, OSError) as error:
        fail(error)


def fail(error: Exception) -> None:
    """Print the error as one message and leave with status 1."""
    if isinstance(error, FileNotFoundError) and error.filename:
        error = f"{error.filename}: no such file"  # type: ignore[assignment]
    print(f"error: {error}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
