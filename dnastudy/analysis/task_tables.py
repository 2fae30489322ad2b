"""Tables of a task for all models, one below the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dnastudy.experiments.task_runs import REFERENCE, TaskRun


def task_table(task_runs: Mapping[str, TaskRun], records: Mapping[str, Mapping[str, Any]], name: str) -> pd.DataFrame:
    """A table of all runs of a task, one below the other.

    Parameters
    ----------
    task_runs : mapping
        By run, as `Study.run_task` gives them; that which needs no model is named "reference".
    records : mapping
        Records of the runs by name.
    name : str
        Of the table: "measures", "scores" or "confusion".

    Returns
    -------
    DataFrame: ``run``; ``label`` of the model, or of the reference the name of its set or classifier; ``family``; and
    the columns of the table.
    """
    parts = []
    for run, task_run in task_runs.items():
        part = task_run.table(name)
        if run == REFERENCE:
            part = part.assign(run=run, label=part["set" if "set" in part else "what"], family="reference")
        else:
            part = part.assign(run=run, label=records[run]["label"], family=records[run]["family"])
        parts.append(part)
    rows = pd.concat(parts, ignore_index=True)
    return rows[["run", "label", "family", *rows.columns.drop(["run", "label", "family"])]]
