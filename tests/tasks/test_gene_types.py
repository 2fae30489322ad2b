"""Classification of real and generated genes by type: easy types are recognised, and a uniform model is not."""

import numpy as np
import pytest
from helpers import gene_frame
from sklearn.metrics import f1_score, recall_score

from dnastudy.data.datasets import Dataset
from dnastudy.data.sequences import encode
from dnastudy.experiments.fitting import fit_model
from dnastudy.models import create, model_class
from dnastudy.tasks.base import TaskInput
from dnastudy.tasks.gene_types import GeneTypes, _as_many, _scores, bayes

SHARES = {"rich": [0.1, 0.4, 0.4, 0.1], "poor": [0.4, 0.1, 0.1, 0.4], "rare": [0.25] * 4}
SMALL = {"genes": 15, "test_genes": 60, "replicates": 100, "min_genes": 10}


def _genes(n, seed):
    random = np.random.default_rng(seed)
    types = ["rare" if i % 30 == 7 else ["rich", "poor"][i % 2] for i in range(n)]
    genes = ["".join(random.choice(list("ACGT"), p=SHARES[t], size=random.integers(40, 90))) for t in types]
    return gene_frame(genes).assign(type=types)


@pytest.fixture(scope="module")
def dataset():
    splits = {name: _genes(n, seed) for name, n, seed in (("train", 240, 1), ("validation", 90, 2), ("test", 90, 3))}
    return Dataset("own", "genes of a test", splits, "training and validation genes")


def _task_input(dataset, name="ngram", settings=None, conditional=True):
    train, validation = (encode(list(f["sequence"]), f["type"]) for f in (dataset.train, dataset.validation))
    model = create(name, settings).fit(train, validation)
    base, base_settings = model_class(name).with_types(settings or {}, ["rich", "poor"] if conditional else [])
    both = fit_model(base, base_settings, train, validation)[0]
    return TaskInput(model, dataset, dataset.validation, lambda: None, lambda: both)


@pytest.mark.slow
def test_a_good_model_of_easy_types(dataset):
    result = GeneTypes(SMALL).run(_task_input(dataset, settings={"order": 2}))
    assert result.facts["types"] == ["rich", "poor"]
    scores = result.tables["scores"].set_index("what")
    assert set(scores.index) == {"recovered", "train on generated", "train on real and generated",
                                 "linear on its embeddings", "Bayes by its probabilities"}  # fmt: skip
    assert (scores["macro_f1"] > 0.9).all()
    assert ((scores["macro_f1_low"] <= scores["macro_f1"]) & (scores["macro_f1"] <= scores["macro_f1_high"])).all()
    confusion = result.tables["confusion"]
    totals = confusion.groupby("what")["n"].sum()
    assert totals["recovered"] == 30
    assert totals["train on generated"] == (dataset.test["type"] != "rare").sum()


@pytest.mark.slow
def test_genes_of_the_uniform_model_are_not_recognised(dataset):
    scores = GeneTypes(SMALL).run(_task_input(dataset, "uniform")).tables["scores"].set_index("what")
    assert scores.loc["recovered", "accuracy"] < 0.75
    assert scores.loc["Bayes by its probabilities", "macro_f1"] < 0.6


def test_without_two_types_the_tables_are_empty(dataset):
    for types in ("", "poor"):
        alike = {name: frame.assign(type=types) for name, frame in dataset.splits.items()}
        alike = Dataset("own", "genes of one type", alike, "training and validation genes")
        for result in (
            GeneTypes(SMALL).run(_task_input(alike, "uniform", conditional=False)),
            GeneTypes(SMALL).reference(alike),
        ):
            assert all(table.empty for table in result.tables.values())


@pytest.mark.slow
def test_validation_genes_may_have_no_types(dataset):
    splits = {**dataset.splits, "validation": dataset.validation.assign(type="")}
    unlabelled = Dataset("own", "genes of a test", splits, "training and validation genes")
    task = GeneTypes({**SMALL, "classifiers": []})
    assert set(task.reference(unlabelled).tables["scores"]["what"]) == {"train on as many real genes"}
    assert "linear on its embeddings" not in set(task.run(_task_input(unlabelled, "uniform")).tables["scores"]["what"])


def test_a_classifier_trained_on_one_type_predicts_that_type(dataset):
    task = GeneTypes(SMALL)
    test = task._labelled(dataset.test, ["rich", "poor"])
    assert set(task._trained_on(["ACGT", "AC"], ["poor", "poor"], test, ["rich", "poor"])[1]) == {"poor"}


@pytest.mark.slow
def test_reference_rows(dataset):
    scores = GeneTypes(SMALL).reference(dataset).tables["scores"].set_index("what")
    assert {"linear on k-mers", "gradient boosting on k-mers", "convolutional network", "recovered: real genes",
            "recovered: shuffled", "train on as many real genes"} == set(scores.index)  # fmt: skip
    assert scores.loc["linear on k-mers", "macro_f1"] > 0.95
    assert scores.loc["recovered: real genes", "accuracy"] > 0.9
    assert scores.loc["train on as many real genes", "macro_f1"] > 0.85


def test_no_more_generated_genes_train_a_classifier_than_there_are_real_ones(dataset):
    labels = ["rich"] * 300 + ["rare"] * 5
    genes, kept = _as_many([f"{i}" for i in range(305)], labels, dataset.train)
    assert genes == [*map(str, range((dataset.train["type"] == "rich").sum())), *map(str, range(300, 305))]
    assert kept == ["rich"] * (len(genes) - 5) + ["rare"] * 5


def test_scores_follow_their_definitions():
    random = np.random.default_rng(0)
    types = ["a", "b", "c", "never"]
    truth = random.choice(types[:3], size=300, p=[0.6, 0.3, 0.1]).tolist()
    predicted = [t if random.random() < 0.7 else random.choice(types) for t in truth]
    scores = _scores(truth, predicted, types, 500)
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, predicted, labels=types[:3], average="macro"))
    assert scores["macro_recall"] == pytest.approx(recall_score(truth, predicted, labels=types[:3], average="macro"))
    assert scores["accuracy"] == pytest.approx(np.mean(np.array(truth) == predicted))
    assert scores["accuracy_high"] - scores["accuracy_low"] == pytest.approx(
        2 * 1.96 * np.sqrt(0.78 * 0.22 / 300), rel=0.2
    )


def test_bayes_by_hand(dataset):
    conditional = _task_input(dataset, settings={"order": 1}).conditional()
    shares = dataset.train["type"].value_counts(normalize=True)
    sequences = dataset.test["sequence"].tolist()[:20]
    for sequence, predicted in zip(sequences, bayes(conditional, sequences, shares), strict=True):
        nats = {t: conditional.of_type(t).log_probs([sequence])[0].sum() + np.log(shares[t]) for t in conditional.types}
        assert predicted == max(nats, key=nats.get)
