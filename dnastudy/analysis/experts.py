"""The chapter on the expert mixture: how well it predicts, what it copies, and what each of its parts adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import altair as alt
import numpy as np
import pandas as pd

from dnastudy.analysis.explain import Explanation, clearest_example, explain, find_gene
from dnastudy.analysis.strata import WITH, WITHOUT, homology_groups
from dnastudy.core.provenance import from_json
from dnastudy.data.datasets import paper
from dnastudy.display import looks
from dnastudy.display.charts import chart_mode, family_scale, loose, series_scale
from dnastudy.display.tables import Table, estimate, markdown, table, with_interval
from dnastudy.evaluation import metrics
from dnastudy.evaluation.metrics import NATS_PER_BIT
from dnastudy.experiments.plan import expert_runs, expert_trials, ngram_runs
from dnastudy.experiments.store import Result
from dnastudy.experiments.study import Study
from dnastudy.models.expert.model import Expert
from dnastudy.models.expert.state import EXPERTS, FAMILIES

VARIANTS = {
    "expert": "expert mixture",
    "expert-updated": "… validation genes join the memory",
    "expert-cross-validated": "… gate tuned inside the training genes",
    "expert-cross-validated-all": "… the same, on training and validation genes",
    "expert-prequential": "… prequential",
    "expert-updated-prequential": "… validation genes join, prequential",
}
"""Runs of the mixture and their rows in the first table."""
CHANGES = {
    "expert-contexts-only": "context counts alone, gated",
    "expert-without-contexts": "without context counts",
    "expert-without-copies": "without copies",
    "expert-without-reverse": "without the other strand",
    "expert-without-own": "without the gene's own counts",
    "expert-with-inverted": "with inverted repeats (own reverse complement)",
    "expert-fixed-weights": "the same weights everywhere, no gate",
    "expert-wide-gate": "gate three times as wide",
    "expert-without-shifts": "copies do not survive insertions and deletions",
    "expert-without-substitutions": "copies ignore what they copy (no CpG decay)",
}
"""Runs with one thing changed, and what was changed."""
IDENTITIES = {
    "none": (-1, 0),
    "70–80 %": (0, 0.8),
    "80–90 %": (0.8, 0.9),
    "90–95 %": (0.9, 0.95),
    "95–100 %": (0.95, 1.01),
}
"""Classes of the identity of the nearest homolog: above the first, at most the second."""
SHORT_ORDER = 8
"""Orders of n-grams up to this are short contexts."""
FEWEST_IN_CLASS = 5
FEWEST_OF_TYPE = 15
MOST_TRACED = 600
"""Test genes of a type whose prediction is taken apart."""
COPIED_SHOWN = 5
"""Copied genes shown by name."""
BASES_NAMED = 30
"""Bases that a second copied gene needs to be named in the text."""
OTHER_GENE, NOTHING = "another gene", "nothing"
RESULTS = Path("results")


def cost_frame(results: Mapping[str, Result]) -> pd.DataFrame:
    """Runs that were fitted on the training genes alone, each test gene scored on its own.

    Returns
    -------
    DataFrame: ``run``, ``family``, ``seconds`` of fitting and scoring, nucleotide ``perplexity``, peak ``memory, MB``.
    """
    return pd.DataFrame(
        [
            {
                "run": f"{result.record['label']}, {CHANGES[name]}" if name in CHANGES else result.record["label"],
                "family": result.record["family"],
                "seconds": float(sum(result.record["seconds"].values())),
                "perplexity": result.metrics["nucleotide_perplexity"],
                "memory, MB": result.record["peak_memory_mb"],
            }
            for name, result in results.items()
            if result.record["data"]["train"] == ["train"]
            and not (result.record["data"]["update"] or result.record["data"]["prequential"])
        ]
    )


def stretches(bases: pd.DataFrame) -> pd.DataFrame:
    """Stretches of a gene that follow one source.

    Parameters
    ----------
    bases : DataFrame
        A row a base, in order: ``position``, ``copied_from`` (label of the source), ``wrong`` (the copy was wrong).

    Returns
    -------
    DataFrame: ``copied_from``, ``start`` (first position), ``stop`` (behind the last), ``wrong`` (how many).
    """
    number = (bases["copied_from"] != bases["copied_from"].shift()).cumsum()
    table = bases.groupby(number).agg(
        copied_from=("copied_from", "first"),
        start=("position", "min"),
        stop=("position", "max"),
        wrong=("wrong", "sum"),
    )
    table["stop"] += 1
    return table


def growth_sentences(scaling: Mapping[str, Any]) -> list[str]:
    """How fitting grows with the data, from the record of ``benchmarks/expert_scaling.py``."""
    small, large = scaling["sizes"][-3], scaling["sizes"][-1]
    first, last = small["expert"], large["expert"]
    return [
        f"From {small['nucleotides'] / 1e6:.0f} to {large['nucleotides'] / 1e6:.0f} million nucleotides, "
        f"{large['nucleotides'] / small['nucleotides']:.1f} times as many, building the memory takes "
        f"{last['remember_seconds'] / first['remember_seconds']:.1f} times as long (its steps grow with the data, and "
        "the processor's caches hold less of them) and memory grows "
        f"{last['peak_memory_mb'] / first['peak_memory_mb']:.1f}-fold; what is tuned takes the same few seconds at any "
        "size.",
        "At the largest size it scores "
        f"{large['test_nucleotides'] / last['score_seconds'] / 1e6:.2f} million nucleotides a second.",
        f"The first start compiles for {scaling['compile_seconds']:.0f} s, later ones take the compiled kernels from a "
        "cache.",
        f"(Simulated genes, {scaling['device']}.)",
    ]


@dataclass(frozen=True)
class Chapter:
    """What the chapter shows."""

    study: Study
    gene: str
    """Id or symbol of the test gene to explain; "": the clearest example."""
    root: Path
    """The project's root, with ``results/``."""
    results: dict[str, Result]
    best_ngram: str
    """Run of tuned Witten-Bell smoothing that predicts the validation genes best."""
    short: str
    """The best of those of order 8 or less."""

    @classmethod
    def of(cls, study: Study, gene: str, root: Path) -> Self:
        """The chapter, its runs computed where they are missing."""
        profile = study.profile
        results = study.run([*ngram_runs(profile), *expert_runs(profile), *expert_trials(profile)])
        records = {name: result.record for name, result in results.items()}
        tuned = {name: r for name, r in records.items() if r["group"] == "witten-bell-tuned"}
        short = {name: record for name, record in tuned.items() if record["order"] <= SHORT_ORDER} or tuned
        best_ngram, best_short = (
            min(runs, key=lambda name: records[name]["validation_perplexity"]) for runs in (tuned, short)
        )
        return cls(study, gene, root, results, best_ngram, best_short)

    @property
    def _replicates(self) -> int:
        return self.study.profile.bootstrap_replicates

    @property
    def _on_papers_genes(self) -> bool:
        return self.study.dataset.name == "paper"

    def _order(self, name: str) -> int:
        return self.results[name].record["order"]

    # how well it predicts

    def predictions(self) -> Table:
        """The mixture with both memories, beside the best n-gram."""
        labels = {
            self.best_ngram: f"best n-gram: order {self._order(self.best_ngram)}, tuned Witten-Bell",
            **VARIANTS,
        }
        rows = pd.DataFrame(
            [
                {
                    "model": label,
                    "memory, nt": self.results[name].record["data"]["train_nucleotides"],
                    "nucleotide_perplexity": self.results[name].metrics["nucleotide_perplexity"],
                    "low": self.results[name].metrics["interval"][0],
                    "high": self.results[name].metrics["interval"][1],
                    "bits": self.results[name].metrics["bits_per_base"],
                }
                for name, label in labels.items()
            ]
        )
        shown = rows[["model", "memory, nt"]].assign(
            **{
                "nucleotide perplexity (95 %)": with_interval(rows, "nucleotide_perplexity", 3),
                "bits per base": rows["bits"],
            }
        )
        return table(
            shown,
            "Test genes, each scored on its own but for the prequential rows. Lower is better; the uniform model has "
            "4, or 2 bits.",
            formats={"memory, nt": ",d", "bits per base": ".3f"},
        )

    def predictions_text(self) -> Any:
        """What the mixture saves, beside the paper's LSTM and a compressor where these are the paper's genes."""
        of = {name: result.metrics for name, result in self.results.items()}
        text = [
            f"The mixture saves {2 - of['expert']['bits_per_base']:.3f} of the 2 bits per base of the uniform model, "
            f"where the best n-gram model saves {2 - of[self.best_ngram]['bits_per_base']:.3f}. With the validation "
            f"genes in its memory it has a perplexity of {of['expert-updated']['nucleotide_perplexity']:.3f}.",
            "No validation gene is needed to tune it: by cross-validation inside the training genes it comes to "
            f"{of['expert-cross-validated']['nucleotide_perplexity']:.3f}, and then all genes can be both.",
        ]
        if self._on_papers_genes:
            peer = paper()["compressors"]["geco3"]
            text += [
                f"The paper's best model, an LSTM, reached {paper()['test_perplexity']['lstm']:.3f} on the same test "
                "genes after all of the paper's training genes.",
                f"Prequentially, the compressor GeCo3 (level 13) needs {peer['train']:.3f} bits per base after the "
                f"training genes and {peer['train+validation']:.3f} after training and validation genes; this model "
                f"needs {of['expert-prequential']['bits_per_base']:.3f} and "
                f"{of['expert-updated-prequential']['bits_per_base']:.3f}.",
            ]
        return markdown(" ".join(text))

    # homologs

    @cached_property
    def _homologs(self) -> pd.DataFrame:
        return self.study.store.homologs(self.study.dataset)

    @cached_property
    def _by_homology(self) -> pd.DataFrame:
        """N-grams and the mixture on all test genes, and on those with and without a homolog in the memory."""
        labels = {name: f"n-gram of order {self._order(name)}" for name in (self.short, self.best_ngram)}
        labels |= {name: VARIANTS[name] for name in ("expert", "expert-updated")}
        parts = []
        for name, label in labels.items():
            data = self.results[name].record["data"]
            groups = homology_groups(self.study, [*data["train"], *data["update"]])
            scores = self.results[name].scores()
            for part in (["all"] * len(scores), groups):
                parts.append(metrics.by_group(scores, part, self._replicates).assign(model=label, run=name))
        return pd.concat(parts, ignore_index=True)

    def homologs_table(self) -> Table:
        """Test genes with and without a homolog in the memory."""
        rows = self._by_homology
        shown = rows[["model", "group", "genes"]].rename(columns={"group": "test genes"})
        shown["nucleotide perplexity (95 %)"] = with_interval(rows, "nucleotide_perplexity", 3)
        return table(
            shown,
            "Test genes with and without a homolog in the memory (in the last rows, of training and validation genes). "
            "The n-gram models are those that predict the validation genes best, among orders up to 8 and among all "
            "orders.",
            formats={"genes": ",d"},
        )

    def identity_chart(self) -> alt.TopLevelMixin:
        """Perplexity by the identity of the nearest homolog."""
        identity = self._homologs["identity"]
        inside = [(identity > low) & (identity <= high) for low, high in IDENTITIES.values()]
        classes = np.select(inside, list(IDENTITIES), "")
        parts = [
            metrics.by_group(self.results[name].scores(), classes, self._replicates).assign(family=family)
            for name, family in self._families.items()
        ]
        frame = pd.concat(parts)
        frame = frame[frame["genes"] >= FEWEST_IN_CLASS]
        base = alt.Chart(frame[["group", "family", "genes", "nucleotide_perplexity", "low", "high"]]).encode(
            x=alt.X(
                "group:N",
                sort=list(IDENTITIES),
                title="identity of the nearest homolog",
                axis=alt.Axis(labelAngle=0),
            ),
        )
        families = list(self._families.values())
        lines = base.mark_line().encode(
            y=alt.Y("nucleotide_perplexity:Q", title="nucleotide perplexity", scale=alt.Scale(domain=[1, 4.1])),
            **family_scale("family", "line", families),
        )
        points = base.mark_point(size=70).encode(
            y="nucleotide_perplexity:Q",
            tooltip=[
                "family",
                "group",
                alt.Tooltip("genes", format=","),
                alt.Tooltip("nucleotide_perplexity", format=".3f"),
            ],
            **family_scale("family", "point", families),
        )
        bars = base.mark_rule().encode(y="low:Q", y2="high:Q", color="family:N")
        chart = alt.layer(lines, bars, points).properties(
            height=300,
            description="Nucleotide perplexity of the expert mixture and of an n-gram model of at most order 8, by the "
            "identity of the test gene's nearest homolog in the memory, with 95 % intervals.",
        )
        return loose(chart, 3)

    @property
    def _families(self) -> dict[str, str]:
        """The two runs that are compared in charts, and their families."""
        return {self.short: "n-gram", "expert": "expert"}

    def homologs_text(self) -> Any:
        """Whether the mixture is better where there is nothing to copy."""
        groups = homology_groups(self.study)
        text = [f"{(groups == WITH).mean():.0%} of the test genes have a homolog in the memory."]
        if set(groups) == {WITH, WITHOUT}:
            value = self._by_homology.set_index(["run", "group"])["nucleotide_perplexity"]
            text.append(
                f"On those the mixture has a perplexity of {value['expert', WITH]:.2f}, on the others of "
                f"{value['expert', WITHOUT]:.2f}, where contexts of order {self._order(self.short)} have "
                f"{value[self.short, WITHOUT]:.2f}."
            )
            mixture, counts = (
                self.results[name].scores()[groups == WITHOUT].reset_index(drop=True) for name in ("expert", self.short)
            )
            text.append(without_homologs_sentence(metrics.paired_difference(mixture, counts, self._replicates)))
        return markdown(" ".join(text))

    # one gene

    @cached_property
    def _model(self) -> Expert:
        return self.results["expert"].model()

    @cached_property
    def explained(self) -> Explanation:
        """The gene that was asked for, or the clearest example."""
        test, train = self.study.dataset.test, self.study.dataset.train
        if self.gene:
            return explain(self._model, find_gene(test, self.gene), train)
        return clearest_example(self._model, test, train, self._homologs["identity"])

    @cached_property
    def _sources(self) -> list[str]:
        """Labels of the genes copied most."""
        return [
            f"{row.symbol or row.id} ({row.strand})" for row in self.explained.copies.head(COPIED_SHOWN).itertuples()
        ]

    @cached_property
    def _bases(self) -> pd.DataFrame:
        """Bases of the explained gene with the label of their source, and whether the copy was wrong."""
        bases, sources = self.explained.bases, self._sources
        labels = [
            sources[source] if 0 <= source < len(sources) else OTHER_GENE if source >= 0 else NOTHING
            for source in bases["source"]
        ]
        wrong = (bases["copied"] != "") & (bases["copied"] != bases["nucleotide"])
        return bases.assign(copied_from=labels, wrong=wrong)

    def gene_chart(self) -> alt.TopLevelMixin:
        """One gene, base by base."""
        bases, gene = self._bases, self.explained.gene
        scale = alt.Scale(domain=[0, len(bases) + 1], nice=False)
        title = "position in the gene, nt"
        surprisal = (
            alt.Chart(bases[["position", "bits", "copied_from"]])
            .mark_rule(color=looks.OCHRE.color, strokeWidth=1.4)
            .encode(
                x=alt.X("position:Q", title=None, scale=scale, axis=alt.Axis(labels=False, ticks=False)),
                y=alt.Y("zero:Q", title="surprisal, bits"),
                y2="bits:Q",
                tooltip=["position", alt.Tooltip("bits", format=".2f"), "copied_from"],
            )
            .transform_calculate(zero="0")
            .properties(width=600, height=130)
        )
        y = alt.Y(
            "copied_from:N",
            sort=[*self._sources, OTHER_GENE, NOTHING],
            title=None,
            axis=alt.Axis(labelLimit=160),
        )
        follows = (
            alt.Chart(stretches(bases))
            .mark_bar(height=8, color=looks.BLUE.color)
            .encode(
                x=alt.X("start:Q", title=title, scale=scale),
                x2="stop:Q",
                y=y,
                tooltip=["copied_from", "start", "stop", "wrong"],
            )
        )
        wrong = (
            alt.Chart(bases.loc[bases["wrong"], ["position", "copied_from"]])
            .mark_tick(color=looks.RED.color, thickness=1.6, size=16)
            .encode(x=alt.X("position:Q", title=title, scale=scale), y=y, tooltip=["position", "copied_from"])
        )
        chart = alt.vconcat(surprisal, (follows + wrong).properties(width=600)).properties(
            description=f"Test gene {gene['symbol'] or gene['id']}, nucleotide by nucleotide: above, the surprisal in "
            "bits; below, from which training gene the best copy comes (blue) and where it was wrong (red ticks)."
        )
        return loose(chart)

    def gene_text(self) -> Any:
        """What was copied, and what right and wrong copies cost."""
        explained, bases, names = self.explained, self._bases, self._sources
        gene, copies = explained.gene, explained.copies.head(COPIED_SHOWN)
        text = [
            f"**{gene['symbol'] or gene['id']}** (id {gene['id']}, {gene['type'] or 'type unknown'}, {len(bases)} nt) "
            f"costs {explained.bits_per_base:.2f} bits per base."
        ]
        if names:
            then = (
                f"; then {names[1]}, for {copies['bases'].iloc[1]}."
                if (copies["bases"] >= BASES_NAMED).sum() > 1
                else "."
            )
            text.append(
                f"The gene copied most is {names[0]}, for {copies['bases'].iloc[0]} nucleotides, of which "
                f"{copies['identity'].iloc[0]:.0%} are right{then}"
            )
            text += copying_sentences(bases)
        else:
            text.append("Nothing of it is copied: the memory holds nothing like it.")
        text.append("`dnastudy explain GENE_ID` shows any test gene in this way, letter by letter.")
        return markdown(" ".join(text))

    # gene types

    def shares_chart(self) -> alt.TopLevelMixin:
        """What each family of experts adds to the prediction, by gene type."""
        used = self.results["expert"].record["settings"]["experts"]
        families = {family: members for family, members in FAMILIES.items() if family in used}
        test = self.study.dataset.test
        by_type = test.assign(type=test["type"].where(test["type"] != "", "unknown")).groupby("type")
        rows = []
        for name, genes in by_type:
            if len(genes) < min(FEWEST_OF_TYPE, by_type.size().max()):
                continue
            sequences = genes["sequence"].head(MOST_TRACED)
            shares = self._model.trace(list(sequences)).shares.sum(axis=0)
            for family, members in families.items():
                places = [EXPERTS.index(member) for member in members]
                bits = float(shares[places].sum() / sequences.str.len().sum() / NATS_PER_BIT)
                rows.append({"type": name, "experts": family, "bits": bits})
        chart = (
            alt.Chart(pd.DataFrame(rows))
            .mark_bar()
            .encode(
                x=alt.X("bits:Q", title="logit of the true nucleotide, bits per base"),
                y=alt.Y("type:N", title=None, sort="-x", axis=alt.Axis(labelLimit=150)),
                tooltip=["type", "experts", alt.Tooltip("bits", format=".3f")],
                **series_scale("experts", list(families), "bar"),
            )
            .properties(
                description="What each family of experts adds to the logit of the nucleotide that came, by gene type "
                f"(at least {FEWEST_OF_TYPE} test genes), in bits per base."
            )
        )
        return loose(chart, 2)

    @cached_property
    def _by_type(self) -> pd.DataFrame:
        parts = [
            pd.DataFrame(self.results[name].record["by_type"]).assign(family=family)
            for name, family in self._families.items()
        ]
        rows = pd.concat(parts)
        return rows[rows["genes"] >= min(FEWEST_OF_TYPE, rows["genes"].max())]

    def types_chart(self) -> alt.TopLevelMixin:
        """The mixture beside an n-gram, by gene type."""
        rows = self._by_type
        order = rows[rows["family"] == "expert"].sort_values("nucleotide_perplexity")["group"].tolist()
        base = alt.Chart(rows[["group", "family", "genes", "nucleotide_perplexity", "low", "high"]])
        y = alt.Y("group:N", sort=order, title=None, axis=alt.Axis(labelLimit=150))
        dots = base.mark_point(size=70).encode(
            x=alt.X("nucleotide_perplexity:Q", title="nucleotide perplexity", scale=alt.Scale(zero=False)),
            y=y,
            tooltip=[
                "group",
                "family",
                alt.Tooltip("genes", format=","),
                alt.Tooltip("nucleotide_perplexity", format=".3f"),
            ],
            **family_scale("family", "point", list(self._families.values())),
        )
        spans = base.mark_rule().encode(x="low:Q", x2="high:Q", y=y, color="family:N")
        chart = (spans + dots).properties(
            description="Nucleotide perplexity by gene type of the expert mixture and of an n-gram model of at most "
            "order 8, with 95 % intervals."
        )
        return loose(chart, 3)

    def types_text(self) -> Any:
        """Where the mixture is furthest ahead."""
        counts, mixture = (
            self._by_type[self._by_type["family"] == family].set_index("group")["nucleotide_perplexity"]
            for family in self._families.values()
        )
        gain = np.log2(counts / mixture).sort_values()
        text = []
        if len(gain) > 1:
            text.append(
                "What it has and the n-grams have not is whole genes: it saves "
                f"{gain.iloc[-1]:.2f} bits per base more than the n-gram of order {self._order(self.short)} on "
                f"{gain.index[-1]} genes, whose families are large, and {gain.iloc[0]:.2f} on {gain.index[0]} genes."
            )
        text.append(
            "It has no notion of a codon, a splice site or a fold: what looks like knowledge of a gene type is "
            "similarity to its members."
        )
        return markdown(" ".join(text))

    # parts

    @cached_property
    def _changes(self) -> pd.DataFrame:
        """Each change of the mixture with its paired difference to the default, the largest loss first."""
        default = self.results["expert"].scores()
        rows = []
        for name, change in CHANGES.items():
            difference = metrics.paired_difference(self.results[name].scores(), default, self._replicates)
            low, high = difference["interval"]
            rows.append(
                {
                    "change": change,
                    "nucleotide perplexity": self.results[name].metrics["nucleotide_perplexity"],
                    "bits": difference["bits_per_base"],
                    "bits per base more (95 %)": estimate(difference["bits_per_base"], low, high, "+.3f"),
                }
            )
        return pd.DataFrame(rows).sort_values("bits", ascending=False)

    def changes_table(self) -> Table:
        """The mixture with one thing changed."""
        default = self.results["expert"].metrics["nucleotide_perplexity"]
        return table(
            self._changes.drop(columns="bits"),
            f"The mixture with one thing changed, beside the default at {default:.3f}; paired bootstrap over genes.",
            formats={"nucleotide perplexity": ".3f"},
        )

    def changes_text(self) -> Any:
        """Which parts matter, and what was tried and left out."""
        text = change_sentences(self._changes)
        path = self.root / RESULTS / "expert_trials.json"
        if path.exists() and self._on_papers_genes:
            trials = "; ".join(
                f"{trial['trial']} ({trial['bits_per_base']:+.4f} bits per base, {trial['interval'][0]:+.4f} to "
                f"{trial['interval'][1]:+.4f}, beside {trial['beside']})"
                for trial in from_json(path.read_text())["trials"]
            )
            text.append(
                f"Tried as well, and left out for how little they change (`benchmarks/expert_trials.py`): {trials}."
            )
        return markdown(" ".join(text))

    # costs

    def cost_chart(self) -> alt.TopLevelMixin:
        """Perplexity against seconds."""
        cost = cost_frame(self.results)
        chart = (
            alt.Chart(cost[cost["perplexity"] < 4.3])
            .mark_point(size=80)
            .encode(
                x=alt.X("seconds:Q", title="seconds to fit and score, two cores", scale=alt.Scale(type="log")),
                y=alt.Y(
                    "perplexity:Q", title="nucleotide perplexity, test genes", scale=alt.Scale(zero=False, padding=12)
                ),
                tooltip=[
                    "run",
                    alt.Tooltip("seconds", format=".2f"),
                    alt.Tooltip("perplexity", format=".3f"),
                    alt.Tooltip("memory, MB", format=".0f"),
                ],
                **family_scale("family", "point", sorted(set(cost["family"]))),
            )
            .properties(
                height=300,
                description="Nucleotide perplexity against the seconds it takes to fit and score, for every model so "
                "far that was trained on the training genes alone; lower and further left is better.",
            )
        )
        return loose(chart)

    @cached_property
    def _scaling(self) -> dict[str, Any] | None:
        path = self.root / RESULTS / "expert_scaling.json"
        return from_json(path.read_text()) if path.exists() else None

    def growth_chart(self) -> Any:
        """Seconds and memory against the size of the training data; a hint where they were not measured."""
        if self._scaling is None:
            return markdown("`python benchmarks/expert_scaling.py --write` measures how it grows with the data.")
        series = {
            "fit": ("seconds", "fit_seconds", 1),
            "building the memory, a part of it": ("seconds", "remember_seconds", 1),
            "peak memory": ("GB", "peak_memory_mb", 1000),
        }
        rows = [
            {"Mnt": size["nucleotides"] / 1e6, "what": name, "value": size["expert"][key] / unit, "measure": measure}
            for size in self._scaling["sizes"]
            for name, (measure, key, unit) in series.items()
        ]
        scale = alt.Scale(type="log")
        chart = (
            alt.Chart(pd.DataFrame(rows))
            .mark_line(point=True)
            .encode(
                x=alt.X("Mnt:Q", title="training data, million nucleotides", scale=scale),
                y=alt.Y("value:Q", title="seconds; GB", scale=scale),
                tooltip=["what", alt.Tooltip("Mnt", format=".2f"), alt.Tooltip("value", format=".2f"), "measure"],
                **series_scale("what", list(series), "line"),
            )
            .properties(
                height=300,
                description="Seconds and memory of the expert model against the size of its training data (simulated "
                "genes, both axes logarithmic).",
            )
        )
        return loose(chart)

    def growth_text(self) -> Any:
        """How it grows, and what it took on the genes of this page (left out of stored sources)."""
        text = growth_sentences(self._scaling) if self._scaling else []
        if chart_mode() != "digest":
            record = self.results["expert"].record
            fit, score = (record["seconds"][part] for part in ("fit", "score"))
            text.append(
                f"On the genes of this page: {record['data']['train_nucleotides'] / fit / 1e6:.2f} million training "
                f"nucleotides a second to fit, gate included, {record['metrics']['nucleotides'] / score / 1e6:.2f} "
                f"million a second to score, {record['peak_memory_mb'] / 1000:.1f} GB."
            )
        return markdown(" ".join(text))


