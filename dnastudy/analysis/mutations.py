"""The chapter on mutation detection: the paper's table beside ours, every model by every rule, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import altair as alt
import numpy as np
import pandas as pd

from dnastudy.analysis.headline import headline
from dnastudy.core.errors import DataError
from dnastudy.data.datasets import Dataset, paper
from dnastudy.data.mutation_pairs import read_pairs
from dnastudy.display.charts import family_scale, loose, series_scale
from dnastudy.display.tables import Table, markdown, table
from dnastudy.evaluation import bootstrap, metrics
from dnastudy.experiments.plan import all_runs, find_run
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.replicates import groups, mean_scores, over_seeds
from dnastudy.experiments.store import Log, Result, Store
from dnastudy.experiments.study import Study
from dnastudy.experiments.task_runs import TaskRun
from dnastudy.tasks.mutation_detection import CALIBRATED, PAPER_RULES, RATIO, RATIO_NATS, RULES, SINGLE, detect

REPRODUCED = "laplace-8"
"""The one model of the paper's table that can be fitted to the last count."""


def reproduce_mutations(dataset: Dataset, profile: Profile, log: Log | None = None) -> pd.DataFrame:
    """The paper's accuracies of its best n-gram on its published pairs, beside ours.

    Returns
    -------
    DataFrame, a row a cell: ``seed``, ``maximum`` (most edits), ``rule``, ``pairs``, ``right`` (pairs found), ``ours``
    and ``paper`` (accuracies), ``equal``: all three digits that the paper gives.

    Raises
    ------
    DataError
        Where the paper's genes or pairs are not there.
    """
    if not dataset.has_paper_counts:
        raise DataError(
            f"the paper's figures are of its own genes, and these are {dataset.description}; name a folder with its "
            "test split and its training and validation genes or their surrogate (`dnastudy data fetch` fills one)"
        )
    figures = paper()["mutations"]
    seeds = list(map(str, figures["seeds"]))
    files = {name: path for name, path in dataset.pair_files.items() if name.partition("-")[0] in seeds}
    if not files:
        raise DataError(
            "none of the paper's mutated pairs is there: they belong in the folder mutations beside the genes, as "
            "synthetic_SEED_MAXIMUM_1000.csv (`dnastudy data fetch paper` brings them)"
        )
    model, _ = Store().fit(find_run(profile, REPRODUCED), dataset, log)
    rows = []
    for name, path in files.items():
        seed, maximum = name.split("-")
        ranked = detect(model, read_pairs(path))
        for rule in PAPER_RULES:
            published = figures[REPRODUCED][rule][int(maximum)][seeds.index(seed)]
            right, n = int(ranked[rule].sum()), len(ranked)
            rows.append({"seed": int(seed), "maximum": int(maximum), "rule": rule, "pairs": n, "right": right,
                         "ours": right / n, "paper": published, "equal": round(right / n, 3) == published})  # fmt: skip
    return pd.DataFrame(rows).sort_values(["maximum", "seed", "rule"], ignore_index=True)


def mean_pairs(task_runs: Sequence[TaskRun]) -> pd.DataFrame:
    """Pairs with the share of these runs (seeds of one model) that rank each correctly, by rule (see `detect`)."""
    first, *others = (task_run.details("pairs") for task_run in task_runs)
    rules = [rule for rule in RULES if rule in first]
    if any(list(other["id"]) != list(first["id"]) for other in others):
        raise ValueError("mean_pairs: the task runs are of different pairs")
    means = {rule: sum((o[rule].astype(float) for o in others), first[rule].astype(float)) for rule in rules}
    return first.assign(**{rule: total / len(task_runs) for rule, total in means.items()})


def accuracies(
    pairs: Mapping[str, pd.DataFrame], by: str, replicates: int, *, single: bool = False, maximum: int | None = None
) -> pd.DataFrame:
    """Accuracy of each model by each rule in the groups of a column.

    Parameters
    ----------
    pairs : mapping of labels to tables
        What `mean_pairs` gives for each model.
    by : str
        Column: "maximum", "kind", "homologs", "change" or "fifth" of the gene.
    single : bool
        Of the pairs whose one edit is known, instead of the study's sets; ``maximum`` chooses among those.

    Returns
    -------
    DataFrame: ``label``, ``by``, ``rule``, ``n``, ``accuracy``, ``low``, ``high``.
    """
    tables = []
    for label, frame in pairs.items():
        frame = frame[(frame["seed"] == SINGLE) == single]
        if maximum is not None:
            frame = frame[frame["maximum"] == maximum]
        frame = frame.assign(fifth=(frame["where"] * 5).astype(int).clip(0, 4) + 1)
        rules = [rule for rule in RULES if rule in frame]
        tables.append(bootstrap.by_group(frame, rules, by, replicates).assign(label=label))
    return pd.concat(tables, ignore_index=True)


