"""Real-life tasks, by name: any model in, tidy tables out. A new one is one file here and one line in `TASKS`."""

from __future__ import annotations

import importlib

from dnastudy.core.errors import ModelError
from dnastudy.tasks.base import Task, TaskInput, TaskResult

__all__ = ["TASKS", "Task", "TaskInput", "TaskResult", "task_class"]

TASKS: dict[str, str] = {
    "mutation-detection": "dnastudy.tasks.mutation_detection:MutationDetection",
    "generation-quality": "dnastudy.tasks.generation_quality:GenerationQuality",
    "gene-types": "dnastudy.tasks.gene_types:GeneTypes",
}
"""Name of a task to ``module:class``."""


def task_class(name: str) -> type[Task]:
    """Class of the task ``name``; ModelError naming the known ones if there is none."""
    if name not in TASKS:
        raise ModelError(f"unknown task {name!r} (known: {', '.join(TASKS)})")
    module, _, attribute = TASKS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
