"""The chapter on the genes: what they are, how long, of what composition, and how many test genes have homologs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import altair as alt
import numpy as np
import pandas as pd

from dnastudy.analysis.headline import GENES
from dnastudy.core.provenance import from_json
from dnastudy.data.datasets import SIMULATED, Dataset, load_dataset, paper
from dnastudy.data.statistics import describe_genes
from dnastudy.display.tables import Table, markdown, table
from dnastudy.experiments.study import Study

SPLITS = ("train", "validation", "test")
HOMOLOGS = "test in train"
"""Name of the search for homologs in `describe_genes`."""
TYPE_NAMES = {
    "PSEUDO": "pseudogenes",
    "BIOLOGICAL_REGION": "biological regions",
    "ncRNA": "non-coding RNA",
    "snoRNA": "small nucleolar RNA",
    "PROTEIN_CODING": "protein-coding",
    "OTHER": "other",
    "tRNA": "transfer RNA",
    "snRNA": "small nuclear RNA",
    "rRNA": "ribosomal RNA",
    "scRNA": "small cytoplasmic RNA",
}
"""NCBI's gene types in words."""
LEAST = 20
"""Genes from which on a type has a row or a point of its own."""


@dataclass(frozen=True)
class Chapter:
    """What the chapter on the genes shows."""

    study: Study
    facts: dict[str, Any]
    """As of `describe_genes`."""

    @classmethod
    def of(cls, study: Study) -> Self:
        """The chapter on a study's genes; homologs are searched for where they are not in the store."""
        homologs = study.store.homologs(study.dataset)
        return cls(study, describe_genes(_splits(study.dataset), {HOMOLOGS: homologs}))

    @cached_property
    def types(self) -> pd.DataFrame:
        """Facts about each gene type, the most frequent first, with its name in words, ``kind``."""
        types = pd.DataFrame(self.facts["parts"]["all"]["types"])
        return types.assign(kind=types["type"].map(TYPE_NAMES).fillna(types["type"].replace("", "unknown")))

    def splits_table(self) -> Table:
        """The splits beside the paper's."""
        rows = [
            {
                "split": "all of them" if name == "all" else name,
                "genes": part["genes"],
                "nucleotides": part["nucleotides"],
                "median length, nt": part["length"]["quantiles"]["0.5"],
                "GC": part["gc"],
                "genes in the paper": paper()["data"].get(name, paper()["data"]["genes"]),
            }
            for name, part in self.facts["parts"].items()
        ]
        return table(pd.DataFrame(rows), "The splits", {"median length, nt": ".0f", "GC": ".3f"})

    def types_chart(self) -> alt.TopLevelMixin:
        """The share of each gene type."""
        shares = alt.Chart(self.types)
        place = alt.Y("kind:N", sort="-x", title=None, axis=alt.Axis(labelLimit=160))
        bars = shares.mark_bar().encode(
            x=alt.X("share:Q", title="share of all genes", axis=alt.Axis(format="%")),
            y=place,
            tooltip=[
                "type",
                alt.Tooltip("genes", format=","),
                alt.Tooltip("share", format=".1%"),
                alt.Tooltip("gc", format=".3f", title="GC"),
            ],
        )
        texts = shares.mark_text(align="left", dx=4).encode(
            x="share:Q", y=alt.Y("kind:N", sort="-x"), text=alt.Text("share:Q", format=".1%")
        )
        return alt.layer(bars, texts).properties(
            description="Share of each NCBI gene type among all genes of the study."
        )

    def types_text(self) -> Any:
        """Which type is the most frequent, and how few genes code for proteins."""
        if not self.types["type"].ne("").any():
            return markdown("These genes come without types.")
        most, coding = self.types.iloc[0], self.types.set_index("type")["share"].get("PROTEIN_CODING", 0)
        text = [f"The largest type is {most['kind']} with {most['share']:.0%}; protein-coding genes are {coding:.0%}."]
        if coding < 0.1:
            text.append(
                "So this is not a study of coding sequence. It is one of short transcribed or regulatory pieces and of "
                "their broken copies, and a pseudogene is by definition a homolog of some other gene."
            )
        return markdown(" ".join(text))

    def lengths_chart(self) -> alt.TopLevelMixin:
        """Histograms of the lengths of the five most frequent types."""
        genes = pd.concat(list(_splits(self.study.dataset).values()), ignore_index=True)
        common = [name.replace("_", " ") for name in self.types["type"].head(5)]
        histogram = length_histogram(genes, list(self.types["type"].head(5)))
        header = alt.Header(labelAngle=0, labelAlign="left", labelOrient="top", labelAnchor="start", labelPadding=2)
        return (
            alt.Chart(histogram)
            .mark_bar(binSpacing=1)
            .encode(
                x=alt.X("from:Q", bin="binned", title="length, nt"),
                x2="to:Q",
                y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%", tickCount=3)),
                tooltip=["type", "from", "to", alt.Tooltip("share", format=".1%")],
            )
            .properties(width=520, height=70)
            .facet(row=alt.Row("type:N", title=None, sort=common, header=header))
            .resolve_scale(y="independent")
            .properties(
                description="Lengths of the genes of the five most frequent types, as shares of each type in classes "
                "of 50 nt."
            )
        )

    def composition_chart(self) -> alt.TopLevelMixin:
        """GC against CpG observed over expected, a point a type."""
        types = self.types[self.types["genes"] >= min(LEAST, self.types["genes"].max())]
        types = types.dropna(subset=["gc", "cpg_observed_over_expected"])
        types = types.assign(kind=types["type"].str.replace("_", " "))
        base = alt.Chart(types).encode(
            x=alt.X("gc:Q", title="GC share", axis=alt.Axis(format="%"), scale=alt.Scale(zero=False, padding=30)),
            y=alt.Y(
                "cpg_observed_over_expected:Q",
                title="CpG observed / expected",
                scale=alt.Scale(zero=False, padding=20),
            ),
        )
        points = base.mark_point().encode(
            size=alt.Size("genes:Q", title="genes", scale=alt.Scale(type="sqrt", range=[40, 600])),
            tooltip=[
                "type",
                alt.Tooltip("genes", format=","),
                alt.Tooltip("gc", format=".3f"),
                alt.Tooltip("cpg_observed_over_expected", format=".3f", title="CpG o/e"),
            ],
        )
        return (points + base.mark_text(align="left", dx=16, dy=-2).encode(text="kind")).properties(
            height=300,
            description="GC share against CpG observed over expected for each gene type with at least 20 genes; the "
            "size of a point is its number of genes.",
        )

    def entropy_table(self) -> Table:
        """Conditional entropies of the nucleotides."""
        entropies = self.facts["parts"]["all"]["conditional_entropy"]
        rows = [
            {"nucleotides known before": int(order), "bits per base": bits, "saved of 2 bits": 1 - bits / 2}
            for order, bits in entropies.items()
        ]
        return table(
            pd.DataFrame(rows),
            "Entropy of the next nucleotide given the ones before it, counted over all genes (plug-in estimate)",
            {"bits per base": ".4f", "saved of 2 bits": ".1%"},
        )

    def identity_chart(self) -> alt.TopLevelMixin:
        """Test genes by the identity of their nearest training gene."""
        bars = identity_histogram(self.facts["relatives"][HOMOLOGS])
        return (
            alt.Chart(bars)
            .mark_bar()
            .encode(
                x=alt.X(
                    "identity:N",
                    sort=bars["identity"].tolist(),
                    title="identity to the nearest training gene",
                    axis=alt.Axis(labelAngle=-30),
                ),
                y=alt.Y("share:Q", title="share of test genes", axis=alt.Axis(format="%")),
                tooltip=["identity", alt.Tooltip("genes", format=","), alt.Tooltip("share", format=".1%")],
            )
            .properties(
                height=260, description="Test genes by the identity of their nearest homolog among the training genes."
            )
        )

    def homologs_by_type(self) -> Table:
        """Test genes with a homolog among the training genes, by type."""
        homologs, test = self.study.store.homologs(self.study.dataset), self.study.dataset.test
        counts = homolog_shares(homologs, test)
        if (counts["genes"] >= LEAST).any():
            counts = counts[counts["genes"] >= LEAST]
        return table(
            counts.rename(columns={"share": "with a homolog in train"}),
            "Test genes with a homolog among the training genes, by type",
            {"with a homolog in train": ".0%"},
        )

    def homologs_text(self) -> Any:
        """How many test genes have homologs, and what that means for a random split."""
        near = self.facts["relatives"][HOMOLOGS]
        text = [
            f"**{near['share_at_70']:.0%} of the test genes have a homolog among the "
            f"{len(self.study.dataset.train):,} training genes at 70 % identity or more, {near['share_at_80']:.0%} at "
            "80 %.**"
        ]
        if near["share_at_70"]:
            text.append(
                "A model that has stored its training genes can look these up. A random split such as the paper's "
                "therefore measures two things at once, how well a model has learned and how well it remembers."
            )
        return markdown(" ".join(text))

    def simulated_beside_real(self) -> Table:
        """Figures of real genes, as published, beside those of simulated ones."""
        if self.study.dataset.name == SIMULATED:
            simulated = self.facts
        else:
            genes = load_dataset(SIMULATED, seed=1)
            simulated = describe_genes(_splits(genes), {HOMOLOGS: self.study.store.homologs(genes)})
        columns = {"real": from_json(GENES.read_text()), "simulated": simulated}
        figures = pd.DataFrame({name: figures_of(facts) for name, facts in columns.items()})
        return table(
            figures.rename_axis("figure"), "Real human genes (stored figures) beside simulated ones (computed here)"
        )


