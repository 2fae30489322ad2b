"""Gene types: whether the type of generated genes is recognised, and whether they can train a classifier.

First, classifiers are trained on real training genes and tested on real test genes: how well types can be recognised at
all. Then they classify generated genes of each type (recovery). A classifier is trained on generated genes alone and
tested on real ones (train on generated), beside one that is trained on as many real genes. Finally, the model itself
classifies: by a linear classifier of its embeddings, trained on validation genes, or by Bayes' theorem from its
probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from dnastudy.core.config import Settings
from dnastudy.data.datasets import Dataset
from dnastudy.evaluation.bootstrap import interval, sums
from dnastudy.models.base import LanguageModel
from dnastudy.models.generation import generate
from dnastudy.tasks.base import Task, TaskInput, TaskResult
from dnastudy.tasks.classifiers import BASELINES, Baseline, Classifier, on_embeddings
from dnastudy.tasks.sequence_features import shuffled


class GeneTypes(Task):
    """Classify real and generated genes by type."""

    name = "gene-types"
    all_runs = False

    class Settings(Settings):
        """Settings of the classification of genes by type."""

        min_genes: int = Field(default=20, ge=2, description="fewest training genes of a type that is classified")
        genes: int = Field(default=100, ge=5, description="generated genes of each type")
        classifiers: list[Baseline] = Field(
            default=list(BASELINES), description="classifiers that are trained and tested on real genes"
        )
        judge: Baseline = Field(
            default="gradient boosting on k-mers",
            description="classifier of generated genes, also the one that is trained on them",
        )
        test_genes: int = Field(
            default=1500, ge=20, description="test genes that the model itself classifies, drawn at random"
        )
        seed: int = Field(default=1, ge=0, description="seed of sampling and of choosing genes")
        replicates: int = Field(default=1000, ge=100, description="bootstrap resamples for each interval")

    def run(self, task_input: TaskInput) -> TaskResult:
        """Classify generated genes, train a classifier on them, and let the model itself classify real genes.

        The tables are empty where there are fewer than two types.
        """
        types = self.types(task_input.dataset)
        if len(types) < 2:
            return self._result({}, types)
        train, test = self._labelled(task_input.dataset.train, types), self._labelled(task_input.dataset.test, types)
        conditional = task_input.conditional()
        generated = [
            (gene, name)
            for name in types if name in conditional.types
            for gene in generate(conditional, self.settings.genes, seed=self.settings.seed, type=name)["sequence"]
        ]  # fmt: skip
        predictions = {}
        if generated:
            genes, labels = map(list, zip(*generated, strict=True))
            judge = BASELINES[self.settings.judge]().fit(*_coded(train, types))
            predictions["recovered"] = (labels, _predicted(judge, genes, types))
            genes, labels = _as_many(genes, labels, train)
            predictions["train on generated"] = self._trained_on(genes, labels, test, types)
            predictions["train on real and generated"] = self._trained_on(
                [*train["sequence"], *genes], [*train["type"], *labels], test, types
            )
        sample = test.sample(min(self.settings.test_genes, len(test)), random_state=self.settings.seed)
        truth, sequences = sample["type"].tolist(), sample["sequence"].tolist()
        # trained on validation genes: the embeddings of the model's own training genes differ from those of new genes
        genes, codes = _coded(self._labelled(task_input.dataset.validation, types), types)
        if len(set(codes)) > 1:
            linear = on_embeddings(task_input.model).fit(genes, codes)
            predictions["linear on its embeddings"] = (truth, _predicted(linear, sequences, types, np.unique(codes)))
        if generated:
            shares = train["type"].value_counts(normalize=True)
            predictions["Bayes by its probabilities"] = (truth, bayes(conditional, sequences, shares))
        return self._result(predictions, types)

    def reference(self, dataset: Dataset) -> TaskResult:
        """Train classifiers on real genes, and let them classify other real genes and shuffled ones."""
        types = self.types(dataset)
        if len(types) < 2:
            return self._result({}, types)
        train, test = self._labelled(dataset.train, types), self._labelled(dataset.test, types)
        predictions = {}
        for name in self.settings.classifiers:
            classifier = BASELINES[name]().fit(*_coded(train, types))
            predictions[name] = (test["type"].tolist(), _predicted(classifier, test["sequence"].tolist(), types))
        judge = BASELINES[self.settings.judge]().fit(*_coded(train, types))
        others = _at_most(self._labelled(dataset.validation, types), self.settings.genes, self.settings.seed)
        random = np.random.default_rng(self.settings.seed)
        shuffles = [shuffled(gene, random) for gene in others["sequence"]]
        for name, genes in (("recovered: real genes", others["sequence"].tolist()), ("recovered: shuffled", shuffles)):
            if genes:
                predictions[name] = (others["type"].tolist(), _predicted(judge, genes, types))
        few = _at_most(train, self.settings.genes, self.settings.seed)
        predictions["train on as many real genes"] = self._trained_on(
            few["sequence"].tolist(), few["type"].tolist(), test, types
        )
        return self._result(predictions, types)

    def types(self, dataset: Dataset) -> list[str]:
        """Return the gene types with enough training genes and at least one test gene, the most frequent first."""
        counts, test_types = dataset.train["type"].value_counts(), set(dataset.test["type"])
        return [name for name, n in counts.items() if n >= self.settings.min_genes and name and name in test_types]

    def _labelled(self, genes: pd.DataFrame, types: list[str]) -> pd.DataFrame:
        return genes.loc[genes["type"].isin(types), ["type", "sequence"]].reset_index(drop=True)

    def _trained_on(
        self, genes: list[str], labels: list[str], test: pd.DataFrame, types: list[str]
    ) -> tuple[list[str], list[str]]:
        """Return true and predicted types of real test genes, predicted by a classifier trained on ``genes`` alone."""
        kept = [i for i, gene in enumerate(genes) if gene]
        codes = np.array([types.index(labels[i]) for i in kept])
        if len(set(codes)) < 2:  # a single type needs no classifier
            return test["type"].tolist(), [types[codes[0] if len(codes) else 0]] * len(test)
        classifier = BASELINES[self.settings.judge]().fit([genes[i] for i in kept], codes)
        return test["type"].tolist(), _predicted(classifier, test["sequence"].tolist(), types, np.unique(codes))

    def _result(self, predictions: dict[str, tuple[list[str], list[str]]], types: list[str]) -> TaskResult:
        """Return the tables of true and predicted types, by what was predicted."""
        scores, confusion = [], []
        for what, (truth, predicted) in predictions.items():
            matrix = pd.crosstab(pd.Series(truth, name="type"), pd.Series(predicted, name="predicted"))
            matrix = matrix.reindex(index=types, columns=types, fill_value=0)
            long = matrix.rename_axis("type").reset_index().melt("type", var_name="predicted", value_name="n")
            confusion.append(long[long["n"] > 0].assign(what=what))
            scores.append({"what": what, "n": len(truth), **_scores(truth, predicted, types, self.settings.replicates)})
        tables = {
            "scores": pd.DataFrame(scores),
            "confusion": pd.concat(confusion or [pd.DataFrame()], ignore_index=True),
        }
        return TaskResult(tables, {"types": types})


def bayes(conditional: LanguageModel, sequences: list[str], shares: pd.Series) -> list[str]:
    """Return the most probable type of each sequence by Bayes' theorem.

    Parameters
    ----------
    conditional : LanguageModel
        A model that was fitted with gene types.
    shares : Series
        The prior probability of each type, by its name; types that the model was not fitted with are left out.
    """
    names = [name for name in shares.index if name in conditional.types]
    nats = np.stack([_totals(conditional.of_type(name), sequences) + np.log(shares[name]) for name in names])
    return [names[number] for number in nats.argmax(axis=0)]


def _totals(model: LanguageModel, sequences: list[str]) -> np.ndarray:
    """Return the log-probability of each sequence, nats, with its end if the model has an end symbol."""
    return np.array([row.sum() if np.isfinite(row[-1]) else row[:-1].sum() for row in model.log_probs(sequences)])


def _coded(genes: pd.DataFrame, types: list[str]) -> tuple[list[str], np.ndarray]:
    """Return the sequences and the numbers of their types."""
    return genes["sequence"].tolist(), genes["type"].map(types.index).to_numpy()


def _at_most(genes: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Return at most ``n`` genes of each type, drawn at random."""
    parts = [part.sample(min(n, len(part)), random_state=seed) for _, part in genes.groupby("type", sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else genes


def _as_many(genes: list[str], labels: list[str], train: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the first of these genes and their labels, of each type not more than there are in ``train``."""
    table = pd.DataFrame({"sequence": genes, "type": labels})
    table = table[table.groupby("type").cumcount() < table["type"].map(train["type"].value_counts())]
    return table["sequence"].tolist(), table["type"].tolist()


def _predicted(classifier: Classifier, genes: list[str], types: list[str], codes: Any = None) -> list[str]:
    """Return the predicted type of each gene; ``codes`` are the numbers of the types in training, if not all."""
    columns = classifier.predict_proba([gene or "A" for gene in genes]).argmax(axis=1)
    return [types[column if codes is None else codes[column]] for column in columns]


def _scores(truth: list[str], predicted: list[str], types: list[str], replicates: int) -> dict[str, float]:
    """Return mean F1 and mean recall over the types that occur, and accuracy, each with a 95 % interval over genes.

    Only the mean recall does not depend on the number of genes of each type.
    """
    actual = np.array(truth)[:, None] == np.array(types)
    guess = np.array(predicted)[:, None] == np.array(types)
    counts = np.column_stack([actual & guess, actual, guess]).astype(float)
    # the first row: all genes, without resampling
    totals = np.vstack([counts.sum(axis=0), sums(counts, replicates)])
    hits, actual_genes, predicted_genes = np.split(totals, 3, axis=1)
    occurs = actual_genes[0] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        both = actual_genes + predicted_genes
        f1 = np.where(both > 0, 2 * hits / both, 0.0)[:, occurs].mean(axis=1)
        recall = np.nanmean((hits / actual_genes)[:, occurs], axis=1)
    accuracy = hits.sum(axis=1) / actual_genes.sum(axis=1)
    scores = {}
    for name, values in (("macro_f1", f1), ("macro_recall", recall), ("accuracy", accuracy)):
        low, high = interval(values[1:])
        scores |= {name: float(values[0]), f"{name}_low": low, f"{name}_high": high}
    return scores
