"""What the chapter on homology shows of the split by family: what models still learn where no homolog is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import altair as alt
import numpy as np
import pandas as pd

from dnastudy.analysis.homology import FAMILY, FAMILY_SPLIT, WITH, WITHOUT, Chapter, gain_shares, type_names
from dnastudy.data import information
from dnastudy.data.sequences import NUCLEOTIDES, encode
from dnastudy.display.charts import family_scale, loose, series_scale
from dnastudy.display.tables import Table, estimate, markdown, table, with_interval
from dnastudy.evaluation import bootstrap, metrics
from dnastudy.evaluation.mutual_information import codon_period, mutual_information
from dnastudy.experiments.homology_plan import family_split_runs
from dnastudy.experiments.plan import MODERN, Run
from dnastudy.experiments.store import Result

ALL, UNALIGNED = "all", "nothing aligned"
ALIGNED = {UNALIGNED: 0.0, "less than a quarter": 0.25, "a quarter or more": 1.01}
"""Upper edges of the classes of genes by how much of them is aligned with training genes."""
EXPERT, CONTEXTS, WITHOUT_COPIES = "family-expert", "family-expert-contexts-only", "family-expert-without-copies"
STEPS = {
    CONTEXTS: "contexts of all lengths, mixed",
    WITHOUT_COPIES: "the gene's own prefix and the other strand",
    EXPERT: "copies of training genes",
}
"""Steps from the best n-gram to the expert mixture: what each of these runs adds to the one before."""
CODING = "PROTEIN_CODING"
"""The gene type in which codons are expected."""
FIFTHS = ["1: nearest", "2: nearer", "3: middle", "4: further", "5: furthest"]
REPEATS = {"none": 0.0, "up to 1%": 0.01, "1% to 5%": 0.05, "more than 5%": 1.0}
"""Upper edges of the classes of genes by their share of words of 10 nt that are in the gene before."""


def aligned_classes(share: np.ndarray) -> np.ndarray:
    """Class of each gene by how much of it is aligned with training genes: a name of `ALIGNED`."""
    names = list(ALIGNED)
    return np.where(share <= 0, names[0], np.where(share < ALIGNED[names[1]], names[1], names[2]))


def after_each_nucleotide(sequences: Sequence[str], log_probs: Sequence[np.ndarray]) -> pd.DataFrame:
    """What a model saves on a nucleotide, by the nucleotide before it.

    Parameters
    ----------
    sequences : genes over A C G T.
    log_probs : natural-log probabilities of each gene's nucleotides, renormalised over A C G T.

    Returns
    -------
    DataFrame, a row a nucleotide: ``after``, ``nucleotides``, ``bits saved each`` beside 2 bits, and ``share of all
    that is saved``.
    """
    codes = encode(list(sequences))
    before = np.concatenate([codes[number][:-1] for number in range(len(log_probs))])
    saved = np.concatenate([2 + row[1:] / np.log(2) for row in log_probs])
    return pd.DataFrame(
        {
            "after": letter,
            "nucleotides": int((before == code).sum()),
            "bits saved each": float(saved[before == code].mean()),
            "share of all that is saved": float(saved[before == code].sum() / saved.sum()),
        }
        for code, letter in enumerate(NUCLEOTIDES)
    )


@dataclass(frozen=True)
class FamilySplit:
    """What the chapter on homology shows of the models on the split by family."""

    chapter: Chapter
    runs: dict[str, Run]
    """Runs on the split by family alone, by name."""
    results: dict[str, Result]
    """Their results, and those of the learning curves on this split."""

    @classmethod
    def of(cls, chapter: Chapter) -> Self:
        """The second half of the chapter, its runs computed where they are missing."""
        runs = family_split_runs(chapter.study.profile)
        results = chapter.study.run(runs)
        for names in chapter.models.values():
            results |= {name: chapter.results[name] for name in names[FAMILY]}
        return cls(chapter, {run.name: run for run in runs}, results)

    @property
    def replicates(self) -> int:
        """Resamples of the genes for each interval."""
        return self.chapter.replicates

    @property
    def genes(self) -> pd.DataFrame:
        """The test genes of the split by family."""
        return self.chapter.family.test

    @cached_property
    def aligned(self) -> np.ndarray:
        """Class of each test gene, as of `aligned_classes`."""
        return aligned_classes(self.chapter.study.store.aligned(self.chapter.family))

    @cached_property
    def unaligned(self) -> np.ndarray:
        """Whether nothing of a test gene is aligned with a training gene."""
        return self.aligned == UNALIGNED

    @cached_property
    def studied(self) -> np.ndarray:
        """The test genes that composition and repeats are studied on: the unaligned ones, or all if there are none."""
        return self.unaligned if self.unaligned.any() else np.ones(len(self.unaligned), bool)

    @cached_property
    def ngrams(self) -> dict[int, str]:
        """Names of the n-gram runs by order."""
        return {run.order: name for name, run in self.runs.items() if run.model == "ngram"}

    @cached_property
    def lowest_ngram(self) -> str:
        """The n-gram run with the lowest perplexity on the validation genes of this split."""
        return min(self.ngrams.values(), key=self._validation)

    @cached_property
    def best(self) -> str:
        """The run with the lowest perplexity on the validation genes of this split."""
        return min(self.runs, key=self._validation)

    def _validation(self, name: str) -> float:
        return self.results[name].record["validation_perplexity"]

    @cached_property
    def labels(self) -> dict[str, str]:
        """Labels of the runs that are compared: one n-gram, the expert mixtures, the ensembles and the networks."""
        networks = {names[FAMILY][0]: label for label, names in self.chapter.models.items()}
        return {
            name: run.label for name, run in self.runs.items() if name == self.lowest_ngram or run.model != "ngram"
        } | {name: label for name, label in networks.items() if self.results[name].record["recipe"] == MODERN}

    @property
    def best_label(self) -> str:
        """Label of the best run."""
        return self.runs[self.best].label

    def models_table(self) -> Table:
        """Perplexity of each model on the split by family, by how much of a gene is aligned."""
        groups = {ALL: np.ones(len(self.aligned), bool), **{name: self.aligned == name for name in ALIGNED}}
        rows = []
        for name, label in self.labels.items():
            scores = self.results[name].scores()
            row: dict[str, Any] = {"model": label}
            for group, chosen in groups.items():
                if chosen.any():
                    summary = metrics.summarise(scores[chosen].reset_index(drop=True), self.replicates)
                    perplexity = summary["nucleotide_perplexity"]
                    with_bounds = group in (ALL, UNALIGNED)
                    row[group] = (
                        estimate(perplexity, *summary["interval"]) if with_bounds else f"{perplexity:.3f}"
                    )  # fmt: skip
            rows.append((self.results[name].metrics["nucleotide_perplexity"], row))
        rows.sort(key=lambda pair: -pair[0])
        sizes = ", ".join(f"{name}: {int(chosen.sum()):,} genes" for name, chosen in groups.items() if name != ALL)
        return table(
            pd.DataFrame([row for _, row in rows]),
            "Nucleotide perplexity (95 %) on the split by family: all test genes, and by how much of a gene is aligned "
            f"with training genes at all; networks of one seed. {sizes}",
        )

    @cached_property
    def steps(self) -> pd.DataFrame:
        """Bits per base saved by each step from the best n-gram to the best model.

        Columns: ``step``, ``genes`` ("all test genes" or `UNALIGNED`), ``bits``, ``low``, ``high`` (95 %).
        """
        steps = {self.lowest_ngram: self.runs[self.lowest_ngram].label, **STEPS}
        if self.runs[self.best].model == "ensemble":
            steps[self.best] = f"networks beside it ({self.best_label})"
        rows = []
        for before, name in pairwise([None, *steps]):
            for group, chosen in (("all test genes", np.ones(len(self.unaligned), bool)), (UNALIGNED, self.unaligned)):
                if chosen.any():
                    # the first step is counted from the uniform model
                    first = self._bits(before, chosen) if before else np.full(self.replicates + 1, 2.0)
                    saved = first - self._bits(name, chosen)
                    low, high = bootstrap.interval(saved[1:])
                    rows.append({"step": steps[name], "genes": group, "bits": saved[0], "low": low, "high": high})
        return pd.DataFrame(rows)

    def _bits(self, name: str, chosen: np.ndarray) -> np.ndarray:
        """Bits per base of a run on some test genes: of all of them, then of resamples; shape (replicates + 1,)."""
        scores = self.results[name].scores()[chosen].reset_index(drop=True)
        return np.append(metrics.bits_per_base(scores), metrics.resampled_bits(scores, self.replicates))

    def steps_chart(self) -> alt.TopLevelMixin:
        """What each step saves."""
        rows = self.steps
        base = alt.Chart(rows).encode(
            y=alt.Y("step:N", sort=list(rows["step"].unique()), title=None, axis=alt.Axis(labelLimit=320)),
            yOffset="genes:N",
        )
        bars = base.mark_bar().encode(
            x=alt.X("bits:Q", title="bits per base saved by the step"),
            tooltip=["step", "genes", *(alt.Tooltip(name, format=".4f") for name in ("bits", "low", "high"))],
            **series_scale("genes", list(rows["genes"].unique()), "bar"),
        )
        whiskers = base.mark_rule().encode(x="low:Q", x2="high:Q")
        return loose(
            alt.layer(bars, whiskers).properties(
                height=alt.Step(18),
                description="Bits per base saved by each step from the best n-gram to the best model on the split by "
                "family, on all test genes and on those of which nothing aligns with a training gene, 95 % intervals.",
            )
        )

    def _step(self, step: str, genes: str) -> float:
        return self.steps.set_index(["step", "genes"]).loc[(step, genes), "bits"]

    def steps_text(self) -> Any:
        """The best model on the split by family, and what its parts save."""
        best, ngram = self.results[self.best].metrics, self.results[self.lowest_ngram].metrics
        low, high = best["interval"]
        hundredths = 100 * (ngram["nucleotide_perplexity"] - best["nucleotide_perplexity"])
        text = (
            f"The best on the validation genes of this split, {self.best_label}, comes to "
            f"{best['nucleotide_perplexity']:.3f} ({low:.3f} to {high:.3f}) on its test genes, where the best single "
            f"order of context, chosen on validation genes as well, has {ngram['nucleotide_perplexity']:.3f}: "
            f"{abs(hundredths):.0f} hundredths {'lower' if hundredths > 0 else 'higher'}."
        )
        if self.unaligned.any():
            each = "; ".join(
                f"{step} {self._step(step, 'all test genes'):.3f} and {self._step(step, UNALIGNED):.3f}"
                for step in self.steps["step"].unique()
            )
            text += (
                f" Bits per base, on all test genes and on those of which nothing aligns: {each}. "
                f"{1 - self.unaligned.mean():.0%} of the test genes share a piece with some training gene, too short "
                "or too distant to count as a homolog."
            )
        return markdown(text)

    def cpg_table(self) -> Table:
        """What short contexts save after each nucleotide."""
        order = min(self.ngrams)
        model = self.chapter.study.store.fit(self.runs[self.ngrams[order]], self.chapter.study.dataset)[0]
        sequences = list(self.genes["sequence"][self.studied])
        return table(
            after_each_nucleotide(sequences, model.nucleotide_log_probs(encode(sequences))),
            f"What an n-gram of order {order} saves on the test genes of which nothing is aligned, by the nucleotide "
            "before",
            {"nucleotides": ",d", "bits saved each": ".4f", "share of all that is saved": ".0%"},
        )

    @cached_property
    def _type_sets(self) -> dict[str, np.ndarray]:
        """Which test genes are in each set that codons are looked for in: all studied ones, and the common types."""
        types = type_names(self.genes).to_numpy()
        counts = pd.Series(types[self.studied]).value_counts()
        common = [name for name in counts.index if counts[name] >= min(40, counts.max())][:4]
        sets = {ALL: self.studied, **{name: self.studied & (types == name) for name in common}}
        coding = types == CODING
        if CODING not in sets and coding.sum() >= 20 and len(sets) < 6:
            sets[f"{CODING}, aligned too"] = coding
        return sets

    def mutual_information_chart(self) -> alt.TopLevelMixin:
        """Mutual information of two nucleotides against their distance, a line a gene type."""
        sequences = self.genes["sequence"].to_numpy()
        names = list(self._type_sets)
        rows = pd.concat(
            mutual_information(sequences[chosen], range(2, 25)).assign(type=name)
            for name, chosen in self._type_sets.items()
        )
        axis = alt.Axis(values=list(range(3, 25, 3)))
        base = alt.Chart(rows).encode(x=alt.X("distance:Q", title="distance, nt", axis=axis))
        y = alt.Y("bits:Q", title="mutual information, bits per base")
        lines = base.mark_line().encode(y=y, **series_scale("type", names, "line"))
        points = base.mark_point(size=40).encode(
            y=y,
            tooltip=["type", "distance", *(alt.Tooltip(name, format=".4f") for name in ("bits", "low", "high"))],
            **series_scale("type", names, "point"),
        )
        return loose(
            alt.layer(lines, points).properties(
                height=320,
                description="Average mutual information of two nucleotides against their distance, for gene types: "
                + ", ".join(names)
                + ".",
            )
        )

    @cached_property
    def codons(self) -> pd.DataFrame:
        """Excess of mutual information at codons in each set: ``type``, ``genes``, ``bits``, ``low``, ``high``."""
        sequences = self.genes["sequence"].to_numpy()
        return pd.DataFrame(
            {"type": name, "genes": int(chosen.sum()), **codon_period(sequences[chosen])}
            for name, chosen in self._type_sets.items()
        )

    def codons_table(self) -> Table:
        """Excess of mutual information at the distances of codons."""
        rows = self.codons[["type", "genes"]].assign(
            **{"excess at codons, bits per base (95 %)": with_interval(self.codons, "bits")}
        )
        return table(
            rows,
            "Mutual information at distances 3, 6, 9 and 12 above that of the distances beside them",
            {"genes": ",d"},
        )

    def codons_text(self) -> Any:
        """Which gene types show codons."""
        above = self.codons[self.codons["low"] > 0]
        if above.empty:
            return markdown("No type of these genes shows codons.")
        each = "; ".join(f"{row.type} {row.bits:.4f} bits" for row in above.itertuples())
        return markdown(
            f"Above 0 beyond the interval: {each}. By so much a nucleotide one to four codons back tells more of the "
            "next one than those beside it do."
        )

    @cached_property
    def within_gene(self) -> pd.DataFrame:
        """What the gene's own prefix and the other strand save, by composition and by repeats.

        Columns: ``by``, ``class``, ``genes``, ``saved`` (bits per base), ``gain`` (share of all saved), ``low`` and
        ``high`` (95 %).
        """
        contexts, prefix = (
            self.results[name].scores()[self.studied].reset_index(drop=True) for name in (CONTEXTS, WITHOUT_COPIES)
        )
        sequences = self.genes["sequence"].to_numpy()
        distance = pd.Series(information.gc_distance(sequences)).rank(pct=True).to_numpy()[self.studied]
        repeated = information.repeated_share(sequences)[self.studied]
        classes = {
            "share of G and C, fifths by distance": (FIFTHS, np.minimum((distance * 5).astype(int), 4)),
            "words of 10 nt that stood before": (
                list(REPEATS), np.searchsorted(list(REPEATS.values())[:-1], repeated)
            ),
        }  # fmt: skip
        rows = []
        for title, (names, numbers) in classes.items():
            labels = np.array(names)[numbers]
            shares = gain_shares(contexts, prefix, labels, self.replicates).set_index("group")
            for name in names:
                if name in shares.index:
                    chosen = labels == name
                    saved = metrics.bits_per_base(contexts[chosen]) - metrics.bits_per_base(prefix[chosen])
                    rows.append({"by": title, "class": name, "saved": saved, **shares.loc[name]})
        return pd.DataFrame(rows)

    def within_gene_table(self) -> Table:
        """What the gene's own prefix and the other strand save, by class of gene."""
        rows = self.within_gene
        frame = pd.DataFrame(
            {
                "by": rows["by"],
                "class": rows["class"],
                "genes": rows["genes"].astype(int),
                "saved, bits per base": rows["saved"],
                "share of all saved (95 %)": [estimate(r.gain, r.low, r.high, ".0%") for r in rows.itertuples()],
            }
        )
        return table(
            frame,
            "What the gene's own prefix and the other strand save on test genes of which nothing is aligned",
            {"genes": ",d", "saved, bits per base": ".4f"},
        )

    def within_gene_text(self) -> Any:
        """What composition and repeats make of it."""
        composition, repeats = (
            part.set_index("class")["saved"] for _, part in self.within_gene.groupby("by", sort=False)
        )
        text = (
            f"Genes whose composition is furthest from the usual save {composition.iloc[-1]:.3f} bits per base by "
            f"their own prefix, those nearest to it {composition.iloc[0]:.3f}"
        )
        if {"more than 5%", "none"} <= set(repeats.index):
            text += (
                f"; genes with more than 5 % of repeated words {repeats['more than 5%']:.3f}, those with none "
                f"{repeats['none']:.3f}"
            )
        text += "."
        shared = len(self.unaligned) - self.unaligned.sum()
        if self.unaligned.any() and shared:
            text += (
                " The step by copies, in contrast, is made on genes that share a piece with a training gene "
                f"({shared:,} of {len(self.unaligned):,}): {self._step(STEPS[EXPERT], 'all test genes'):.3f} bits on "
                f"all test genes and {self._step(STEPS[EXPERT], UNALIGNED):.3f} where nothing is aligned."
            )
        return markdown(text)

    def types_chart(self) -> alt.TopLevelMixin:
        """Perplexity by gene type of the best n-gram, the expert mixture and the best model."""
        types = type_names(self.genes).to_numpy()
        rows = pd.concat(
            metrics.by_group(self.results[name].scores(), types, self.replicates).assign(
                label=self.runs[name].label, family=self.results[name].record["family"]
            )
            for name in dict.fromkeys([self.lowest_ngram, EXPERT, self.best])
        )
        rows = rows[rows["genes"] >= min(15, rows["genes"].max())]
        order = list(rows.groupby("group")["genes"].max().sort_values(ascending=False).index)
        families = list(dict.fromkeys(rows["family"]))
        base = alt.Chart(rows[["group", "label", "family", "genes", "nucleotide_perplexity", "low", "high"]]).encode(
            y=alt.Y("group:N", sort=order, title=None),
            yOffset="label:N",
        )
        bars = base.mark_rule().encode(x="low:Q", x2="high:Q", **family_scale("family", "bar", families))
        points = base.mark_point(size=60).encode(
            x=alt.X("nucleotide_perplexity:Q", title="nucleotide perplexity", scale=alt.Scale(zero=False)),
            tooltip=["label", "group", alt.Tooltip("genes", format=","),
                     alt.Tooltip("nucleotide_perplexity", format=".3f")],
            **family_scale("family", "point", families),
        )  # fmt: skip
        return loose(
            alt.layer(bars, points).properties(
                height=alt.Step(14),
                description="Nucleotide perplexity on the split by family, by gene type, for the best n-gram, the "
                "expert mixture and the best model; 95 % intervals.",
            )
        )

    def conclusions(self) -> Any:
        """What the chapter comes to."""
        text, perplexity = [], self.chapter.perplexities
        if {WITH, WITHOUT} <= set(perplexity):
            rise = perplexity[WITHOUT] - perplexity[WITH]
            text.append(
                "A perplexity on a random split is a mixture of two figures, on genes with homologs and on genes "
                "without (they differ in type and composition, too). On those without it is higher by "
                f"{rise.max():.2f} for {rise.idxmax()}, and by {rise.min():.2f} for {rise.idxmin()}: what looks like a "
                "better model of genes may owe more to homologs."
            )
        family = perplexity[FAMILY_SPLIT].sort_values()
        text.append(
            f"Without homologs the best of the models that are on both splits is {family.index[0]}, at "
            f"{family.iloc[0]:.3f}; the uniform model has 4. Published comparisons should state both, and split by "
            "family where they claim knowledge of genes."
        )
        words = {
            STEPS[CONTEXTS]: "contexts of all lengths",
            STEPS[WITHOUT_COPIES]: "the gene's own prefix, to which the mixture adapts",
        }
        steps = self.steps
        beyond = steps[(steps["genes"] == UNALIGNED) & steps["step"].isin(words) & (steps["low"] > 0)]
        if len(beyond):
            text.append(
                "Where nothing is shared with any training gene, the largest step beyond the best n-gram is "
                f"{words[beyond.loc[beyond['bits'].idxmax(), 'step']]}."
            )
        return markdown("\n".join(f"- {sentence}" for sentence in text))
