"""What the chapter on model families shows: all models on the same genes, by cost, recipe, gene and speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Self

import altair as alt
import pandas as pd

from dnastudy import models
from dnastudy.analysis import networks
from dnastudy.analysis.networks import MODERN, PUBLISHED, RECIPES
from dnastudy.analysis.strata import WITH, WITHOUT
from dnastudy.core.provenance import PACKAGE, from_json
from dnastudy.display.charts import chart_mode, family_scale, loose
from dnastudy.display.tables import Table, estimate, markdown, table, with_interval
from dnastudy.evaluation import metrics
from dnastudy.experiments.labels import model_label
from dnastudy.experiments.plan import ENSEMBLE_CONTROLS, ensemble_runs, expert_runs, model_runs, ngram_runs
from dnastudy.experiments.replicates import ahead, difference, mean_scores
from dnastudy.experiments.store import Result
from dnastudy.experiments.study import Study
from dnastudy.experiments.summary import length_labels

COMPARED = ("lstm", "transformer")
"""The two networks of the paper, whose families and recipes are compared."""
LINEAR, GEOMETRIC, BY_ENTROPY = "ensemble-linear", "ensemble-geometric", "ensemble-by-entropy"
SPEED = PACKAGE.parent / "results" / "neural_speed.json"
"""What `benchmarks/neural_speed.py` has measured."""


def speed_rows(record: Mapping[str, Any]) -> pd.DataFrame:
    """What was measured side by side: ``what``, ``ours``, ``peer``, ``peer's``, ``ratio`` (above 1: ours is faster)."""
    rows: list[tuple[str, float, str, float, float]] = []
    for row in record["training"]:
        what, rate = f"training the {model_label(row['model'], {})}, nt/s", row["loop_nt_per_s"]
        rows.append((what, rate, "bare loop over the same modules", row["bare_nt_per_s"], row["share_of_bare"]))
        if "times_gpt2" in row:
            peer = "Hugging Face GPT-2, as deep and as wide"
            rows.append((what, rate, peer, row["gpt2_nt_per_s"], row["times_gpt2"]))
    for row in record["sampling"]:
        sequences = f"{row['sequences']} sequences of {row['length']:,} nt"
        what = f"generating {sequences} with the {model_label(row['model'], {})}, nt/s"
        rows.append(
            (what, row["ours_nt_per_s"], "generate of that GPT-2", row["generate_nt_per_s"],
             row["times_faster"])
        )  # fmt: skip
    for row in record["scoring"]:
        what = f"scoring {row['pairs']:,} pairs with the {model_label(row['model'], {})}, s"
        single = row["one_by_one_seconds"]
        rows.append((what, row["seconds"], "one call a sequence", single, single / row["seconds"]))
    return pd.DataFrame(rows, columns=["what", "ours", "peer", "peer's", "ratio"])


