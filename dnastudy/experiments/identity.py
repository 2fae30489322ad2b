"""What identifies a fit, its scores, their summary, and a task run: settings, genes, and code that is found.

fit
    model, settings, genes it is trained and tuned on, and the code of fitting.
scores
    the fit, the genes that are scored, and the code of scoring.
summary
    the scores, the groups and resamples of metrics, and the code of metrics. Summaries are computed whenever they are
    read: a new metric costs no run.
task run
    the fit, the task with its settings, the genes, and the code of both.

The code is the closure of the modules that compute (see `core.code`).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from dnastudy import models
from dnastudy.core.code import SILENT, module_name, sources
from dnastudy.data.datasets import Dataset
from dnastudy.experiments.plan import Run
from dnastudy.tasks.base import Task

GENERATES = ("models.embedding", "models.generation", "models.sampling")
"""Modules that no fit and no score runs: what a trained model is used for besides. Tests trace that none is called."""
READS = ("models.networks.inference",)
"""Modules that no fit of a single network runs: what a trained network is used for."""


def digest(parts: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits that identify plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def model_modules(name: str, settings: dict[str, Any]) -> set[str]:
    """Modules of a model and of all models that it is built on."""
    cls = models.model_class(name)
    modules = {module_name(cls)}
    for member, of_member in cls.built_on(settings):
        modules |= model_modules(member, of_member)
    return modules


def fit_code(name: str, settings: dict[str, Any]) -> str:
    """Hash of the code that a fit depends on."""
    # a model built on others reads these while it is fitted
    without = GENERATES if models.model_class(name).built_on(settings) else GENERATES + READS
    return sources().hash(["experiments.fitting", *model_modules(name, settings)], SILENT + without)


def fit_identity(run: Run, dataset: Dataset) -> dict[str, Any]:
    """What identifies a fit."""
    cls = models.model_class(run.model)
    identity = {
        "model": run.model,
        "settings": cls.Settings.parse(run.settings, run.model).model_dump(mode="json"),
        "train": [dataset.hashes[name] for name in run.train],
        "update": [dataset.hashes[name] for name in run.update],
        "validation": dataset.hashes["validation"],
        "code": fit_code(run.model, run.settings),
    }
    if cls.uses_types(run.settings):
        identity["types"] = _types(dataset, [*run.train, "validation"])
    if members := member_runs(run):
        identity["members"] = [digest(fit_identity(member, dataset)) for member in members]
    return identity


def scores_identity(run: Run, dataset: Dataset) -> dict[str, Any]:
    """What identifies the scores of a run."""
    modules = model_modules(run.model, run.settings)
    return {
        "fit": digest(fit_identity(run, dataset)),
        "test": dataset.hashes[run.test],
        "prequential": run.prequential,
        "code": sources().hash(["evaluation.scoring", *modules], SILENT + GENERATES),
    }


def summary_identity(run: Run, dataset: Dataset) -> dict[str, Any]:
    """What identifies the metrics of a run."""
    return {
        "scores": digest(scores_identity(run, dataset)),
        "types": _types(dataset, [run.test]),
        "replicates": run.replicates,
        "code": sources().hash(["experiments.summary"]),
    }


def reference_identity(task: Task, dataset: Dataset) -> dict[str, Any]:
    """What identifies the result of a task that needs no model."""
    return {
        "task": task.name,
        "settings": task.settings.model_dump(mode="json"),
        "code": sources().hash([module_name(type(task))]),
        "sha256": dataset.hashes,
        "types": _types(dataset, list(dataset.splits)),
        "inputs": task.input_hashes(dataset),
    }


def task_identity(task: Task, run: Run, dataset: Dataset) -> dict[str, Any]:
    """What identifies the result of a run's model at a task."""
    modules = [module_name(type(task)), *model_modules(run.model, run.settings)]
    return {
        **reference_identity(task, dataset),
        "code": sources().hash(modules),
        "fit": digest(fit_identity(run, dataset)),
    }


def member_runs(run: Run) -> list[Run]:
    """The models that a run's model is made of, as runs that are fitted by themselves."""
    return [
        run.model_copy(update={"name": f"{run.name}: {name}", "model": name, "settings": settings, "update": []})
        for name, settings in models.model_class(run.model).parts(run.settings)
    ]


def run_id(run: Run, dataset: Dataset) -> str:
    """Sixteen hexadecimal digits that identify the scores of a run by this code on these genes."""
    return digest(scores_identity(run, dataset))


def _types(dataset: Dataset, splits: list[str]) -> str:
    return digest({name: list(dataset.splits[name]["type"]) for name in splits})
