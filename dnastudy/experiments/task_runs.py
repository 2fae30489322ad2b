"""Run to task to outcome: what each model is worth for the real-life tasks, each computed once.

An outcome is identified by the run's fit, by how its model is read, by the task with its settings and code, and by the
genes; its folder in the store appears whole or not at all.
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
from dnastudy.core.provenance import code_hash, from_json, peak_memory_mb, reset_peak_memory, surroundings, to_json
from dnastudy.data.datasets import Dataset
from dnastudy.experiments.fitting import digest
from dnastudy.experiments.plan import Run, represents
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.store import Log, Store, identity
from dnastudy.tasks import TASKS, Task, TaskInput, TaskResult, task_class

REFERENCE = "reference"
"""Name of the outcome that needs no model."""


@dataclass(frozen=True)
class Assessment:
    """A finished outcome: its record and its folder."""

    record: dict[str, Any]
    folder: Path

    def table(self, name: str) -> pd.DataFrame:
        """A published table."""
        return pd.DataFrame(self.record["tables"][name])

    def details(self, name: str) -> pd.DataFrame:
        """A row a pair or sequence, as far as the task keeps them."""
        return pd.read_csv(self.folder / f"{name}.csv", dtype={"id": str, "seed": str}, keep_default_na=False)


def create_task(name: str, profile: Profile) -> Task:
    """A task with the settings that a profile has for it."""
    return task_class(name)({"replicates": profile.bootstrap_replicates, **profile.tasks.get(name, {})})


def conditional_run(run: Run, dataset: Dataset) -> Run:
    """The same run of a model that can be asked for genes of each type that is frequent among the training genes."""
    from dnastudy.models.conditional import frequent_types  # needed late: it brings half of scipy

    types = frequent_types(pd.concat([dataset.splits[name] for name in run.train])["type"])
    if not types:  # a surrogate of genes, or somebody's own
        return run
    model, settings = models.model_class(run.model).with_types(run.settings, types)
    return run.model_copy(update={"name": f"{run.name}-conditional", "model": model, "settings": settings})


def _of_task(task: Task, dataset: Dataset) -> dict[str, Any]:
    module = type(task).__module__.removeprefix("dnastudy.").replace(".", "/")
    own = [f"{module}.py"] if type(task).__module__.startswith("dnastudy.") else []
    return {
        "task": task.name,
        "settings": task.settings.model_dump(mode="json"),
        "code": code_hash(*own, *task.code),
        "sha256": dataset.hashes,
        "types": digest({name: list(frame["type"]) for name, frame in dataset.splits.items()}),
        "given": task.given(dataset),
    }


def _parts(task: Task, run: Run, dataset: Dataset) -> dict[str, Any]:
    _, of_scores = identity(run, dataset)
    return {**_of_task(task, dataset), "fit": of_scores["fit"], "reading": of_scores["code"][:2]}


def assess(store: Store, task: Task, run: Run, dataset: Dataset, log: Log | None = None) -> Assessment:
    """The outcome of a run's model at a task, computed if it is not there; other processes wait for the same."""
    parts = _parts(task, run, dataset)
    return _once(store, run.name, parts, lambda folder, parts: _compute(store, task, run, dataset, folder, parts, log))


def _once(store: Store, label: str, parts: dict[str, Any], compute: Callable[[Path, dict[str, Any]], None]):
    """The outcome that ``parts`` identify, which ``compute`` writes into a folder if it is not there."""
    name = digest(parts)
    folder = store.root / "tasks" / name
    if not (folder / "record.json").exists():
        with store.lock(f"task-{name}"):
            if not (folder / "record.json").exists():
                compute(folder, {"id": name, **parts})
    return Assessment({**from_json((folder / "record.json").read_text()), "name": label}, folder)


def assess_all(
    store: Store, profile: Profile, runs: list[Run], dataset: Dataset, log: Log | None = None
) -> dict[str, dict[str, Assessment]]:
    """Outcomes of all tasks, by task and run; of all runs but those whose models go on learning from test genes."""
    tasks = {name: create_task(name, profile) for name in TASKS}
    return {
        name: {run.name: assess(store, task, run, dataset, log) for run in runs_of_task(task, runs, profile)}
        for name, task in tasks.items()
    }


def runs_of_task(task: Task, runs: list[Run], profile: Profile) -> list[Run]:
    """Those of the runs whose models are put to a task."""
    return [run for run in runs if not run.prequential and (task.everything or represents(run, profile))]


def assess_reference(store: Store, task: Task, dataset: Dataset, log: Log | None = None) -> Assessment | None:
    """The outcome of a task that needs no model, computed if it is not there; None where the task has none."""
    if type(task).reference is Task.reference:
        return None

    def compute(folder: Path, parts: dict[str, Any]) -> None:
        if log:
            log(f"{task.name}: {REFERENCE}")
        start = time.perf_counter()
        outcome = task.reference(dataset)
        facts = {key: parts[key] for key in ("id", "task", "settings", "code")}
        facts["data"] = _about(dataset, ["train"], [], parts)
        _write(folder, facts, outcome, time.perf_counter() - start)

    return _once(store, REFERENCE, _of_task(task, dataset), compute)


def _compute(store, task, run, dataset, folder: Path, parts: dict[str, Any], log: Log | None) -> None:
    model, fitted = store.fit(run, dataset, log)
    case = TaskInput(
        model,
        dataset,
        dataset.validation[:0] if {"validation", "counts"} & {*run.train, *run.update} else dataset.validation,
        homologs=lambda: store.relatives(dataset),
        conditional=lambda: store.fit(conditional_run(run, dataset), dataset, log)[0],
    )
    if log:
        log(f"{task.name}: {run.name}")
    reset_peak_memory()
    start = time.perf_counter()
    outcome = task.run(case)
    facts = {
        **{key: parts[key] for key in ("id", "task", "fit", "settings", "code")},
        "model": run.model,
        "family": model.family,
        "model_settings": fitted["settings"],
        "training": bool(model.notes.get("training")),
        "data": _about(dataset, run.train, run.update, parts),
    }
    _write(folder, facts, outcome, time.perf_counter() - start)


def _about(dataset: Dataset, train: list[str], join: list[str], parts: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "description": dataset.description,
        "train": train,
        "update": join,
        "sha256": {split: dataset.hashes[split] for split in (*train, "validation", "test")},
        "given": parts["given"],
    }


def _write(folder: Path, facts: dict[str, Any], outcome: TaskResult, seconds: float) -> None:
    record = {
        **facts,
        **outcome.facts,
        "tables": {name: json.loads(table.to_json(orient="records")) for name, table in outcome.tables.items()},
        "seconds": seconds,
        "peak_memory_mb": peak_memory_mb(),
        **surroundings(),
    }
    with atomic_dir(folder) as half:
        for name, table in outcome.details.items():
            table.to_csv(half / f"{name}.csv", index=False)
        (half / "record.json").write_text(to_json(record))
