"""What the study reports: the paper's table beside ours, the main table of all kinds of models, published records."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudy.core.atomic import atomic_dir, atomic_write
from dnastudy.core.errors import DataError, PublicationError
from dnastudy.core.provenance import from_json, to_json
from dnastudy.data.datasets import Dataset, paper
from dnastudy.data.statistics import describe_genes
from dnastudy.experiments.plan import all_runs, ngram_runs
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.store import Result, Store
from dnastudy.experiments.task_runs import TaskRun
from dnastudy.homology.mmseqs import study_homologs

TOLERANCE = 1e-9
"""Largest relative difference at which a figure of the paper counts as reproduced."""
MIXTURES = ("expert", "expert-updated")
"""Groups of the expert mixture in the main table: each test gene scored on its own, all parts in place."""
RECORDS = Path("results") / "runs"
TASK_RECORDS = Path("results") / "tasks"
MEANS = Path("results") / "seeds.json"
FINDINGS = Path("results") / "findings.json"
GENES = Path("results") / "genes-real.json"
HOMOLOGS = Path("results") / "homologs-real.csv"


def compute(profile: Profile, log: Callable[[str], None] | None = None) -> dict[str, Result]:
    """Every run of a profile by name, computed where it is missing."""
    dataset, store = profile.dataset(), Store()
    return {run.name: store.get(run, dataset, log) for run in all_runs(profile)}


def equal_digits(first: float, second: float) -> int:
    """Number of leading significant digits in which two figures agree when both are rounded to as many, at most 16."""
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
    DataFrame with the ``name`` of the run; ``model``, its label; ``paper`` and ``ours``, paper perplexity on the test
    split; ``relative_difference``; ``equal_digits``; and the like-for-like ``nucleotide_perplexity`` with its 95 %
    interval ``low``, ``high``.
    """
    rows = []
    for name, figure in paper()["test_perplexity"].items():
        if name not in results:
            continue
        metrics = results[name].metrics
        ours = metrics["paper_perplexity"]
        difference = 0.0 if ours == figure else abs(ours / figure - 1) if math.isfinite(figure) else math.inf
        rows.append(
            {
                "name": name,
                "model": results[name].record["label"],
                "paper": figure,
                "ours": ours,
                "relative_difference": difference,
                "equal_digits": equal_digits(ours, figure),
                "nucleotide_perplexity": metrics["nucleotide_perplexity"],
                "low": metrics["interval"][0],
                "high": metrics["interval"][1],
            }
        )
    return pd.DataFrame(rows)


def reproduce_ngrams(dataset: Dataset, profile: Profile, log: Callable[[str], None] | None = None) -> pd.DataFrame:
    """`reproduction_table` of the paper's rows on its genes; DataError if ``dataset`` does not hold them."""
    if not dataset.has_paper_counts:
        raise DataError(
            f"the paper's figures are of its own genes, and these are {dataset.description}; name a folder with its "
            "test split and its training and validation genes or their surrogate (`dnastudy data fetch` fills one)"
        )
    store = Store()
    runs = [run for run in ngram_runs(profile) if run.name in paper()["test_perplexity"]]
    return reproduction_table({run.name: store.get(run, dataset, log) for run in runs})


# published records: the only source of the numbers in README and front page


def headline(
    records: Mapping[str, Mapping[str, Any]], means: Mapping[str, Mapping[str, Any]] | None = None
) -> pd.DataFrame:
    """The study's main table: one row a kind of model, its best order, nucleotide perplexity, and the paper's own.

    Parameters
    ----------
    records : mapping
        By run name, as `published` or a store gives them.
    means : mapping, optional
        As `replicates.over_seeds` gives them: kinds of models with several seeds are shown by their mean.

    Returns
    -------
    DataFrame, the best model last: ``kind`` (a group of runs), ``name`` of its best run, ``model`` (its label),
    ``trained_on`` (nt), ``nucleotide_perplexity`` with ``low`` and ``high``, ``bits_per_base``, ``paper_perplexity``
    and the figure of the ``paper``.
    """
    best: dict[str, str] = {}
    for name, record in records.items():
        kind = record["group"]
        if is_listed(record) and (kind not in best or _criterion(record) < _criterion(records[best[kind]])):
            best[kind] = name
    rows = []
    for kind, name in best.items():
        record = records[name]
        metrics = (means or {}).get(kind, record["metrics"])
        rows.append(
            {
                "kind": kind,
                "name": name,
                "model": record["label"],
                "trained_on": record["data"]["train_nucleotides"],
                "nucleotide_perplexity": metrics["nucleotide_perplexity"],
                "low": metrics["interval"][0],
                "high": metrics["interval"][1],
                "bits_per_base": metrics["bits_per_base"],
                "paper_perplexity": metrics["paper_perplexity"],
                "paper": paper()["test_perplexity"].get(name),
            }
        )
    return pd.DataFrame(rows).sort_values("nucleotide_perplexity", ascending=False, ignore_index=True)


