"""Run to task to outcome: what each model is worth for the real-life tasks, each computed once.

An outcome is identified by the run's fit, by how its model is read, by the task with its settings and code, and by the
genes; its folder in the store appears whole or not at all.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudy import models
from dnastudy.datasets import Dataset
from dnastudy.experiments import Log, Store, digest, identity
from dnastudy.files import whole_folder
from dnastudy.models.typed import frequent_types
from dnastudy.records import code_hash, from_json, peak_memory_mb, reset_peak_memory, surroundings, to_json
from dnastudy.runs import Profile, Run
from dnastudy.tasks import TASKS, Case, Task, task_class


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


def typed_run(run: Run, dataset: Dataset) -> Run:
    """The same run of a model that can be asked for genes of each type that is frequent among the training genes."""
    types = frequent_types(pd.concat([dataset.splits[name] for name in run.train])["type"])
    if not types:  # a surrogate of genes, or somebody's own
        return run
    model, settings = models.model_class(run.model).typed(run.settings, types)
    return run.model_copy(update={"name": f"{run.name}-typed", "model": model, "settings": settings})


def _parts(task: Task, run: Run, dataset: Dataset) -> dict[str, Any]:
    _, of_scores = identity(run, dataset)
    module = type(task).__module__.removeprefix("dnastudy.").replace(".", "/")
    own = [f"{module}.py"] if type(task).__module__.startswith("dnastudy.") else []
    return {
        "task": task.name,
        "settings": task.settings.model_dump(mode="json"),
        "code": code_hash("tasks/base.py", *own, *task.code),
        **{key: of_scores[key] for key in ("fit", "test", "types")},
        "reading": of_scores["code"][:2],
        "validation": dataset.hashes["validation"],
        "given": task.given(dataset),
    }


def assess(store: Store, task: Task, run: Run, dataset: Dataset, log: Log | None = None) -> Assessment:
    """The outcome of a run's model at a task, computed if it is not there; other processes wait for the same."""
    parts = _parts(task, run, dataset)
    name = digest(parts)
    folder = store.root / "tasks" / name
    if not (folder / "record.json").exists():
        with store.lock(f"task-{name}"):
            if not (folder / "record.json").exists():
                _compute(store, task, run, dataset, folder, {"id": name, **parts}, log)
    return Assessment({**from_json((folder / "record.json").read_text()), "name": run.name}, folder)


def assess_all(
    store: Store, profile: Profile, runs: list[Run], dataset: Dataset, log: Log | None = None
) -> dict[str, dict[str, Assessment]]:
    """Outcomes of all tasks, by task and run; of all runs but those whose models go on learning from test genes."""
    asked = [run for run in runs if not run.prequential]
    tasks = {name: create_task(name, profile) for name in TASKS}
    return {name: {run.name: assess(store, task, run, dataset, log) for run in asked} for name, task in tasks.items()}


def _compute(store, task, run, dataset, folder: Path, parts: dict[str, Any], log: Log | None) -> None:
    model, fitted = store.fit(run, dataset, log)
    case = Case(
        model,
        dataset,
        dataset.validation[:0] if {"validation", "counts"} & {*run.train, *run.join} else dataset.validation,
        relatives=lambda: store.relatives(dataset),
        typed=lambda: store.fit(typed_run(run, dataset), dataset, log)[0],
    )
    if log:
        log(f"{task.name}: {run.name}")
    reset_peak_memory()
    start = time.perf_counter()
    outcome = task.run(case)
    record = {
        **{key: parts[key] for key in ("id", "task", "fit", "settings")},
        "model": run.model,
        "family": model.family,
        "model_settings": fitted["settings"],
        "training": bool(model.notes.get("training")),
        "data": {
            "name": dataset.name,
            "description": dataset.description,
            "train": run.train,
            "join": run.join,
            "sha256": {split: dataset.hashes[split] for split in (*run.train, "validation", "test")},
            "given": parts["given"],
        },
        **outcome.facts,
        "tables": {name: json.loads(table.to_json(orient="records")) for name, table in outcome.tables.items()},
        "seconds": time.perf_counter() - start,
        "peak_memory_mb": peak_memory_mb(),
        "code": parts["code"],
        **surroundings(),
    }
    with whole_folder(folder) as half:
        for name, table in outcome.details.items():
            table.to_csv(half / f"{name}.csv", index=False)
        (half / "record.json").write_text(to_json(record))
