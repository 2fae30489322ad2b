"""Commands on one model: `evaluate`, `train`, `score`, `generate`, `models`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dnastudy.cli.options import (
    Fitting,
    GeneType,
    Json,
    Reading,
    ReadingUnique,
    Trained,
    command,
    parse_pairs,
    setting_list,
)
from dnastudy.core.errors import SettingsError
from dnastudy.display.terminal import emit, progress, say, training_progress
from dnastudy.models import DEFAULT

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer()
REPORTED = ("nucleotide_perplexity", "bits_per_base", "interval", "paper_perplexity", "genes", "nucleotides")
Registered = Annotated[str, typer.Argument(help="Registered model, for instance ngram (see `dnastudy models`).")]


@command(app)
def evaluate(
    model: Registered,
    fitting: Fitting,
    test: Annotated[Path, typer.Option(help="Test genes; each is scored on its own.")],
    reading: ReadingUnique,
    prequential: Annotated[
        bool,
        typer.Option("--prequential", help="Add each test gene to the training genes after scoring it."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a model and measure how well it predicts held-out genes.

    For example:

        dnastudy evaluate ngram --train train.csv --validation validation.csv --test test.csv

        dnastudy evaluate ngram --train a.csv b.fa.gz --test test.csv --set order=6 smoothing=laplace --json
    """
    from dnastudy.core.provenance import peak_memory_mb
    from dnastudy.experiments import one_off

    settings = _settings(model, fitting, prequential)
    tested = reading.read(test)  # before training: a mistake in it should not cost one
    train_genes, validation_genes = _tables(fitting, reading)
    shared = _report_overlaps(fitting, train_genes, validation_genes, tested).test_in_fitted
    with training_progress(f"fit {model} on {len(train_genes):,} genes") as report:
        fitted, fit_seconds = one_off.fit(
            model,
            settings,
            train_genes,
            validation_genes,
            add_validation=fitting.add_validation,
            report=report,
        )
    parameters = fitted.num_parameters  # before prequential scoring adds to them
    with progress(f"score {model}", len(tested)) as step:
        measured, score_seconds = one_off.evaluate(fitted, tested, prequential=prequential, progress=step)
    emit(
        {
            "model": model,
            "settings": fitted.settings.model_dump(mode="json"),
            "tuned": fitted.tuned,
            "add_validation": fitting.add_validation,
            "prequential": prequential,
            **{key: measured[key] for key in REPORTED},
            "parameters": parameters,
            "shared_sequences": shared,
            "seconds": {"fit": fit_seconds, "score": score_seconds},
            "peak_memory_mb": peak_memory_mb(),
        },
        as_json,
    )