def is_listed(record: Mapping[str, Any]) -> bool:
    """Whether a run has a place in the main table: no trial, no control, no model with gene types, see `MIXTURES`."""
    group, model = record["group"], record["model"]
    if group in (f"{model}-trial", f"{model}-control") or record["settings"].get("types"):
        return False
    return model != "expert" or group in MIXTURES


def _criterion(record: Mapping[str, Any]) -> float:
    """Perplexity by which an order is chosen: of the validation genes, or, if trained on them, of the test genes."""
    validated = record["validation_perplexity"]
    return record["metrics"]["nucleotide_perplexity"] if validated is None else validated


def published_means(root: Path) -> dict[str, dict[str, Any]]:
    """Means over seeds of the published runs (see `replicates.over_seeds`)."""
    return from_json((root / MEANS).read_text())


def published(root: Path) -> dict[str, dict[str, Any]]:
    """Records of the published study by run name; PublicationError if there are none."""
    files = sorted((root / RECORDS).glob("*.json"))
    if not files:
        raise PublicationError(f"{root / RECORDS}: no published records; `dnastudy publish` writes them")
    return {path.stem: from_json(path.read_text()) for path in files}


def published_task(root: Path, task: str) -> tuple[dict[str, dict[str, Any]], dict[str, pd.DataFrame]]:
    """Published records of a task by run, and its tables of all runs by name; PublicationError if there are none."""
    folder = root / TASK_RECORDS / task
    if not (folder / "runs.json").exists():
        raise PublicationError(f"{folder}: no published results of this task; `dnastudy publish` writes them")
    tables = {path.stem: pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in folder.glob("*.csv")}
    return from_json((folder / "runs.json").read_text()), tables


def genes_record(dataset: Dataset) -> dict[str, Any]:
    """Aggregated figures of a study's genes, without sequences and ids: what simulated genes are compared with."""
    splits = {name: dataset.splits[name] for name in ("train", "validation", "test")}
    hashes = {name: dataset.hashes[name] for name in splits}
    about = {"description": dataset.description, "sha256": hashes}
    return {"data": about, **describe_genes(splits, study_homologs(splits))}


def homologs_record(dataset: Dataset, store: Store) -> pd.DataFrame:
    """Nearest homolog of each test gene in the training genes, and in training and validation genes: no sequences.

    Returns
    -------
    DataFrame: ``id`` of the test gene; ``memory`` ("train" or "train+validation"); ``nearest`` id (empty: none),
    ``identity`` and ``coverage`` (0..1) and ``strand`` as of `mmseqs.nearest_homologs`.
    """
    memories = (["train"], ["train", "validation"])
    tables = [store.homologs(dataset, memory).assign(memory="+".join(memory)) for memory in memories]
    columns = ["id", "memory", "nearest", "identity", "coverage", "strand"]
    return pd.concat(tables, ignore_index=True)[columns].round({"identity": 4, "coverage": 4})


def publish_records(
    root: Path,
    results: Mapping[str, Result],
    means: Mapping[str, Any],
    findings: Mapping[str, Any],
    genes: Mapping[str, Any],
    homologs: pd.DataFrame,
    task_runs: Mapping[str, Mapping[str, TaskRun]],
) -> Path:
    """Replace the published records: of runs, means over seeds, findings, genes, homologs of test genes, and tasks.

    ``task_runs`` by task and run become a folder for each task: its tables, each of all runs, as CSV files, and
    ``runs.json`` with all else.
    """
    for task, by_run in task_runs.items():
        records = {name: dict(task_run.record) for name, task_run in by_run.items()}
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
    atomic_write(root / HOMOLOGS, homologs.to_csv(index=False))
    return root / RECORDS
