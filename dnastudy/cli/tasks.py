"""Commands that write genes and put models to real-life tasks."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Annotated, Literal

import typer

from dnastudy.cli.options import Greedy, Json, Trained, parse_pairs, read
from dnastudy.data.formats import DataError
from dnastudy.display.terminal import emit, say
from dnastudy.models import DEFAULT, ModelError


def register(app: typer.Typer) -> None:
    """Add these commands to the main program."""
    app.command()(generate)
    app.command()(mutations)
    app.command(cls=Greedy)(realness)


def generate(
    model: Trained = DEFAULT,
    type: Annotated[str, typer.Option(help="Gene type, for instance tRNA; default: of no type in particular.")] = "",
    n: Annotated[int, typer.Option(min=1, help="Genes to write.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="The same seed writes the same genes.")] = 0,
    lengths: Annotated[
        Literal["real", "own"],
        typer.Option(help="real: drawn from those of the training genes (of the type); own: as the model ends genes."),
    ] = "real",
    max_length: Annotated[int, typer.Option(min=1, help="Longest gene, nt; a longer one is cut.")] = 1000,
    temperature: Annotated[float, typer.Option(help="Below 1 probable symbols more often, above 1 more varied.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Only the K most probable symbols.")] = None,
    top_p: Annotated[float, typer.Option(help="Only the most probable symbols that hold this probability.")] = 1.0,
    prefix: Annotated[str, typer.Option(help="Nucleotides that each gene begins with.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="FASTA file; default: standard output.")] = None,
) -> None:
    """Write new genes, as FASTA with the log-probability of each (nats) in its header.

    That is the model's own, whatever the temperature, the end of the gene included where it was not cut. Gene types can
    be asked of a model that was told of them in training (`dnastudy train --by-type`).

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


def mutations(
    pairs: Annotated[Path, typer.Argument(help="CSV of pairs: NCBIGeneID (or id), real and mutated sequence.")],
    model: Trained = DEFAULT,
    validation: Annotated[
        Path | None,
        typer.Option(help="Genes that the model did not learn from: pairs made from them calibrate a further rule."),
    ] = None,
    replicates: Annotated[int, typer.Option(min=100, help="Bootstrap resamples of the genes for an interval.")] = 1000,
    as_json: Json = False,
) -> None:
    """Find the real sequence of each pair by a model, and count how often each rule is right.

    Rules: the lower perplexity; the higher probability; the higher likelihood ratio against a source that knows
    nothing; and, with --validation, the evidence of both strands weighed. Ties count as wrong. `dnastudy data mutate`
    makes pairs.

    For example:

        dnastudy mutations pairs.csv --model lstm --json

        dnastudy mutations pairs.csv --model models/expert --validation validation.csv
    """
    from dnastudy import models
    from dnastudy.data.mutation_pairs import describe_edit, read_pairs
    from dnastudy.evaluation.proportions import shares
    from dnastudy.tasks.mutation_detection import RULES, calibrate, detect

    table = read_pairs(pairs)
    genes = read(validation, duplicates="keep") if validation else None
    fitted = models.load(model)
    weights = None
    if genes is not None:
        if both := len({*genes["sequence"]} & {*table["real"]}):
            say(f"{both} of the validation sequences are also among the real ones: the calibrated rule is too good")
        say(f"calibrate on pairs made from {len(genes):,} genes")
        weights = calibrate(fitted, genes)
    say(f"read {len(table):,} pairs")
    found = detect(fitted, table, weights)
    found["kind"] = [describe_edit(*pair)[0] for pair in zip(table["real"], table["mutated"], strict=True)]
    rules = [rule for rule in RULES if rule in found]
    overall = shares(found.assign(all="all"), rules, "all", replicates)
    kinds = shares(found, rules, "kind", replicates)
    if as_json:
        facts = {"model": model, "pairs": len(found), "genes": int(found["id"].nunique()), "weights": weights}
        facts["rules"] = {
            rule: {
                **_accuracy(overall[overall["rule"] == rule].iloc[0]),
                "by_kind": {row["kind"]: _accuracy(row) for _, row in kinds[kinds["rule"] == rule].iterrows()},
            }
            for rule in rules
        }
        emit(facts, True)
        return
    rows = [("all", overall), *((kind, part) for kind, part in kinds.groupby("kind"))]
    width = max(len(name) for name, _ in rows)
    print(f"{'pairs':<{width}}  {'number':>6}  " + "  ".join(f"{rule:<21}" for rule in rules))
    for name, part in rows:
        cells = (f"{row.accuracy:.3f} ({row.low:.3f}-{row.high:.3f})" for row in part.itertuples())
        print(f"{name:<{width}}  {part['n'].iloc[0]:>6}  " + "  ".join(f"{cell:<21}" for cell in cells))


