"""Are generated genes any good? Sets of them beside real genes: composition, distinguishability, copying, diversity.

No single figure answers that. A model may match the frequency of every 4-mer of real genes and still generate nothing
that a small network would classify as a gene; it may deceive that network by copying genes it was trained on. Therefore
each set is shown beside others: real genes, shuffled real genes, and the sets of all other models.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.sparse import csr_array

from dnastudy.core.config import Settings
from dnastudy.data.datasets import Dataset
from dnastudy.data.kmers import kmer_counts_per_sequence
from dnastudy.evaluation import bootstrap
from dnastudy.homology.mmseqs import families, nearest_homologs
from dnastudy.models.generation import generate, predicts_end
from dnastudy.tasks.base import Task, TaskInput, TaskResult
from dnastudy.tasks.classifiers import BASELINES, Baseline
from dnastudy.tasks.sequence_features import describe, jensen_shannon, shuffled

COPY = {"identity": 0.95, "coverage": 0.9}
"""Least identity and coverage, shares of the alignment and of the length, of a copy of a training gene."""
REAL, SHUFFLED = "real genes", "shuffled real genes"
"""Names of the reference sets."""
AUC = "AUC, "
"""How the names of the measures begin that are areas under the ROC curve of a classifier, real against generated."""
HOMOLOGS, COPIES = "with a homolog in train", "copies of training genes"
"""Measures of the similarity to training genes: shares of the set."""
FEATURES = ["length", "gc", "cpg", "orf", "low_complexity"]
"""Columns of `describe` that are compared."""


class GenerationQuality(Task):
    """Compare generated with real genes."""

    name = "generation-quality"
    all_runs = False

    class Settings(Settings):
        """Settings of the comparison of generated with real genes."""

        genes: int = Field(default=1000, ge=20, description="genes of each set")
        temperatures: list[float] = Field(
            default=[1.0, 0.9, 0.8], min_length=1, description="sampling temperatures, one set for each"
        )
        kmer_sizes: list[Annotated[int, Field(ge=1, le=10)]] = Field(
            default=[3, 4, 5, 6, 7, 8], min_length=1, description="lengths of the k-mers that are compared, nt, 1 to 10"
        )
        classifiers: list[Baseline] = Field(
            default=list(BASELINES), min_length=1, description="classifiers that distinguish generated from real genes"
        )
        folds: int = Field(default=5, ge=2, description="parts of the cross-validation; a family is in one part")
        seed: int = Field(default=1, ge=0, description="seed of sampling, of choosing real genes and of shuffling")
        replicates: int = Field(default=1000, ge=100, description="bootstrap resamples for each interval")

    def run(self, task_input: TaskInput) -> TaskResult:
        """Compare one set for each temperature, and one with the lengths of real genes.

        The model ends its genes itself; one without an end symbol has the lengths of real genes in every set.
        """
        settings = self.settings
        ends = predicts_end(task_input.model)
        options = {
            f"temperature {temperature:g}": {"lengths": "own" if ends else "real", "temperature": temperature}
            for temperature in settings.temperatures
        }
        if ends:
            options["real lengths"] = {"lengths": "real", "temperature": 1.0}
        sets = {
            name: generate(task_input.model, settings.genes, seed=settings.seed, **choice)["sequence"].tolist()
            for name, choice in options.items()
        }
        return self._result(task_input.dataset, sets)

    def reference(self, dataset: Dataset) -> TaskResult:
        """Compare other real genes, and shuffled real genes, in the same way."""
        return self._result(dataset, self.references(dataset.validation))

    def references(self, genes: pd.DataFrame) -> dict[str, list[str]]:
        """Return the reference sets by name: real genes, and the same genes shuffled with all dinucleotides kept."""
        chosen, random = self._chosen(genes), np.random.default_rng(self.settings.seed)
        return {REAL: chosen, SHUFFLED: [shuffled(gene, random) for gene in chosen]}

    def _chosen(self, genes: pd.DataFrame) -> list[str]:
        """Return as many sequences of a table as a set has, drawn without replacement, or all of a smaller table."""
        n = min(self.settings.genes, len(genes))
        return genes["sequence"].sample(n, random_state=self.settings.seed).tolist()

    def _result(self, dataset: Dataset, sets: dict[str, list[str]]) -> TaskResult:
        return TaskResult({"measures": self.compare(sets, dataset.test, dataset.train)})

    def compare(
        self, sets: dict[str, list[str]], real: pd.DataFrame, train: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Compare sets of sequences with real genes.

        Parameters
        ----------
        sets : dict
            Sequences, by the name of the set.
        real : DataFrame
            Real genes; as many are drawn from them as the settings say.
        train : DataFrame, optional
            Training genes of the model; without them the similarity to training genes is not measured.

        Returns
        -------
        DataFrame: ``set``, ``measure``, ``value``, and a 95 % interval over the genes of the set, ``low`` and ``high``
        (NaN: none). Measures that need more genes or more families than a set has are missing.
        """
        chosen = self._chosen(real)
        return pd.DataFrame(
            {"set": name, **row}
            for name, genes in sets.items()
            # a model may end a gene before its first nucleotide
            for row in self._measures([gene for gene in genes if gene], chosen, train, len(genes))
        )

    def _measures(
        self, genes: list[str], real: list[str], train: pd.DataFrame | None, generated: int
    ) -> list[dict[str, Any]]:
        """Return every measure of one set of ``generated`` genes, of which ``genes`` are not empty."""
        rows = [_row("empty", (generated - len(genes)) / generated)]
        if len(genes) < 2 * self.settings.folds:
            return rows
        rows += self._kmer_divergences(genes, real)
        rows += self._features(genes, real)
        rows += self._distinguishability(genes, real)
        return [*rows, *self._homology(genes, train)]

    def _kmer_divergences(self, genes: list[str], real: list[str]) -> list[dict[str, Any]]:
        """Return the Jensen-Shannon divergence of the k-mer frequencies, bits.

        Genes that are drawn twice increase the divergence of any resample. Therefore the interval is the spread of the
        resamples about their mean, moved to the value.
        """
        rows = []
        for k in self.settings.kmer_sizes:
            counts, real_counts = (csr_array(kmer_counts_per_sequence(sequences, k)) for sequences in (genes, real))
            total, real_total = counts.sum(axis=0), real_counts.sum(axis=0)
            if not total.sum() or not real_total.sum():  # every gene is shorter than k
                continue
            resampled = bootstrap.resamples(len(genes), min(200, self.settings.replicates), 0) @ counts
            value = jensen_shannon(total, real_total)
            values = np.array([jensen_shannon(row, real_total) for row in resampled])
            low, high = bootstrap.interval(value + values - values.mean())
            rows.append(_row(f"divergence of {k}-mers, bits", value, max(0.0, low), high))
        return rows

    def _features(self, genes: list[str], real: list[str]) -> list[dict[str, Any]]:
        """Return the mean of each feature and the Kolmogorov-Smirnov distance of its distribution to real genes."""
        from scipy.stats import ks_2samp  # imported late: it takes most of a second

        rows = []
        table, real_table = describe(genes), describe(real)
        for feature in FEATURES:
            values = table[[feature]].dropna()
            if values.empty:
                continue
            resampled = bootstrap.means(values.to_numpy(), self.settings.replicates)[:, 0]
            rows.append(_row(f"{feature}, mean", float(values[feature].mean()), *bootstrap.interval(resampled)))
            distance = ks_2samp(values[feature], real_table[feature].dropna()).statistic
            rows.append(_row(f"{feature}, distance", float(distance)))
        return rows

    def _distinguishability(self, genes: list[str], real: list[str]) -> list[dict[str, Any]]:
        """Return the areas under the ROC curve of classifier two-sample tests (Lopez-Paz and Oquab 2017).

        Cross-validated with each family in one part, so that a classifier was trained on no homolog of what it
        classifies. There are no rows if a set has too few families for that.
        """
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedGroupKFold

        sequences = np.array([*real, *genes], dtype=object)
        labels = np.repeat([0, 1], [len(real), len(genes)])
        family = families(pd.DataFrame({"id": "", "sequence": sequences}))
        if family.max() + 1 < self.settings.folds:
            return []
        folds = list(StratifiedGroupKFold(self.settings.folds, shuffle=True, random_state=0).split(
            sequences, labels, family))  # fmt: skip
        if any(len(set(labels[training])) < 2 for training, _ in folds):
            return []
        weights = bootstrap.weights(family, min(300, self.settings.replicates))
        weights = [row for row in weights if len(set(labels[row > 0])) > 1]
        rows = []
        for name in self.settings.classifiers:
            p = np.zeros(len(labels))
            for training, held_out in folds:
                classifier = BASELINES[name]().fit(sequences[training].tolist(), labels[training])
                p[held_out] = classifier.predict_proba(sequences[held_out].tolist())[:, 1]
            resampled = np.array([roc_auc_score(labels, p, sample_weight=row) for row in weights])
            rows.append(_row(f"{AUC}{name}", float(roc_auc_score(labels, p)), *bootstrap.interval(resampled)))
        return rows

    def _homology(self, genes: list[str], train: pd.DataFrame | None) -> list[dict[str, Any]]:
        """Return the similarity of a set to training genes, and of its genes to each other."""
        table = pd.DataFrame({"id": np.arange(len(genes)).astype(str), "sequence": genes})
        shares = {}
        if train is not None:
            nearest = nearest_homologs(table, train)
            copies = (nearest["identity"] >= COPY["identity"]) & (nearest["coverage"] >= COPY["coverage"])
            shares = {
                HOMOLOGS: (nearest["identity"] > 0).to_numpy(float),
                COPIES: copies.to_numpy(float),
                "covered by a training gene": nearest["coverage"].to_numpy(),
            }
        family = families(table)
        sizes = np.bincount(family)
        shares["with a homolog in the set"] = (sizes[family] > 1).astype(float)
        rows = []
        for name, values in shares.items():
            resampled = bootstrap.means(values[:, None], self.settings.replicates, units=family)[:, 0]
            rows.append(_row(name, float(values.mean()), *bootstrap.interval(resampled)))
        return [*rows, _row("families per gene", len(sizes) / len(genes))]


def _row(measure: str, value: float, low: float = np.nan, high: float = np.nan) -> dict[str, Any]:
    return {"measure": measure, "value": value, "low": low, "high": high}
