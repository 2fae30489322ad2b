"""Generated genes and gene types: outcomes of all models in one table, as the chapter on them shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dnastudy.display.tables import with_interval
from dnastudy.experiments.labels import run_label
from dnastudy.experiments.task_runs import REFERENCE, Assessment
from dnastudy.tasks.generation_quality import REAL, SHUFFLED, TOLD_APART

BEST = f"{TOLD_APART}the best"
"""The largest of them."""


def outcome_table(
    outcomes: Mapping[str, Assessment], records: Mapping[str, Mapping[str, Any]], name: str
) -> pd.DataFrame:
    """A table of all outcomes of a task, one below the other.

    Parameters
    ----------
    outcomes : mapping
        By run, as `pages.Page.assess` gives them; that which needs no model is named "reference".
    records : mapping
        Records of the runs by name.
    name : str
        Of the table: "measures", "scores" or "confusion".

    Returns
    -------
    DataFrame: ``run``, ``label`` (the model in words; of a reference what stands in the model's place), ``family``,
    and the columns of the table.
    """
    tables = []
    for run, outcome in outcomes.items():
        table = outcome.table(name)
        if run == REFERENCE:
            places = table["set"] if "set" in table else table["what"]
            tables.append(table.assign(run=run, label=places, family="reference"))
        else:
            tables.append(table.assign(run=run, label=run_label(records[run]), family=records[run]["family"]))
    table = pd.concat(tables, ignore_index=True)
    return table[["run", "label", "family", *table.columns.drop(["run", "label", "family"])]]


def with_best(measures: pd.DataFrame) -> pd.DataFrame:
    """Measures, and of each set that area under the ROC curve once more which is the largest, named `BEST`."""
    areas = measures[measures["measure"].str.startswith(TOLD_APART)]
    best = areas.loc[areas.groupby(["run", "set"], sort=False)["value"].idxmax()]
    return pd.concat([measures, best.assign(measure=BEST)], ignore_index=True)


def equal_lengths(measures: pd.DataFrame) -> pd.DataFrame:
    """Measures of the one set of each model, at temperature 1, that has the lengths of training genes; and references.

    That is a set of its own for a model that ends its genes itself, else that of temperature 1.
    """
    own_end = set(measures.loc[measures["set"] == "real lengths", "run"])
    given = (measures["set"] == "temperature 1") & ~measures["run"].isin(own_end)
    return measures[measures["set"].isin(["real lengths", REAL, SHUFFLED]) | given]


def side_by_side(table: pd.DataFrame, names: Mapping[str, str], by: Sequence[str], digits: int = 2) -> pd.DataFrame:
    """Cells ``value (low to high)`` of some measures side by side: a line for each of ``by``.

    Parameters
    ----------
    names : mapping
        Measures to titles of columns, in their order.
    """
    some = table[table["measure"].isin(names)]
    lines = some.assign(text=with_interval(some, "value", digits)).pivot_table(
        index=list(by), columns="measure", values="text", aggfunc="first", sort=False
    )
    return (
        lines.reindex(columns=list(names))
        .rename(columns=names)
        .astype(object)
        .fillna("")
        .reset_index()
        .rename_axis(None, axis=1)
    )