def _accuracy(row) -> dict[str, object]:
    return {"pairs": int(row["n"]), "accuracy": float(row["accuracy"]), "interval": [row["low"], row["high"]]}


def realness(
    genes: Annotated[Path, typer.Argument(help="Generated genes: FASTA or CSV, of whatever model.")],
    real: Annotated[Path, typer.Option(help="Real genes that the model has not seen.")],
    train: Annotated[Path | None, typer.Option(help="Genes that the model learned from: how much is recited?")] = None,
    type: Annotated[str, typer.Option(help="Of the real genes only those of this type.")] = "",
    set: Annotated[
        list[str] | None,
        typer.Option(
            help="Settings as key=value: genes (most of a set, 1000), words (lengths, nt), folds (of the "
            "cross-validation, 5), replicates (of the bootstrap), seed, classifiers (a YAML list of: linear on k-mers, "
            "gradient boosting on k-mers, convolutional network; all of them, which takes minutes)."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Set generated genes beside real ones: words, composition, how well classifiers tell them apart, what is recited.

    The real genes are halved at random: with one half the generated genes are compared, and so is the other half, as it
    is and shuffled (pairs of neighbours kept). Told apart: area under the ROC curve for genes of families that the
    classifier has not seen; 0.5 not at all, 1 always. Empty: genes without a nucleotide. Copies: 95 % identical to a
    training gene over 90 % of their length. Families a gene: 1 where no two genes of the set are relatives. Distance:
    of the distributions, Kolmogorov-Smirnov, 0 to 1. ORF: longest open reading frame, nt. Low complexity: score of
    DUST. Intervals (95 %) are over genes.

    For example:

        dnastudy realness generated.fa --real test.csv --train train.csv

        dnastudy realness generated.fa --real test.csv --set genes=200 --set "classifiers=[linear on k-mers]" --json
    """
    from dnastudy.display.tables import with_interval
    from dnastudy.tasks.generation_quality import GenerationQuality

    settings = parse_pairs("--set", set)
    if "temperatures" in settings:
        raise ModelError("--set temperatures: these genes are written already (`dnastudy generate --temperature`)")
    task = GenerationQuality(settings)
    written, known = (read(path, duplicates="keep") for path in (genes, real))
    learned = read(train, duplicates="keep") if train else None
    if type:
        known = known[known["type"] == type]
    for others, what in ((written, "generated"), (learned, "training")):
        if others is not None and (both := known["sequence"].isin(others["sequence"]).sum()):
            say(f"{both} of the {len(known)} real genes are among the {what} genes: they are not new to the model")
    known = known.sample(frac=1, random_state=task.settings.seed)
    half, other = known[: len(known) // 2], known[len(known) // 2 :]
    few = 2 * task.settings.folds
    if min(len(written), len(half)) < few:
        raise DataError(
            f"{genes}: {len(written)} genes, {few} are needed; {real}: {len(known)} genes"
            f"{f' of type {type}' if type else ''}, {2 * few} are needed, for {task.settings.folds} folds "
            "(--set folds=2 needs 4 and 8)"
        )
    sets = {str(genes): written["sequence"].tolist()[: task.settings.genes], **task.references(other)}
    say(f"compare {len(sets)} sets with {min(len(half), task.settings.genes):,} real genes")
    table = task.judge(sets, half, learned)
    if as_json:
        rows = {
            name: {
                row.measure: {"value": row.value, "interval": None if isnan(row.low) else [row.low, row.high]}
                for row in part.itertuples()
            }
            for name, part in table.groupby("set", sort=False)
        }
        emit(
            {"real": str(real), "train": train and str(train), "settings": task.settings.model_dump(), "sets": rows},
            True,
        )
        return
    cells = table.assign(text=with_interval(table, "value", 3)).pivot(index="measure", columns="set", values="text")
    cells = (
        cells.loc[table["measure"].unique(), list(sets)]
        .astype(object)
        .fillna("")
        .rename_axis(None)
        .rename_axis(None, axis=1)
    )
    print(cells.to_string())
