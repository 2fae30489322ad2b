"""What the chapter on homology shows: how well models predict genes that have homologs in training, and those without.

What still helps where no homolog is left is in `family_split`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import altair as alt
import numpy as np
import pandas as pd

from dnastudy.core.provenance import PACKAGE, from_json
from dnastudy.data.datasets import Dataset
from dnastudy.data.statistics import IDENTITY_BINS
from dnastudy.display.charts import loose, model_scale
from dnastudy.display.tables import Table, estimate, markdown, table, with_interval
from dnastudy.evaluation import bootstrap, metrics
from dnastudy.experiments.homology_plan import full_curve_runs
from dnastudy.experiments.labels import model_label
from dnastudy.experiments.plan import MODERN, Run
from dnastudy.experiments.precompute import FAMILY_RECORD
from dnastudy.experiments.replicates import ahead, difference, mean_scores
from dnastudy.experiments.store import Result
from dnastudy.experiments.study import Study

EDGES = [*IDENTITY_BINS, 0.99]
"""Lower edges of the identity bins; the last bin of the data statistics is cut in two."""
NONE = "none"
OWN, FAMILY = "own", "family"
OWN_SPLIT, WITH, WITHOUT, FAMILY_SPLIT = (
    "own split", "own split, with", "own split, without", "split by family"
)  # fmt: skip
"""Groups of test genes in `ranking`: all of the own split, those with and without a homolog, the family split."""


def by_model(results: Mapping[str, Result], runs: Sequence[Run]) -> dict[str, dict[str, list[str]]]:
    """Names of the runs of each model, a seed each, by its label and split."""
    names: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        splits = names.setdefault(short_label(results[run.name].record), {OWN: [], FAMILY: []})
        splits[run.split].append(run.name)
    return names


def short_label(record: Mapping[str, Any]) -> str:
    """Label of a run where networks follow the modern recipe unless the label names another one."""
    return model_label(record["model"], record["settings"]) if record["recipe"] == MODERN else record["label"]


def bin_names() -> list[str]:
    """All identity bins, from the genes without a homolog to those with the nearest ones."""
    return [NONE, *(f"{low:.0%} to {high:.0%}" for low, high in pairwise([*EDGES, 1.0]))]


def identity_bins(homologs: pd.DataFrame) -> np.ndarray:
    """Identity bin of each test gene: a name of `bin_names`, by the identity to its nearest homolog."""
    place = np.searchsorted(EDGES, homologs["identity"].to_numpy(), side="right")
    return np.array(bin_names(), dtype=object)[place]


def type_names(genes: pd.DataFrame) -> pd.Series:
    """Type of each gene, "unknown" where it has none."""
    return genes["type"].replace("", "unknown")


def grouped(
    results: Mapping[str, Result], names: Mapping[str, Sequence[str]], labels: Sequence[str], replicates: int
) -> pd.DataFrame:
    """Metrics of each model's mean over seeds for groups of test genes: as `metrics.by_group`, with ``label``."""
    parts = [
        metrics.by_group(mean_scores([results[name] for name in runs]), labels, replicates).assign(
            label=label, family=results[runs[0]].record["family"]
        )
        for label, runs in names.items()
    ]
    return pd.concat(parts, ignore_index=True)


def gain_shares(first: pd.DataFrame, second: pd.DataFrame, labels: Sequence[str], replicates: int) -> pd.DataFrame:
    """On which genes ``second`` is better than ``first``: shares of all bits gained, with 95 % intervals over genes.

    Parameters
    ----------
    first, second : Score tables of the same genes, none of probability 0.
    labels : one a gene.

    Returns
    -------
    DataFrame, a row a label: ``group``, ``genes``, ``nucleotides`` (share of all), ``gain`` (share of all bits gained;
    negative where the group lost), ``low``, ``high``.
    """
    if list(first["id"]) != list(second["id"]):
        raise ValueError("gain_shares: the two score tables are of different genes")
    gains = (second["nucleotide_log_prob"] - first["nucleotide_log_prob"]).to_numpy()
    rows = []
    for name in dict.fromkeys(labels):
        chosen = np.asarray(labels) == name
        low, high = bootstrap.interval(bootstrap.ratios(gains * chosen, gains, replicates))
        size = first["nucleotides"][chosen].sum() / first["nucleotides"].sum()
        rows.append(
            {"group": name, "genes": int(chosen.sum()), "nucleotides": size, "gain": gains[chosen].sum() / gains.sum(),
             "low": low, "high": high}
        )  # fmt: skip
    return pd.DataFrame(rows)


