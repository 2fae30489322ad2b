"""Gene types: whether a model's genes can be recognised, and what they teach.

Classifiers learn the type from real training genes and are tested on real test genes first, so that it is known how
well the question can be answered at all. Then they are put to generated genes of each type (recovery); a classifier
learns from generated genes alone and is tested on real ones (train-on-generated), beside one that learns from as many
real genes; and the model itself classifies, by its embeddings, which are read by what learns from validation genes, or
by Bayes' theorem from its probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from dnastudy.core.config import Settings
from dnastudy.data.datasets import Dataset
from dnastudy.evaluation.bootstrap import interval
from dnastudy.models.base import LanguageModel
from dnastudy.models.generation import generate
from dnastudy.tasks.base import Task, TaskInput, TaskResult
from dnastudy.tasks.classifiers import BASELINES, Baseline, Classifier, on_embeddings
from dnastudy.tasks.sequence_features import shuffled


class GeneTypes(Task):
    """Classify genes, real and generated."""

    name = "gene-types"
    everything = False
    code = ("tasks/measures.py", "tasks/classifiers.py", "tasks/proportions.py", "generation.py")

    class Settings(Settings):
        """Settings of the classification of genes by type."""

        least: int = Field(default=20, ge=2, description="training genes from which on a type is asked for")
        genes: int = Field(default=100, ge=5, description="generated genes of each type")
        classifiers: list[Baseline] = Field(
            default=list(BASELINES), description="classifiers that learn from real genes"
        )
        judge: Baseline = Field(
            default="gradient boosting on k-mers",
            description="classifier that generated genes are put to, and that learns from them",
        )
        test_genes: int = Field(default=1500, ge=20, description="test genes that a model classifies, drawn at random")
        seed: int = Field(default=1, ge=0, description="of sampling, and of the genes chosen")
        replicates: int = Field(default=1000, ge=100, description="bootstrap resamples of the genes")

    def run(self, task_input: TaskInput) -> TaskResult:
        """What generated genes of each type are taken for, what they teach, and how the model itself classifies.

        No rows where there are not two types to tell apart.
        """
        types = self.types(task_input.dataset)
        if len(types) < 2:
            return self._outcome({}, types)
        train, test = self._labelled(task_input.dataset.train, types), self._labelled(task_input.dataset.test, types)
        typed = task_input.conditional()
        written = [
            (gene, name)
            for name in types if name in typed.types
            for gene in generate(typed, self.settings.genes, seed=self.settings.seed, type=name)["sequence"]
        ]  # fmt: skip
        found = {}
        if written:
            genes, labels = map(list, zip(*written, strict=True))
            judge = BASELINES[self.settings.judge]().fit(*_known(train, types))
            found["recovered"] = (labels, _predicted(judge, genes, types))
            taught = _as_many(genes, labels, train)
            found["train on generated"] = self._taught(*taught, test, types)
            both = ([*train["sequence"], *taught[0]], [*train["type"], *taught[1]])
            found["train on real and generated"] = self._taught(*both, test, types)
        some = test.sample(min(self.settings.test_genes, len(test)), random_state=self.settings.seed)
        truth, sequences = some["type"].tolist(), some["sequence"].tolist()
        # of genes that it has in memory a model makes something else than of new ones
        unseen = self._labelled(task_input.dataset.validation, types)
        codes = _known(unseen, types)[1]
        if len(set(codes)) > 1:
            reader = on_embeddings(task_input.model).fit(unseen["sequence"].tolist(), codes)
            found["linear on its embeddings"] = (truth, _predicted(reader, sequences, types, np.unique(codes)))
        if written:
            shares = train["type"].value_counts(normalize=True)
            found["Bayes by its probabilities"] = (truth, bayes(typed, sequences, shares))
        return self._outcome(found, types)

    def reference(self, dataset: Dataset) -> TaskResult:
        """Classifiers that learn from real genes, and what they make of other real genes and of shuffled ones."""
        types = self.types(dataset)
        if len(types) < 2:
            return self._outcome({}, types)
        train, test = self._labelled(dataset.train, types), self._labelled(dataset.test, types)
        found = {}
        for name in self.settings.classifiers:
            classifier = BASELINES[name]().fit(*_known(train, types))
            found[name] = (test["type"].tolist(), _predicted(classifier, test["sequence"].tolist(), types))
        judge = BASELINES[self.settings.judge]().fit(*_known(train, types))
        others = _at_most(self._labelled(dataset.validation, types), self.settings.genes, self.settings.seed)
        random = np.random.default_rng(self.settings.seed)
        mixed = [shuffled(gene, random) for gene in others["sequence"]]
        for name, genes in (("recovered: real genes", others["sequence"].tolist()), ("recovered: shuffled", mixed)):
            if genes:
                found[name] = (others["type"].tolist(), _predicted(judge, genes, types))
        few = _at_most(train, self.settings.genes, self.settings.seed)
        found["train on as many real genes"] = self._taught(few["sequence"].tolist(), few["type"].tolist(), test, types)
        return self._outcome(found, types)

    def types(self, dataset: Dataset) -> list[str]:
        """Gene types with enough training genes and at least one test gene, the most frequent first."""
        counts, tested = dataset.train["type"].value_counts(), set(dataset.test["type"])
        return [name for name, n in counts.items() if n >= self.settings.least and name and name in tested]

    def _labelled(self, genes: pd.DataFrame, types: list[str]) -> pd.DataFrame:
        return genes.loc[genes["type"].isin(types), ["type", "sequence"]].reset_index(drop=True)

    def _taught(self, genes: list[str], labels: list[str], test: pd.DataFrame, types: list[str]):
        """Truth and prediction of real test genes by a classifier that learned from ``genes`` alone."""
        kept = [i for i, gene in enumerate(genes) if gene]
        codes = np.array([types.index(labels[i]) for i in kept])
        if len(set(codes)) < 2:  # nothing to tell apart
            return test["type"].tolist(), [types[codes[0] if len(codes) else 0]] * len(test)
        classifier = BASELINES[self.settings.judge]().fit([genes[i] for i in kept], codes)
        return test["type"].tolist(), _predicted(classifier, test["sequence"].tolist(), types, np.unique(codes))

    def _outcome(self, found: dict[str, tuple[list[str], list[str]]], types: list[str]) -> TaskResult:
        scores, confusion = [], []
        for what, (truth, told) in found.items():
            matrix = pd.crosstab(pd.Series(truth, name="type"), pd.Series(told, name="predicted"))
            matrix = matrix.reindex(index=types, columns=types, fill_value=0)
            long = matrix.rename_axis("type").reset_index().melt("type", var_name="predicted", value_name="n")
            confusion.append(long[long["n"] > 0].assign(what=what))
            scores.append({"what": what, "n": len(truth), **_scores(truth, told, types, self.settings.replicates)})
        tables = {
            "scores": pd.DataFrame(scores),
            "confusion": pd.concat(confusion or [pd.DataFrame()], ignore_index=True),
        }
        return TaskResult(tables, {"types": types})


def bayes(typed: LanguageModel, sequences: list[str], shares: pd.Series) -> list[str]:
    """Type of each sequence that is most probable by Bayes' theorem.

    Parameters
    ----------
    shares : Series
        How frequent each type is, by name; only types that the model knows are considered.
    """
    names = [name for name in shares.index if name in typed.types]
    nats = np.stack([_totals(typed.of_type(name), sequences) + np.log(shares[name]) for name in names])
    return [names[number] for number in nats.argmax(axis=0)]


def _totals(model: LanguageModel, sequences: list[str]) -> np.ndarray:
    """Log-probability of each sequence, nats, its end included where the model knows one."""
    return np.array([row.sum() if np.isfinite(row[-1]) else row[:-1].sum() for row in model.log_probs(sequences)])


def _known(genes: pd.DataFrame, types: list[str]) -> tuple[list[str], np.ndarray]:
    """Sequences and the numbers of their types."""
    return genes["sequence"].tolist(), genes["type"].map(types.index).to_numpy()


def _at_most(genes: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """At most so many genes of each type, drawn at random."""
    parts = [part.sample(min(n, len(part)), random_state=seed) for _, part in genes.groupby("type", sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else genes


def _as_many(genes: list[str], labels: list[str], train: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The first of these genes of each type, not more than there are in ``train``."""
    table = pd.DataFrame({"sequence": genes, "type": labels})
    table = table[table.groupby("type").cumcount() < table["type"].map(train["type"].value_counts())]
    return table["sequence"].tolist(), table["type"].tolist()


