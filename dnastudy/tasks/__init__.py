"""Real-life tasks by name: any model in, tidy tables out. A new one is one file here and a line in `registry.TASKS`."""

from __future__ import annotations

import importlib

from dnastudy.core.errors import SettingsError
from dnastudy.tasks.base import Task, TaskInput, TaskResult
from dnastudy.tasks.registry import TASKS

__all__ = ["TASKS", "Task", "TaskInput", "TaskResult", "task_class"]


def task_class(name: str) -> type[Task]:
    """Return the class of the task ``name``; a SettingsError names the known tasks if there is none."""
    if name not in TASKS:
        raise SettingsError(f"unknown task {name!r} (known: {', '.join(TASKS)})")
    module, _, attribute = TASKS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