def _splits(dataset: Dataset) -> dict[str, pd.DataFrame]:
    return {name: dataset.splits[name] for name in SPLITS}


def length_histogram(genes: pd.DataFrame, types: list[str]) -> pd.DataFrame:
    """Lengths of the genes of each type in classes of 50 nt, up to 1,000 nt.

    Returns
    -------
    DataFrame: ``type`` in words, ``from`` and ``to`` (nt: from < length <= to), ``share`` of the genes of the type.
    """
    edges = np.arange(0, 1001, 50)
    lengths = genes["sequence"].str.len()
    parts = []
    for name in types:
        of_type = lengths[genes["type"] == name]
        shares = np.histogram(of_type - 0.5, edges)[0] / len(of_type)
        parts.append(pd.DataFrame({"type": name or "unknown", "from": edges[:-1], "share": shares}))
    histogram = pd.concat(parts)
    return histogram.assign(type=histogram["type"].str.replace("_", " "), to=histogram["from"] + 50)


def identity_histogram(homologs: Mapping[str, Any]) -> pd.DataFrame:
    """Test genes by class of identity to their nearest training gene; empty classes are left out.

    Parameters
    ----------
    homologs : mapping
        As of `describe_homologs`.

    Returns
    -------
    DataFrame: ``identity`` in words, first those without a homolog, ``genes``, and their ``share``.
    """
    histogram = homologs["identity_histogram"]
    edges = [*histogram["edges"], 1.0]
    none = {"identity": "no homolog", "genes": histogram["none"]}
    classes = [
        {"identity": f"{low:.0%} to {high:.0%}", "genes": genes}
        for (low, high), genes in zip(pairwise(edges), histogram["genes"], strict=True)
        if genes
    ]
    rows = pd.DataFrame([none, *classes])
    return rows.assign(share=rows["genes"] / homologs["genes"])


