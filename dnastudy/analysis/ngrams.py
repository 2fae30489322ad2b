"""The chapter on n-gram models: the paper's figures, orders and smoothings, homologs, and generated genes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import altair as alt
import numpy as np
import pandas as pd

from dnastudy.analysis.headline import TOLERANCE, reproduction_table
from dnastudy.analysis.strata import WITH, WITHOUT, homology_groups
from dnastudy.core.errors import ParameterError
from dnastudy.data.datasets import Dataset
from dnastudy.data.kmers import kmer_counts
from dnastudy.data.sequences import NUCLEOTIDES
from dnastudy.data.statistics import describe_part
from dnastudy.display import looks
from dnastudy.display.charts import series_scale
from dnastudy.display.tables import Table, estimate, markdown, table, with_interval
from dnastudy.evaluation import metrics
from dnastudy.experiments.labels import model_label
from dnastudy.experiments.plan import Run, ngram_runs
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.store import Result
from dnastudy.experiments.study import Study

SMOOTHINGS = {"laplace-train": "Laplace", "witten-bell": "Witten-Bell", "witten-bell-tuned": "Witten-Bell, ν tuned"}
"""Groups of runs fitted on the training genes alone, and the name of their smoothing."""
LARGEST_SHOWN = 4.4
"""Perplexities above are left out of the chart of orders."""
MIDDLING_ORDER = 6
LONGEST_GENERATED = 1000
FEWEST_GENES = 100
"""On each side, for a sentence on what homologs contribute."""
FEWEST_OF_TYPE = 20
"""Test genes that a type needs to be shown."""


def orders_frame(results: Mapping[str, Result]) -> pd.DataFrame:
    """Runs on the training genes by smoothing and order.

    Returns
    -------
    DataFrame: ``smoothing``, ``order``, nucleotide ``perplexity`` with its interval ``low`` and ``high``, ``bits`` per
    base, ``paper`` perplexity, the chosen ``nu`` (None: not tuned), the number of distinct ``n-grams``, ``run``.
    """
    rows = []
    for name, result in results.items():
        if (group := result.record["group"]) in SMOOTHINGS:
            low, high = result.metrics["interval"]
            rows.append(
                {
                    "smoothing": SMOOTHINGS[group],
                    "order": result.record["order"],
                    "perplexity": result.metrics["nucleotide_perplexity"],
                    "low": low,
                    "high": high,
                    "bits": result.metrics["bits_per_base"],
                    "paper": result.metrics["paper_perplexity"],
                    "nu": result.record["tuned"].get("escape_weight"),
                    "n-grams": result.record["parameters"],
                    "run": name,
                }
            )
    return pd.DataFrame(rows)


def dinucleotide_ratios(sequences: list[str]) -> pd.DataFrame:
    """Each pair of neighbouring nucleotides: ``first``, ``then``, and ``ratio``, its observed over expected count."""
    pairs = kmer_counts(sequences, 2).reshape(4, 4)
    expected = np.outer(pairs.sum(axis=1), pairs.sum(axis=0)) / pairs.sum()
    return pd.DataFrame(
        [
            {"first": first, "then": then, "ratio": float(pairs[i, j] / expected[i, j])}
            for i, first in enumerate(NUCLEOTIDES)
            for j, then in enumerate(NUCLEOTIDES)
        ]
    )


def tuned_run(profile: Profile, order: int) -> Run:
    """The run of tuned Witten-Bell smoothing of any order; of one in the profile, the planned run."""
    tuned = [run for run in ngram_runs(profile) if run.group == "witten-bell-tuned"]
    planned = {run.order: run for run in tuned}
    if order in planned:
        return planned[order]
    settings = {**tuned[0].settings, "order": order}
    label = model_label(tuned[0].model, settings)
    changes = {"name": f"witten-bell-tuned-{order}", "label": label, "order": order, "settings": settings}
    return tuned[0].model_copy(update={**changes, "representative": False})


def contribution_sentence(gains: Mapping[str, float], genes: Mapping[str, int]) -> str:
    """What homologs contribute to what long contexts gain, in bits per base with and without; "" where not resolved."""
    if min(genes.get(group, 0) for group in (WITH, WITHOUT)) < FEWEST_GENES:
        return ""
    if gains[WITHOUT] <= 0 < gains[WITH]:
        return (
            "All that long contexts add comes from homologs; genes without one are predicted worse than by short "
            "contexts."
        )
    if gains[WITHOUT] < gains[WITH] / 2:
        return "Most of what long contexts add comes from homologs."
    return ""


def grammar_sentence(ratios: pd.DataFrame) -> str:
    """The rarest and the most over-represented pair of neighbours, from `dinucleotide_ratios`."""
    rare, common = ratios.loc[ratios["ratio"].idxmin()], ratios.loc[ratios["ratio"].idxmax()]
    text = (
        f"The rarest step is {rare['first']}{rare['then']} at {rare['ratio']:.2f} of its expectation, the most "
        f"over-represented {common['first']}{common['then']} at {common['ratio']:.2f}."
    )
    if rare["first"] + rare["then"] == "CG":
        text += (
            " In vertebrate DNA the C of CG is methylated and mutates to T, so CG is depleted and TG and CA are left "
            "over; an n-gram model finds this at order 2, and little else of that strength."
        )
    return text


@dataclass(frozen=True)
class Chapter:
    """What the chapter shows."""

    study: Study
    order: int
    """Order of the model that generates genes."""
    results: dict[str, Result]

    @classmethod
    def of(cls, study: Study, order: int) -> Self:
        """The chapter, its runs computed where they are missing; ParameterError unless 1 <= order <= 12."""
        if not 1 <= order <= 12:
            raise ParameterError(f"parameter 'order': 1 to 12, got {order}")
        return cls(study, order, study.run(ngram_runs(study.profile)))

    @property
    def _dataset(self) -> Dataset:
        return self.study.dataset

    # the paper's figures

    @cached_property
    def _reproduction(self) -> pd.DataFrame:
        return reproduction_table(self.results)

    def reproduction(self) -> Table:
        """The paper's figures beside ours."""
        rows = self._reproduction
        digits = rows["equal_digits"]
        if self._dataset.name == "paper":
            digits = digits.astype(str).where(np.isfinite(rows["ours"]), "both infinite")
        shown = pd.DataFrame(
            {
                "model": rows["model"],
                "the paper": rows["paper"],
                "ours": rows["ours"],
                "equal digits": digits,
                "like for like (95 % interval)": with_interval(rows, "nucleotide_perplexity"),
            }
        )
        return table(
            shown,
            "Paper perplexity on the test genes as published and as computed here; like for like is nucleotide "
            f"perplexity. Counted on {self._dataset.counts_description}.",
            formats={"the paper": ".12f", "ours": ".12f"},
        )

    def reproduction_text(self) -> Any:
        """How many of the paper's figures are reproduced."""
        rows = self._reproduction
        if self._dataset.name != "paper":
            return markdown(
                "The paper's figures are of its own genes, and this page is about others: equal digits are not to be "
                "expected here. `dnastudy reproduce ngrams` makes the comparison on the paper's genes."
            )
        reproduced = int((rows["relative_difference"] <= TOLERANCE).sum())
        return markdown(
            f"On the paper's own genes **{reproduced} of {len(rows)} figures are reproduced** to a relative "
            f"{TOLERANCE:.0e}; the fewest equal digits are {rows['equal_digits'].min()}. The paper's n-gram arithmetic "
            "is right."
        )

    # one model by three measures

    @cached_property
    def _three_measures(self) -> tuple[str, pd.DataFrame, dict[str, float]]:
        """Label of the paper's model of the highest order; its three perplexities; nats for each kind of event."""
        laplace = [result for result in self.results.values() if result.record["group"] == "laplace"]
        result = max(laplace, key=lambda result: result.record["order"])
        scores = result.scores()
        nucleotides, ends = scores["nucleotides"].sum(), len(scores)
        nats = -scores["log_prob"].sum()
        end_nats = -sum(row[-1] for row in result.model().log_probs(list(self._dataset.test["sequence"])))
        measures = pd.DataFrame(
            {
                "measure": [
                    "as in the paper: nucleotides and ends, seven symbols",
                    "nucleotides alone, seven symbols",
                    "nucleotides alone, renormalised over A, C, G, T",
                ],
                "events": [nucleotides + ends, nucleotides, nucleotides],
                "perplexity": [
                    np.exp(nats / (nucleotides + ends)),
                    np.exp((nats - end_nats) / nucleotides),
                    result.metrics["nucleotide_perplexity"],
                ],
            }
        )
        costs = {
            "end": end_nats / ends,
            "nucleotide": (nats - end_nats) / nucleotides,
            "end, from the mean length": np.log(nucleotides / ends + 1),
        }
        return result.record["label"], measures, costs

    def like_for_like(self) -> Table:
        """One published row by three measures."""
        label, measures, _ = self._three_measures
        return table(measures, f"One model, three perplexities: {label}", formats={"perplexity": ".4f"})

    def like_for_like_text(self) -> Any:
        """What the ends and the three further symbols cost."""
        _, measures, costs = self._three_measures
        return markdown(
            f"Each end costs {costs['end']:.2f} nats where a nucleotide costs {costs['nucleotide']:.2f}; a model of "
            f"nothing but the mean length of the genes would need {costs['end, from the mean length']:.2f}. Leaving "
            f"the ends out and renormalising moves the figure from {measures['perplexity'].iloc[0]:.4f} to "
            f"{measures['perplexity'].iloc[2]:.4f} without any change of the model."
        )

    # orders and smoothings

    @cached_property
    def orders(self) -> pd.DataFrame:
        """See `orders_frame`."""
        return orders_frame(self.results)

    @cached_property
    def best(self) -> pd.Series:
        """Row of `orders` with the lowest perplexity."""
        return self.orders.loc[self.orders["perplexity"].idxmin()]

    def _smoothing(self, group: str) -> pd.DataFrame:
        """Rows of `orders` of one smoothing, by order."""
        return self.orders[self.orders["smoothing"] == SMOOTHINGS[group]].set_index("order")

    def orders_chart(self) -> alt.TopLevelMixin:
        """Perplexity by order and smoothing."""
        shown = self.orders[self.orders["perplexity"] < LARGEST_SHOWN].drop(columns="paper")
        base = alt.Chart(shown).encode(
            x=alt.X("order:O", title="order N", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("perplexity:Q", title="nucleotide perplexity, test genes", scale=alt.Scale(zero=False)),
        )
        names = list(SMOOTHINGS.values())
        lines = base.mark_line().encode(**series_scale("smoothing", names, "line"))
        points = base.mark_point().encode(
            **series_scale("smoothing", names, "point"),
            tooltip=[
                "smoothing",
                "order",
                alt.Tooltip("perplexity", format=".4f"),
                alt.Tooltip("low", format=".4f"),
                alt.Tooltip("high", format=".4f"),
                alt.Tooltip("bits", format=".4f", title="bits per base"),
                alt.Tooltip("nu", title="ν chosen"),
                alt.Tooltip("n-grams", format=","),
            ],
        )
        bars = base.mark_rule().encode(y="low:Q", y2="high:Q", color=alt.Color("smoothing:N"))
        uniform = alt.Chart(pd.DataFrame({"y": [4.0]})).mark_rule(strokeDash=[1, 5]).encode(y="y:Q")
        return alt.layer(uniform, lines, bars, points).properties(
            height=320,
            description="Nucleotide perplexity on the test genes against the order N for three smoothings, all trained "
            f"on the training genes alone; points above {LARGEST_SHOWN} are left out; the dotted line at 4 is the "
            "uniform model.",
        )

    def orders_text(self) -> Any:
        """Which order and which smoothing is best, by both measures."""
        best, plain = self.best, self._smoothing("witten-bell")["perplexity"]
        tuned, laplace = self._smoothing("witten-bell-tuned"), self._smoothing("laplace-train")
        by_paper, by_bases = laplace["paper"], laplace["perplexity"]
        left_out = len(self.orders) - int((self.orders["perplexity"] < LARGEST_SHOWN).sum())
        text = [
            f"The best of them is {best['smoothing']} at order {best['order']}: "
            f"{estimate(best['perplexity'], best['low'], best['high'], '.4f')}, {best['bits']:.4f} bits per base, "
            "where the uniform model needs 2.",
            f"With ν = 1 the best order is {plain.idxmin()} ({plain.min():.4f}) and order {plain.index.max()} gives "
            f"{plain.iloc[-1]:.4f}"
            + (
                ": a long context that was seen once gets half of all probability."
                if plain.iloc[-1] > plain.min()
                else "."
            ),
            f"The validation genes choose ν = {tuned['nu'].iloc[-1]:g} at order {tuned.index.max()}, which gives "
            f"{tuned['perplexity'].iloc[-1]:.4f}.",
            f"By the paper's own measure Laplace would be best at order {by_paper.idxmin()} ({by_paper.min():.2f}, and "
            f"{by_paper.iloc[-1]:.2f} at order {by_paper.index.max()}), because every rare context must share its "
            "probability with symbols that never come; on nucleotides alone its best order is "
            f"{by_bases.idxmin()}.",
        ]
        if left_out:
            text.append(f"({left_out} of the points lie above {LARGEST_SHOWN} and outside the chart.)")
        return markdown(" ".join(text))

    # homologs

    @cached_property
    def _groups(self) -> np.ndarray:
        return homology_groups(self.study)

    @cached_property
    def _by_homology(self) -> pd.DataFrame:
        """A short context, a middling one and the best model by group of test genes."""
        tuned = self._smoothing("witten-bell-tuned")
        middling = min(tuned.index, key=lambda order: abs(order - MIDDLING_ORDER))
        names = [tuned.loc[tuned.index.min(), "run"], tuned.loc[middling, "run"], self.best["run"]]
        replicates = self.study.profile.bootstrap_replicates
        parts = [
            metrics.by_group(self.results[name].scores(), self._groups, replicates).assign(
                model=self.results[name].record["label"], run=name
            )
            for name in dict.fromkeys(names)
        ]
        return pd.concat(parts, ignore_index=True)

    def homologs_table(self) -> Table:
        """Test genes with and without a homolog."""
        rows = self._by_homology
        shown = rows[["model", "group", "genes"]].rename(columns={"group": "test genes"})
        shown["nucleotide perplexity (95 % interval)"] = with_interval(rows, "nucleotide_perplexity")
        return table(
            shown,
            "A short context, a middling one and the best model, on test genes with and without a homolog among the "
            "training genes",
        )

    def homologs_text(self) -> Any:
        """How much of what long contexts gain comes from homologs."""
        rows, groups = self._by_homology, self._groups
        perplexity = rows.set_index(["run", "group"])["nucleotide_perplexity"]
        first, last = rows["run"].iloc[0], self.best["run"]
        labels = [self.results[name].record["label"] for name in (first, last)]
        text = [f"{(groups == WITH).mean():.0%} of the test genes have a homolog among the training genes."]
        gains, genes = {}, {group: int((groups == group).sum()) for group in sorted(set(groups))}
        for group in genes:
            gains[group] = np.log2(perplexity[first, group] / perplexity[last, group])
            text.append(
                f"From the {labels[0]}, to the {labels[1]}, the perplexity of those "
                f"{WITH if group == WITH else 'without a homolog'} goes from {perplexity[first, group]:.3f} to "
                f"{perplexity[last, group]:.3f}."
            )
        if sentence := contribution_sentence(gains, genes):
            text.append(sentence)
        return markdown(" ".join(text))

    def groups_chart(self) -> alt.TopLevelMixin:
        """The best model by gene type and by length."""
        record = self.results[self.best["run"]].record
        types = pd.DataFrame(record["by_type"]).assign(by="gene type")
        types = types[types["genes"] >= min(FEWEST_OF_TYPE, types["genes"].max())]
        lengths = pd.DataFrame(record["by_length"]).assign(by="length")
        frame = pd.concat([types.sort_values("nucleotide_perplexity"), lengths], ignore_index=True)
        frame["label"] = frame["group"].str.strip()
        base = alt.Chart(frame[["label", "by", "genes", "nucleotide_perplexity", "low", "high"]])
        y = alt.Y("label:N", sort=frame["label"].tolist(), title=None)
        dots = base.mark_point(color=looks.BLUE.color).encode(
            x=alt.X("nucleotide_perplexity:Q", title="nucleotide perplexity", scale=alt.Scale(zero=False)),
            y=y,
            tooltip=[
                "label",
                alt.Tooltip("genes", format=","),
                alt.Tooltip("nucleotide_perplexity", format=".4f"),
                alt.Tooltip("low", format=".4f"),
                alt.Tooltip("high", format=".4f"),
            ],
        )
        spans = base.mark_rule().encode(x="low:Q", x2="high:Q", y=y)
        header = alt.Header(labelAngle=0, labelOrient="top", labelAnchor="start")
        return (
            alt.layer(spans, dots)
            .properties(width=520)
            .facet(row=alt.Row("by:N", title=None, header=header))
            .resolve_scale(y="independent")
            .properties(
                description=f"Nucleotide perplexity of the best n-gram model ({record['label']}) by gene type (those "
                f"with at least {FEWEST_OF_TYPE} test genes) and by gene length, with 95 % intervals."
            )
        )

    # neighbouring nucleotides

    @cached_property
    def _ratios(self) -> pd.DataFrame:
        return dinucleotide_ratios(list(self._dataset.train["sequence"]))

    def dinucleotides_chart(self) -> alt.TopLevelMixin:
        """Observed over expected frequency of pairs of neighbours."""
        cells = alt.Chart(self._ratios).encode(
            x=alt.X("then:O", title="next nucleotide", axis=alt.Axis(labelAngle=0, orient="top")),
            y=alt.Y("first:O", title="nucleotide"),
        )
        scale = alt.Scale(scheme="blueorange", domainMid=1, reverse=True)
        squares = cells.mark_rect().encode(color=alt.Color("ratio:Q", title="observed / expected", scale=scale))
        figures = cells.mark_text().encode(
            text=alt.Text("ratio:Q", format=".2f"),
            color=alt.condition("datum.ratio < 0.6 || datum.ratio > 1.15", alt.value("#ffffff"), alt.value("#111111")),
        )
        return (squares + figures).properties(
            width=260,
            height=260,
            description="Observed over expected frequency of each pair of neighbouring nucleotides in the training "
            "genes.",
        )

    def dinucleotides_text(self) -> Any:
        """Which pairs are rarest and most frequent."""
        return markdown(grammar_sentence(self._ratios))

    # generated genes

    @cached_property
    def _generated(self) -> tuple[str, dict[str, dict]]:
        """Label of the model that generates; facts about test genes and as many generated ones."""
        profile = self.study.profile
        run = tuned_run(profile, self.order)
        model = self.study.run([run])[run.name].model()
        sampled = model.sample(profile.sampled_genes, seed=profile.seed, max_length=LONGEST_GENERATED)
        generated = pd.DataFrame({"sequence": [sequence for sequence in sampled if sequence], "type": ""})
        return run.label, {
            "test genes": describe_part(self._dataset.test.head(profile.sampled_genes)),
            "generated": describe_part(generated),
        }

    def generated_table(self) -> Table:
        """Generated genes beside test genes."""
        label, facts = self._generated
        rows = [
            {
                "genes": name,
                "number": part["genes"],
                "median length, nt": part["length"]["quantiles"]["0.5"],
                "GC": part["gc"],
                "CpG observed/expected": part["cpg_observed_over_expected"],
            }
            for name, part in facts.items()
        ]
        return table(
            pd.DataFrame(rows),
            f"Genes generated by the {label}, beside test genes",
            formats={"median length, nt": ".0f", "GC": ".3f"},
        )

    def lengths_chart(self) -> alt.TopLevelMixin:
        """Lengths of generated genes and of test genes."""
        facts = self._generated[1]
        parts = []
        for name, part in facts.items():
            histogram = part["length_histogram"]
            shares = np.array(histogram["genes"]) / part["genes"]
            parts.append(pd.DataFrame({"genes": name, "length": histogram["edges"][:-1], "share": shares}))
        return (
            alt.Chart(pd.concat(parts))
            .mark_line(interpolate="step-after")
            .encode(
                x=alt.X("length:Q", title="length, nt"),
                y=alt.Y("share:Q", title="share of genes", axis=alt.Axis(format="%")),
                **series_scale("genes", list(facts), "line"),
                tooltip=["genes", "length", alt.Tooltip("share", format=".1%")],
            )
            .properties(
                height=260,
                description="Share of genes by length in classes of 50 nt: test genes beside genes generated by the "
                f"model; the last class of the generated ones holds those cut at {LONGEST_GENERATED:,} nt.",
            )
        )
