"""What the study reports: the paper's table beside ours, the headline table, published records, the README."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudy.datasets import Dataset, paper
from dnastudy.experiments import Profile, Result, Store, all_runs, ngram_runs
from dnastudy.files import whole_folder, write_whole
from dnastudy.models.base import ModelError
from dnastudy.records import from_json, to_json

TOLERANCE = 1e-9
"""Largest relative difference that counts as the paper's figure reproduced."""
RECORDS = Path("results") / "runs"
README_BLOCK = re.compile(r"(<!-- headline: begin[^\n]*-->\n).*?(<!-- headline: end -->)", re.DOTALL)


def compute(profile: Profile, log: Callable[[str], None] | None = None) -> dict[str, Result]:
    """Every run of a profile by name, computed where it is missing."""
    dataset, store = profile.dataset(), Store()
    return {run.name: store.get(run, dataset, log) for run in all_runs(profile)}


def equal_digits(first: float, second: float) -> int:
    """Leading significant digits that two figures share when both are rounded to so many, at most 16."""
    if first == second:
        return 16
    if not (math.isfinite(first) and math.isfinite(second)):
        return 0
    digits = 0
    while digits < 16 and f"{first:.{digits}e}" == f"{second:.{digits}e}":
        digits += 1
    return digits


def reproduction_table(results: Mapping[str, Result]) -> pd.DataFrame:
    """The paper's n-gram figures beside ours.

    Returns
    -------
    DataFrame with ``model``; ``paper`` and ``ours``, paper perplexity on the test split; ``relative_difference``;
    ``equal_digits``; and the like-for-like ``nucleotide_perplexity`` with its 95 % interval ``low``, ``high``.
    """
    rows = []
    for name, figure in paper()["test_perplexity"].items():
        if name not in results:
            continue
        found = results[name].metrics
        ours = found["paper_perplexity"]
        difference = 0.0 if ours == figure else abs(ours / figure - 1) if math.isfinite(figure) else math.inf
        rows.append(
            {
                "model": name,
                "paper": figure,
                "ours": ours,
                "relative_difference": difference,
                "equal_digits": equal_digits(ours, figure),
                "nucleotide_perplexity": found["nucleotide_perplexity"],
                "low": found["interval"][0],
                "high": found["interval"][1],
            }
        )
    return pd.DataFrame(rows)


def reproduce_ngrams(dataset: Dataset, profile: Profile, log: Callable[[str], None] | None = None) -> pd.DataFrame:
    """`reproduction_table` of the paper's rows on its genes; ModelError if ``dataset`` does not hold them."""
    if dataset.name != "paper" or dataset.counts_description == "training and validation genes":
        raise ModelError(
            f"the paper's figures are of its own genes, and these are {dataset.description}; name a folder with its "
            "test split and its training and validation genes or their surrogate (`dnastudy data fetch` fills one)"
        )
    store = Store()
    wanted = paper()["test_perplexity"]
    runs = [run for run in ngram_runs(profile) if run.name in wanted]
    return reproduction_table({run.name: store.get(run, dataset, log) for run in runs})


# published records: the only source of the numbers in README and front page


def headline(records: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The study's main table: one row a kind of model, its best order, nucleotide perplexity, and the paper's own.

    ``records`` by run name, as `published` or a store gives them.
    """
    best: dict[str, str] = {}
    for name, record in records.items():
        kind = name.rpartition("-")[0] or name
        value = record["metrics"]["nucleotide_perplexity"]
        if kind not in best or value < records[best[kind]]["metrics"]["nucleotide_perplexity"]:
            best[kind] = name
    rows = []
    for kind, name in best.items():
        record = records[name]
        found = record["metrics"]
        rows.append(
            {
                "kind": kind,
                "name": name,
                "model": _label(record),
                "learned_from": record["data"]["train_nucleotides"],
                "nucleotide_perplexity": found["nucleotide_perplexity"],
                "low": found["interval"][0],
                "high": found["interval"][1],
                "bits_per_base": found["bits_per_base"],
                "paper_perplexity": found["paper_perplexity"],
                "paper": paper()["test_perplexity"].get(name),
            }
        )
    return pd.DataFrame(rows).sort_values("nucleotide_perplexity", ascending=False, ignore_index=True)


def _label(record: Mapping[str, Any]) -> str:
    settings = record["settings"]
    if record["model"] != "ngram":
        return {"uniform": "uniform (knows nothing)"}.get(record["model"], record["model"])
    smoothing = {"mle": "maximum likelihood", "laplace": "Laplace"}.get(settings["smoothing"])
    if smoothing is None:
        smoothing = "Witten-Bell" if settings["novelty"] else "Witten-Bell tuned"
    more = " (train + validation)" if record["data"]["train"] == ["counts"] else ""
    return f"{settings['order']}-gram, {smoothing}{more}"


def published(root: Path) -> dict[str, dict[str, Any]]:
    """Records of the published study by run name; ModelError if there are none."""
    files = sorted((root / RECORDS).glob("*.json"))
    if not files:
        raise ModelError(f"{root / RECORDS}: no published records; `dnastudy publish` writes them")
    return {path.stem: from_json(path.read_text()) for path in files}


def publish_records(root: Path, results: Mapping[str, Result]) -> Path:
    """Replace the published records by these."""
    with whole_folder(root / RECORDS) as half:
        for name, result in results.items():
            (half / f"{name}.json").write_text(to_json(result.record))
    return root / RECORDS


def readme_table(records: Mapping[str, Mapping[str, Any]]) -> str:
    """The README's headline table, in Markdown."""
    table = headline(records)
    genes = next(iter(records.values()))["metrics"]["genes"]
    lines = [
        "| model | learned from, nt | nucleotide perplexity (95 % interval) | bits per base | paper perplexity, ours "
        "| the paper's |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in table.itertuples():
        lines.append(
            f"| {row.model} | {row.learned_from:,} | {row.nucleotide_perplexity:.4f} ({row.low:.4f} to {row.high:.4f}) "
            f"| {row.bits_per_base:.4f} | {_figure(row.paper_perplexity)} | {_figure(row.paper)} |"
        )
    lines += ["", f"Test split of {genes:,} genes; each row is the best order of its kind. {_reproduced(records)}"]
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.12f}" if math.isfinite(value) else "infinite"


def _reproduced(records: Mapping[str, Mapping[str, Any]]) -> str:
    table = reproduction_table({name: Result(dict(record), Path()) for name, record in records.items()})
    good = int((table["relative_difference"] <= TOLERANCE).sum())
    return (
        f"Of the paper's {len(table)} n-gram figures, {good} are reproduced to a relative {TOLERANCE:.0e}, "
        f"at least {table['equal_digits'].min()} equal digits each."
    )


def refresh_readme(root: Path) -> bool:
    """Write the headline table into README.md; returns whether it changed."""
    readme = root / "README.md"
    before = readme.read_text()
    if not README_BLOCK.search(before):
        raise ModelError(f"{readme}: the lines <!-- headline: begin --> and <!-- headline: end --> are missing")
    block = readme_table(published(root))
    after = README_BLOCK.sub(lambda found: f"{found[1]}{block}\n{found[2]}", before)
    if after != before:
        write_whole(readme, after)
    return after != before