def ranking(
    results: Mapping[str, Result], models: Mapping[str, Mapping[str, Sequence[str]]], has_homolog: np.ndarray,
    replicates: int,
) -> pd.DataFrame:  # fmt: skip
    """Each model on the data set's own split, in all, with and without homologs, and on the family split.

    Returns
    -------
    DataFrame, a row a model and group (`OWN_SPLIT`, `WITH`, `WITHOUT`, `FAMILY_SPLIT`): ``label``, ``family``,
    ``group``, ``seeds``, ``nucleotide_perplexity``, ``low``, ``high``, ``bits_per_base``.
    """
    rows = []
    for label, names in models.items():
        own, family = (mean_scores([results[name] for name in names[split]]) for split in (OWN, FAMILY))
        groups = {OWN_SPLIT: own, WITH: own[has_homolog], WITHOUT: own[~has_homolog], FAMILY_SPLIT: family}
        for group, scores in groups.items():
            if len(scores):
                summary = metrics.summarise(scores.reset_index(drop=True), replicates)
                low, high = summary["interval"]
                rows.append(
                    {"label": label, "family": results[names[OWN][0]].record["family"], "group": group,
                     "seeds": len(names[OWN]), "nucleotide_perplexity": summary["nucleotide_perplexity"], "low": low,
                     "high": high, "bits_per_base": summary["bits_per_base"]}
                )  # fmt: skip
    return pd.DataFrame(rows)