def gains(
    pairs: Mapping[str, pd.DataFrame], first: tuple[str, str], second: tuple[str, str], replicates: int
) -> pd.DataFrame:
    """By how much ``second`` (label, rule) is right more often than ``first``, paired over genes, by most edits."""
    rows = []
    one, other = (pairs[label][pairs[label]["seed"] != SINGLE] for label, _ in (first, second))
    both = one[["id", "maximum"]].assign(first=one[first[1]].to_numpy(), second=other[second[1]].to_numpy())
    for maximum, part in both.groupby("maximum"):
        rows.append({"maximum": maximum, **bootstrap.paired(part, "first", "second", replicates)})
    return pd.DataFrame(rows)


def evidence_rows(task_runs: Mapping[str, Sequence[TaskRun]], kind: str = "substitution") -> pd.DataFrame:
    """Mean and standard deviation of the likelihood ratio of a gene against its copy with one edit of a kind, nats.

    Returns
    -------
    DataFrame: ``label``, ``homologs`` ("with" or "without", in train), ``mean``, ``deviation``, ``ratio`` of the two,
    and ``accuracy`` of its sign. Means over seeds.
    """
    rows = []
    for label, runs in task_runs.items():
        parts = [run.details("pairs") for run in runs]
        for near in ("with", "without"):
            nats = [p.loc[(p["seed"] == SINGLE) & (p["kind"] == kind) & (p["homologs"] == near), RATIO_NATS]
                    for p in parts]  # fmt: skip
            if not len(nats[0]):
                continue
            mean, deviation = (np.mean([getattr(part, what)() for part in nats]) for what in ("mean", "std"))
            right = np.mean([(part > 0).mean() for part in nats])
            rows.append({"label": label, "homologs": near, "mean": mean, "deviation": deviation,
                         "ratio": mean / deviation if deviation else 0.0, "accuracy": right})  # fmt: skip
    return pd.DataFrame(rows)


def papers_means() -> pd.DataFrame:
    """The paper's accuracies, mean over its seeds: ``label``, ``maximum``, ``rule``, ``accuracy``."""
    names = {"laplace-8": "8-gram, Laplace", "lstm": "LSTM", "transformer": "Transformer"}
    return pd.DataFrame(
        {"label": f"the paper's {shown}", "maximum": maximum, "rule": rule, "accuracy": float(np.mean(values))}
        for name, shown in names.items()
        for rule, cells in paper()["mutations"][name].items() for maximum, values in cells.items()
    )  # fmt: skip


def edits(maximum: int) -> str:
    """The number of edits of a set's copies in words."""
    return "1 edit" if maximum == 1 else f"1 to {maximum} edits"


def with_bounds(row: Any) -> str:
    """Accuracy and its interval as the tables of this chapter show them."""
    return f"{row['accuracy']:.3f} ({row['low']:.2f} – {row['high']:.2f})"


def gain_with_bounds(row: Any) -> str:
    """A gain and its interval, with signs."""
    return f"{row.gain:+.3f} ({row.low:+.3f} to {row.high:+.3f})"


