"""Tables of generated genes, and the published figures."""

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT

from dnastudy.analysis.generated_genes import BEST, equal_lengths, outcome_table, side_by_side, with_best
from dnastudy.analysis.headline import published, published_task
from dnastudy.experiments.plan import representatives
from dnastudy.experiments.profile import load_profile
from dnastudy.experiments.task_runs import TaskRun
from dnastudy.models import MODELS, model_class
from dnastudy.tasks.generation_quality import REAL, SHUFFLED

RECORDS = {"uniform": {"model": "uniform", "family": "reference", "settings": {}}}


def _row(name, measure, value, low=np.nan, high=np.nan):
    return {"set": name, "measure": measure, "value": value, "low": low, "high": high}


def _outcome(*rows):
    return TaskRun({"tables": {"measures": pd.DataFrame(rows)}}, None)


@pytest.fixture
def measures():
    return outcome_table(
        {
            "uniform": _outcome(
                _row("temperature 1", "AUC, a", 0.7, 0.6, 0.8),
                _row("temperature 1", "AUC, b", 0.9, 0.85, 0.95),
                _row("temperature 1", "families per gene", 1.0),
            ),
            "reference": _outcome(_row(REAL, "AUC, a", 0.5, 0.4, 0.6)),
        },
        RECORDS,
        "measures",
    )


def test_outcomes_stand_below_one_another_with_what_they_are_of(measures):
    whose = measures[["run", "label", "family"]].drop_duplicates()
    assert list(whose.itertuples(index=False, name=None)) == [
        ("uniform", "knows nothing", "reference"),
        ("reference", REAL, "reference"),
    ]
    assert len(measures) == 4


def test_the_best_classifier_is_that_which_is_right_most_often(measures):
    best = with_best(measures)
    best = best[best["measure"] == BEST].set_index("label")
    assert best["value"].to_dict() == {"knows nothing": 0.9, REAL: 0.5}
    assert best.loc["knows nothing", ["low", "high"]].tolist() == [0.85, 0.95]


def test_measures_stand_side_by_side_with_their_intervals(measures):
    lines = side_by_side(measures, {"families per gene": "families", "AUC, a": "AUC"}, ["label"])
    assert lines.to_dict("records") == [
        {"label": "knows nothing", "families": "1.00", "AUC": "0.70 (0.60 to 0.80)"},
        {"label": REAL, "families": "", "AUC": "0.50 (0.40 to 0.60)"},
    ]


@pytest.fixture(scope="module")
def written():
    return published_task(ROOT, "generation-quality")


@pytest.fixture(scope="module")
def typed():
    return published_task(ROOT, "gene-types")


INTERVALS = {
    "generation-quality": ("measures", [("value", "low", "high")]),
    "gene-types": ("scores", [(f, f"{f}_low", f"{f}_high") for f in ("macro_f1", "macro_recall", "accuracy")]),
}
"""Table of each task, and its figures with their intervals."""


@pytest.mark.parametrize("task", list(INTERVALS))
def test_every_model_of_the_study_has_its_rows_on_real_genes(task):
    runs, tables = published_task(ROOT, task)
    records, wanted = published(ROOT), [run.name for run in representatives(load_profile("cpu"))]
    assert set(runs) == {*wanted, "reference"}
    assert {run.model for run in representatives(load_profile("cpu"))} == {
        name for name in MODELS if not model_class(name).of_others or name == "ensemble"
    }
    for run, record in runs.items():
        assert record["data"]["name"] == "paper"
        assert not record["commit"].endswith("-dirty")
        assert run == "reference" or record["fit"] == records[run]["fit"]
        for table in tables.values():
            assert run in set(table["run"])
    name, columns = INTERVALS[task]
    for value, low, high in columns:
        rows = tables[name].dropna(subset=low)
        assert set(rows["run"]) == set(runs)
        assert task == "generation-quality" or len(rows) == len(tables[name]), (
            "only distances of a set have no interval"
        )
        assert ((rows[low] <= rows[value] + 1e-4) & (rows[value] <= rows[high] + 1e-4)).all(), value


def test_every_set_has_intervals_on_what_counts(written):
    table = written[1]["measures"]
    for (run, name), rows in table.groupby(["run", "set"]):
        rows = rows.set_index("measure")
        for measure in (
            "with a homolog in train",
            "copies of training genes",
            "gc, mean",
            "divergence of 3-mers, bits",
        ):
            value, low, high = rows.loc[measure, ["value", "low", "high"]]
            assert low - 1e-4 <= value <= high + 1e-4, (run, name, measure)
        told = rows[rows.index.str.startswith("AUC, ")]
        assert len(told) == 3
        assert told[["low", "high"]].notna().all(axis=None)


def test_the_references_are_what_they_must_be(written):
    table = written[1]["measures"].set_index(["run", "set", "measure"])["value"].sort_index()
    real, mixed, nothing = (
        table.loc[key] for key in (("reference", REAL), ("reference", SHUFFLED), ("uniform", "temperature 1"))
    )
    for name in ("linear on k-mers", "gradient boosting on k-mers", "convolutional network"):
        measure = f"AUC, {name}"
        assert abs(real[measure] - 0.5) < 0.06 < 0.1 < mixed[measure] - 0.5
        assert nothing[measure] > 0.9
    assert real["with a homolog in train"] > 0.3
    assert mixed["with a homolog in train"] < 0.05
    assert nothing["with a homolog in train"] == 0 == nothing["copies of training genes"]
    assert real["gc, mean"] == pytest.approx(mixed["gc, mean"])


def test_real_types_are_recognised_better_than_written_ones(typed):
    scores = typed[1]["scores"].set_index(["run", "what"])["macro_recall"]
    real, mixed = (scores["reference", f"recovered: {what}"] for what in (REAL, "shuffled"))
    recovered = scores.xs("recovered", level="what")
    assert len(recovered) == len(typed[0]) - 1
    assert real > mixed > recovered["uniform"]
    assert real > recovered.max()
    assert scores["reference", "train on as many real genes"] > scores.xs("train on generated", level="what").max()


def test_one_set_of_each_model_has_the_lengths_of_training_genes(written):
    table = equal_lengths(written[1]["measures"])
    sets = table[["run", "set"]].drop_duplicates()
    models = sets[sets["run"] != "reference"].set_index("run")["set"]
    assert models.index.is_unique
    assert set(models.index) == set(written[0]) - {"reference"}
    assert models["lstm-1"] == "real lengths"
    assert models["lstm-paper-1"] == "temperature 1", "it knows no end"
    means = table[table["measure"] == "length, mean"].set_index("run")["value"]
    assert len(set(means[models.index])) == 1, "the same lengths were drawn for all"
