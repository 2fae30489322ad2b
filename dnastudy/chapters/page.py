"""What the chapters share: their genes and runs, who computed them, and how to rerun the page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dnastudy.chapters.run import open_chapter
from dnastudy.core.provenance import git_commit, surroundings
from dnastudy.data.datasets import SIMULATED
from dnastudy.display.charts import chart_mode
from dnastudy.display.tables import duration, markdown, table
from dnastudy.experiments.profile import load_profile
from dnastudy.experiments.store import Store
from dnastudy.experiments.study import Study


@dataclass(kw_only=True)
class Page(Study):
    """An opened chapter: a study, and what the page shows around its content."""

    name: str
    parameters: Any
    opened: float = field(default_factory=time.perf_counter)

    def about(self) -> Any:
        """A note on top of the page: which genes it is about."""
        real = "note" if self.dataset.real else "warning"
        more = "" if self.dataset.real else " They show that everything runs, and say nothing about human genes."
        return markdown(
            f":::{{{real}}}\nThis page was computed on {self.dataset.description} "
            f"(profile `{self.parameters.profile}`).{more} What it took stands at its end.\n:::"
        )

    def command(self) -> str:
        """The papermill command that makes this page again."""
        changed = {key: value for key, value in self.parameters.model_dump().items() if value not in ("", [])}
        words = " ".join(f"-p {key} {value}" for key, value in changed.items())
        return f"papermill notebooks/{self.name}.ipynb my_{self.name}.ipynb {words}"

    def rerun(self) -> Any:
        """The end of the page: command, genes and their hashes, commit, device, minutes."""
        where = "" if self.dataset.name == SIMULATED or self.parameters.data else (
            "The genes are those in the folder named by `DNASTUDY_DATA` (`dnastudy data fetch` fills one).\n\n"
        )  # fmt: skip
        names = {"counts": f"counts: {self.dataset.counts_description}"}
        rows = [
            f"| {names.get(name, name)} | {len(frame):,} | {frame['sequence'].str.len().sum():,} "
            f"| `{self.dataset.hashes[name][:16]}` |"
            for name, frame in self.dataset.splits.items()
        ]
        return markdown(
            f"```bash\n{self.command()}\n```\n\n{where}"
            "Other genes: add `-p data FOLDER_OR_FILE`. Every parameter stands in the first code cell of the notebook; "
            f"an unknown name or a value of the wrong type is refused.\n\n{self._origin()}"
            "| genes | number | nucleotides | SHA-256 of ids and sequences, first 16 digits |\n|---|---:|---:|---|\n"
            + "\n".join(rows)
        )

    def _origin(self) -> str:
        """Device, commit and time; left out of stored sources, which must not change from run to run."""
        if chart_mode() == "digest":
            return ""
        records = [result.record for result in self.results.values()]
        spent = sum(record["seconds"]["fit"] + record["seconds"]["score"] for record in records)
        tasks = [task_run.record["seconds"] for task_run in self.task_runs.values()]
        of_tasks = f" and {len(tasks)} results of tasks, {duration(sum(tasks))}," if tasks else ""
        took = time.perf_counter() - self.opened
        return (
            f"Computed on {surroundings()['device']} at commit `{git_commit()}`: {len(records)} runs, "
            f"{duration(spent)} of fitting and scoring,{of_tasks} when they were first computed; "
            f"this page took {took:.0f} s.\n\n"
        )

    def run_table(self) -> Any:
        """Each run behind this page: id, commit, seconds, memory; left out of stored sources like `_origin`."""
        if chart_mode() == "digest":
            return markdown("")
        rows = [
            {
                "run": name,
                "id": result.record["id"],
                "commit": result.record["commit"],
                "fit, s": result.record["seconds"]["fit"],
                "score, s": result.record["seconds"]["score"],
                "peak memory, MB": result.record["peak_memory_mb"],
            }
            for name, result in self.results.items()
        ]
        formats = {"fit, s": ".3f", "score, s": ".3f", "peak memory, MB": ".0f"}
        rows += [
            {
                "run": name,
                "id": task_run.record["id"],
                "commit": task_run.record["commit"],
                "task, s": task_run.record["seconds"],
                "peak memory, MB": task_run.record["peak_memory_mb"],
            }
            for name, task_run in self.task_runs.items()
        ]
        if self.task_runs:
            formats["task, s"] = ".1f"
        return table(pd.DataFrame(rows), "Runs behind this page", formats)


def open_page(name: str, namespace: Mapping[str, Any]) -> Page:
    """Open the chapter ``name``: check its parameters, load its profile and genes.

    Raises ParameterError, SettingsError or DataError with what to change.
    """
    parameters = open_chapter(namespace).parameters
    profile = load_profile(parameters.profile, **({"data": parameters.data} if parameters.data else {}))
    return Page(profile, profile.dataset(), Store(), name=name, parameters=parameters)