def _predicted(classifier: Classifier, genes: list[str], types: list[str], learned: Any = None) -> list[str]:
    """Type that a classifier takes each gene for; ``learned`` names the labels it knows, where it is not all."""
    numbers = classifier.predict_proba([gene or "A" for gene in genes]).argmax(axis=1)
    return [types[number if learned is None else learned[number]] for number in numbers]


def _scores(truth: list[str], told: list[str], types: list[str], replicates: int) -> dict[str, float]:
    """Means over the types that occur of F1 and of recall, and accuracy, each with a 95 % interval over genes.

    The mean recall alone does not depend on how many genes of each type there are.
    """
    actual = np.array(truth)[:, None] == np.array(types)
    given = np.array(told)[:, None] == np.array(types)
    both = np.column_stack([actual & given, actual, given]).astype(float)
    random = np.random.default_rng(0)
    weights = random.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), size=replicates)
    found = {}
    sums = np.vstack([both.sum(axis=0), weights @ both])  # the first row: the genes as they are
    hits, occur, guessed = np.split(sums, 3, axis=1)
    asked = occur[0] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = np.where(occur + guessed > 0, 2 * hits / (occur + guessed), 0.0)[:, asked].mean(axis=1)
        recall = np.nanmean((hits / occur)[:, asked], axis=1)
    accuracy = hits.sum(axis=1) / occur.sum(axis=1)
    for name, values in (("macro_f1", f1), ("macro_recall", recall), ("accuracy", accuracy)):
        low, high = interval(values[1:])
        found |= {name: float(values[0]), f"{name}_low": low, f"{name}_high": high}
    return found
