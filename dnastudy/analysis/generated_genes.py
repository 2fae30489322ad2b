"""The chapter on generated genes: how well they are distinguished from real ones, and what they resemble."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import altair as alt
import numpy as np
import pandas as pd

from dnastudy.analysis.gene_types import GeneTypes
from dnastudy.analysis.task_tables import task_table
from dnastudy.display.charts import family_scale, loose
from dnastudy.display.tables import Table, markdown, table, with_interval
from dnastudy.experiments.plan import representatives
from dnastudy.experiments.study import Study
from dnastudy.experiments.task_runs import REFERENCE, create_task
from dnastudy.tasks.generation_quality import AUC, COPIES, COPY, HOMOLOGS, REAL, SHUFFLED

BEST = f"{AUC}the best"
"""Name of the largest area under the ROC curve."""
FAMILIES = "families per gene"
"""Measure of diversity: families of homologs in a set, divided by its genes."""
FEATURE_TITLES = {
    "length": "length, nt",
    "gc": "GC",
    "cpg": "CpG observed / expected",
    "orf": "longest ORF, nt",
    "low_complexity": "low complexity",
}
"""Features of genes in the words of the tables."""


def with_best(measures: pd.DataFrame) -> pd.DataFrame:
    """Measures, and of each set that area under the ROC curve once more which is the largest, named `BEST`."""
    areas = measures[measures["measure"].str.startswith(AUC)]
    best = areas.loc[areas.groupby(["run", "set"], sort=False)["value"].idxmax()]
    return pd.concat([measures, best.assign(measure=BEST)], ignore_index=True)


def equal_lengths(measures: pd.DataFrame) -> pd.DataFrame:
    """Measures of the one set of each model, at temperature 1, that has the lengths of training genes; and references.

    That is a set of its own for a model that ends its genes itself, else that of temperature 1.
    """
    with_end = measures.loc[measures["set"] == "real lengths", "run"]
    without_end = (measures["set"] == "temperature 1") & ~measures["run"].isin(set(with_end))
    return measures[measures["set"].isin(["real lengths", REAL, SHUFFLED]) | without_end]


def side_by_side(measures: pd.DataFrame, names: Mapping[str, str], by: Sequence[str], digits: int = 2) -> pd.DataFrame:
    """Cells ``value (low to high)`` of some measures side by side: a line for each of ``by``.

    Parameters
    ----------
    names : mapping
        Measures to titles of columns, in their order.
    """
    rows = measures[measures["measure"].isin(names)]
    cells = rows.assign(text=with_interval(rows, "value", digits)).pivot_table(
        index=list(by), columns="measure", values="text", aggfunc="first", sort=False
    )
    return (
        cells.reindex(columns=list(names))
        .rename(columns=names)
        .astype(object)
        .fillna("")
        .reset_index()
        .rename_axis(None, axis=1)
    )


def spaced(values: Iterable[float], gap: float) -> list[float]:
    """Places for names: the values, which ascend, each moved up to at least a gap above the one before."""
    places: list[float] = []
    for value in values:
        places.append(max(value, places[-1] + gap) if places else value)
    return places


@dataclass(frozen=True)
class Chapter:
    """What the chapter on generated genes shows."""

    study: Study
    records: dict[str, dict[str, Any]]
    measures: pd.DataFrame
    """Measures of all sets, as of `task_table`, with `BEST`."""
    types: GeneTypes

    @classmethod
    def of(cls, study: Study) -> Self:
        """The chapter on a study; its runs and their task runs are computed where they are missing."""
        runs = representatives(study.profile)
        records = {name: result.record for name, result in study.run(runs).items()}
        quality = study.run_task("generation-quality", runs)
        types = GeneTypes(study.profile, records, study.run_task("gene-types", runs))
        return cls(study, records, with_best(task_table(quality, records, "measures")), types)

    # what several figures need

    @cached_property
    def settings(self) -> Any:
        """Settings of the task in this profile."""
        return create_task("generation-quality", self.study.profile).settings

    @cached_property
    def genes(self) -> int:
        """Genes of a set."""
        return min(self.settings.genes, len(self.study.dataset.test))

    @cached_property
    def of_models(self) -> pd.DataFrame:
        """Measures of generated sets alone."""
        return self.measures[self.measures["run"] != REFERENCE]

    @cached_property
    def standard(self) -> pd.DataFrame:
        """Measures of the sets that all models have, at temperature 1, and of the references."""
        return self.measures[self.measures["set"].isin(["temperature 1", REAL, SHUFFLED])]

    @cached_property
    def models(self) -> list[str]:
        """Labels of the models."""
        return list(dict.fromkeys(self.standard.loc[self.standard["run"] != REFERENCE, "label"]))

    @cached_property
    def labels(self) -> list[str]:
        """Labels of the rows of most tables: real genes, the models, shuffled real genes."""
        return [REAL, *self.models, SHUFFLED]

    @cached_property
    def value(self) -> pd.DataFrame:
        """Values of the `standard` measures: labels by measures."""
        values = self.standard.pivot_table(index="label", columns="measure", values="value")
        columns = dict.fromkeys([*values.columns, BEST, HOMOLOGS, COPIES])
        return values.reindex(index=self.labels, columns=list(columns))

    @cached_property
    def with_end(self) -> set[str]:
        """Labels of the models that end their genes themselves."""
        return set(self.measures.loc[self.measures["set"] == "real lengths", "label"])

    @cached_property
    def equally_long(self) -> pd.DataFrame:
        """See `equal_lengths`."""
        return equal_lengths(self.measures)

    @cached_property
    def auc(self) -> pd.DataFrame:
        """AUC of the best classifier by label, of sets with the lengths of training genes."""
        return self.equally_long[self.equally_long["measure"] == BEST].set_index("label")

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """`auc` of the models alone, from the least to the most easily distinguished."""
        return self.auc[self.auc["run"] != REFERENCE].sort_values("value")

    @cached_property
    def perplexity(self) -> dict[str, float]:
        """Nucleotide perplexity on the test genes by label."""
        return {record["label"]: record["metrics"]["nucleotide_perplexity"] for record in self.records.values()}

    def _rows(self, measures: pd.DataFrame, names: Mapping[str, str], digits: int = 2) -> pd.DataFrame:
        """`side_by_side`, a row a label in the order of `labels`."""
        rows = side_by_side(measures, names, ["label"], digits).set_index("label")
        return rows.reindex(self.labels, fill_value="").reset_index()

    # quality

    def settings_text(self) -> Any:
        """How many genes, temperatures and classifiers."""
        return markdown(
            f"Here: {self.genes} genes a set, temperatures {', '.join(f'{t:g}' for t in self.settings.temperatures)}, "
            f"classifiers: {', '.join(self.settings.classifiers)}; for each of {len(self.types.types)} gene types "
            f"{self.types.settings.genes} genes a model. A copy is identical in at least {COPY['identity']:.0%} of the "
            f"columns over at least {COPY['coverage']:.0%} of the gene."
        )

    def headline_chart(self) -> alt.TopLevelMixin:
        """AUC of the best classifier against the share of a set with a homolog in train."""
        sets = self._sets()
        equally_long = sets["set"].isin(["real lengths", REAL, SHUFFLED]) | ~sets["label"].isin(self.with_end)
        base = alt.Chart(sets[["label", "family", "set", "temperature", "auc", "low", "high", "homologs"]]).encode(
            x=alt.X(
                "homologs:Q",
                title="share with a homolog in train (square roots)",
                scale=alt.Scale(type="sqrt"),
                axis=alt.Axis(format="%", values=[0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1]),
            ),
        )
        height = alt.Y(
            "auc:Q", title="distinguished from real genes by the best classifier, AUC", scale=alt.Scale(zero=False)
        )
        families = list(dict.fromkeys(sets["family"]))
        paths = (
            base.transform_filter(alt.datum.set != "real lengths")
            .mark_line(strokeWidth=1.2)
            .encode(y=height, detail="label:N", order="temperature:Q", **family_scale("family", "line", families))
        )
        bars = base.mark_rule(strokeWidth=1).encode(
            y=alt.Y("low:Q"), y2="high:Q", **family_scale("family", "bar", families)
        )
        look = {
            "y": height,
            "size": alt.Size(
                "temperature:Q",
                scale=alt.Scale(domain=[self.settings.temperatures[-1], 1.0], range=[35, 130]),
                legend=None,
            ),
            "tooltip": [
                "label",
                "set",
                alt.Tooltip("auc", format=".2f", title="AUC"),
                alt.Tooltip("homologs", format=".1%", title=HOMOLOGS),
            ],
            **family_scale("family", "point", families),
        }
        filled = base.properties(data=sets[~equally_long]).mark_point().encode(**look)
        hollow = base.properties(data=sets[equally_long]).mark_point(filled=False, strokeWidth=2.2).encode(**look)
        return loose(
            alt.layer(paths, bars, filled, hollow, *self._names(sets, equally_long)).properties(
                height=420,
                description="How well generated genes are distinguished from real ones (area under the ROC curve) "
                "against the share of them that have a homolog among the training genes, each model at several "
                "temperatures, with real genes, shuffled real genes and the genes of the uniform model.",
            )
        )

    def _sets(self) -> pd.DataFrame:
        """AUC, its interval, share with a homolog and temperature of every set."""
        auc = self.measures[self.measures["measure"] == BEST].rename(columns={"value": "auc"})
        homologs = self.measures[self.measures["measure"] == HOMOLOGS].rename(columns={"value": "homologs"})
        sets = auc[["label", "family", "set", "auc", "low", "high"]].merge(
            homologs[["label", "set", "homologs"]], on=["label", "set"]
        )
        temperature = pd.to_numeric(sets["set"].str.removeprefix("temperature "), errors="coerce")
        return sets.assign(temperature=temperature.fillna(1.0))

    def _names(self, sets: pd.DataFrame, equally_long: pd.Series) -> list[alt.Chart]:
        """A name at each set of equal lengths; those that would lie on one another are moved apart."""
        named = sets["set"].isin([REAL, SHUFFLED]) | sets["label"].isin(self.auc.index) & equally_long
        names = sets[named & (sets["temperature"] == 1)].sort_values("auc")
        names = names.assign(place=spaced(names["auc"], 0.022))
        right = names["homologs"] > 0.7 * sets["homologs"].max()
        return [
            alt.Chart(part[["label", "homologs", "place"]])
            .mark_text(align=side, dx=shift, fontSize=11)
            .encode(x="homologs:Q", y="place:Q", text="label:N")
            for part, side, shift in ((names[~right], "left", 13), (names[right], "right", -13))
        ]

    def quality_table(self) -> Table:
        """Sets at temperature 1: AUC of each classifier, similarity to training genes and diversity."""
        names = {
            **{f"{AUC}{name}": name for name in self.settings.classifiers},
            HOMOLOGS: "homolog in train",
            COPIES: "copies",
            FAMILIES: FAMILIES,
        }
        rows = self._rows(self.standard, names).set_index("label").loc[self.value[BEST].sort_values().index]
        rows = rows.reset_index()
        rows.insert(1, "perplexity", [self.perplexity.get(label, np.nan) for label in rows["label"]])
        return table(
            rows.rename(columns={"label": "genes of"}),
            "Sets at temperature 1, from the least to the most easily distinguished from real genes: area under the "
            "ROC curve of each classifier (95 % over families), similarity to training genes and diversity; "
            "perplexity: of the model on the test genes",
        )

    def quality_text(self) -> Any:
        """Which model's genes are the hardest to distinguish from real ones, and how many are copies."""
        auc, homologs, copies = (self.value[name] for name in (BEST, HOMOLOGS, COPIES))
        text = []
        if pd.notna(auc[REAL]):
            text.append(
                f"Real genes are distinguished from other real genes with an AUC of {auc[REAL]:.2f} by the classifier "
                f"that happens to do best; {homologs[REAL]:.0%} of them have a homolog among the training genes and "
                f"{copies[REAL]:.1%} are copies of one."
            )
        text.append(self._closest_sentence())
        if pd.notna(auc[SHUFFLED]) and len(self.ranked):
            ahead = self.ranked.index[self.ranked["value"] < auc[SHUFFLED]]
            text.append(
                "Shuffled real genes, which keep nothing but pairs of neighbours and lengths, have "
                f"{auc[SHUFFLED]:.2f}; "
                + (
                    f"nearer to real genes than those are {'; '.join(ahead)}."
                    if len(ahead)
                    else "no model comes nearer to real genes than those."
                )
            )
        families = self.value[FAMILIES]
        if pd.notna(families[REAL]):
            low, high = families[self.models].min(), families[self.models].max()
            text.append(
                f"Real genes come in families, {families[REAL]:.2f} a gene; the models' at temperature 1 have "
                f"{low:.2f} to {high:.2f}: "
                + ("they generate hardly any." if low > families[REAL] else "some generate as many.")
            )
        text.append(f"(A share of 0 in {self.genes} genes may be as large as {3 / self.genes:.1%}.)")
        return markdown(" ".join(text))

    def _closest_sentence(self) -> str:
        if self.ranked.empty:
            return (
                "These genes are too few, or too many of them are homologs, for a classifier to be trained on some "
                "families and tested on others."
            )
        closest = self.ranked.iloc[0]
        alike = self.ranked.index[self.ranked["low"] <= closest["high"]][1:]
        measures = self.equally_long[self.equally_long["label"] == closest.name].set_index("measure")["value"]
        return (
            "Where all sets have lengths of training genes, the hardest to distinguish from real ones are those of "
            f"{closest.name}: {closest['value']:.2f} ({closest['low']:.2f} to {closest['high']:.2f})"
            + (f", from which by their intervals {'; '.join(alike)} cannot be distinguished" if len(alike) else "")
            + f". {measures[HOMOLOGS]:.0%} of them have a homolog in train, and {measures[COPIES]:.1%} are copies."
        )

    def sets_table(self) -> Table:
        """All sets: what temperature and lengths change."""
        names = {
            BEST: "AUC",
            "length, mean": "mean length, nt",
            HOMOLOGS: "homolog in train",
            COPIES: "copies",
            FAMILIES: FAMILIES,
        }
        rows = side_by_side(self.of_models, names, ["label", "set"])
        return table(
            _whole(rows, ["mean length, nt"]).rename(columns={"label": "genes of"}),
            "All sets: area under the ROC curve of the best classifier, lengths, similarity to training genes and "
            "diversity (95 %)",
        )

    def temperature_text(self) -> Any:
        """What the lowest temperature changes."""
        cold, warm = f"temperature {min(self.settings.temperatures):g}", "temperature 1"
        sets = self.of_models.pivot_table(index=["label", "measure"], columns="set", values="value")
        if cold == warm or sets.empty:
            return markdown("")
        measures = sets.index.get_level_values("measure")
        length, homologs = (sets.xs(name, level="measure") for name in ("length, mean", HOMOLOGS))
        ending = [label for label in self.models if label in self.with_end]
        longer = [label for label in ending if length.loc[label, cold] > length.loc[label, warm]]
        text = [
            f"At {cold} the genes that models end themselves become longer in {len(longer)} of {len(ending)} models, "
            "since an end is rarely the most probable symbol, and so easier to distinguish."
        ]
        endless = [label for label in self.models if label not in self.with_end]
        if BEST in measures and endless:
            auc = sets.xs(BEST, level="measure").loc[endless]
            changes = [f"from {row[warm]:.2f} to {row[cold]:.2f} ({label})" for label, row in auc.iterrows()]
            because = "." if (auc[cold] <= auc[warm]).all() else ": it is not lengths alone."
            text.append(f"Where lengths are given the AUC goes {'; '.join(changes)}{because}")
        most = (homologs[cold] - homologs[warm]).idxmax()
        text.append(
            f"Homologs in train become more frequent, at most from {homologs.loc[most, warm]:.0%} to "
            f"{homologs.loc[most, cold]:.0%} ({most})."
        )
        return markdown(" ".join(text))

    # k-mers

    @cached_property
    def divergences(self) -> pd.DataFrame:
        """Divergence of the k-mers of each set of equal lengths, as a multiple of that of other real genes."""
        rows = self.equally_long[self.equally_long["measure"].str.startswith("divergence")]
        rows = rows.assign(k=rows["measure"].str.extract(r"(\d+)-mers", expand=False).astype(int))
        real = rows[rows["label"] == REAL].set_index("k")["value"]
        if len(real):
            rows[["value", "low", "high"]] = rows[["value", "low", "high"]].div(rows["k"].map(real), axis=0)
        return rows

    @cached_property
    def as_multiples(self) -> bool:
        """Whether there are real genes that `divergences` can be multiples of."""
        return REAL in set(self.divergences["label"])

    def divergence_chart(self) -> alt.TopLevelMixin:
        """Divergence against the length of the k-mers, a line a model."""
        rows = self.divergences
        shortest, longest = rows["k"].min(), rows["k"].max()
        base = alt.Chart(rows[["label", "family", "k", "value", "low", "high"]]).encode(
            x=alt.X(
                "k:Q",
                title="length of words, nt",
                scale=alt.Scale(domain=[shortest - 0.7 * (longest - shortest), longest], nice=False),
                axis=alt.Axis(values=sorted(set(rows["k"])), format="d"),
            ),
            y=alt.Y(
                "value:Q",
                title=f"divergence from real genes, {'of other real genes = 1' if self.as_multiples else 'bits'}",
                scale=alt.Scale(type="log", nice=False),
                axis=alt.Axis(tickCount=4, format="~g", orient="right"),
            ),
        )
        families = list(dict.fromkeys(rows["family"]))
        lines = base.mark_line(strokeWidth=1.5).encode(detail="label:N", **family_scale("family", "line", families))
        points = base.mark_point(size=50).encode(
            tooltip=["label", "k", *(alt.Tooltip(name, format=".2f") for name in ("value", "low", "high"))],
            **family_scale("family", "point", families),
        )
        names = rows[rows["k"] == shortest].sort_values("value")
        names = names.assign(place=np.exp(spaced(np.log(names["value"]), 0.21)))
        texts = (
            alt.Chart(names[["label", "k", "place"]])
            .mark_text(align="right", dx=-9, fontSize=11)
            .encode(x="k:Q", y="place:Q", text="label:N")
        )
        return loose(
            alt.layer(lines, points, texts).properties(
                width=520,
                height=400,
                description="Jensen-Shannon divergence of the words of each length between generated and real genes, "
                "as a multiple of that between two sets of real genes; one line a model, with shuffled real genes and "
                "the genes of the uniform model.",
            )
        )

    def divergence_table(self) -> Table:
        """Divergence of the k-mers, bits."""
        names = {f"divergence of {k}-mers, bits": f"{k}-mers" for k in sorted(self.divergences["k"].unique())}
        return table(
            self._rows(self.equally_long, names, digits=4).rename(columns={"label": "genes of"}),
            "Divergence from real genes, bits (95 % over genes), temperature 1, lengths of training genes",
        )

    def divergence_text(self) -> Any:
        """The nearest and the furthest model for short and for long k-mers."""
        if not self.as_multiples:
            return markdown("")
        rows = self.divergences[self.divergences["run"] != REFERENCE]
        text = []
        for k in (self.divergences["k"].min(), self.divergences["k"].max()):
            value = rows[rows["k"] == k].set_index("label")["value"].sort_values()
            text.append(
                f"In words of {k} nt the nearest to real genes is {value.index[0]}, {value.iloc[0]:.1f} times as far "
                f"as other real genes, and the furthest {value.index[-1]}, {value.iloc[-1]:.1f} times."
            )
        text.append(
            "Models of short contexts get short words right by construction; a set can have every word as often as "
            "real genes and still be no genes."
        )
        return markdown(" ".join(text))

    # composition

    def features_table(self) -> Table:
        """Means of the features of the genes of each set."""
        rows = self._rows(self.standard, {f"{name}, mean": title for name, title in FEATURE_TITLES.items()})
        return table(
            _whole(rows, ["length, nt", "longest ORF, nt"]).rename(columns={"label": "genes of"}),
            "Means of each set (95 % over genes), temperature 1",
        )

    def distances_table(self) -> Table:
        """How far the distributions of the features are from those of real genes."""
        names = {f"{name}, distance": f"{title.split(',')[0]}, distance" for name, title in FEATURE_TITLES.items()}
        return table(
            self._rows(self.standard, names).rename(columns={"label": "genes of"}),
            "How far apart each fact is distributed from real genes: Kolmogorov-Smirnov distance, 0 alike, 1 nothing "
            "in common",
        )

    def conclusions(self) -> Any:
        """What it means, as bullets."""
        sentences = (
            self._likeness_sentence(), self._copies_sentence(), self._perplexity_sentence(), self._types_sentence(),
        )  # fmt: skip
        return markdown("\n".join(f"- {sentence}" for sentence in sentences if sentence))

    def _likeness_sentence(self) -> str:
        if self.ranked.empty:
            return ""
        closest, real = self.ranked.iloc[0], self.value[BEST][REAL]
        alike = pd.notna(real) and closest["low"] <= self.auc.loc[REAL, "high"]
        return (
            f"At lengths of training genes, classifiers as small as these distinguish the genes of {closest.name} from "
            f"real ones with an AUC of {closest['value']:.2f}"
            + (f", and other real genes with {real:.2f}: by the intervals no difference." if alike else ".")
        )

    def _copies_sentence(self) -> str:
        copies = self.of_models[self.of_models["measure"] == COPIES]
        if copies.empty or pd.isna(self.value[COPIES][REAL]):
            return ""
        real = self.measures[(self.measures["measure"] == COPIES) & (self.measures["label"] == REAL)].iloc[0]
        most = copies.loc[copies["value"].idxmax()]
        return (
            f"At most {most['value']:.1%} of a set are copies of training genes ({most['label']}, {most['set']}), "
            f"where real genes have {real['value']:.1%}: "
            + (
                "more than real genes."
                if most["low"] > real["high"]
                else "no set has demonstrably more copies than real genes do."
            )
        )

    def _perplexity_sentence(self) -> str:
        both = pd.DataFrame({"perplexity": pd.Series(self.perplexity), "auc": self.ranked["value"]}).dropna()
        if len(both) < 3:
            return ""
        lowest, closest = both["perplexity"].idxmin(), self.ranked.index[0]
        return (
            f"The model of the lowest perplexity ({lowest}, {both.loc[lowest, 'perplexity']:.3f}) generates genes with "
            f"an AUC of {both.loc[lowest, 'auc']:.2f}; "
            + (
                f"the genes hardest to distinguish from real ones are those of {closest}, whose perplexity is "
                f"{both.loc[closest, 'perplexity']:.3f}. To predict genes and to generate them are two things."
                if lowest != closest
                else "no other model's are harder to distinguish from real ones."
            )
        )

    def _types_sentence(self) -> str:
        if REAL not in self.types.recovered.index:
            return ""
        recovered = self.types.recovered_of_models
        best = recovered.idxmax()
        return (
            f"The type that was asked for is recognised in {recovered[best]:.0%} of the genes of {best}, mean over "
            f"types, and in {self.types.recovered.loc[REAL, 'share']:.0%} of real ones."
            + (
                f" The same model's genes are distinguished from real ones with an AUC of "
                f"{self.auc.loc[best, 'value']:.2f}: being typical and being like real genes are two things as well."
                if best in self.auc.index and best != self.ranked.index[0]
                else ""
            )
        )


def _whole(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Cells of these columns without decimals."""
    return rows.assign(**{name: rows[name].str.replace(r"\.\d+", "", regex=True) for name in columns})
