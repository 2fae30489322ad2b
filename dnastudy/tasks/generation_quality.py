"""Are generated genes any good? A set of them beside real ones: composition, telling them apart, novelty, diversity.

No single figure says it. A model can come near real genes in every word of four letters and write nothing that a small
network would take for a gene; it can fool that network by reciting genes it has seen. So each set is judged beside
others: real genes, real genes shuffled, and the sets of all other models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.sparse import csr_array
from scipy.stats import ks_2samp

from dnastudy.core.config import Settings
from dnastudy.data.datasets import Dataset
from dnastudy.evaluation.bootstrap import interval
from dnastudy.evaluation.proportions import resampled_means
from dnastudy.homology.mmseqs import families, nearest_homologs
from dnastudy.models.generation import generate, knows_end
from dnastudy.tasks.base import Task, TaskInput, TaskResult
from dnastudy.tasks.classifiers import BASELINES, Baseline
from dnastudy.tasks.sequence_features import describe, jensen_shannon, shuffled, word_counts

RECITED = {"identity": 0.95, "coverage": 0.9}
"""From where on a sequence counts as a copy of a training gene: share of identical columns, and of its length."""
REAL, SHUFFLED = "real genes", "shuffled real genes"
"""Sets that no model wrote."""
TOLD_APART = "told apart by "
"""How the measures begin that are areas under the ROC curve."""
RELATIVES, COPIES = "with a relative in train", "copies of training genes"
"""Measures of how much is recited."""
FACTS = ["length", "gc", "cpg", "orf", "low_complexity"]


class GenerationQuality(Task):
    """Set generated genes beside real ones."""

    name = "generation-quality"
    everything = False
    code = ("tasks/measures.py", "tasks/classifiers.py", "tasks/proportions.py", "generation.py", "relatives.py")

    class Settings(Settings):
        """Settings of the comparison of generated with real genes."""

        genes: int = Field(default=1000, ge=20, description="genes of a set")
        temperatures: list[float] = Field(default=[1.0, 0.9, 0.8], min_length=1, description="a set for each of them")
        words: list[Annotated[int, Field(ge=1, le=10)]] = Field(
            default=[3, 4, 5, 6, 7, 8], min_length=1, description="lengths of words compared, nt"
        )
        classifiers: list[Baseline] = Field(
            default=list(BASELINES), min_length=1, description="classifiers that try to tell generated from real"
        )
        folds: int = Field(default=5, ge=2, description="parts of the cross-validation, whole families each")
        seed: int = Field(default=1, ge=0, description="of sampling, of the real genes chosen and of shuffles")
        replicates: int = Field(default=1000, ge=100, description="bootstrap resamples of the genes")

    def run(self, task_input: TaskInput) -> TaskResult:
        """One set a temperature, the genes ended by the model where it can; one more with the lengths of real genes."""
        settings, sets = self.settings, {}
        ends = knows_end(task_input.model)
        for temperature in settings.temperatures:
            options = {"lengths": "own" if ends else "real", "temperature": temperature}
            sets[f"temperature {temperature:g}"] = {**options}
        if ends:
            sets["real lengths"] = {"lengths": "real", "temperature": 1.0}
        written = {
            name: generate(task_input.model, settings.genes, seed=settings.seed, **options)["sequence"].tolist()
            for name, options in sets.items()
        }
        return self._outcome(task_input.dataset, written)

    def reference(self, dataset: Dataset) -> TaskResult:
        """Other real genes, and real genes shuffled, judged in the same way."""
        return self._outcome(dataset, self.references(dataset.validation))

    def references(self, genes: pd.DataFrame) -> dict[str, list[str]]:
        """Sets that no model wrote: real genes, and the same shuffled with every pair of neighbours kept."""
        chosen, random = self._chosen(genes), np.random.default_rng(self.settings.seed)
        return {REAL: chosen, SHUFFLED: [shuffled(gene, random) for gene in chosen]}

    def _chosen(self, genes: pd.DataFrame) -> list[str]:
        """So many genes of a table, or all of it, drawn once."""
        n = min(self.settings.genes, len(genes))
        return genes["sequence"].sample(n, random_state=self.settings.seed).tolist()

    def _outcome(self, dataset: Dataset, sets: dict[str, list[str]]) -> TaskResult:
        return TaskResult({"measures": self.judge(sets, dataset.test, dataset.train)})

    def judge(self, sets: dict[str, list[str]], real: pd.DataFrame, train: pd.DataFrame | None = None) -> pd.DataFrame:
        """Set genes beside real ones.

        Parameters
        ----------
        sets : dict
            Sequences, by name.
        real : DataFrame
            Real genes; as many as the settings say are drawn from them.
        train : DataFrame, optional
            Genes that may have been recited; without them there are no measures of novelty.

        Returns
        -------
        DataFrame: ``set``, ``measure``, ``value``, and a 95 % interval over the genes of the set, ``low`` and ``high``
        (NaN: none). Sets of few genes, or of few families, have no measures that need more.
        """
        chosen = self._chosen(real)
        return pd.DataFrame(
            {"set": name, **row}
            for name, genes in sets.items()
            # a model may end a gene before it begins
            for row in self._judged([gene for gene in genes if gene], chosen, train, len(genes))
        )

    def _judged(
        self, genes: list[str], real: list[str], train: pd.DataFrame | None, asked: int
    ) -> list[dict[str, Any]]:
        """Every measure of one set: ``measure``, ``value``, ``low``, ``high`` (95 % over its genes)."""
        rows = [_row("empty", (asked - len(genes)) / asked)]
        if len(genes) < 2 * self.settings.folds:
            return rows
        rows += self._spectra(genes, real)
        rows += self._facts(genes, real)
        rows += self._told_apart(genes, real)
        return [*rows, *self._novelty(genes, train)]

    def _spectra(self, genes: list[str], real: list[str]) -> list[dict[str, Any]]:
        """Jensen-Shannon divergence of the shares of words, bits.

        The interval is how resamples of the genes lie about their mean, put about the value: genes drawn twice make
        the shares of any set look further from others, and that must not move it.
        """
        rows = []
        for k in self.settings.words:
            one, other = (csr_array(word_counts(sequences, k)) for sequences in (genes, real))
            total, theirs = one.sum(axis=0), other.sum(axis=0)
            if not total.sum() or not theirs.sum():  # every gene is shorter than the words
                continue
            resamples = _resamples(len(genes), min(200, self.settings.replicates)) @ one
            value, found = jensen_shannon(total, theirs), np.array([jensen_shannon(row, theirs) for row in resamples])
            low, high = interval(value + found - found.mean())
            rows.append(_row(f"divergence of {k}-mers, bits", value, max(0.0, low), high))
        return rows

    def _facts(self, genes: list[str], real: list[str]) -> list[dict[str, Any]]:
        """Mean of each fact, and how far apart its distributions are (Kolmogorov-Smirnov distance)."""
        rows = []
        ours, theirs = describe(genes), describe(real)
        for fact in FACTS:
            values = ours[[fact]].dropna()
            if values.empty:
                continue
            low, high = interval(resampled_means(values.to_numpy(), values.index, self.settings.replicates)[:, 0])
            rows.append(_row(f"{fact}, mean", float(values[fact].mean()), low, high))
            rows.append(_row(f"{fact}, distance", float(ks_2samp(values[fact], theirs[fact].dropna()).statistic)))
        return rows

    def _told_apart(self, genes: list[str], real: list[str]) -> list[dict[str, Any]]:
        """Classifier two-sample test (Lopez-Paz and Oquab 2017): area under the ROC curve, real against generated.

        Cross-validated with whole families on one side, so that no relative of what is classified has been seen. No
        rows where a set has too few families for that.
        """
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedGroupKFold

        sequences = np.array([*real, *genes], dtype=object)
        labels = np.repeat([0, 1], [len(real), len(genes)])
        related = families(pd.DataFrame({"id": "", "sequence": sequences}))
        if related.max() + 1 < self.settings.folds:
            return []  # so few families that some part has none: no figure, and not one that looks good
        folds = list(StratifiedGroupKFold(self.settings.folds, shuffle=True, random_state=0).split(
            sequences, labels, related))  # fmt: skip
        if any(len(set(labels[seen])) < 2 for seen, _ in folds):
            return []
        rows = []
        for name in self.settings.classifiers:
            p = np.zeros(len(labels))
            for seen, held_out in folds:
                classifier = BASELINES[name]().fit(sequences[seen].tolist(), labels[seen])
                p[held_out] = classifier.predict_proba(sequences[held_out].tolist())[:, 1]
            low, high = interval(_resampled_area(labels, p, related, min(300, self.settings.replicates)))
            rows.append(_row(f"{TOLD_APART}{name}, AUC", float(roc_auc_score(labels, p)), low, high))
        return rows

    def _novelty(self, genes: list[str], train: pd.DataFrame | None) -> list[dict[str, Any]]:
        """Nearest training genes, copies of them, and how alike the genes of the set are."""
        table = pd.DataFrame({"id": np.arange(len(genes)).astype(str), "sequence": genes})
        shares = {}
        if train is not None:
            near = nearest_homologs(table, train)
            copies = (near["identity"] >= RECITED["identity"]) & (near["coverage"] >= RECITED["coverage"])
            shares = {
                RELATIVES: (near["identity"] > 0).to_numpy(float),
                COPIES: copies.to_numpy(float),
                "covered by a training gene": near["coverage"].to_numpy(),
            }
        related = families(table)
        sizes = np.bincount(related)
        shares["with a relative in the set"] = (sizes[related] > 1).astype(float)
        rows = []
        for name, values in shares.items():
            low, high = interval(resampled_means(values[:, None], related, self.settings.replicates)[:, 0])
            rows.append(_row(name, float(values.mean()), low, high))
        return [*rows, _row("families a gene", len(sizes) / len(genes))]


def _row(measure: str, value: float, low: float = np.nan, high: float = np.nan) -> dict[str, Any]:
    return {"measure": measure, "value": value, "low": low, "high": high}


def _resamples(genes: int, replicates: int) -> np.ndarray:
    """How often each gene stands in each resample, shape (replicates, genes)."""
    return np.random.default_rng(0).multinomial(genes, np.full(genes, 1 / genes), size=replicates)


def _resampled_area(labels: np.ndarray, scores: np.ndarray, groups: Sequence, replicates: int) -> np.ndarray:
    """Area under the ROC curve in resamples of the groups (families)."""
    from sklearn.metrics import roc_auc_score

    codes = pd.factorize(np.asarray(groups))[0]
    weights = _resamples(codes.max() + 1, replicates)[:, codes]
    return np.array(
        [roc_auc_score(labels, scores, sample_weight=row) for row in weights if len(set(labels[row > 0])) > 1]
    )