@dataclass(frozen=True)
class Chapter:
    """What the chapter on mutation detection shows."""

    study: Study
    results: dict[str, Result]
    task_runs: dict[str, TaskRun]
    runs_of: dict[str, list[str]]
    """Runs, one a seed, by the label of each kind of model; of each kind the order that predicts best."""
    perplexity: dict[str, float]
    """Nucleotide perplexity on the test genes by label."""

    @classmethod
    def of(cls, study: Study) -> Self:
        """The chapter on a study; its runs and their task runs are computed where they are missing."""
        runs = [run for run in all_runs(study.profile) if not run.prequential]
        results, task_runs = study.run(runs), study.run_task("mutation-detection", runs)
        seeds = groups(results)
        records = {name: result.record for name, result in results.items()}
        rows = headline(records, over_seeds(results, study.profile.bootstrap_replicates))
        runs_of = {row.model: seeds.get(row.kind, [row.name]) for row in rows.itertuples()}
        perplexity = dict(zip(rows["model"], rows["nucleotide_perplexity"], strict=True))
        return cls(study, results, task_runs, runs_of, perplexity)

    # what several figures need

    @property
    def replicates(self) -> int:
        """Bootstrap resamples for each interval."""
        return self.study.profile.bootstrap_replicates

    @property
    def papers_genes(self) -> bool:
        """Whether these are the paper's genes, so that its figures can be set beside ours."""
        return self.study.dataset.name == "paper"

    @cached_property
    def records(self) -> dict[str, dict[str, Any]]:
        """The record of each label's first seed."""
        return {label: self.results[names[0]].record for label, names in self.runs_of.items()}

    @cached_property
    def family(self) -> dict[str, str]:
        """Model family by label."""
        return {label: record["family"] for label, record in self.records.items()}

    @cached_property
    def guess(self) -> str | None:
        """Label of the uniform model, where the study has one."""
        return next((label for label, record in self.records.items() if record["group"] == "uniform"), None)

    @cached_property
    def pairs(self) -> dict[str, pd.DataFrame]:
        """Pairs of each label with the share of its seeds that rank them correctly."""
        return {label: mean_pairs([self.task_runs[name] for name in names]) for label, names in self.runs_of.items()}

    @cached_property
    def overall(self) -> pd.DataFrame:
        """Accuracies by the most edits of a copy."""
        return accuracies(self.pairs, "maximum", self.replicates)

    @cached_property
    def maxima(self) -> list[int]:
        """The most edits of a copy, of each set."""
        return sorted(self.overall["maximum"].unique())

    @cached_property
    def at(self) -> pd.DataFrame:
        """`overall` by label, rule and most edits."""
        return self.overall.set_index(["label", "rule", "maximum"])

    def best_rule(self, label: str) -> str:
        """The calibrated rule, or the likelihood ratio where a model cannot be calibrated."""
        return CALIBRATED if (label, CALIBRATED, self.maxima[0]) in self.at.index else RATIO

    def by_best_rule(self, frame: pd.DataFrame, labels: Iterable[str]) -> pd.DataFrame:
        """Rows of these labels, each by its best rule."""
        return pd.concat(
            [frame[(frame["label"] == label) & (frame["rule"] == self.best_rule(label))] for label in labels]
        )

    def _figures(self, label: str, rule: str, digits: int = 3) -> str:
        return ", ".join(f"{self.at.loc[(label, rule, m), 'accuracy']:.{digits}f}" for m in self.maxima)

    def _edits(self) -> str:
        return ", ".join(map(edits, self.maxima))

    @cached_property
    def _points(self) -> pd.DataFrame:
        """Accuracies by each label's best rule, and the paper's figures where these are its genes."""
        points = self.by_best_rule(self.overall, self.runs_of)
        if self.papers_genes:
            papers = papers_means()
            papers = papers[(papers["rule"] == "perplexity") & (papers["label"] != "the paper's 8-gram, Laplace")]
            points = pd.concat([points, papers.assign(rule="perplexity (the paper's figure)")])
        return points.assign(edits=points["maximum"].map(edits))

    @cached_property
    def order(self) -> list[str]:
        """Labels from the best to the worst detector, the paper's models among them where these are its genes."""
        return self._points.groupby("label")["accuracy"].mean().sort_values(ascending=False).index.tolist()

    @cached_property
    def ranked(self) -> list[str]:
        """Labels of this study's models from the best to the worst detector."""
        return [label for label in self.order if label in self.runs_of]

    @cached_property
    def expert(self) -> str:
        """The best expert mixture that can be calibrated."""
        experts = (label for label in self.ranked if self.family[label] == "expert")
        return next(label for label in experts if self.best_rule(label) == CALIBRATED)

    @cached_property
    def network(self) -> str:
        """The best network."""
        return next(label for label in self.ranked if self.records[label]["recipe"])

    # results

    def reproduction(self) -> Any:
        """The paper's accuracies beside ours."""
        if not (self.papers_genes and self.study.dataset.pair_files):
            return markdown(
                "These are not the paper's genes: its accuracies cannot be reproduced on them. The pairs of this page "
                "were made by the same law from the test genes."
            )
        cells = reproduce_mutations(self.study.dataset, self.study.profile)
        shown = cells.assign(edits=cells["maximum"].map(edits)).rename(columns={"right": "found"})
        return table(
            shown[["seed", "edits", "rule", "found", "pairs", "ours", "paper"]],
            "The paper's accuracies of its 8-gram (Laplace) on its published pairs, and ours: "
            f"{int(cells['equal'].sum())} of {len(cells)} equal (dnastudy reproduce mutations)",
            {"seed": "d"},
        )

    def accuracy_chart(self) -> alt.TopLevelMixin:
        """Accuracy of each model for copies with few and with many edits."""
        names = list(map(edits, self.maxima))
        base = alt.Chart(self._points[["label", "rule", "edits", "accuracy", "low", "high"]]).encode(
            y=alt.Y("label:N", sort=self.order, title=None, axis=alt.Axis(labelLimit=260)),
        )
        bars = base.mark_rule(strokeWidth=2).encode(
            x="low:Q", x2="high:Q", **series_scale("edits", names, "bar", "most edits of a copy")
        )
        points = base.mark_point().encode(
            x=alt.X("accuracy:Q", title="share of pairs found", scale=alt.Scale(zero=False)),
            tooltip=[
                "label",
                "rule",
                "edits",
                *(alt.Tooltip(name, format=".3f") for name in ("accuracy", "low", "high")),
            ],
            **series_scale("edits", names, "point", "most edits of a copy"),
        )
        return loose(
            alt.layer(bars, points).properties(
                description="Share of pairs of which each model finds the real sequence, for copies with few, more and "
                "many edits; models from best to worst, 95 % intervals over genes."
            )
        )

    def accuracy_table(self) -> Table:
        """Accuracy of each model by the rule of perplexity and by its best rule."""
        rows = []
        for label in self.runs_of:
            row = {"model": label, "perplexity on test": self.perplexity[label]}
            for maximum in self.maxima:
                for rule, title in (("perplexity", "perplexity"), (self.best_rule(label), "our rule")):
                    row[f"{edits(maximum)}: {title}"] = with_bounds(self.at.loc[(label, rule, maximum)])
            rows.append(row)
        if self.papers_genes:
            papers = papers_means().query("rule == 'perplexity'")
            rows += [
                {
                    "model": f"{label} (mean of 3 seeds)",
                    "perplexity on test": np.nan,
                    **{f"{edits(row.maximum)}: perplexity": f"{row.accuracy:.3f}" for row in part.itertuples()},
                }
                for label, part in papers.groupby("label", sort=False)
            ]
        return table(
            pd.DataFrame(rows).fillna({f"{edits(m)}: our rule": "" for m in self.maxima}),
            "Share of pairs found (95 % over genes), mean over seeds of pairs and of models. Our rule: calibrated; "
            "likelihood ratio for models that know the validation genes or learned from them",
        )

    @cached_property
    def best(self) -> str:
        """The best detector of this study's models."""
        return self.by_best_rule(self.overall, self.runs_of).groupby("label")["accuracy"].mean().idxmax()

    def accuracy_text(self) -> Any:
        """The best detector, and which models reach the paper's best where these are its genes."""
        figures = self._figures(self.best, self.best_rule(self.best))
        text = [f"The best detector is {self.best}, with {figures} for {self._edits()}."]
        if self.papers_genes:
            papers = papers_means().query("rule == 'perplexity'").set_index(["label", "maximum"])["accuracy"]
            lstm = {m: papers["the paper's LSTM", m] for m in self.maxima}
            ahead = [
                label
                for label in self.runs_of
                if self._trained_on_training_genes_alone(label)
                and all(self.at.loc[(label, "perplexity", m), "accuracy"] >= figure for m, figure in lstm.items())
            ]
            text.append(
                f"The paper's LSTM, the best of its models, has {', '.join(f'{x:.3f}' for x in lstm.values())} by "
                "perplexity (mean of three seeds), after all of the training genes."
            )
            text.append(
                "By the same rule these models reach or pass it for all three, after part of those genes: "
                f"{'; '.join(ahead)}."
                if ahead
                else "No model of this page reaches that by the same rule for all three."
            )
        return markdown(" ".join(text))

    def _trained_on_training_genes_alone(self, label: str) -> bool:
        data = [self.results[name].record["data"] for name in self.runs_of[label]]
        return all(part["train"] == ["train"] and not part["update"] for part in data)

    # lengths

    def change_chart(self) -> alt.TopLevelMixin:
        """Accuracy by the change of length, for a network and for the expert mixture."""
        labels = (self.network, self.expert)
        change = accuracies({label: self.pairs[label] for label in labels}, "change", self.replicates)
        change = change[change["n"] >= 20]
        base = alt.Chart(change[["label", "change", "rule", "n", "accuracy", "low", "high"]]).encode(
            x=alt.X("change:Q", title="copy longer than the gene by, nt (5: or more)", axis=alt.Axis(tickMinStep=1))
        )
        rules = [rule for rule in RULES if rule in set(change["rule"])]
        lines = base.mark_line().encode(
            y=alt.Y("accuracy:Q", title="share of pairs found"), **series_scale("rule", rules, "line", "rule")
        )
        points = base.mark_point(size=50).encode(
            y="accuracy:Q",
            tooltip=["label", "rule", "change", "n", alt.Tooltip("accuracy", format=".3f")],
            **series_scale("rule", rules, "point", "rule"),
        )
        panel = alt.layer(lines, points).properties(width=300, height=200)
        return loose(
            panel.facet(facet=alt.Facet("label:N", title=None, sort=list(labels)), columns=1).properties(
                description="Share of pairs found by each rule against the change of length, for a network and for the "
                "expert mixture: by probability it rises from near nothing where the copy is shorter to nearly all "
                "where it is longer; by the other rules it stays level."
            )
        )

    @cached_property
    def by_kind(self) -> pd.DataFrame:
        """Accuracies by the kind of a single edit."""
        return accuracies(self.pairs, "kind", self.replicates, single=True)

    def kinds_table(self) -> Table:
        """Accuracy by the kind of a single edit, for a network, the expert mixture and the uniform model."""
        rows = []
        for label in filter(None, (self.network, self.expert, self.guess)):
            for rule in RULES:
                of_rule = self.by_kind[(self.by_kind["label"] == label) & (self.by_kind["rule"] == rule)]
                if of_rule.empty:
                    continue
                cells = of_rule.set_index("kind")
                kinds_of_edit = ("insertion", "deletion", "substitution", "swap")
                rows.append(
                    {"model": label, "rule": rule, **{kind: with_bounds(cells.loc[kind]) for kind in kinds_of_edit}}
                )
        return table(
            pd.DataFrame(rows),
            "Copies with one edit of known kind: share of pairs found (95 % over genes). A swap exchanges two "
            "neighbours; the paper's pairs have none",
        )

    def kinds_text(self) -> Any:
        """The rule of probability finds insertions and misses deletions; the likelihood ratio treats them alike."""
        accuracy = self.by_kind.set_index(["label", "kind", "rule"])["accuracy"]

        def indels(label: str, rule: str = "probability") -> list[str]:
            return [f"{accuracy[label, kind, rule]:.0%}" for kind in ("insertion", "deletion")]

        network, expert, ratio = indels(self.network), indels(self.expert), indels(self.expert, RATIO)
        text = [
            f"By probability, {self.network} finds {network[0]} of the insertions and {network[1]} of the deletions; "
            f"{self.expert}, {expert[0]} and {expert[1]}."
        ]
        if self.guess:
            guess = indels(self.guess)
            text.append(
                f"The uniform model finds {guess[0]} of the insertions and {guess[1]} of the deletions by that rule, "
                f"and {self._figures(self.guess, 'probability', 2)} of the pairs ({self._edits()}), without having "
                "looked at a single nucleotide."
            )
        text.append(
            f"By the likelihood ratio {self.expert} finds {ratio[0]} of the insertions and {ratio[1]} of the deletions."
        )
        return markdown(" ".join(text))

    # better rules

    @cached_property
    def gains(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Gain of each better rule over that of perplexity, by label and rule."""
        return {
            (label, rule): gains(self.pairs, (label, "perplexity"), (label, rule), self.replicates)
            for label in self.runs_of
            for rule in (RATIO, CALIBRATED)
            if rule in self.pairs[label]
        }

    def gains_table(self) -> Table:
        """Gain of each better rule over that of perplexity."""
        rows = []
        for label in self.runs_of:
            row = {"model": label}
            for rule in (RATIO, CALIBRATED):
                if (label, rule) in self.gains:
                    cells = self.gains[label, rule].itertuples()
                    row |= {f"{rule}, {edits(cell.maximum)}": gain_with_bounds(cell) for cell in cells}
            rows.append(row)
        columns = ["model", *(f"{rule}, {edits(m)}" for rule in (RATIO, CALIBRATED) for m in self.maxima)]
        return table(
            pd.DataFrame(rows).reindex(columns=columns).fillna(""),
            "Gain over the rule of perplexity (95 % over genes, paired)",
        )

    def calibration_text(self) -> Any:
        """How many models calibration makes better, and how it weighs the expert mixture's evidence."""
        by_maximum = {
            label: cells.set_index("maximum")
            for (label, rule), cells in self.gains.items()
            if rule == CALIBRATED and label != self.guess
        }
        parts = []
        for maximum in self.maxima:
            cells = pd.DataFrame([cells.loc[maximum] for cells in by_maximum.values()])
            better, worse = (cells["low"] > 0).sum(), (cells["high"] < 0).sum()
            parts.append(
                f"{better} better for {edits(maximum)} (on average by {cells['gain'].mean():+.3f}; {worse} worse)"
            )
        weights = self.task_runs[self.runs_of[self.expert][0]].record["weights"]
        both = weights["log_prob"] + weights["other_log_prob"]
        verdict = "less than one together, so the model is too sure of itself" if both < 1 else "one or more together"
        return markdown(
            f"Of {len(by_maximum)} models, calibration makes {', '.join(parts)}, as far as intervals tell. For "
            f"{self.expert} a nat of evidence from the sequence is weighed with {weights['log_prob']:.2f} and one from "
            f"its other strand with {weights['other_log_prob']:.2f}: {verdict}. A nucleotide more is worth "
            f"{weights['nucleotides'] / both:.2f} nats of it, where the derivation says {np.log(4):.2f}."
        )

    # homologs, and places in the gene

    @cached_property
    def top(self) -> list[str]:
        """The best model of each family; of the expert mixtures the best that can be calibrated."""
        best: dict[str, str] = {}
        for label in self.ranked:
            if self.family[label] != "reference":
                best.setdefault(self.family[label], label)
        return list({**best, self.family[self.expert]: self.expert}.values())

    def _single_edits(self, column: str, names: Mapping[Any, str]) -> pd.DataFrame:
        """Accuracies of the `top` models on single edits in the groups of a column, whose values are renamed."""
        rows = accuracies({label: self.pairs[label] for label in self.top}, column, self.replicates, single=True)
        return rows.assign(**{column: rows[column].map(names)})

    @cached_property
    def by_homologs(self) -> pd.DataFrame:
        """Accuracies on single edits in genes with and without a homolog in train."""
        return self._single_edits("homologs", {"with": "homolog", "without": "no homolog"})

    @cached_property
    def by_place(self) -> pd.DataFrame:
        """Accuracies on single edits by the fifth of the gene they are in."""
        return self._single_edits("fifth", {number: f"fifth {number}" for number in range(1, 6)})

    def _groups_chart(self, rows: pd.DataFrame, column: str, description: str) -> alt.TopLevelMixin:
        rows = self.by_best_rule(rows, self.top)
        rows = rows[rows["n"] >= 15]
        rows = rows.assign(family=rows["label"].map(self.family))
        families = list(dict.fromkeys(self.family[label] for label in self.top))
        base = alt.Chart(rows[[column, "label", "family", "rule", "n", "accuracy", "low", "high"]]).encode(
            y=alt.Y(f"{column}:N", sort=None, title=None), yOffset=alt.YOffset("family:N")
        )
        bars = base.mark_rule().encode(x="low:Q", x2="high:Q", **family_scale("family", "bar", families))
        points = base.mark_point(size=60).encode(
            x=alt.X("accuracy:Q", title="share of pairs found", scale=alt.Scale(zero=False)),
            tooltip=["label", "rule", column, "n", alt.Tooltip("accuracy", format=".3f")],
            **family_scale("family", "point", families),
        )
        return loose(alt.layer(bars, points).properties(height=alt.Step(12), description=description))

    def homologs_chart(self) -> alt.TopLevelMixin:
        """Accuracy on single edits in genes with and without a homolog in train."""
        return self._groups_chart(
            self.by_homologs,
            "homologs",
            "Share of pairs with one edit found, for test genes with and without a homolog among the training genes, "
            "the best model of each family, 95 % intervals.",
        )

    def places_chart(self) -> alt.TopLevelMixin:
        """Accuracy on single edits by the fifth of the gene they are in."""
        return self._groups_chart(
            self.by_place,
            "fifth",
            "Share of pairs with one edit found, by the fifth of the gene the edit is in, the best model of each "
            "family, 95 % intervals.",
        )

    def places_text(self) -> Any:
        """Accuracy on single edits with and without homologs, and over the fifths of a gene."""
        accuracy = self.by_homologs.set_index(["label", "homologs", "rule"])["accuracy"]
        text = []
        if {"homolog", "no homolog"} <= set(self.by_homologs["homologs"]):
            for label in (self.expert, self.network):
                near, far = (accuracy[label, side, self.best_rule(label)] for side in ("homolog", "no homolog"))
                text.append(
                    f"{label} finds {near:.0%} of single edits in genes with a homolog, and {far:.0%} in those without."
                )
        places = self.by_best_rule(self.by_place, [self.expert])["accuracy"]
        text.append(
            f"Over the five fifths of a gene {self.expert} ranges from {places.min():.0%} to {places.max():.0%}."
        )
        return markdown(" ".join(text))

    # perplexity against detection

    @cached_property
    def every_run(self) -> pd.DataFrame:
        """Accuracies of each group of runs by the most edits; ``label`` is the group.

        Beside them ``run``, what it is called; ``family``; ``seeds``, how many; nucleotide perplexity ``value``.
        """
        runs_of = groups(self.results)
        called = [self.results[names[0]].record["label"] for names in runs_of.values()]
        parts = []
        for (group, names), label in zip(runs_of.items(), called, strict=True):
            rows = accuracies({group: mean_pairs([self.task_runs[name] for name in names])}, "maximum", self.replicates)
            parts.append(
                rows.assign(
                    run=label if called.count(label) == 1 else f"{label} ({group})",
                    family=self.results[names[0]].record["family"],
                    seeds=len(names),
                    value=metrics.nucleotide_perplexity(mean_scores([self.results[name] for name in names])),
                )
            )
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def fewest_edits(self) -> pd.DataFrame:
        """`every_run` by the rule of perplexity for the copies with the fewest edits, without reference models."""
        rows = self.every_run[(self.every_run["maximum"] == self.maxima[0]) & (self.every_run["rule"] == "perplexity")]
        return rows[np.isfinite(rows["value"]) & (rows["family"] != "reference")]

    def perplexity_chart(self) -> alt.TopLevelMixin:
        """Accuracy against nucleotide perplexity, a point a kind of run."""
        base = alt.Chart(self.fewest_edits[["run", "family", "seeds", "value", "accuracy", "low", "high"]]).encode(
            x=alt.X(
                "value:Q",
                title="nucleotide perplexity on test genes (logarithmic)",
                scale=alt.Scale(type="log", zero=False, nice=False, padding=12),
                axis=alt.Axis(values=[2.7, 3, 3.3, 3.6, 4, 4.5, 5], format=".1f"),
            )
        )
        families = list(dict.fromkeys(self.fewest_edits["family"]))
        bars = base.mark_rule(strokeWidth=1).encode(y="low:Q", y2="high:Q", **family_scale("family", "bar", families))
        title = f"share of pairs found, {edits(self.maxima[0])}"
        points = base.mark_point().encode(
            y=alt.Y("accuracy:Q", title=title, scale=alt.Scale(zero=False)),
            tooltip=[
                "run",
                "family",
                alt.Tooltip("value", format=".3f", title="nucleotide perplexity"),
                alt.Tooltip("accuracy", format=".3f"),
            ],
            **family_scale("family", "point", families),
        )
        return loose(
            alt.layer(bars, points).properties(
                height=340,
                description="Share of single edits that each run of the study finds by perplexity, against its "
                "nucleotide perplexity: low perplexities go with good detectors on the whole, but n-grams whose "
                "perplexity is worse than that of the uniform model find as many as far better ones.",
            )
        )

    def perplexity_text(self) -> Any:
        """Why the model of the lowest perplexity need not be the best detector."""
        rows = self.fewest_edits
        lowest, first = rows.loc[rows["value"].idxmin()], rows.loc[rows["accuracy"].idxmax()]
        spearman = rows[["value", "accuracy"]].corr(method="spearman").iloc[0, 1]
        most = (
            ", the most of all."
            if first["label"] == lowest["label"]
            else f", and the most pairs, {first['accuracy']:.3f}, are found by {first['run']} with a perplexity of "
            f"{first['value']:.3f}."
        )
        text = [
            f"Over {len(rows)} kinds of runs the rank correlation of the two is {spearman:.2f}: on the whole, who "
            f"predicts better detects better. But the lowest perplexity, {lowest['value']:.3f} of {lowest['run']}, "
            f"goes with {lowest['accuracy']:.3f} of the pairs{most}"
        ]
        above_guessing = rows[rows["value"] > 4].sort_values("value")
        if len(above_guessing):
            worst = above_guessing.iloc[-1]
            alike = rows[(rows["value"] < 3.8) & (rows["accuracy"] <= worst["accuracy"] + 0.005)].sort_values("value")
            beside = "."
            if len(alike):
                better = alike.iloc[0]
                beside = f"; {better['run']}, at {better['value']:.2f}, finds {better['accuracy']:.1%}."
            text.append(
                f"{worst['run']} predicts test genes worse than the uniform model (perplexity {worst['value']:.2f}), "
                f"and finds {worst['accuracy']:.1%} of the pairs{beside}"
            )
            text.append(
                "Perplexity punishes each nucleotide that a model was sure of and wrong about. But nearly all of a "
                "gene is in its mutated copy too: what a model costs there cancels out, and a detector may be as sure "
                "of itself as it likes."
            )
        return markdown(" ".join(text))

    @cached_property
    def evidence(self) -> pd.DataFrame:
        """See `evidence_rows`; without reference models."""
        labels = [label for label in self.runs_of if self.family[label] != "reference"]
        return evidence_rows({label: [self.task_runs[name] for name in self.runs_of[label]] for label in labels})

    def evidence_table(self) -> Table:
        """How far one substitution moves the evidence, and how evenly."""
        names = {"with": "homolog", "without": "none"}
        rows = []
        for label in sorted(self.evidence["label"].unique(), key=lambda label: self.perplexity[label]):
            row = {"model": label, "perplexity on test": self.perplexity[label]}
            for cell in self.evidence[self.evidence["label"] == label].itertuples():
                side = names[cell.homologs]
                row |= {
                    f"{side}: mean, nats": cell.mean, f"{side}: deviation": cell.deviation,
                    f"{side}: found": cell.accuracy,
                }  # fmt: skip
            rows.append(row)
        shown = pd.DataFrame(rows)
        return table(
            shown,
            "Likelihood ratio of a gene against its copy with one substitution, nats, and the share of pairs in which "
            "it is above 0; test genes with a homolog among the training genes, and with none",
            {name: ".1%" for name in shown if name.endswith(": found")},
            digits=2,
        )

    def evidence_text(self) -> Any:
        """Which model has the strongest evidence, and how often it is right."""
        wide = self.evidence.pivot_table(index="label", columns="homologs", values=["mean", "deviation", "accuracy"])
        if not {"with", "without"} <= set(self.evidence["homologs"]):
            return markdown("")
        strongest, without = wide["mean"]["with"].idxmax(), wide["accuracy"]["without"]
        high, expert = wide.xs("with", axis=1, level="homologs").loc[[strongest, self.expert]].to_dict("records")
        return markdown(
            f"The strongest evidence in genes with a homolog is that of {strongest}, {high['mean']:.1f} nats an edit; "
            f"it varies by {high['deviation']:.1f}, and {high['accuracy']:.0%} of the signs are right. That of "
            f"{self.expert} is {expert['mean']:.1f} nats, but varies by {expert['deviation']:.1f}: "
            f"{expert['accuracy']:.0%}. In genes without a homolog no model is above {without.max():.0%} "
            f"({without.idxmax()}), and the worst has {without.min():.0%}: there all of them know little more than "
            "which short words are common. So a model can lower its perplexity by what changes no sign: by more "
            "evidence where the sign was right already, and by less certainty everywhere."
        )

    def conclusions(self) -> Any:
        """What it means, as bullets."""
        winner = self.best if self.best_rule(self.best) == CALIBRATED else self.expert
        text = [
            "The rule of probability measures length: it should not be used where edits change lengths.",
            "The likelihood ratio follows from Bayes' theorem without anything tuned, and treats insertions and "
            f"deletions alike; calibrated on both strands, {winner} finds {self._figures(winner, CALIBRATED)} of the "
            f"pairs ({self._edits()}).",
        ]
        ensemble = next((label for label in self.runs_of if self.family[label] == "ensemble"), None)
        if ensemble:
            change = gains(self.pairs, (self.expert, CALIBRATED), (ensemble, CALIBRATED), self.replicates)
            resolved = ((change["low"] > 0) | (change["high"] < 0)).any()
            text.append(
                "A network beside the expert mixture changes its detector by "
                f"{', '.join(map(gain_with_bounds, change.itertuples()))}"
                + ("." if resolved else ": the difference is not resolved.")
            )
        text.append(
            "Perplexity and detection ask for different things, as the paper says. A detector needs evidence that is "
            "steady from edit to edit; perplexity asks for honest probabilities on what both sequences share."
        )
        return markdown("\n".join(f"- {line}" for line in text))

    def all_runs(self) -> Table:
        """Accuracies of every kind of run of the study."""
        rows = []
        for _, part in self.every_run.groupby("label", sort=False):
            row = {"run": part["run"].iloc[0], "perplexity on test": part["value"].iloc[0]}
            for cell in part[part["rule"].isin(["perplexity", CALIBRATED])].to_dict("records"):
                row[f"{edits(cell['maximum'])}: {cell['rule']}"] = with_bounds(cell)
            rows.append(row)
        columns = [f"{edits(m)}: {rule}" for m in self.maxima for rule in ("perplexity", CALIBRATED)]
        return table(
            pd.DataFrame(rows)
            .reindex(columns=["run", "perplexity on test", *columns])
            .fillna(dict.fromkeys(columns, "")),
            "Share of pairs found by each kind of run of the study (95 % over genes), mean over seeds",
        )