def homolog_shares(homologs: pd.DataFrame, genes: pd.DataFrame) -> pd.DataFrame:
    """Share of the genes of each type that have a homolog: ``type``, ``genes``, ``share``, the most frequent first."""
    typed = homologs.merge(genes[["id", "type"]], on="id", validate="one_to_one")
    groups = typed.assign(homolog=typed["identity"] > 0).groupby("type")
    counts = groups.agg(genes=("homolog", "size"), share=("homolog", "mean")).reset_index()
    return counts.sort_values("genes", ascending=False)


def figures_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """The figures in which real and simulated genes are compared, as text, from what `describe_genes` returns."""
    genes, near = facts["parts"]["all"], facts["relatives"][HOMOLOGS]
    quantiles = genes["length"]["quantiles"]
    shares = {entry["type"]: entry["share"] for entry in genes["types"]}
    types = ("PSEUDO", "BIOLOGICAL_REGION", "ncRNA", "snoRNA", "PROTEIN_CODING", "tRNA")
    return {
        "genes": f"{genes['genes']:,}",
        "nucleotides": f"{genes['nucleotides']:,}",
        "length: lower quartile, nt": f"{quantiles['0.25']:.0f}",
        "length: median, nt": f"{quantiles['0.5']:.0f}",
        "length: upper quartile, nt": f"{quantiles['0.75']:.0f}",
        "GC": f"{genes['gc']:.3f}",
        "CpG observed / expected": f"{genes['cpg_observed_over_expected']:.3f}",
        **{f"entropy given {order} nucleotides, bits": f"{bits:.4f}"
           for order, bits in genes["conditional_entropy"].items()},
        **{f"share of {name}": f"{shares.get(name, 0):.1%}" for name in types},
        "test genes with a homolog at 70 %": f"{near['share_at_70']:.1%}",
        "test genes with a homolog at 80 %": f"{near['share_at_80']:.1%}",
    }  # fmt: skip