def without_homologs_sentence(difference: Mapping[str, Any]) -> str:
    """Whether the mixture or the n-gram is better on genes without a homolog, from `metrics.paired_difference`."""
    bits, (low, high) = difference["bits_per_base"], difference["interval"]
    if high < 0:
        return (
            f"So it is better even on genes without a homolog, by {estimate(-bits, -high, -low)} bits per base: a "
            "gene that has no homolog as a whole can hold a piece that is in the memory, and its own composition shows "
            "more with every nucleotide."
        )
    if low > 0:
        return f"On genes without a homolog it is worse by {estimate(bits, low, high)} bits per base."
    return (
        f"On genes without a homolog the difference is not resolved ({bits:+.3f} bits per base, {low:+.3f} to "
        f"{high:+.3f}): where there is nothing to copy, the mixture does no harm."
    )


def copying_sentences(bases: pd.DataFrame) -> list[str]:
    """What bases cost that were copied rightly, wrongly and not at all; none where nothing, or nothing wrong, was."""
    copied, wrong = bases["source"] >= 0, bases["wrong"]
    if not (copied.any() and wrong.any()):
        return []
    without = f", and one without a copy {bases.loc[~copied, 'bits'].mean():.2f}." if (~copied).any() else "."
    return [
        f"A nucleotide that is copied rightly costs {bases.loc[copied & ~wrong, 'bits'].mean():.2f} bits, one where "
        f"the copy is wrong {bases.loc[wrong, 'bits'].mean():.1f}{without}"
    ]


def change_sentences(changes: pd.DataFrame) -> list[str]:
    """The change that costs most, one that helps, and those without effect.

    ``changes`` has a row a ``change`` with its ``bits`` per base more than the default, the largest first.
    """
    text = []
    worst, best = changes.iloc[0], changes.iloc[-1]
    if worst["bits"] > 0.001:
        text.append(f"Most is lost by this change: {worst['change']} ({worst['bits']:+.3f} bits per base).")
    if best["bits"] < -0.01:
        text.append(f"On these genes, this change helps: {best['change']} ({best['bits']:+.3f}).")
    idle = changes[changes["bits"].abs() < 0.001]["change"].tolist()
    if idle:
        text.append(f"Less than a thousandth of a bit is changed by: {', '.join(idle)}.")
    return text
