"""One study: the genes and settings of a profile, the store, and what has been asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dnastudy.data.datasets import Dataset
from dnastudy.experiments.plan import Run
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.store import Result, Store
from dnastudy.experiments.task_runs import REFERENCE, TaskRun, create_task, run_reference, run_task


@dataclass
class Study:
    """Genes and settings of a profile with its store; it keeps every result that was asked of it.

    Attributes
    ----------
    results : dict
        Finished runs by name.
    task_runs : dict
        Finished task runs by "run: task".
    """

    profile: Profile
    dataset: Dataset
    store: Store
    results: dict[str, Result] = field(default_factory=dict, kw_only=True)
    task_runs: dict[str, TaskRun] = field(default_factory=dict, kw_only=True)

    def run(self, runs: Sequence[Run]) -> dict[str, Result]:
        """Results of these runs by name; what is missing in the store is computed."""
        results = {run.name: self.store.get(run, self.dataset) for run in runs}
        self.results |= results
        return results

    def run_task(self, name: str, runs: Sequence[Run]) -> dict[str, TaskRun]:
        """Results of these runs at a task by run name; what is missing in the store is computed.

        The result that needs no model is named "reference", where the task has one.
        """
        task = create_task(name, self.profile)
        task_runs = {run.name: run_task(self.store, task, run, self.dataset) for run in runs}
        if reference := run_reference(self.store, task, self.dataset):
            task_runs[REFERENCE] = reference
        self.task_runs |= {f"{run}: {name}": task_run for run, task_run in task_runs.items()}
        return task_runs
