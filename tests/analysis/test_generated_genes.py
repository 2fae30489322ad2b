"""Tables of generated genes, and the published figures."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT

from dnastudy.analysis.generated_genes import (
    BEST,
    FAMILIES,
    Chapter,
    equal_lengths,
    side_by_side,
    spaced,
    with_best,
)
from dnastudy.analysis.headline import published, published_task
from dnastudy.analysis.task_tables import task_table
from dnastudy.experiments.plan import representatives
from dnastudy.experiments.profile import load_profile
from dnastudy.experiments.task_runs import TaskRun
from dnastudy.models import MODELS, model_class
from dnastudy.tasks.generation_quality import COPIES, HOMOLOGS, REAL, SHUFFLED

RECORDS = {"uniform": {"label": "uniform model", "family": "reference", "group": "uniform"}}


def _row(name, measure, value, low=np.nan, high=np.nan):
    return {"set": name, "measure": measure, "value": value, "low": low, "high": high}


def _outcome(*rows):
    return TaskRun({"tables": {"measures": pd.DataFrame(rows)}}, None)


@pytest.fixture
def measures():
    return task_table(
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


def test_tables_of_all_runs_carry_labels_and_families(measures):
    whose = measures[["run", "label", "family"]].drop_duplicates()
    assert list(whose.itertuples(index=False, name=None)) == [
        ("uniform", "uniform model", "reference"),
        ("reference", REAL, "reference"),
    ]
    assert len(measures) == 4


def test_the_best_classifier_is_the_one_with_the_largest_area(measures):
    best = with_best(measures)
    best = best[best["measure"] == BEST].set_index("label")
    assert best["value"].to_dict() == {"uniform model": 0.9, REAL: 0.5}
    assert best.loc["uniform model", ["low", "high"]].tolist() == [0.85, 0.95]


def test_measures_are_columns_with_intervals(measures):
    lines = side_by_side(measures, {"families per gene": "families", "AUC, a": "AUC"}, ["label"])
    assert lines.to_dict("records") == [
        {"label": "uniform model", "families": "1.00", "AUC": "0.70 (0.60 to 0.80)"},
        {"label": REAL, "families": "", "AUC": "0.50 (0.40 to 0.60)"},
    ]


def test_names_are_moved_apart_upwards_only():
    assert spaced([0.5, 0.625, 1.0], 0.25) == [0.5, 0.75, 1.0]
    assert spaced([], 0.1) == []


def _set(run, name, **measures):
    """Rows of one set: measure → value, with an interval of 0.1 on both sides."""
    return [
        {"run": run, "label": run, "family": "n-gram" if run in "ab" else "reference", "set": name, "measure": measure,
         "value": value, "low": value - 0.1, "high": value + 0.1}
        for measure, value in measures.items()
    ]  # fmt: skip


@pytest.fixture
def chapter():
    """Model a ends its genes itself, model b does not; two sizes of k-mers."""

    def figures(auc, homologs, copies, families, k3, k5):
        return {BEST: auc, HOMOLOGS: homologs, COPIES: copies, FAMILIES: families, "length, mean": 300.6,
                "divergence of 3-mers, bits": k3, "divergence of 5-mers, bits": k5}  # fmt: skip

    rows = [
        *_set("a", "temperature 1", **figures(0.95, 0.0, 0.0, 1.0, 0.3, 0.8)),
        *_set("a", "temperature 0.8", **{**figures(0.99, 0.2, 0.0, 1.0, 0.3, 0.8), "length, mean": 400.0}),
        *_set("a", "real lengths", **figures(0.6, 0.1, 0.02, 1.0, 0.2, 0.4)),
        *_set("b", "temperature 1", **figures(0.9, 0.0, 0.0, 1.0, 0.4, 0.2)),
        *_set("b", "temperature 0.8", **figures(0.8, 0.1, 0.5, 1.0, 0.4, 0.2)),
        *_set(REAL, REAL, **figures(0.55, 0.4, 0.05, 0.8, 0.1, 0.1)),
        *_set(SHUFFLED, SHUFFLED, **figures(0.7, 0.0, 0.0, 1.0, 0.1, 0.2)),
    ]
    measures = pd.DataFrame(rows)
    measures["run"] = measures["run"].where(measures["run"].isin(["a", "b"]), "reference")
    records = {run: {"label": run, "metrics": {"nucleotide_perplexity": 3.5}} for run in ("a", "b")}
    profile = load_profile("quick", tasks={"generation-quality": {"genes": 30, "temperatures": [1.0, 0.8]}})
    study = SimpleNamespace(profile=profile, dataset=SimpleNamespace(test=range(100)))
    types = SimpleNamespace(recovered=pd.DataFrame(), types=[])
    return Chapter(study, records, measures, types)


def test_sets_of_equal_length_are_compared(chapter):
    assert chapter.ranked["value"].to_dict() == {"a": 0.6, "b": 0.9}
    text = chapter.quality_text().data
    assert "those of a: 0.60 (0.50 to 0.70). 10% of them have a homolog in train, and 2.0% are copies." in text
    assert "have 0.70; nearer to real genes than those are a." in text
    assert "0.80 a gene; the models' at temperature 1 have 1.00 to 1.00: they generate hardly any." in text
    assert text.endswith("(A share of 0 in 30 genes may be as large as 10.0%.)")


def test_what_a_low_temperature_changes(chapter):
    text = chapter.temperature_text().data
    assert "At temperature 0.8 the genes that models end themselves become longer in 1 of 1 models" in text
    assert "Where lengths are given the AUC goes from 0.90 to 0.80 (b). " in text
    assert "at most from 0% to 20% (a)." in text


def test_divergences_are_multiples_of_those_of_real_genes(chapter):
    text = chapter.divergence_text().data
    assert "In words of 3 nt the nearest to real genes is a, 2.0 times" in text
    assert "and the furthest b, 4.0 times. In words of 5 nt the nearest to real genes is b, 2.0 times" in text


def test_conclusions_that_do_not_apply_are_left_out(chapter):
    likeness, copies = chapter.conclusions().data.split("\n")
    assert (
        "genes of a from real ones with an AUC of 0.60, and other real genes with 0.55: by the intervals no" in likeness
    )
    assert (
        "At most 50.0% of a set are copies of training genes (b, temperature 0.8), where real genes have 5.0%: more"
        in (copies)
    )


def test_lengths_are_shown_without_decimals(chapter):
    shown = chapter.sets_table().text
    assert shown["mean length, nt"].iloc[0] == "300 (300 to 300)"
    assert chapter.quality_table().text["genes of"].tolist() == [REAL, SHUFFLED, "b", "a"]


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


def test_real_types_are_recognised_better_than_generated_ones(typed):
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
    without_end = {run for run, r in written[0].items() if r.get("model_settings", {}).get("end") is False}
    assert without_end
    assert set(models[list(without_end)]) == {"temperature 1"}
    assert models["lstm-1"] == "real lengths"
    means = table[table["measure"] == "length, mean"].set_index("run")["value"]
    assert len(set(means[models.index])) == 1, "the same lengths were drawn for all"