@dataclass(frozen=True)
class Chapter:
    """What the chapter on model families shows."""

    study: Study
    results: dict[str, Result]
    recipes: dict[tuple[str, str], list[str]]
    """Names of the runs, one for each seed, by network and recipe."""
    ensembles: list[str]
    """Names of the ensembles."""

    @classmethod
    def of(cls, study: Study) -> Self:
        """The chapter, its runs computed where they are missing."""
        profile = study.profile
        recipes = {
            (model, recipe): names
            for model in COMPARED
            for recipe, names in networks.recipe_runs(profile, model).items()
        }
        ensembles = ensemble_runs(profile)
        results = study.run([*ngram_runs(profile), expert_runs(profile)[0], *model_runs(profile), *ensembles])
        return cls(study, results, recipes, [run.name for run in ensembles])

    @property
    def replicates(self) -> int:
        """Resamples of the genes for each interval."""
        return self.study.profile.bootstrap_replicates

    @cached_property
    def expert(self) -> str:
        """Name of the expert mixture's run, each gene on its own."""
        return expert_runs(self.study.profile)[0].name

    def _label(self, name: str) -> str:
        return self.results[name].record["label"]

    @cached_property
    def labelled(self) -> dict[str, list[str]]:
        """Names of the runs by the label of their row."""
        ngram = networks.best_ngram(self.results)
        return {
            self._label(ngram): [ngram],
            **{self._label(names[0]): names for names in self.recipes.values()},
            self._label(self.expert): [self.expert],
            **{self._label(name): [name] for name in self.ensembles},
        }

    @cached_property
    def rows(self) -> pd.DataFrame:
        """`networks.model_rows`, from the worst model to the best."""
        rows = networks.model_rows(self.results, self.labelled, self.replicates)
        return rows.sort_values("nucleotide_perplexity", ascending=False)

    @cached_property
    def _by_label(self) -> pd.DataFrame:
        return self.rows.set_index("label")

    # all models

    def cost_chart(self) -> alt.TopLevelMixin:
        """Perplexity against the time of fitting."""
        rows = self.rows.assign(seconds=60 * self.rows["minutes"])
        families = list(dict.fromkeys(rows["family"]))
        base = alt.Chart(
            rows[["label", "family", "seeds", "nucleotide_perplexity", "low", "high", "seconds", "parameters"]]
        ).encode(x=alt.X("seconds:Q", title="seconds of fitting", scale=alt.Scale(type="log")))
        points = base.mark_point().encode(
            y=alt.Y("nucleotide_perplexity:Q", title="nucleotide perplexity", scale=alt.Scale(zero=False)),
            tooltip=["label", "seeds", alt.Tooltip("nucleotide_perplexity", format=".3f"),
                     alt.Tooltip("seconds", format=",.0f"), alt.Tooltip("parameters", format=",")],
            **family_scale("family", "point", families),
        )  # fmt: skip
        bars = base.mark_rule(strokeWidth=2).encode(y="low:Q", y2="high:Q", **family_scale("family", "bar", families))
        return loose(
            alt.layer(bars, points).properties(
                height=360,
                description="Nucleotide perplexity of each model on the test genes against the seconds its fitting "
                "took, on a logarithmic scale; 95 % intervals over genes.",
            )
        )

    def predictions(self) -> Table:
        """How well all of them predict."""
        return networks.result_table(
            self.rows,
            "Test genes, each scored on its own; all models are trained on the same training genes. Mean over seeds; "
            "intervals over genes. Lower is better.",
        )

    def _beside_expert(self, name: str) -> dict[str, Any]:
        """Bits per base of an ensemble minus those of the expert mixture alone, as of `metrics.paired_difference`."""
        scores = (self.results[run].scores() for run in (name, self.expert))
        return metrics.paired_difference(*scores, self.replicates)

    def _against_expert(self, name: str) -> str:
        """The same in words."""
        gap = self._beside_expert(name)
        low, high = gap["interval"]
        if low <= 0 <= high:
            return f"not resolved from the expert mixture alone ({low:+.4f} to {high:+.4f} bits per base)"
        near, far = sorted((abs(low), abs(high)))
        return (
            f"{abs(gap['bits_per_base']):.4f} bits per base ({near:.4f} to {far:.4f}) "
            f"{'below' if high < 0 else 'above'} the expert mixture alone"
        )

    def ensembles_text(self) -> Any:
        """The best model, and what a network adds to the expert mixture."""
        best = self.rows.iloc[-1]
        text = (
            f"Lowest is {best['label']}, with a nucleotide perplexity of "
            f"{estimate(best['nucleotide_perplexity'], best['low'], best['high'])}."
        )
        if BY_ENTROPY in self.ensembles:
            network = self.results[BY_ENTROPY].record["settings"]["members"][1]
            text += (
                f" The expert mixture and the {model_label(network['model'], network['settings'])} together, with one "
                f"pair of weights for all places, geometric, are {self._against_expert(GEOMETRIC)}; with weights that "
                f"depend on how confident both are, {self._against_expert(BY_ENTROPY)}; as the plain average of "
                f"probabilities, {self._against_expert(LINEAR)}."
            )
        return markdown(text)

    # family or recipe

    def recipes_table(self) -> Table:
        """Both networks by both recipes."""
        rows = pd.concat(
            self._by_label.loc[[self._label(self.recipes[model, recipe][0])]].assign(
                family=models.model_class(model).family, recipe=RECIPES[recipe]
            )
            for model, recipe in product(COMPARED, RECIPES)
        )
        shown = pd.DataFrame(
            {
                "family": rows["family"],
                "recipe": rows["recipe"],
                "weights": rows["parameters"].astype(int),
                "nucleotide perplexity (95 %)": with_interval(rows, "nucleotide_perplexity", 3),
                "seeds, from – to": networks.seed_range(rows),
                # a stored source must not change from run to run
                "minutes of training": [f"{m:.1f}" if chart_mode() != "digest" else "" for m in rows["minutes"]],
            }
        ).reset_index(drop=True)
        return table(shown, "Two families by two recipes, mean over seeds", {"weights": ",d"})

    @cached_property
    def effects(self) -> pd.DataFrame:
        """By how many bits per base the first of two costs less than the second, paired over genes.

        Rows: the family by each recipe, and the recipe of each family. Columns: ``what``, ``first`` (family or
        recipe), ``bits``, ``low``, ``high``, and ``ahead`` as of `replicates.ahead`.
        """
        first, second = COMPARED
        names = {model: models.model_class(model).family for model in COMPARED}
        pairs = [
            *(("family", recipe, f"family, by the {RECIPES[recipe]}", names[first], (first, recipe), (second, recipe))
              for recipe in (PUBLISHED, MODERN)),
            *(("recipe", model, f"recipe, of the {names[model]}", RECIPES[MODERN], (model, MODERN), (model, PUBLISHED))
              for model in COMPARED),
        ]  # fmt: skip
        rows = {}
        for kind, of, what, better, one, other in pairs:
            gap = difference(self.results, self.recipes[one], self.recipes[other], self.replicates)
            low, high = sorted(-bound for bound in gap["interval"])
            rows[kind, of] = {"what": what, "first": better, "bits": -gap["bits_per_base"], "low": low, "high": high,
                              "ahead": ahead(gap)}  # fmt: skip
        return pd.DataFrame(rows.values(), index=pd.MultiIndex.from_tuples(rows))

    def effects_table(self) -> Table:
        """What the family and what the recipe changes."""
        rows = self.effects
        shown = pd.DataFrame(
            {
                "what": rows["what"],
                "better": rows["first"],
                "bits per base (95 %)": [estimate(r.bits, r.low, r.high, "+.3f") for r in rows.itertuples()],
            }
        ).reset_index(drop=True)
        return table(
            shown,
            "What the family and what the recipe changes: by how much the one named costs less (a minus: more), paired "
            "over genes, mean over seeds",
        )

    def effects_text(self) -> Any:
        """Whether it is the family or the recipe."""
        effects = self.effects
        published, modern = (effects.loc[("family", recipe)] for recipe in (PUBLISHED, MODERN))
        recipe = {model: effects.loc[("recipe", model), "bits"] for model in COMPARED}
        one, other = (models.model_class(model).family for model in COMPARED)
        verdicts = {-1: f"the {one} is better", 1: f"the {other} is better", 0: "the difference is not resolved"}
        text = [
            f"By the published recipe {verdicts[published['ahead']]} ({abs(published['bits']):.3f} bits per base); by "
            f"the modern one, {verdicts[modern['ahead']]} ({abs(modern['bits']):.3f}).",
            f"The recipe alone moves the {one} by {recipe[COMPARED[0]]:+.3f} and the {other} by "
            f"{recipe[COMPARED[1]]:+.3f} bits per base, where the family moves them by {published['bits']:+.3f} and "
            f"{modern['bits']:+.3f}.",
        ]
        if published["ahead"] == modern["ahead"] == -1:
            more = max(recipe.values()) > max(abs(published["bits"]), abs(modern["bits"]))
            text.append(
                "So at this size and on these genes it is the family, whichever recipe is used"
                + (", though the recipe matters more than the family." if more else ", and more than the recipe.")
            )
        elif published["ahead"] == -1:
            text.append("So on these genes the paper's ranking is one of its recipe: it does not outlast a better one.")
        else:
            text.append("So the paper's ranking is not found on these genes at this size.")
        if chart_mode() != "digest":  # times are others each run
            text += [self._cost_text(recipe) for recipe in (PUBLISHED, MODERN)]
        return markdown(" ".join(text))

    def _cost_text(self, recipe: str) -> str:
        """How much larger and slower the Transformer is by this recipe."""
        first, second = (self._by_label.loc[self._label(self.recipes[model, recipe][0])] for model in COMPARED)
        one, other = (models.model_class(model).family for model in COMPARED)
        return (
            f"By the {RECIPES[recipe]} the {other} had {second['parameters'] / first['parameters']:.2f} times the "
            f"{one}'s weights and {second['minutes'] / first['minutes']:.1f} times its minutes."
        )

    # on which genes

    @cached_property
    def closest(self) -> dict[str, pd.DataFrame]:
        """Scores of one model of each family, the one that predicts the validation genes best, by label."""
        best = set(self.rows.sort_values("validation").groupby("family", sort=False).head(1)["label"])
        return {
            label: mean_scores([self.results[name] for name in self.labelled[label]])
            for label in self.rows["label"]
            if label in best
        }

    def _grouped(self, labels: Sequence[str]) -> pd.DataFrame:
        """Metrics of these models in each group of test genes that is large enough: as `metrics.by_group`."""
        rows = pd.concat(
            metrics.by_group(scores, labels, self.replicates).assign(label=label)
            for label, scores in self.closest.items()
        )
        return rows[rows["genes"] >= min(15, rows["genes"].max())]

    def _dots(self, rows: pd.DataFrame, title: str, sort: list[str], description: str) -> alt.TopLevelMixin:
        """Perplexity and its interval in each group, a point a model."""
        rows = rows.assign(family=rows["label"].map(self._by_label["family"])).rename(columns={"group": title})
        families = list(self._by_label["family"])
        base = alt.Chart(rows[[title, "label", "family", "genes", "nucleotide_perplexity", "low", "high"]]).encode(
            y=alt.Y(f"{title}:N", sort=sort, title=None), yOffset=alt.YOffset("family:N")
        )
        bars = base.mark_rule().encode(x="low:Q", x2="high:Q", **family_scale("family", "bar", families))
        points = base.mark_point(size=60).encode(
            x=alt.X("nucleotide_perplexity:Q", title="nucleotide perplexity", scale=alt.Scale(zero=False)),
            tooltip=["label", title, alt.Tooltip("genes", format=","),
                     alt.Tooltip("nucleotide_perplexity", format=".3f")],
            **family_scale("family", "point", families),
        )  # fmt: skip
        description = f"Nucleotide perplexity by {description}, one model of each family, 95 % intervals."
        return loose(alt.layer(bars, points).properties(height=alt.Step(12), description=description))

    def types_chart(self) -> alt.TopLevelMixin:
        """Perplexity by gene type."""
        types = self.study.dataset.test["type"]
        rows = self._grouped(types.where(types != "", "unknown"))
        order = list(rows.groupby("group")["genes"].max().sort_values(ascending=False).index)
        return self._dots(rows, "type", order, "gene type, types with most genes first")

    def lengths_chart(self) -> alt.TopLevelMixin:
        """Perplexity by length."""
        rows = self._grouped(length_labels(self.study.dataset.test))
        return self._dots(rows, "length", sorted(rows["group"].unique()), "length of the gene")

    @cached_property
    def positions(self) -> pd.DataFrame:
        """Metrics by position in the gene: as `metrics.by_position`, with ``label``."""
        return pd.concat(
            metrics.by_position(scores, self.replicates).assign(label=label) for label, scores in self.closest.items()
        )

    def positions_chart(self) -> alt.TopLevelMixin:
        """Perplexity by position."""
        order = sorted(self.positions["group"].unique())
        return self._dots(self.positions, "position", order, "position in the gene")

    @cached_property
    def homologs(self) -> pd.DataFrame:
        """See `networks.by_homolog`."""
        return networks.by_homolog(self.study, self.results, self.labelled)

    @cached_property
    def _by_homolog(self) -> pd.DataFrame:
        """Nucleotide perplexity: a row a model, a column a group of test genes."""
        return self.homologs.pivot_table(index="label", columns="group", values="nucleotide_perplexity", sort=False)

    def homologs_table(self) -> Table:
        """Perplexity on test genes with and without a homolog."""
        rows = self.homologs.assign(shown=with_interval(self.homologs, "nucleotide_perplexity", 3))
        wide = rows.pivot_table(index="label", columns="group", values="shown", aggfunc="first")
        wide = wide.reindex(self.rows["label"]).reset_index().rename(columns={"label": "model"})
        wide.columns.name = None
        return table(
            wide,
            "Test genes with and without a homolog among the training genes: nucleotide perplexity (95 %), mean over "
            "seeds",
        )

    def homologs_text(self) -> Any:
        """Which genes are hard."""
        text, perplexity, expert = [], self._by_homolog, self._label(self.expert)
        if {WITH, WITHOUT} <= set(perplexity):
            lowest = perplexity[WITHOUT].idxmin()
            text.append(
                f"On genes without a homolog the lowest is {lowest}, with {perplexity.loc[lowest, WITHOUT]:.3f}; the "
                f"expert mixture alone has {perplexity.loc[expert, WITHOUT]:.3f}."
            )
        positions = self.positions[self.positions["label"] == expert]
        if len(positions):
            first, last = positions.iloc[0], positions.iloc[-1]
            text.append(
                "The first nucleotides of a gene are the hardest: the expert mixture has "
                f"{first['nucleotide_perplexity']:.2f} on positions {first['group'].strip()}, and "
                f"{last['nucleotide_perplexity']:.2f} from position {last['group'].strip()}."
                if first["nucleotide_perplexity"] > last["nucleotide_perplexity"]
                else "On these genes the first nucleotides are no harder than the last."
            )
        return markdown(" ".join(text))

    # speed and conclusions

    def speed_table(self) -> Any:
        """How fast networks are beside their peers."""
        if not SPEED.exists():
            return markdown("Not measured yet: `python benchmarks/neural_speed.py --write`.")
        record = from_json(SPEED.read_text())
        device = record["device"] if record["accelerator"] == "processor" else record["accelerator"]
        return table(
            speed_rows(record),
            f"Measured side by side on {device}, {record['threads']} threads, torch {record['torch']} (python "
            "benchmarks/neural_speed.py); ratio: how many times faster ours is",
            {"ours": ",.0f", "peer's": ",.0f", "ratio": ".2f"},
        )

    def conclusions(self) -> Any:
        """What the chapter comes to."""
        text = [
            *self._copying(),
            *self._network_beside_expert(),
            "What one recipe shows of a family says little about the family: each needs its own.",
        ]
        return markdown("\n".join(f"- {sentence}" for sentence in text))

    def _copying(self) -> list[str]:
        """Whether copying or a network is better where there is something to copy."""
        perplexity = self._by_homolog
        labels = [self._label(names[0]) for names in self.recipes.values()]
        if WITH not in perplexity:
            return []
        network, expert = perplexity.loc[labels, WITH].idxmin(), self._label(self.expert)
        copied, learned = perplexity.loc[expert, WITH], perplexity.loc[network, WITH]
        if copied >= learned:
            return [
                f"Even where there is something to copy, the best network ({network}) is ahead of the expert mixture, "
                f"with {learned:.2f} against {copied:.2f}."
            ]
        if chart_mode() == "digest":  # times are others each run
            return ["Copying wins where there is something to copy."]
        minutes = self._by_label["minutes"]
        return [
            f"Copying wins where there is something to copy: on genes with a homolog the expert mixture has "
            f"{copied:.2f}, and the best network ({network}) {learned:.2f}, after {minutes[expert] * 60:.0f} seconds "
            f"against {minutes[network]:.0f} minutes."
        ]

    def _network_beside_expert(self) -> list[str]:
        """Whether a network adds anything to counting and copying."""
        if BY_ENTROPY not in self.ensembles:
            return []
        gain = self._beside_expert(BY_ENTROPY)
        alone, ngram = (self._beside_expert(name)["bits_per_base"] for name in ENSEMBLE_CONTROLS)
        beyond_controls = all(
            metrics.paired_difference(self.results[BY_ENTROPY].scores(), self.results[name].scores(), self.replicates)[
                "interval"
            ][1]
            < 0
            for name in ENSEMBLE_CONTROLS
        )
        beside = (
            f"weighting the expert mixture alone by how confident it is changes it by {alone:+.4f}, an n-gram in the "
            f"network's place by {ngram:+.4f}"
        )
        if gain["interval"][1] >= 0:
            return [f"On these genes a network adds nothing to the expert mixture beyond the interval; {beside}."]
        if beyond_controls:
            return [
                "A network predicts something that counting and copying do not: beside the expert mixture, by weights "
                f"that depend on how confident both are, it changes the cost of a base by {gain['bits_per_base']:+.4f} "
                f"bits; {beside}."
            ]
        return [
            f"Beside a network the expert mixture changes by {gain['bits_per_base']:+.4f} bits per base, and that is "
            f"no sign that the network predicts more: {beside}."
        ]
