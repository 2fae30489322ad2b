"""Task runs: a run's model evaluated on a task, each computed once.

A task run is identified by the fit, the task with its settings, the genes and the code of both (see `identity`); its
folder in the store appears whole or not at all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudy import models
from dnastudy.core.atomic import atomic_dir
from dnastudy.core.provenance import from_json, peak_memory_mb, reset_peak_memory, surroundings, to_json
from dnastudy.data.datasets import Dataset
from dnastudy.experiments.identity import digest, reference_identity, task_identity
from dnastudy.experiments.plan import Run
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.store import Log, Store
from dnastudy.tasks import TASKS, Task, TaskInput, TaskResult, task_class

REFERENCE = "reference"
"""Name of the task run that needs no model."""


@dataclass(frozen=True)
class TaskRun:
    """A finished task run: its record and its folder."""

    record: dict[str, Any]
    folder: Path

    def table(self, name: str) -> pd.DataFrame:
        """A table of results (see `tasks.base.TaskResult.tables`)."""
        return pd.DataFrame(self.record["tables"][name])

    def details(self, name: str) -> pd.DataFrame:
        """A table with one row a sequence or pair, as far as the task keeps them."""
        return pd.read_csv(self.folder / f"{name}.csv", dtype={"id": str, "seed": str}, keep_default_na=False)


def create_task(name: str, profile: Profile) -> Task:
    """A task with the settings that a profile has for it."""
    return task_class(name)({"replicates": profile.bootstrap_replicates, **profile.tasks.get(name, {})})


def conditional_run(run: Run, dataset: Dataset) -> Run:
    """The same run of a model that generates genes of each type that is frequent among the training genes."""
    from dnastudy.models.conditional import frequent_types  # imported late: it brings half of scipy

    types = frequent_types(pd.concat([dataset.splits[name] for name in run.train])["type"])
    if not types:  # a corpus that only has the counts of genes, or genes without types
        return run
    model, settings = models.model_class(run.model).with_types(run.settings, types)
    return run.model_copy(update={"name": f"{run.name}-conditional", "model": model, "settings": settings})


def runs_of_task(task: Task, runs: list[Run]) -> list[Run]:
    """Those of the runs whose models are evaluated on a task."""
    return [run for run in runs if run.on_tasks and not run.prequential and (task.all_runs or run.representative)]


def run_task(store: Store, task: Task, run: Run, dataset: Dataset, log: Log | None = None) -> TaskRun:
    """The result of a run's model at a task, computed if it is not there; other processes wait for the same."""
    identity = task_identity(task, run, dataset)

    def compute() -> tuple[dict[str, Any], TaskResult, float]:
        model, fit = store.fit(run, dataset, log)
        tuned_on_validation = {"validation", "counts"} & {*run.train, *run.update}
        task_input = TaskInput(
            model,
            dataset,
            dataset.validation[:0] if tuned_on_validation else dataset.validation,
            homologs=lambda: store.homologs(dataset),
            conditional=lambda: store.fit(conditional_run(run, dataset), dataset, log)[0],
        )
        if log:
            log(f"{task.name}: {run.name}")
        result, seconds = _timed(lambda: task.run(task_input))
        facts = {
            "fit": identity["fit"],
            "model": run.model,
            "family": model.family,
            "model_settings": fit["settings"],
            "training": bool(model.notes.get("training")),
            "data": _about(dataset, run.train, run.update, identity),
        }
        return facts, result, seconds

    record, folder = _once(store, identity, compute)
    return TaskRun({**record, "name": run.name, "label": run.label}, folder)


def run_tasks(
    store: Store, profile: Profile, runs: list[Run], dataset: Dataset, log: Log | None = None
) -> dict[str, dict[str, TaskRun]]:
    """Results of all tasks, by task and run name; of all runs but those whose models are updated with test genes."""
    tasks = {name: create_task(name, profile) for name in TASKS}
    return {
        name: {run.name: run_task(store, task, run, dataset, log) for run in runs_of_task(task, runs)}
        for name, task in tasks.items()
    }


def run_reference(store: Store, task: Task, dataset: Dataset, log: Log | None = None) -> TaskRun | None:
    """The result of a task that needs no model, computed if it is not there; None where the task has none."""
    if type(task).reference is Task.reference:
        return None
    identity = reference_identity(task, dataset)

    def compute() -> tuple[dict[str, Any], TaskResult, float]:
        if log:
            log(f"{task.name}: {REFERENCE}")
        result, seconds = _timed(lambda: task.reference(dataset))
        return {"data": _about(dataset, ["train"], [], identity)}, result, seconds

    record, folder = _once(store, identity, compute)
    return TaskRun({**record, "name": REFERENCE}, folder)


def _timed(evaluate: Callable[[], TaskResult]) -> tuple[TaskResult, float]:
    reset_peak_memory()
    start = time.perf_counter()
    return evaluate(), time.perf_counter() - start


def _about(dataset: Dataset, train: list[str], update: list[str], identity: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "description": dataset.description,
        "train": train,
        "update": update,
        "sha256": {split: dataset.hashes[split] for split in (*train, "validation", "test")},
        "inputs": identity["inputs"],
    }


def _once(
    store: Store, identity: dict[str, Any], compute: Callable[[], tuple[dict[str, Any], TaskResult, float]]
) -> tuple[dict[str, Any], Path]:
    """Record and folder of the result with this identity, computed if it is not there."""
    name = digest(identity)
    folder = store.root / "tasks" / name
    if not (folder / "record.json").exists():
        with store.lock(f"task-{name}"):
            if not (folder / "record.json").exists():
                facts, result, seconds = compute()
                record = {
                    "id": name,
                    **{key: identity[key] for key in ("task", "settings", "code")},
                    **facts,
                    **result.facts,
                    "tables": {
                        table: json.loads(rows.to_json(orient="records")) for table, rows in result.tables.items()
                    },
                    "seconds": seconds,
                    "peak_memory_mb": peak_memory_mb(),
                    **surroundings(),
                }
                with atomic_dir(folder) as half:
                    for table, rows in result.details.items():
                        rows.to_csv(half / f"{table}.csv", index=False)
                    (half / "record.json").write_text(to_json(record))
    return from_json((folder / "record.json").read_text()), folder