@command(app)
def train(
    model: Registered,
    fitting: Fitting,
    out: Annotated[Path, typer.Option(help="Folder for the trained model.")],
    reading: ReadingUnique,
    by_type: Annotated[
        bool,
        typer.Option("--by-type", help="Also learn to generate genes of each gene type (`dnastudy generate --type`)."),
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard events beside the checkpoints.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a model and save it.

    The folder OUT.training holds the checkpoint of a long training (written once a minute and after each epoch), its
    log and its TensorBoard events. A training that was stopped continues from there when the same command is given
    again. Under `torchrun` or `fabric run` all processes train together.

    With --by-type a network gets the gene type as a token; any other model is trained once on all genes and once on
    those of each type. Types need at least 20 training genes.

    For example:

        dnastudy train ngram --train train.csv --set order=8 --out models/ngram8

        dnastudy train lstm --preset paper-256-512-4 --train train.csv --validation validation.csv --out models/lstm
    """
    from dnastudy.experiments import one_off
    from dnastudy.models.base import check_folder
    from dnastudy.training.log import CHECKPOINT, Workspace, is_main_process

    check_folder(out)
    settings = _settings(model, fitting)
    workspace = Workspace(out.with_name(f"{out.name}.training"), tensorboard=tensorboard)
    if (workspace.folder / CHECKPOINT).exists():
        say(f"continue from the checkpoint in {workspace.folder}")
    train_genes, validation_genes = _tables(fitting, reading)
    _report_overlaps(fitting, train_genes, validation_genes)
    try:
        with training_progress(f"fit {model} on {len(train_genes):,} genes") as report:
            fitted, seconds = one_off.fit(
                model,
                settings,
                train_genes,
                validation_genes,
                add_validation=fitting.add_validation,
                by_type=by_type,
                workspace=workspace,
                report=report,
            )
    except KeyboardInterrupt:
        if (workspace.folder / CHECKPOINT).exists():
            say(f"stopped; the same command continues from the checkpoint in {workspace.folder}")
        raise
    if not is_main_process():
        return
    fitted.save(out)
    workspace.finish()
    facts = {"model": fitted.name, "settings": fitted.settings.model_dump(mode="json")}
    facts["genes"] = len(train_genes) + (len(validation_genes) if fitting.add_validation else 0)
    if course := fitted.notes.get("training"):
        epochs = course["epochs"]
        kept = next((row for row in epochs if row["epoch"] == course["best_epoch"]), {})
        facts["training"] = {"epochs": len(epochs), "epoch_kept": course["best_epoch"],
                             "validation_perplexity": kept.get("validation")}  # fmt: skip
    if by_type:
        facts["types"] = list(fitted.types)
        rare = sorted(set(train_genes["type"]) - {"", *fitted.types})
        if rare:
            say(f"not learned, for lack of training genes: {', '.join(rare)}")
    emit({**facts, "parameters": fitted.num_parameters, "seconds": {"fit": seconds}, "folder": str(out)}, as_json)


def _settings(model: str, fitting: Fitting, prequential: bool = False) -> dict:
    """Settings from the command line, checked before any file is read."""
    from dnastudy.experiments.one_off import checked_settings

    more_genes = fitting.add_validation or prequential
    settings = checked_settings(model, parse_pairs("--set", fitting.set), fitting.preset, takes_more_genes=more_genes)
    if fitting.add_validation and fitting.validation is None:
        raise SettingsError("--add-validation needs --validation")
    return settings


def _tables(fitting: Fitting, reading: ReadingUnique) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Training genes, and validation genes where there are some."""
    return reading.read(fitting.train), reading.read(fitting.validation) if fitting.validation else None


def _report_overlaps(fitting: Fitting, train, validation, test=None):
    """Count sequences that occur in several of the gene tables, and report them before the training."""
    from dnastudy.experiments.one_off import overlaps

    counts = overlaps(train, validation, test, fitting.add_validation)
    if counts.validation_in_train:
        say(
            f"{counts.validation_in_train} of the validation sequences are also among the training genes: tuning on "
            "them makes the model overconfident"
        )
    if counts.test_in_validation:
        say(
            f"{counts.test_in_validation} of {len(test)} test sequences are also among the validation genes, which the "
            "model is tuned on"
        )
    if counts.test_in_fitted:
        say(
            f"{counts.test_in_fitted} of {len(test)} test sequences are also among the genes that the model is fitted "
            "on: the score is too good"
        )
    if validation is None:
        say("no --validation: what would be tuned on it keeps its default, or is tuned within the training genes")
    return counts


@command(app)
def score(
    file: Annotated[Path, typer.Argument(help="Sequences to score: CSV, FASTA, gzip of both, or NCBI gene package.")],
    reading: Reading,
    model: Trained = DEFAULT,
    per_base: Annotated[
        bool, typer.Option("--per-base", help="Also the log-probability (nats) of every single nucleotide.")
    ] = False,
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
    from dnastudy.experiments.one_off import score_table

    fitted = models.load(model)
    genes = reading.read(file)
    with progress(f"score {file.name}", len(genes)) as step:
        rows = score_table(fitted, genes, step).to_dict("records")
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


@command(app)
def generate(
    model: Trained = DEFAULT,
    type: GeneType = "",
    n: Annotated[int, typer.Option(min=1, help="Number of genes.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="The same seed generates the same genes.")] = 0,
    lengths: Annotated[
        Literal["real", "own"],
        typer.Option(help="real: drawn from those of the training genes (of the type); own: as the model ends genes."),
    ] = "real",
    max_length: Annotated[int, typer.Option(min=1, help="Longest gene, nt; longer ones are cut.")] = 1000,
    temperature: Annotated[
        float, typer.Option(help="Below 1, probable symbols are drawn more often; above 1, improbable ones.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw only from the K most probable symbols.")] = None,
    top_p: Annotated[
        float, typer.Option(help="Draw only from the most probable symbols that together have this probability.")
    ] = 1.0,
    prefix: Annotated[str, typer.Option(help="Nucleotides that each gene begins with.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="FASTA file; default: standard output.")] = None,
) -> None:
    """Generate genes, as FASTA with the log-probability of each (nats) in its header.

    The log-probability is the model's own at temperature 1; it includes the end of the gene where the gene was not
    cut. Genes of a type need a model that was trained with --by-type (`dnastudy train`).

    For example:

        dnastudy generate --n 5 --seed 1

        dnastudy generate --type tRNA --n 100 --seed 1 -o genes.fa

        dnastudy generate --model models/ngram8 --n 1000 --temperature 0.8 --lengths own -o genes.fa
    """
    import io

    from dnastudy import models
    from dnastudy.core.atomic import atomic_write
    from dnastudy.data.fasta import write_fasta
    from dnastudy.models import generation

    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "prefix": prefix.upper()}
    genes = generation.generate(
        models.load(model), n, seed=seed, type=type, lengths=lengths, max_length=max_length, **options
    )
    words = f"model={model}{f' [type={type}]' if type else ''} seed={seed}"
    text = io.StringIO()
    records = (
        (f"generated_{number} {words} length={len(gene)} log_prob={nats:.4f}", gene)
        for number, (gene, nats) in enumerate(zip(genes["sequence"], genes["log_prob"], strict=True), 1)
    )
    write_fasta(records, text)
    if out is None:
        print(text.getvalue(), end="")
    else:
        atomic_write(out, text.getvalue())


@command(app, "models")
def list_models(as_json: Json = False) -> None:
    """List the models with their settings.

    For example:

        dnastudy models --json
    """
    from dnastudy.models import MODELS, model_class

    listing = {}
    for name in MODELS:
        cls = model_class(name)
        listing[name] = {
            "family": cls.family,
            "about": (cls.__doc__ or "").strip().splitlines()[0],
            "settings": setting_list(cls.Settings),
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
