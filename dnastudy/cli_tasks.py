"""Commands for the real-life tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dnastudy.cli_options import Json, Trained, read
from dnastudy.models import DEFAULT
from dnastudy.terminal import emit, say


def register(app: typer.Typer) -> None:
    """Add these commands to the main program."""
    app.command()(mutations)


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
    from dnastudy.pairs import describe_edit, read_pairs
    from dnastudy.tasks.mutation import calibrate, detect
    from dnastudy.tasks.proportions import shares

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
    rules = [name for name in found if found[name].dtype == bool]
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
