"""What the chapter on learning curves shows: its tables, charts and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import altair as alt
import numpy as np
import pandas as pd

from dnastudy.analysis import learning_curve_charts, learning_curve_statistics
from dnastudy.analysis.homology import OWN, gain_shares, short_label
from dnastudy.analysis.learning_curve_statistics import BY_FAMILY, OWN_ALL, Line
from dnastudy.data.corpora import ENGLISH
from dnastudy.data.datasets import Dataset, paper
from dnastudy.display.tables import Table, amount, amounts, estimate, figure, markdown, nucleotides, share, table
from dnastudy.evaluation import bootstrap, metrics
from dnastudy.experiments.curve_plan import curve_runs, text_runs
from dnastudy.experiments.plan import Run, expert_runs
from dnastudy.experiments.store import Result
from dnastudy.experiments.study import Study

FROM_START, SINCE, NEVER = "one from the start", "a homolog since", "none"
"""Test genes with a homolog in the smallest part of the training genes, in all of them alone, and in neither."""
TRAINING_SHARE = 0.6
"""Share of the paper's genes that it trains on."""


@dataclass(frozen=True)
class Chapter:
    """What the chapter on learning curves shows."""

    study: Study
    runs: list[Run]
    """Points on genes."""
    text_runs: list[Run]
    """Points on texts and simulated sources."""
    results: dict[str, Result]

    @classmethod
    def of(cls, study: Study) -> Self:
        """The chapter, its runs computed where they are missing."""
        genes, texts = curve_runs(study.profile), text_runs(study.profile, study.dataset)
        return cls(study, genes, texts, study.run([*genes, *texts]))

    @property
    def replicates(self) -> int:
        """Resamples of the genes for each interval."""
        return min(self.study.profile.bootstrap_replicates, 1000)

    @property
    def paper_symbols(self) -> int:
        """Nucleotides of the paper's training genes."""
        return round(paper()["data"]["nucleotides"] * TRAINING_SHARE)

    @cached_property
    def has_homolog(self) -> np.ndarray:
        """Whether each test gene of the own split has a homolog among all training genes."""
        return self._homologs_in(self.study.dataset)

    def _homologs_in(self, dataset: Dataset) -> np.ndarray:
        return (self.study.store.homologs(dataset)["identity"] > 0).to_numpy()

    @cached_property
    def lines(self) -> list[Line]:
        """The curves on genes."""
        return learning_curve_statistics.gene_lines(self.results, self.runs, self.has_homolog, self.replicates)

    # curves and how well they extrapolate

    def curve_chart(self) -> alt.TopLevelMixin:
        """Bits per base against training nucleotides, up to ten times as many as there are."""
        nucleotides_ = self.study.dataset.train["sequence"].str.len().sum()
        return learning_curve_charts.curve_chart(self.lines, 10 * nucleotides_)

    def curve_table(self) -> Table:
        """The ends of each curve, and what a doubling saved."""
        rows = []
        for line in self.lines:
            first, last = line.points[0], line.last
            doublings = np.log2(last.symbols / first.symbols)
            rows.append(
                {
                    "test genes": line.group, "model": line.label, "seeds": last.seeds,
                    "of parts": min(point.seeds for point in line.points),
                    "fewest nt": int(first.symbols), "bits there": first.bits[0],
                    "most nt": int(last.symbols), "bits there ": estimate(last.bits[0], *last.interval),
                    "saved a doubling, mean": (first.bits[0] - last.bits[0]) / doublings,
                    "by the last": line.doubling[0],
                }
            )  # fmt: skip
        return table(
            pd.DataFrame(rows),
            "Bits per base after the fewest and the most training nucleotides, and what a doubling saved; seeds with "
            "all of the training genes, and of parts of them",
            {"fewest nt": ",d", "most nt": ",d", "bits there": ".3f", "saved a doubling, mean": ".4f",
             "by the last": ".4f"},
        )  # fmt: skip

    @cached_property
    def backtest(self) -> pd.DataFrame:
        """See `learning_curve_statistics.backtest_rows`."""
        return learning_curve_statistics.backtest_rows(self.lines)

    def backtest_table(self) -> Any:
        """The largest point of each curve beside its predictions."""
        rows = self.backtest
        if rows.empty:
            return markdown("The curves of this profile have too few points for that.")
        line_nearer = (rows["line"] - rows["observed"]).abs() < (rows["law"] - rows["observed"]).abs()
        shown = pd.DataFrame(
            {
                "test genes": rows["group"],
                "model": rows["label"],
                "observed, bits": rows["observed"],
                "power law predicted (95 %)": [figure(row, "law") for _, row in rows.iterrows()],
                "straight line predicted (95 %)": [figure(row, "line") for _, row in rows.iterrows()],
                "nearer": np.where(line_nearer, "line", "law"),
            }
        )
        return table(
            shown, "The largest point of each curve, and what the smaller ones predicted for it",
            {"observed, bits": ".3f"},
        )  # fmt: skip

    def backtest_text(self) -> Any:
        """How far the predictions are off, by group of test genes."""
        text = []
        for group, rows in self.backtest.groupby("group", sort=False):
            miss = {name: (rows[name] - rows["observed"]).abs().mean() for name in ("law", "line")}
            inside = {name: rows["observed"].between(rows[f"{name}_low"], rows[f"{name}_high"]).sum() for name in miss}
            better = (rows["law"] > rows["observed"]).sum()
            text.append(
                f"- {group}: the power law misses the next doubling by {miss['law']:.3f} bits on average and has it "
                f"inside its interval {inside['law']} of {len(rows)} times, the straight line by {miss['line']:.3f} "
                f"and {inside['line']} times; {better} of {len(rows)} models came out better than their law predicted."
            )
        return markdown("\n".join(text))

    # homologs that more training genes bring

    @property
    def _seed(self) -> int:
        return self.study.profile.curves.seeds[0]

    @cached_property
    def _fractions(self) -> list[float]:
        """Shares of the training genes that any model of the own split is trained on, the smallest first."""
        return sorted({run.fraction for run in self.runs if run.split == OWN})

    def _part(self, fraction: float) -> Dataset:
        """The data set with this share of its training genes."""
        return self.study.dataset.subsample(fraction, self._seed) if fraction < 1 else self.study.dataset

    @cached_property
    def homolog_shares(self) -> pd.DataFrame:
        """Test genes with a homolog in each part of the training genes, and what copying saves.

        Columns: ``nucleotides`` of the part; ``share`` of the test genes with a homolog; ``saved_with`` and
        ``saved_without``, bits per base that the expert mixture saves on them and on the others.
        """
        experts = {
            run.fraction: self.results[run.name]
            for run in self.runs
            if run.split == OWN and run.model == "expert" and run.subset == self._seed
        }
        rows = []
        for fraction in self._fractions:
            part = self._part(fraction)
            has_homolog = self._homologs_in(part)
            row = {"nucleotides": int(part.train["sequence"].str.len().sum()), "share": has_homolog.mean()}
            if fraction in experts:
                scores = experts[fraction].scores()
                row |= {
                    name: 2 - metrics.bits_per_base(scores[chosen])
                    for name, chosen in (("saved_with", has_homolog), ("saved_without", ~has_homolog))
                    if chosen.any()
                }
            rows.append(row)
        return pd.DataFrame(rows)

    def homolog_table(self) -> Table:
        """Test genes with a homolog in each part of the training genes."""
        titles = {"nucleotides": "training nt", "share": "with a homolog", "saved_with": "saved on those",
                  "saved_without": "saved on the others"}  # fmt: skip
        formats = dict(zip(titles.values(), (",d", ".1%", ".3f", ".3f"), strict=True))
        shown = self.homolog_shares.rename(columns=titles)
        return table(
            shown,
            "Test genes with a homolog in parts of the training genes (own split), and bits per base that the expert "
            "mixture saves on them and on the others",
            {name: formats[name] for name in shown},
        )

    @cached_property
    def homolog_groups(self) -> np.ndarray:
        """Group of each test gene: `FROM_START`, `SINCE` or `NEVER`."""
        from_start = self._homologs_in(self._part(self._fractions[0]))
        return np.where(~self.has_homolog, NEVER, np.where(from_start, FROM_START, SINCE))

    @cached_property
    def ends(self) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
        """Scores of each model after the smallest part of the training genes and after all of them, of one seed."""
        scores: dict[str, dict[float, pd.DataFrame]] = {}
        for run in self.runs:
            if run.split == OWN and run.subset == self._seed and run.fraction in (self._fractions[0], 1):
                result = self.results[run.name]
                scores.setdefault(short_label(result.record), {})[run.fraction] = result.scores()
        return {label: (of[self._fractions[0]], of[1]) for label, of in scores.items() if len(of) == 2}

    @cached_property
    def gains(self) -> dict[str, pd.DataFrame]:
        """For each model that all training genes make better beyond the interval: `gain_shares` by homolog group."""
        gains = {}
        for label, (few, everything) in self.ends.items():
            saved = metrics.resampled_bits(few, self.replicates) - metrics.resampled_bits(everything, self.replicates)
            if bootstrap.interval(saved)[0] > 0:
                shares = gain_shares(few, everything, self.homolog_groups, self.replicates)
                gains[label] = shares.set_index("group")
        return gains

    def gains_table(self) -> Any:
        """On which test genes each model gained what more training genes bring."""
        if not self.ends:
            return markdown("The curves of this profile have one point each.")
        sizes = {name: (self.homolog_groups == name).sum() for name in (FROM_START, SINCE, NEVER)}
        sizes = {name: size for name, size in sizes.items() if size}
        rows = []
        for label, (few, everything) in self.ends.items():
            row = {"model": label, "bits gained": metrics.bits_per_base(few) - metrics.bits_per_base(everything)}
            for name in sizes:
                gain = self.gains[label].loc[name] if label in self.gains else None
                row[f"{name}: share of it (95 %)"] = (
                    "nothing gained" if gain is None else estimate(gain["gain"], gain["low"], gain["high"], ".0%")
                )
            rows.append(row)
        groups = ", ".join(f"{name}: {size:,} genes" for name, size in sizes.items())
        return table(
            pd.DataFrame(rows),
            "Bits per base gained from the smallest part of the training genes to all of them, and by which test genes "
            f"({groups})",
        )

    def homolog_text(self) -> Any:
        """What homologs in larger parts of the training genes do for copying."""
        rows = self.homolog_shares.dropna()
        if len(rows) < 2 or "saved_with" not in rows:
            return markdown("")
        first, last = rows.iloc[0], rows.iloc[-1]
        text = (
            f"From {int(first['nucleotides']):,} to {int(last['nucleotides']):,} training nucleotides the share of "
            f"test genes with a homolog goes from {first['share']:.0%} to {last['share']:.0%}; on a gene that has one "
            f"the expert mixture saves {first['saved_with']:.2f} bits per base at the start and "
            f"{last['saved_with']:.2f} at the end, on one that has none {first['saved_without']:.2f} and "
            f"{last['saved_without']:.2f}."
        )
        expert = next(short_label(self.results[run.name].record) for run in self.runs if run.model == "expert")
        if expert in self.gains and SINCE in self.gains[expert].index:
            gain = self.gains[expert].loc[SINCE]
            text += (
                f" Of what the {expert} gained, {estimate(gain['gain'], gain['low'], gain['high'], '.0%')} was gained "
                f"on the test genes that have a homolog only since, which hold {gain['nucleotides']:.0%} of the "
                "nucleotides"
                + (
                    ": what looks like learning of this model, which can copy, is for the most part new homologs."
                    if gain["low"] > 0.5
                    else "."
                )
            )
        return markdown(text)

    # extrapolation

    @cached_property
    def extrapolations(self) -> pd.DataFrame:
        """See `learning_curve_statistics.extrapolation_rows`, with ``mark``, "*" where the floor is not resolved."""
        rows = learning_curve_statistics.extrapolation_rows(self.lines, self.paper_symbols)
        return rows.assign(mark=np.where(rows["floor_resolved"].astype(bool), "", " *"))

    def _extrapolation_table(
        self, columns: Mapping[str, Sequence[str]], caption: str, formats: Mapping[str, str] | None = None
    ) -> Table:
        rows = self.extrapolations
        return table(pd.DataFrame({"test genes": rows["group"], "model": rows["label"], **columns}), caption, formats)

    def _figures(self, name: str, marked: bool = False) -> list[str]:
        """A column of `extrapolations` with its intervals, marked where the floor is not resolved."""
        return [figure(row, name) + (row["mark"] if marked else "") for _, row in self.extrapolations.iterrows()]

    def fits_table(self) -> Table:
        """The power laws."""
        return self._extrapolation_table(
            {
                "now": self.extrapolations["now"],
                "floor (95 %)": self._figures("floor", marked=True),
                "exponent (95 %)": self._figures("exponent"),
                "misses by": self.extrapolations["error"],
            },
            "The fits, bits per base (95 %). *: these points do not resolve a floor, because the curve is as steep at "
            "its end as in all or hardly moves, or the floor comes out as 0; their exponents are at the edge of what "
            "was tried",
            {"now": ".3f", "misses by": ".4f"},
        )

    def extrapolation_table(self) -> Table:
        """Bits per base after more training genes."""
        return self._extrapolation_table(
            {
                f"after {amount(self.paper_symbols)} nt: law": self._figures("at_paper", marked=True),
                "line": self._figures("line_at_paper"),
                "after ten times: law": self._figures("at_ten", marked=True),
                "line ": self._figures("line_at_ten"),
            },
            "Bits per base (95 %) after the paper's full training set, and after ten times the training genes at hand, "
            "by the power law and by the straight line. *: as above; these laws fit poorly, and may predict less than "
            "is reached already",
        )

    def needed_table(self) -> Table:
        """Training nucleotides for another 0.1 bits."""
        rows = [row for _, row in self.extrapolations.iterrows()]
        return self._extrapolation_table(
            {
                "law (95 %)": [amounts(row, "needed") + row["mark"] for row in rows],
                "line (95 %)": [amounts(row, "line_needed") for row in rows],
            },
            "Training nucleotides after which 0.1 bits less are reached, by the power law and by the straight line. "
            "*: as above",
        )

    def check_text(self) -> Any:
        """An extrapolation that can be checked: the expert mixture with the validation genes among its sources."""
        updated = next(run for run in expert_runs(self.study.profile) if run.update and not run.prequential)
        result = self.study.run([updated])[updated.name]
        line = next((line for line in self.lines if line.family == "expert" and line.group == OWN_ALL), None)
        if line is None or line.law is None:
            return markdown("")
        symbols = result.record["data"]["train_nucleotides"]
        law, straight = line.law.at(symbols), learning_curve_statistics.straight(line.points, symbols)
        return markdown(
            "One extrapolation can be checked: with the validation genes added to its sources, the expert mixture has "
            f"{symbols:,} nucleotides to copy from, {symbols / line.last.symbols:.1f} times as many. Its power law "
            f"predicts {law[0]:.3f} bits, the straight line "
            f"{estimate(straight[0], *bootstrap.interval(straight[1:]))}; it has "
            f"{result.metrics['bits_per_base']:.3f}."
        )

    # other corpora

    @cached_property
    def compared(self) -> list[Line]:
        """The curves on texts and sources, then those on genes beside them."""
        texts = learning_curve_statistics.text_lines(self.results, self.text_runs, self.replicates)
        genes = [line for line in self.lines if line.group in (OWN_ALL, BY_FAMILY)]
        return [*texts, *map(learning_curve_statistics.among_corpora, genes)]

    @cached_property
    def _text_models(self) -> list[str]:
        """Labels of the models that have curves on texts."""
        return list(dict.fromkeys(line.label for line in self.compared if line.group == line.corpus))

    @cached_property
    def _networks(self) -> list[str]:
        """Those of them that are no n-grams, or the first if all are."""
        ngrams = {line.label for line in self.compared if line.order}
        return [label for label in self._text_models if label not in ngrams] or self._text_models[:1]

    def missing_text(self) -> Any:
        """Which corpora are left out, if any."""
        names = [name for name in self.study.profile.curves.texts.corpora if name in ENGLISH]
        if not names or self.study.dataset.text is not None:
            return None
        return markdown(
            f"There is no English text beside these genes, so {', '.join(names)} are left out: put one, as a .txt "
            "file, into the folder `text` of the genes."
        )

    def excess_chart(self) -> Any:
        """Excess over the floor against training symbols per parameter."""
        rows = learning_curve_statistics.excess_rows(self.compared)
        rows = rows[rows["label"].isin(self._networks)]
        corpora = [name for name in dict.fromkeys(line.corpus for line in self.compared) if name in set(rows["corpus"])]
        if not corpora:
            return markdown("No curve of this profile resolves a floor.")
        return learning_curve_charts.excess_chart(rows, corpora[:6])

    @cached_property
    def efficiency(self) -> pd.DataFrame:
        """See `learning_curve_statistics.efficiency_rows`, of the models that have curves on texts."""
        rows = learning_curve_statistics.efficiency_rows(self.compared)
        return rows[rows["label"].isin(self._text_models)]

    def efficiency_table(self) -> Any:
        """What more of each corpus saves."""
        rows = []
        for _, row in self.efficiency.iterrows():
            resolved = row["floor_resolved"]
            floor = f"{row['floor']:.3f}" + ("" if row["known"] else " (fit)")
            rows.append(
                {
                    "corpus": row["corpus"], "model": row["label"], "after all, bits": row["now"],
                    "floor, bits": floor if resolved else "not resolved",
                    "symbols per parameter": row["symbols_per_parameter"],
                    "saved by the last doubling, of the bits (95 %)": share(row),
                    "symbols until within 5 % of the floor (95 %)":
                        amounts(row, "needed") if resolved else "not resolved",
                }
            )  # fmt: skip
        if not rows:
            return markdown("The curves of this profile have too few points for fits.")
        return table(
            pd.DataFrame(rows),
            "What more of each text saves, and how much of it brings a model within 5 % of the floor. Not resolved: "
            "the curve steepens or hardly moves, and a saturating law does not fit it",
            {"after all, bits": ".3f", "symbols per parameter": ".2f"},
        )

    def efficiency_text(self) -> Any:
        """Whether a small alphabet needs less data, a sentence or more for each network."""
        texts = (learning_curve_statistics.alphabet_text(self.efficiency, name) for name in self._networks)
        return markdown("\n".join(f"- {text}" for text in texts))

    def conclusions(self) -> Any:
        """What the chapter comes to."""
        family = [line for line in self.lines if line.group == BY_FAMILY and line.law is not None]
        if not family:
            return markdown("")
        best = min(family, key=lambda line: line.last.bits[0])
        random = next(line for line in self.lines if line.group == OWN_ALL and line.label == best.label)
        mostly = random.doubling[0] > 2 * best.doubling[0] and bootstrap.interval(random.doubling[1:])[0] > 0
        rows = self.extrapolations.set_index(["group", "label"])
        row = rows.loc[(BY_FAMILY, best.label)]
        law = (
            f", and by its power law {nucleotides(row, 'needed')}"
            if row["floor_resolved"]
            else "; its power law, of which these points do not resolve the floor, leaves open whether any amount "
            "would do"
        )
        text = [
            f"The last doubling of the training genes saved {best.label} {random.doubling[0]:.3f} bits per base on a "
            f"random split and {best.doubling[0]:.3f} where no test gene has a homolog"
            + (": most of what more genes bring it on a random split comes with homologs." if mostly else "."),
            f"Without homologs, another 0.1 bits per base would take {best.label} {nucleotides(row, 'line_needed')} by "
            f"a straight line{law}. A whole human genome has 3.055 billion {{cite}}`nurk2022`.",
        ]
        return markdown("\n".join(f"- {sentence}" for sentence in text))