def identity_chart(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Perplexity against the identity to the nearest homologous training gene, a line a model: rows of `grouped`."""
    order = [name for name in bin_names() if name in set(rows["group"])]
    chart = _line_chart(
        rows[["group", "label", "family", "genes", "nucleotide_perplexity", "low", "high"]],
        alt.X("group:N", sort=order, title="identity to the nearest training homolog", axis=alt.Axis(labelAngle=0)),
        alt.Scale(domain=[1, 4.2], nice=False),
        [alt.Tooltip("genes", format=","), alt.Tooltip("nucleotide_perplexity", format=".3f"),
         alt.Tooltip("low", format=".3f"), alt.Tooltip("high", format=".3f")],
    )  # fmt: skip
    nearest = rows[rows["group"] == order[-1]].sort_values("nucleotide_perplexity")
    return chart.properties(
        height=380,
        description="Nucleotide perplexity of each model on test genes without a training homolog and with one of "
        f"growing identity, 95 % intervals. In the last bin ({order[-1]}): "
        + ", ".join(f"{row.label} {row.nucleotide_perplexity:.2f}" for row in nearest.itertuples()) + ".",
    )  # fmt: skip


def ranking_chart(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Each model's perplexity on its own split and on the family split, a line a model: rows of `ranking`."""
    order = [OWN_SPLIT, WITHOUT, FAMILY_SPLIT]
    chart = _line_chart(
        rows[rows["group"].isin(order)],
        alt.X("group:N", sort=order, title=None, axis=alt.Axis(labelAngle=0)),
        alt.Scale(zero=False),
        ["seeds", alt.Tooltip("nucleotide_perplexity", format=".3f")],
    )
    return chart.properties(
        height=360,
        description="Nucleotide perplexity of each model on the data set's own split, on its test genes without "
        "homologs, and on the split by family; 95 % intervals.",
    )


def _line_chart(rows: pd.DataFrame, x: alt.X, scale: alt.Scale, tips: Sequence[Any]) -> alt.LayerChart:
    """Perplexity with its interval in each group, a line a model."""
    families = dict(zip(rows["label"], rows["family"], strict=True))
    base = alt.Chart(rows).encode(x=x)
    y = alt.Y("nucleotide_perplexity:Q", title="nucleotide perplexity", scale=scale)
    bars = base.mark_rule().encode(y=alt.Y("low:Q", scale=scale), y2="high:Q", **model_scale("label", "bar", families))
    lines = base.mark_line().encode(y=y, **model_scale("label", "line", families))
    points = base.mark_point(size=60).encode(
        y=y, tooltip=["label", "group", *tips], **model_scale("label", "point", families)
    )
    return loose(alt.layer(bars, lines, points))


@dataclass(frozen=True)
class Chapter:
    """What the chapter on homology shows of the models that are trained on both splits."""

    study: Study
    results: dict[str, Result]
    models: dict[str, dict[str, list[str]]]
    """Runs of each model by label and split, as of `by_model`."""

    @classmethod
    def of(cls, study: Study) -> Self:
        """The chapter, its runs computed where they are missing."""
        runs = full_curve_runs(study.profile)
        results = study.run(runs)
        return cls(study, results, by_model(results, runs))

    @property
    def replicates(self) -> int:
        """Resamples of the genes for each interval."""
        return self.study.profile.bootstrap_replicates

    @cached_property
    def homologs(self) -> pd.DataFrame:
        """The nearest training homolog of each test gene of the own split."""
        return self.study.store.homologs(self.study.dataset)

    @cached_property
    def has_homolog(self) -> np.ndarray:
        """Whether each test gene of the own split has a homolog among the training genes."""
        return (self.homologs["identity"] > 0).to_numpy()

    @cached_property
    def family(self) -> Dataset:
        """The same genes, split by family."""
        return self.study.store.by_family(self.study.dataset)

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """See `ranking`."""
        return ranking(self.results, self.models, self.has_homolog, self.replicates)

    @cached_property
    def perplexities(self) -> pd.DataFrame:
        """Nucleotide perplexity: a row a model, from the worst on the own split to the best, and a column a group."""
        wide = self.ranking.pivot_table(index="label", columns="group", values="nucleotide_perplexity", sort=False)
        return wide.sort_values(OWN_SPLIT, ascending=False)

    def _saved(self, label: str, group: str) -> float:
        """Bits per base that a model saves beside the uniform model."""
        return 2 - self.ranking.set_index(["label", "group"]).loc[(label, group), "bits_per_base"]

    def identity_table(self) -> Table:
        """How many test genes have a homolog, and how near it is."""
        genes = self.homologs.assign(bin=identity_bins(self.homologs), type=type_names(self.study.dataset.test).array)
        rows = []
        for name in bin_names():
            part = genes[genes["bin"] == name]
            rows.append(
                {
                    "identity to the nearest homolog": name,
                    "test genes": len(part),
                    "share": len(part) / len(genes),
                    "covered, median": part["coverage"].median() if name != NONE else np.nan,
                    "on the other strand": (part["strand"] == "-").mean() if name != NONE else np.nan,
                    "most frequent type": part["type"].mode().iloc[0] if len(part) else "",
                }
            )
        return table(
            pd.DataFrame(rows),
            "Test genes by identity to their nearest training homolog",
            {"test genes": ",d", "share": ".1%", "covered, median": ".0%", "on the other strand": ".0%"},
        )

    def identity_chart(self) -> alt.TopLevelMixin:
        """Perplexity in each identity bin that has enough genes."""
        own = {label: names[OWN] for label, names in self.models.items()}
        rows = grouped(self.results, own, identity_bins(self.homologs), self.replicates)
        return identity_chart(rows[rows["genes"] >= min(15, rows["genes"].max())])

    def ranking_table(self) -> Table:
        """Perplexity on both splits, and on the test genes with and without a homolog."""
        rows = self.ranking.assign(text=with_interval(self.ranking, "nucleotide_perplexity", 3))
        text = rows.pivot_table(index="label", columns="group", values="text", aggfunc="first")
        labels = self.perplexities.index
        titles = {OWN_SPLIT: "own split, all", WITH: "with a homolog", WITHOUT: "without", FAMILY_SPLIT: FAMILY_SPLIT}
        frame = pd.DataFrame({"model": labels, "seeds": [len(self.models[label][OWN]) for label in labels]})
        for group, title in titles.items():
            if group in text:
                frame[title] = text.loc[labels, group].array
        own, family = (data.train["sequence"].str.len().sum() for data in (self.study.dataset, self.family))
        return table(
            frame,
            "Nucleotide perplexity (95 %) on the data set's own split, on its test genes with and without a training "
            "homolog, and on the split by family, after as many training genes, which have "
            f"{family / own:.0%} of the nucleotides",
        )

    def ranking_text(self) -> Any:
        """What homologs make easier."""
        if not self.has_homolog.any():
            return markdown(
                "No test gene of the data set's own split has a homolog among its training genes: neither split has "
                "any, and the two differ only in which genes are in which part."
            )
        if self.has_homolog.all():
            return markdown("")
        perplexity = self.perplexities
        best = perplexity.index[-1]
        lowest = {group: perplexity[group].idxmin() for group in (WITH, WITHOUT)}
        return markdown(
            f"{self.has_homolog.mean():.0%} of the test genes have a homolog among the training genes. On those {best} "
            f"has a perplexity of {perplexity.loc[best, WITH]:.2f}, on the others {perplexity.loc[best, WITHOUT]:.2f}. "
            f"Beside the uniform model it saves {self._saved(best, OWN_SPLIT):.3f} bits per base on all test genes, "
            f"and {self._saved(best, WITHOUT):.3f} on those without a homolog. With a homolog the lowest is "
            f"{lowest[WITH]}; without one it is {lowest[WITHOUT]}, with "
            f"{perplexity.loc[lowest[WITHOUT], WITHOUT]:.3f}."
        )

    def splits_table(self) -> Table:
        """The parts of both splits."""
        rows = []
        for split, dataset in {OWN_SPLIT: self.study.dataset, FAMILY_SPLIT: self.family}.items():
            for part in ("train", "validation", "test"):
                genes = dataset.splits[part]
                lengths = genes["sequence"].str.len()
                shares = type_names(genes).value_counts(normalize=True)
                rows.append(
                    {
                        "split": split, "part": part, "genes": len(genes), "nucleotides": int(lengths.sum()),
                        "median length, nt": lengths.median(),
                        "types": ", ".join(f"{name} {share:.0%}" for name, share in shares.head(4).items()),
                    }
                )  # fmt: skip
        return table(
            pd.DataFrame(rows),
            "Both splits of the same genes",
            {"genes": ",d", "nucleotides": ",d", "median length, nt": ".0f"},
        )

    def blast_text(self) -> Any:
        """What a second program finds of the family split."""
        file = PACKAGE.parent / FAMILY_RECORD
        record = from_json(file.read_text()) if file.exists() else None
        if record is None or record["sha256"]["test"] != self.family.hashes["test"]:
            return markdown(
                "These are not the genes of the published study, whose split a second program has searched; "
                "`dnastudy split --check` starts such a search."
            )
        test, validation, own = record["test in train"], record["validation in train"], record["own split"]
        text = (
            f"A second, independent program ({record['program']} {record['version']} {{cite}}`camacho2009`) was asked "
            f"the same of this split: it finds a homolog in the training genes for {test['found']} of the "
            f"{test['genes']:,} test genes ({test['found'] / test['genes']:.2%}) and for {validation['found']} of the "
            f"{validation['genes']:,} validation genes. On the own split of these genes it finds one for "
            f"{own['found']:,} of {own['genes']:,} test genes ({own['found'] / own['genes']:.0%})."
        )
        if test["relatives"]:
            each = "; ".join(
                f"{hit['id']} – {hit['nearest']} ({hit['identity']:.0%} identical over {hit['coverage']:.0%}, "
                f"{hit['aligned']} nt)"
                for hit in test["relatives"]
            )
            text += f" What it still finds of test genes: {each}."
        return markdown(text)

    def ranking_chart(self) -> alt.TopLevelMixin:
        """Perplexity on both splits."""
        return ranking_chart(self.ranking)

    @cached_property
    def neighbours(self) -> pd.DataFrame:
        """Models beside each other in the ranking of the own split, compared on both splits.

        Columns: ``first`` (the better one on the own split) and ``second``; for each split (`OWN`, `FAMILY`) its
        ``bits`` of the first less the second with ``_low`` and ``_high``, and ``ahead`` as of `replicates.ahead`.
        """
        rows = []
        for first, second in pairwise(self.perplexities.index[::-1]):
            row: dict[str, Any] = {"first": first, "second": second}
            for split in (OWN, FAMILY):
                names = (self.models[label][split] for label in (first, second))
                gap = difference(self.results, *names, self.replicates)
                low, high = gap["interval"]
                row |= {f"{split}_bits": gap["bits_per_base"], f"{split}_bits_low": low, f"{split}_bits_high": high,
                        f"{split}_ahead": ahead(gap)}  # fmt: skip
            rows.append(row)
        return pd.DataFrame(rows)

    def neighbours_table(self) -> Table:
        """Whether neighbours in the ranking keep their order."""
        rows = []
        for _, pair in self.neighbours.iterrows():
            row = {"better on the own split": pair["first"], "than": pair["second"]}
            for split, title in ((OWN, OWN_SPLIT), (FAMILY, FAMILY_SPLIT)):
                bits = (pair[f"{split}_bits{end}"] for end in ("", "_low", "_high"))
                better = {-1: pair["first"], 1: pair["second"], 0: "not resolved"}
                row[f"{title}, bits per base (95 %)"] = estimate(*bits, "+.3f")
                row[f"{title}: better"] = better[pair[f"{split}_ahead"]]
            rows.append(row)
        return table(
            pd.DataFrame(rows),
            "Neighbours in the ranking of the own split, paired over genes, mean over seeds: bits per base of the "
            "first minus the second. One is called better where the interval excludes 0 and each of its seeds is ahead "
            "of each of the other's.",
        )

    def neighbours_text(self) -> Any:
        """What becomes of the ranking without homologs."""
        own, family = self.perplexities[OWN_SPLIT], self.perplexities[FAMILY_SPLIT].sort_values()
        best, worst = family.index[0], family.index[-1]
        worse = own[family.index] < family
        pairs = self.neighbours
        kept = pairs[(pairs["own_ahead"] == -1) & (pairs["family_ahead"] == -1)]
        reversed_ = pairs[(pairs["own_ahead"] == -1) & (pairs["family_ahead"] == 1)]
        swaps = "; ".join(f"{pair.second} is then better than {pair.first}" for pair in reversed_.itertuples())
        correlation = own.rank().corr(self.perplexities[FAMILY_SPLIT].rank())
        return markdown(
            f"Without homologs {'all' if worse.all() else f'{worse.sum()} of {len(worse)}'} models are worse: {best}, "
            f"the best, from {own[best]:.2f} to {family[best]:.2f}, {worst}, the worst, to {family[worst]:.2f}. "
            f"Of the {len(pairs)} neighbours in the ranking {len(kept)} keep their order beyond the intervals"
            + (f", and {len(reversed_)} turn round: {swaps}" if swaps else "")
            + (f" (rank correlation of all {correlation:.2f})." if len(pairs) > 3 else ".")
        )
