"""What is said of gene types, on small tables counted by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dnastudy.analysis.gene_types import QUESTIONS, RECOVERED, GeneTypes, recall_by_type
from dnastudy.experiments.profile import load_profile
from dnastudy.experiments.task_runs import TaskRun
from dnastudy.tasks.generation_quality import REAL, SHUFFLED

JUDGE = "linear on k-mers"
PROFILE = load_profile("quick", tasks={"gene-types": {"genes": 10, "classifiers": [JUDGE], "judge": JUDGE}})
RECORDS = {
    "uniform": {"label": "uniform model", "family": "reference", "group": "uniform"},
    "lstm-1": {"label": "LSTM, modern recipe", "family": "LSTM", "group": "lstm"},
}


def _score(what, f1, recall, n=100):
    figures = {"macro_f1": f1, "macro_recall": recall, "accuracy": f1}
    bounds = {
        f"{name}{end}": value + by for name, value in figures.items() for end, by in (("_low", -0.1), ("_high", 0.1))
    }
    return {"what": what, "n": n, **figures, **bounds}


def _confusion(what, right):
    """Of ten genes of each of two types so many are recognised."""
    rows = [
        {"type": name, "predicted": name if hit else other, "n": n}
        for name, other, hits in (("tRNA", "rRNA", right[0]), ("rRNA", "tRNA", right[1]))
        for hit, n in ((True, hits), (False, 10 - hits)) if n
    ]  # fmt: skip
    return [{**row, "what": what} for row in rows]


def _run(scores, confusion, **facts):
    return TaskRun({"tables": {"scores": scores, "confusion": confusion}, **facts}, None)


@pytest.fixture
def section():
    return GeneTypes(PROFILE, RECORDS, {
        "uniform": _run([_score("recovered", 0.1, 0.3), _score("train on generated", 0.2, 0.5),
                         _score("train on real and generated", 0.65, 0.5)], _confusion("recovered", (3, 0))),
        "lstm-1": _run([_score("recovered", 0.2, 0.6), _score("train on generated", 0.4, 0.5),
                        _score("train on real and generated", 0.9, 0.5), _score("linear on its embeddings", 0.5, 0.5)],
                       _confusion("recovered", (8, 4))),
        "reference": _run(
            [_score(JUDGE, 0.7, 0.7), _score(f"recovered: {REAL}", 0.2, 0.8), _score("recovered: shuffled", 0.2, 0.7),
             _score("train on as many real genes", 0.6, 0.2)],
            [*_confusion(JUDGE, (9, 6)), *_confusion(f"recovered: {REAL}", (7, 9))], types=["tRNA", "rRNA"]),
    })  # fmt: skip


def test_recall_of_generated_genes_and_f1_of_real_ones(section):
    answers = section.answers.set_index(["question", "label"])["share"]
    assert answers[QUESTIONS[RECOVERED]].to_dict() == {
        "uniform model": 0.3, "LSTM, modern recipe": 0.6, REAL: 0.8, SHUFFLED: 0.7,
    }  # fmt: skip
    assert answers[QUESTIONS["train on generated"]].to_dict() == {
        "uniform model": 0.2, "LSTM, modern recipe": 0.4, REAL: 0.6,
    }  # fmt: skip
    assert answers[QUESTIONS["train on real and generated"]].to_dict() == {
        "uniform model": 0.65, "LSTM, modern recipe": 0.9, REAL: 0.7,
    }  # fmt: skip
    assert section.order == [REAL, SHUFFLED, "LSTM, modern recipe", "uniform model"]


def test_what_is_said_of_recovery_and_of_training(section):
    text = section.answers_text().data
    assert "at most 60% (LSTM, modern recipe) and at least 30% (uniform model); guessing would be 50%." in text
    assert "recognises 80%, and 70% once they are shuffled" in text
    assert "No model's genes are recognised as often as those." in text
    assert "comes to 30%: lengths alone. A classifier" in text, "no model is within 0.4"
    assert "0.400 on real ones at best (LSTM, modern recipe), one trained on as many real genes 0.600." in text
    assert (
        "from 0.700 (0.600 to 0.800) to between 0.650 and 0.900: better, beyond that interval, with those of LSTM"
        in text
    )


def test_the_confusion_of_the_best_baseline(section):
    text = section.confusion_text().data
    assert "the best is linear on k-mers, with a macro-F1 of 0.700" in text
    assert "It recognises 90% of tRNA (10 test genes) and 60% of rRNA (10);" in text
    assert "most often rRNA is classified as tRNA (4 of 10)." in text


def test_recall_of_each_type(section):
    recall = recall_by_type(section.confusion)
    assert recall[REAL].to_dict() == {"tRNA": 0.7, "rRNA": 0.9}
    assert recall["LSTM, modern recipe"].to_dict() == {"tRNA": 0.8, "rRNA": 0.4}
    assert np.isnan(recall.loc["rRNA", "uniform model"]), "none of them was recognised"
    shown = section.types_table().text
    assert list(shown) == ["type", REAL, "uniform model", "LSTM, modern recipe"]
    assert shown["uniform model"].tolist() == ["30%", "0%"]


def test_classifiers_are_listed_with_what_they_were_trained_on(section):
    shown = section.classifiers_table().text
    assert shown["classifier"].tolist() == ["linear on k-mers", "linear on the embeddings of LSTM, modern recipe"]
    assert shown["trained on"].tolist() == ["training genes", "validation genes"]


def test_genes_without_types_have_nothing_to_show():
    empty = GeneTypes(PROFILE, RECORDS, {"reference": SimpleNamespace(record={"types": []})})
    assert "no types to distinguish" in empty.classifiers_table().data
    for name in ("confusion_chart", "confusion_text", "answers_chart", "answers_table", "answers_text", "types_table"):
        assert getattr(empty, name)().data == ""
    assert empty.recovered.empty
    assert isinstance(empty.recovered, pd.DataFrame)
