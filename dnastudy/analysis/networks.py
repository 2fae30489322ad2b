"""What the chapters on networks have in common: recipes, courses of training, published trials, and predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import altair as alt
import numpy as np
import pandas as pd

from dnastudy import models
from dnastudy.analysis.strata import WITH, WITHOUT, homology_groups
from dnastudy.core.errors import SettingsError
from dnastudy.data.datasets import paper
from dnastudy.display.charts import loose, series_scale
from dnastudy.display.tables import Table, markdown, table, with_interval
from dnastudy.evaluation import metrics
from dnastudy.experiments.plan import (
    MODERN,
    PUBLISHED,
    expert_runs,
    model_runs,
    network_groups,
    ngram_runs,
    trial_runs,
)
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.replicates import ahead, difference, mean_scores
from dnastudy.experiments.store import Result
from dnastudy.experiments.study import Study

SETTING_WORDS = {
    "token_corruption": "random nucleotides in the input, share",
    "learning_rate": "learning rate of Adam", "schedule": "rate after the warm-up", "warmup": "warm-up, share",
    "batch_genes": "genes a step", "batch_tokens": "or nucleotides a step", "bucket_size": "batches sorted by length",
    "epochs": "epochs at most", "patience": "epochs of patience", "dropout": "dropout", "weight_decay": "weight decay",
    "grad_clip": "largest gradient norm", "kmer_size": "nucleotides embedded together", "kmer_dim": "their width",
    "n_positions": "learned positions",
    "end": "predicts the end", "precision": "precision of the training",
}  # fmt: skip
"""What the settings of a recipe are called in its table."""
NETWORK_WORDS = {
    "d_model": "width", "d_ff": "feed-forward width", "n_layers": "layers", "n_heads": "attention heads",
    "n_kv_heads": "heads of keys and values", "embedding_size": "embedding width", "hidden_size": "units a layer",
}  # fmt: skip
"""And those of the network itself; others go by their own names."""
BUDGET = {"precision", "micro_batch_tokens", "validation_nucleotides", "epochs"}
"""Settings in which a trial may differ from the published one: what it may cost."""
RECIPES = {MODERN: "modern recipe", PUBLISHED: "published recipe"}


def recipe_runs(profile: Profile, model: str) -> dict[str, list[str]]:
    """Names of the runs of a network by recipe, `MODERN` and `PUBLISHED`, one for each seed.

    Raises SettingsError where the profile lacks one of the two.
    """
    groups = network_groups(profile, model)
    if missing := [recipe for recipe in RECIPES if recipe not in groups]:
        raise SettingsError(
            f"models: this chapter compares the two recipes of {model!r}, and the profile has no {missing[0]} one; "
            "add it (the published recipes are presets)"
        )
    return {recipe: [run.name for run in groups[recipe]] for recipe in RECIPES}


def recipe_table(profile: Profile, model: str) -> Table:
    """Settings in which the two recipes of a model differ, and what they are called in the code."""
    recipe_runs(profile, model)  # both are there
    parse, groups = models.model_class(model).Settings.parse, network_groups(profile, model)
    modern, published = (parse(groups[recipe][0].settings, model).model_dump() for recipe in RECIPES)
    words = {**SETTING_WORDS, **NETWORK_WORDS}
    # what describes the network itself comes first
    network = [
        name for name in modern if name not in SETTING_WORDS and name not in ("seed", "micro_batch_tokens", "beta2")
    ]
    rows = [
        {"": words.get(name, name.replace("_", " ")), "setting": name,
         RECIPES[MODERN]: _shown(modern[name]), RECIPES[PUBLISHED]: _shown(published[name])}
        for name in [*network, *SETTING_WORDS]
        if name in modern and modern[name] != published[name]
    ]  # fmt: skip
    return table(pd.DataFrame(rows), "The two recipes where they differ (as trained on this page)")


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def best_ngram(results: Mapping[str, Result]) -> str:
    """Name of the n-gram run with the lowest perplexity on the validation genes."""
    perplexities = {
        name: result.record["validation_perplexity"]
        for name, result in results.items()
        if result.record["model"] == "ngram" and result.record["validation_perplexity"] is not None
    }
    return min(perplexities, key=perplexities.__getitem__)


def model_rows(results: Mapping[str, Result], names: Mapping[str, Sequence[str]], replicates: int) -> pd.DataFrame:
    """One row for each label: the mean over its runs.

    Returns
    -------
    DataFrame: ``label``, ``family``, ``seeds``, ``nucleotide_perplexity`` with ``low`` and ``high`` (95 % over genes),
    ``bits_per_base``, ``worst`` and ``best`` seed, ``validation`` perplexity, ``parameters``, ``epochs`` (the best) and
    ``minutes`` of fitting, the mean and the median.
    """
    rows = []
    for label, runs in names.items():
        records = [results[name].record for name in runs]
        summary = metrics.summarise(mean_scores([results[name] for name in runs]), replicates)
        perplexities = [results[name].metrics["nucleotide_perplexity"] for name in runs]
        validation = [record["validation_perplexity"] for record in records]
        rows.append(
            {
                "label": label,
                "family": records[0]["family"],
                "seeds": len(runs),
                "nucleotide_perplexity": summary["nucleotide_perplexity"],
                "low": summary["interval"][0],
                "high": summary["interval"][1],
                "bits_per_base": summary["bits_per_base"],
                "best": min(perplexities),
                "worst": max(perplexities),
                "validation": np.mean(validation) if None not in validation else np.nan,
                "parameters": records[0]["parameters"],
                "epochs": np.mean([(record["training"] or {}).get("best_epoch", np.nan) for record in records]),
                "minutes": np.median([record["seconds"]["fit"] for record in records]) / 60,
            }
        )
    return pd.DataFrame(rows)


def seed_range(rows: pd.DataFrame) -> list[str]:
    """Perplexity of the best and of the worst seed as text, from `model_rows`; "" where there is one seed."""
    return [f"{row.best:.3f} – {row.worst:.3f}" if row.seeds > 1 else "" for row in rows.itertuples()]


def result_table(rows: pd.DataFrame, caption: str) -> Table:
    """`model_rows` as a table for people."""
    shown = pd.DataFrame(
        {
            "model": rows["label"],
            "seeds": rows["seeds"],
            "weights": rows["parameters"],
            "nucleotide perplexity (95 %)": with_interval(rows, "nucleotide_perplexity", 3),
            "seeds, from – to": seed_range(rows),
            "bits per base": rows["bits_per_base"],
        }
    )
    return table(shown, caption, {"weights": ",d", "bits per base": ".3f"})


def course_chart(results: Mapping[str, Result], names: Mapping[str, Sequence[str]]) -> alt.TopLevelMixin:
    """Validation perplexity after each epoch, a line a seed, a look a recipe."""
    rows = [
        {"recipe": label, "seed": str(results[name].record["settings"]["seed"]), "epoch": int(e["epoch"]),
         "perplexity": e["validation"]}
        for label, runs in names.items() for name in runs for e in results[name].record["training"]["epochs"]
    ]  # fmt: skip
    frame = pd.DataFrame(rows).dropna()
    base = alt.Chart(frame).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("perplexity:Q", title="perplexity of validation genes", scale=alt.Scale(zero=False)),
        detail="seed:N",
    )
    tips = ["recipe", "seed", "epoch", alt.Tooltip("perplexity", format=".3f")]
    lines = base.mark_line().encode(**series_scale("recipe", list(names), "line"))
    points = base.mark_point(size=40).encode(tooltip=tips, **series_scale("recipe", list(names), "point"))
    chart = alt.layer(lines, points).properties(
        height=300,
        description="Nucleotide perplexity of validation genes after each epoch of training, a line for each seed, for "
        + " and ".join(names) + ".",
    )  # fmt: skip
    return loose(chart)


def trial_settings(model: str) -> list[str]:
    """Settings in which the published trials of a network differ."""
    first, *others = models.model_class(model).presets.values()
    return [name for name in first if any(preset[name] != first[name] for preset in others)]


def trial_table(results: Mapping[str, Result], profile: Profile, model: str) -> Table:
    """The published trials with their validation perplexities, and ours beside those that this profile has trained."""
    presets, names = models.model_class(model).presets, trial_settings(model)
    records = [
        result.record
        for result in results.values()
        if (result.record["model"], result.record["recipe"], result.record["seed"])
        == (model, PUBLISHED, profile.seeds[0])
    ]
    rows = []
    for preset, perplexity in paper()[f"{model}_trials"].items():
        settings = {name: value for name, value in presets[preset].items() if name not in BUDGET}
        ours = [record for record in records if all(record["settings"][name] == settings[name] for name in settings)]
        rows.append(
            {
                "trial": ", ".join(str(presets[preset][name]) for name in names),
                "published, validation": perplexity,
                "ours, validation": ours[-1]["validation_perplexity"] if ours else np.nan,
                "ours, test": ours[-1]["metrics"]["nucleotide_perplexity"] if ours else np.nan,
                "epochs": ours[-1]["training"]["best_epoch"] if ours else np.nan,
            }
        )
    caption = (
        f"Perplexity in the published trials ({', '.join(names)}), and in ours by the published recipe on the genes of "
        "this page, for as many epochs as there was time for"
    )
    return table(pd.DataFrame(rows), caption, {"epochs": ".0f"})


def by_homolog(study: Study, results: Mapping[str, Result], names: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Metrics of each label's mean on test genes with and without a homolog in the training genes.

    Returns
    -------
    DataFrame as of `metrics.by_group`, ``group`` being `strata.WITH` or `strata.WITHOUT`, and the ``label``.
    """
    groups = homology_groups(study)
    parts = [
        metrics.by_group(
            mean_scores([results[name] for name in runs]), groups, study.profile.bootstrap_replicates
        ).assign(label=label)
        for label, runs in names.items()
    ]
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Chapter:
    """What the chapter on one kind of network shows: both recipes, beside the best n-gram and the expert mixture."""

    study: Study
    model: str
    family: str
    results: dict[str, Result]
    runs: dict[str, list[str]]
    """Names of the runs by recipe, one for each seed."""
    labelled: dict[str, list[str]]
    """Names of the runs by the label of their row: the best n-gram, the recipes, the expert mixture."""

    @classmethod
    def of(cls, study: Study, model: str) -> Self:
        """The chapter on a network, its runs computed where they are missing."""
        profile, runs = study.profile, recipe_runs(study.profile, model)
        expert = expert_runs(profile)[0]
        networks = [run for run in [*model_runs(profile), *trial_runs(profile)] if run.model == model]
        results = study.run([*ngram_runs(profile), expert, *networks])
        ngram = best_ngram(results)
        labelled = {
            f"best n-gram: {results[ngram].record['label']}": [ngram],
            **{results[names[0]].record["label"]: names for names in runs.values()},
            expert.label: [expert.name],
        }
        return cls(study, model, models.model_class(model).family, results, runs, labelled)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """See `model_rows`."""
        return model_rows(self.results, self.labelled, self.study.profile.bootstrap_replicates)

    def _label(self, recipe: str) -> str:
        return self.results[self.runs[recipe][0]].record["label"]

    def _mean(self, recipe: str, column: str) -> float:
        return self.rows.set_index("label").loc[self._label(recipe), column]

    def recipe_table(self) -> Table:
        """See `recipe_table`."""
        return recipe_table(self.study.profile, self.model)

    def predictions(self) -> Table:
        """How well all of them predict."""
        return result_table(
            self.rows,
            "Test genes, each scored on its own. All models are trained on the same training genes. Lower is better; "
            "the uniform model has 4, or 2 bits. Intervals are over genes, of the mean over seeds.",
        )

    def recipe_text(self) -> Any:
        """What the recipe changes, and the paper's own figure where these are its genes."""
        gap = difference(self.results, self.runs[MODERN], self.runs[PUBLISHED], self.study.profile.bootstrap_replicates)
        size, (low, high) = -gap["bits_per_base"], (-bound for bound in gap["interval"][::-1])
        text = [
            f"By the modern recipe the nucleotide perplexity is {self._mean(MODERN, 'nucleotide_perplexity'):.3f}, by "
            f"the published one {self._mean(PUBLISHED, 'nucleotide_perplexity'):.3f}."
        ]
        if ahead(gap) < 0:
            text.append(
                f"The modern recipe improves the model by {size:.3f} bits per base ({low:.3f} to {high:.3f}) on the "
                "same genes."
            )
        elif ahead(gap) > 0:
            text.append(
                f"On these genes the published recipe is better, by {-size:.3f} bits per base ({-high:.3f} to "
                f"{-low:.3f})."
            )
        else:
            text.append(
                f"The difference is not resolved on these genes ({-size:.3f} bits per base, {-high:.3f} to {-low:.3f})."
            )
        dataset = self.study.dataset
        if dataset.name == "paper":
            share = dataset.train["sequence"].str.len().sum() / (paper()["data"]["nucleotides"] * 0.6)
            text.append(
                f"The paper's {self.family} had a perplexity of {paper()['test_perplexity'][self.model]:.3f} on these "
                f"test genes, trained on all of its training genes; here about {share:.0%} of them were used, and a "
                "network small enough for a processor."
            )
        return markdown(" ".join(text))

    def courses(self) -> alt.TopLevelMixin:
        """The course of each training."""
        return course_chart(self.results, {RECIPES[recipe]: names for recipe, names in self.runs.items()})

    def course_text(self) -> Any:
        """When they were best."""
        return markdown(
            f"The best epoch was, in the mean over seeds, number {self._mean(MODERN, 'epochs'):.3g} by the modern "
            f"recipe and number {self._mean(PUBLISHED, 'epochs'):.3g} by the published one. Perplexities here are of "
            "those validation genes that training looks at after each epoch: all, or a part of them."
            + self._cut_short()
        )

    def _cut_short(self) -> str:
        """What the published recipe, whose rate never falls, might still have gained."""
        trainings = [self.results[name].record["training"] for name in self.runs[PUBLISHED]]
        cut = sum(not training["stopped_early"] for training in trainings)
        if not cut:
            return ""
        trainings_cut = f"all {cut}" if cut == len(trainings) else f"{cut} of the {len(trainings)}"
        return (
            f" By the published recipe {trainings_cut} ended with the largest number of epochs allowed here, and not "
            "because the validation genes had stopped getting better."
        )

    @cached_property
    def homologs(self) -> pd.DataFrame:
        """See `by_homolog`."""
        return by_homolog(self.study, self.results, self.labelled)

    def homologs_table(self) -> Table:
        """How well they predict genes with and without homologs."""
        rows = self.homologs
        shown = rows[["label", "group", "genes"]].rename(columns={"label": "model", "group": "test genes"})
        shown["nucleotide perplexity (95 %)"] = with_interval(rows, "nucleotide_perplexity", 3)
        caption = "Test genes with and without a homolog among the training genes, mean over seeds"
        return table(shown, caption, {"genes": ",d"})

    def homologs_text(self) -> Any:
        """What that says of the network."""
        perplexity = self.homologs.set_index(["label", "group"])["nucleotide_perplexity"]
        ngram, expert, modern = next(iter(self.labelled)), [*self.labelled][-1], self._label(MODERN)
        if not {(modern, WITH), (modern, WITHOUT)} <= set(perplexity.index):
            return markdown("All test genes are on one side: no comparison.")
        network, counted, copied = (perplexity[label, WITH] for label in (modern, ngram, expert))
        between = min(counted, copied) <= network <= max(counted, copied)
        return markdown(
            f"On genes with a homolog the {self.family} has {network:.2f}, "
            + (
                f"between the n-gram's {counted:.2f} and the expert mixture's {copied:.2f}; "
                if between
                else f"the n-gram {counted:.2f} and the expert mixture {copied:.2f}; "
            )
            + f"on the others {perplexity[modern, WITHOUT]:.2f}, where those have {perplexity[ngram, WITHOUT]:.2f} and "
            f"{perplexity[expert, WITHOUT]:.2f}. A network has to squeeze its training genes into its weights, where "
            "the expert mixture keeps them word for word."
        )

    def trials(self) -> Table:
        """See `trial_table`."""
        return trial_table(self.results, self.study.profile, self.model)
