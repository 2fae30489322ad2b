"""What the study reports: the paper's table beside ours, the headline table, published records."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudy.core.atomic import atomic_dir, atomic_write
from dnastudy.core.errors import ModelError
from dnastudy.core.provenance import from_json, to_json
from dnastudy.data.datasets import Dataset, paper
from dnastudy.data.statistics import describe_genes
from dnastudy.experiments.labels import run_label
from dnastudy.experiments.plan import NEURAL, all_runs, ngram_runs
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.replicates import kind_of
from dnastudy.experiments.store import Result, Store
from dnastudy.experiments.task_runs import Assessment
from dnastudy.homology.mmseqs import study_homologs

TOLERANCE = 1e-9
"""Largest relative difference that counts as the paper's figure reproduced."""
EXPERTS = ["expert", "expert-joined"]
"""Expert runs that stand in the main table: each test gene scored on its own, all parts in place."""
RECORDS = Path("results") / "runs"
TASK_RECORDS = Path("results") / "tasks"
MEANS = Path("results") / "seeds.json"
FINDINGS = Path("results") / "findings.json"
GENES = Path("results") / "genes-real.json"
RELATIVES = Path("results") / "relatives-real.csv"


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


def headline(
    records: Mapping[str, Mapping[str, Any]], means: Mapping[str, Mapping[str, Any]] | None = None
) -> pd.DataFrame:
    """The study's main table: one row a kind of model, its best order, nucleotide perplexity, and the paper's own.

    ``records`` by run name, as `published` or a store gives them; ``means`` as `seeds.over_seeds` gives them: kinds
    that have several seeds are shown by their mean.
    """
    best: dict[str, str] = {}
    for name, record in records.items():
        kind = _kind(name, record)
        if kind is not None and (kind not in best or _criterion(record) < _criterion(records[best[kind]])):
            best[kind] = name
    rows = []
    for kind, name in best.items():
        record = records[name]
        found = (means or {}).get(kind, record["metrics"])
        rows.append(
            {
                "kind": kind,
                "name": name,
                "model": run_label(record),
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


def _kind(name: str, record: Mapping[str, Any]) -> str | None:
    """What a run is one of in the main table; None: it does not stand there."""
    if record["model"] in NEURAL:
        kind = kind_of(name, record)
        return kind if kind in (record["model"], f"{record['model']}-paper") else None
    if record["model"] == "expert":
        return name if name in EXPERTS else None
    return {"ngram": name.rpartition("-")[0], "ensemble": "ensemble"}.get(record["model"], name)


def _criterion(record: Mapping[str, Any]) -> float:
    """Perplexity an order is chosen by: of the validation genes, or of the test genes where it learned from those."""
    validated = record["validation_perplexity"]
    return record["metrics"]["nucleotide_perplexity"] if validated is None else validated


def published_means(root: Path) -> dict[str, dict[str, Any]]:
    """Means over seeds of the published runs (see `seeds.over_seeds`)."""
    return from_json((root / MEANS).read_text())


def published(root: Path) -> dict[str, dict[str, Any]]:
    """Records of the published study by run name; ModelError if there are none."""
    files = sorted((root / RECORDS).glob("*.json"))
    if not files:
        raise ModelError(f"{root / RECORDS}: no published records; `dnastudy publish` writes them")
    return {path.stem: from_json(path.read_text()) for path in files}


def published_outcomes(root: Path, task: str) -> tuple[dict[str, dict[str, Any]], dict[str, pd.DataFrame]]:
    """Published records of a task by run, and its tables of all runs by name; ModelError if there are none."""
    folder = root / TASK_RECORDS / task
    if not (folder / "runs.json").exists():
        raise ModelError(f"{folder}: no published outcomes; `dnastudy publish` writes them")
    tables = {path.stem: pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in folder.glob("*.csv")}
    return from_json((folder / "runs.json").read_text()), tables


def genes_record(dataset: Dataset) -> dict[str, Any]:
    """Aggregated figures of a study's genes, no sequences and no ids: what the simulation is set beside."""
    splits = {name: dataset.splits[name] for name in ("train", "validation", "test")}
    hashes = {name: dataset.hashes[name] for name in splits}
    about = {"description": dataset.description, "sha256": hashes}
    return {"data": about, **describe_genes(splits, study_homologs(splits))}


def homologs_record(dataset: Dataset, store: Store) -> pd.DataFrame:
    """Nearest relative of each test gene in both memories of the study: ids and figures, no sequences.

    Returns
    -------
    DataFrame: ``id`` of the test gene; ``memory`` ("train" or "train+validation"); ``nearest`` id (empty: none),
    ``identity`` and ``coverage`` (0..1) and ``strand`` as `relatives.nearest_homologs` has them.
    """
    memories = (["train"], ["train", "validation"])
    tables = [store.relatives(dataset, memory).assign(memory="+".join(memory)) for memory in memories]
    columns = ["id", "memory", "nearest", "identity", "coverage", "strand"]
    return pd.concat(tables, ignore_index=True)[columns].round({"identity": 4, "coverage": 4})


def publish_records(
    root: Path,
    results: Mapping[str, Result],
    means: Mapping[str, Any],
    findings: Mapping[str, Any],
    genes: Mapping[str, Any],
    relatives: pd.DataFrame,
    outcomes: Mapping[str, Mapping[str, Assessment]],
) -> Path:
    """Replace the published records, means over seeds, figures behind the answer, of the genes and their relatives.

    ``outcomes`` by task and run: a folder a task, a table of all runs each, and ``runs.json`` with what is no table.
    """
    for task, found in outcomes.items():
        records = {name: dict(outcome.record) for name, outcome in found.items()}
        tables = {name: record.pop("tables") for name, record in records.items()}
        with atomic_dir(root / TASK_RECORDS / task) as half:
            (half / "runs.json").write_text(to_json(records))
            for name in dict.fromkeys(name for of_run in tables.values() for name in of_run):
                rows = [pd.DataFrame(of_run[name]).assign(run=run) for run, of_run in tables.items() if name in of_run]
                table = pd.concat(rows, ignore_index=True)
                table = table[["run", *table.columns.drop("run")]]
                table.to_csv(half / f"{name}.csv", index=False, float_format="%.5g", lineterminator="\n")
    with atomic_dir(root / RECORDS) as half:
        for name, result in results.items():
            (half / f"{name}.json").write_text(to_json(result.record))
    atomic_write(root / MEANS, to_json(dict(means)))
    atomic_write(root / FINDINGS, to_json(dict(findings)))
    atomic_write(root / GENES, to_json(dict(genes)))
    atomic_write(root / RELATIVES, relatives.to_csv(index=False))
    return root / RECORDS
