"""What the chapters on neural models show alike: recipes, courses of training, trials, and how well they predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import altair as alt
import numpy as np
import pandas as pd

from dnastudy import models
from dnastudy.chapters.page import Page
from dnastudy.data.datasets import paper
from dnastudy.display.charts import loose, series_scale
from dnastudy.display.tables import Table, markdown, table
from dnastudy.evaluation import metrics
from dnastudy.experiments.plan import Run, expert_runs, neural_runs, neural_trials, ngram_runs
from dnastudy.experiments.replicates import ahead, difference, kind_of, mean_scores
from dnastudy.experiments.store import Result

RECIPE = {
    "token_corruption": "random nucleotides read, share",
    "learning_rate": "learning rate of Adam", "schedule": "rate after the warm-up", "warmup": "warm-up, share",
    "batch_genes": "genes a step", "batch_tokens": "or nucleotides a step", "bucket_size": "batches sorted by length",
    "epochs": "epochs at most", "patience": "epochs of patience", "dropout": "dropout", "weight_decay": "weight decay",
    "grad_clip": "largest gradient norm", "kmer_size": "nucleotides embedded together", "kmer_dim": "width of their table",
    "n_positions": "learned positions",
    "end": "predicts the end", "precision": "precision of the training",
}  # fmt: skip
BUDGET = {"precision", "micro_batch_tokens", "validation_nucleotides", "epochs"}
"""Settings in which a trial of ours may differ from the paper's: what it may cost."""
TODAY, PAPERS = "today's recipe", "the paper's recipe"


def kinds_of(profile: Any, model: str) -> dict[str, list[Run]]:
    """Runs of a neural model by recipe, one a seed."""
    runs = [run for run in neural_runs(profile) if run.model == model]
    papers = [run for run in runs if run.name.startswith(f"{model}-paper-")]
    return {TODAY: [run for run in runs if run not in papers], PAPERS: papers}


def recipe_table(profile: Any, model: str) -> Table:
    """Settings in which the two recipes of a model differ, and how each is spelt in the code."""
    parse = models.model_class(model).Settings.parse
    ours, papers = (parse(runs[0].settings, model).model_dump() for runs in kinds_of(profile, model).values())
    # what describes the network itself comes first
    own = [name for name in ours if name not in RECIPE and name not in ("seed", "micro_batch_tokens", "beta2")]
    rows = [
        {"": RECIPE.get(name, name.replace("_", " ")), "setting": name, TODAY: _shown(ours[name]),
         PAPERS: _shown(papers[name])}
        for name in [*own, *RECIPE]
        if name in ours and ours[name] != papers[name]
    ]  # fmt: skip
    return table(pd.DataFrame(rows), "The two recipes where they differ (as trained on this page)")


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def best_ngram(results: Mapping[str, Result]) -> str:
    """Name of the n-gram run that predicts the validation genes best."""
    named = {n: r.record["validation_perplexity"] for n, r in results.items() if r.record["family"] == "n-gram"}
    return min((n for n in named if named[n] is not None), key=lambda n: named[n])


def rows_of(results: Mapping[str, Result], names: Mapping[str, Sequence[str]], replicates: int) -> pd.DataFrame:
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
        found = metrics.summarise(mean_scores([results[name] for name in runs]), replicates)
        each = [record["metrics"]["nucleotide_perplexity"] for record in records]
        validated = [record["validation_perplexity"] for record in records]
        rows.append(
            {
                "label": label,
                "family": records[0]["family"],
                "seeds": len(runs),
                "nucleotide_perplexity": found["nucleotide_perplexity"],
                "low": found["interval"][0],
                "high": found["interval"][1],
                "bits_per_base": found["bits_per_base"],
                "best": min(each),
                "worst": max(each),
                "validation": np.mean(validated) if None not in validated else np.nan,
                "parameters": records[0]["parameters"],
                "epochs": np.mean([(record["training"] or {}).get("best_epoch", np.nan) for record in records]),
                "minutes": np.median([record["seconds"]["fit"] for record in records]) / 60,
            }
        )
    return pd.DataFrame(rows)


def result_table(rows: pd.DataFrame, caption: str) -> Table:
    """`rows_of` as a table for people."""
    shown = pd.DataFrame(
        {
            "model": rows["label"],
            "seeds": rows["seeds"],
            "weights": rows["parameters"],
            "nucleotide perplexity (95 %)": [
                f"{r.nucleotide_perplexity:.3f} ({r.low:.3f} to {r.high:.3f})" for r in rows.itertuples()
            ],
            "seeds, from – to": [f"{r.best:.3f} – {r.worst:.3f}" if r.seeds > 1 else "" for r in rows.itertuples()],
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


def trial_table(results: Mapping[str, Result], profile: Any, model: str) -> Table:
    """The paper's trials with its validation perplexities, and ours beside those that this profile has trained."""
    ours = {}
    for name, result in results.items():
        settings = result.record["settings"]
        tuned = kind_of(name, result.record) == model
        if result.record["model"] != model or tuned or settings["seed"] != profile.seeds[0]:
            continue
        for preset, given in models.model_class(model).presets.items():
            if all(settings[key] == value for key, value in given.items() if key not in BUDGET):
                ours[preset] = result.record
    rows = [
        {
            "trial": preset.removeprefix("paper-").replace("-", ", "),
            "the paper's, validation": figure,
            "ours, validation": ours[preset]["validation_perplexity"] if preset in ours else np.nan,
            "ours, test": ours[preset]["metrics"]["nucleotide_perplexity"] if preset in ours else np.nan,
            "epochs": ours[preset]["training"]["best_epoch"] if preset in ours else np.nan,
        }
        for preset, figure in paper()[f"{model}_trials"].items()
    ]
    order = {"lstm": "embedding, units, layers", "transformer": "width, feed-forward width, layers, heads"}[model]
    caption = (
        f"Perplexity in the paper's trials ({order}), and of ours by its recipe on the genes of this page, for as many "
        "epochs as there was time for"
    )
    return table(pd.DataFrame(rows), caption, {"epochs": ".0f"})


def by_relative(
    page: Page, results: Mapping[str, Result], names: Mapping[str, Sequence[str]], replicates: int
) -> pd.DataFrame:
    """Metrics of each label's mean on test genes with and without a relative in the training genes.

    Returns
    -------
    DataFrame as of `evaluation.by_group`, ``group`` being "with a relative" or "without", and the ``label``.
    """
    has = np.where(page.store.relatives(page.dataset)["identity"] > 0, "with a relative", "without")
    parts = [
        metrics.by_group(mean_scores([results[name] for name in runs]), has, replicates).assign(label=label)
        for label, runs in names.items()
    ]
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Chapter:
    """What the chapter on one neural family shows: both recipes, beside the best n-gram and the expert mixture."""

    page: Page
    model: str
    family: str
    results: dict[str, Result]
    names: dict[str, list[str]]
    """Runs, a seed each, by recipe."""
    labelled: dict[str, list[str]]
    """Runs by the label of their row."""
    rows: pd.DataFrame
    """As of `rows_of`."""

    @classmethod
    def of(cls, page: Page, model: str) -> Self:
        """The chapter on a neural model, its runs computed where they are missing."""
        neural = [run for run in [*neural_runs(page.profile), *neural_trials(page.profile)] if run.model == model]
        results = page.run([*ngram_runs(page.profile), expert_runs(page.profile)[0], *neural])
        names = {recipe: [run.name for run in runs] for recipe, runs in kinds_of(page.profile, model).items()}
        family, ngram = models.model_class(model).family, best_ngram(results)
        labelled = {
            f"best n-gram: order {results[ngram].record['settings']['order']}": [ngram],
            **{f"{family}, {recipe}": runs for recipe, runs in names.items()},
            "expert mixture": ["expert"],
        }
        rows = rows_of(results, labelled, page.profile.bootstrap_replicates)
        return cls(page, model, family, results, names, labelled, rows)

    def _mean(self, recipe: str, column: str) -> float:
        return self.rows.set_index("label").loc[f"{self.family}, {recipe}", column]

    def predictions(self) -> Table:
        """How well all of them predict."""
        return result_table(
            self.rows,
            "Test genes, each scored on its own. All learned from the same training genes. Lower is better; knowing "
            "nothing is 4, or 2 bits. Intervals are over genes, of the mean over seeds.",
        )

    def recipe_text(self) -> Any:
        """What the recipe is worth, and the paper's own figure where these are its genes."""
        better = difference(self.results, self.names[TODAY], self.names[PAPERS], self.page.profile.bootstrap_replicates)
        size, (low, high) = -better["bits_per_base"], (-x for x in better["interval"][::-1])
        text = [
            f"Today's recipe comes to a nucleotide perplexity of {self._mean(TODAY, 'nucleotide_perplexity'):.3f}, the "
            f"paper's to {self._mean(PAPERS, 'nucleotide_perplexity'):.3f}."
        ]
        if ahead(better) < 0:
            text.append(f"The recipe is worth {size:.3f} bits per base ({low:.3f} to {high:.3f}) on the same genes.")
        elif ahead(better) > 0:
            text.append(
                f"On these genes the paper's recipe is better, by {-size:.3f} bits per base ({-high:.3f} to "
                f"{-low:.3f})."
            )
        else:
            text.append(
                f"The two cannot be told apart on these genes (difference {-size:.3f} bits per base, {-high:.3f} to "
                f"{-low:.3f})."
            )
        dataset = self.page.dataset
        if dataset.name == "paper":
            share = dataset.train["sequence"].str.len().sum() / (paper()["data"]["nucleotides"] * 0.6)
            text.append(
                f"The paper's {self.family} had a perplexity of {paper()['test_perplexity'][self.model]:.3f} on these "
                f"test genes, after all of its training genes; here are {share:.0%} of them, about, and a network "
                "small enough for a processor."
            )
        return markdown(" ".join(text))

    def courses(self) -> alt.TopLevelMixin:
        """The course of each training."""
        return course_chart(self.results, self.names)

    def course_text(self) -> Any:
        """When they were best."""
        return markdown(
            f"The best epoch was, in the mean over seeds, number {self._mean(TODAY, 'epochs'):.3g} by today's recipe "
            f"and number {self._mean(PAPERS, 'epochs'):.3g} by the paper's. Perplexities here are of those validation "
            "genes that training looks at after each epoch: all, or a part of them." + self._cut_short()
        )

    def _cut_short(self) -> str:
        """What the paper's recipe, whose rate never falls, might still have gained."""
        trainings = [self.results[name].record["training"] for name in self.names[PAPERS]]
        cut = sum(not training["stopped_early"] for training in trainings)
        if not cut:
            return ""
        of_them = f"all {cut}" if cut == len(trainings) else f"{cut} of the {len(trainings)}"
        return (
            f" By the paper's recipe {of_them} ended with the epochs they were given here, and not because the "
            "validation genes had stopped getting better."
        )

    @cached_property
    def relatives(self) -> pd.DataFrame:
        """See `by_relative`."""
        return by_relative(self.page, self.results, self.labelled, self.page.profile.bootstrap_replicates)

    def relatives_table(self) -> Table:
        """How well they predict genes with and without relatives."""
        found = self.relatives
        shown = found[["label", "group", "genes"]].rename(columns={"label": "model", "group": "test genes"})
        shown["nucleotide perplexity (95 %)"] = [
            f"{r.nucleotide_perplexity:.3f} ({r.low:.3f} to {r.high:.3f})" for r in found.itertuples()
        ]
        caption = "Test genes with and without a relative among the training genes, mean over seeds"
        return table(shown, caption, {"genes": ",d"})

    def relatives_text(self) -> Any:
        """What that says of the family."""
        at = self.relatives.set_index(["label", "group"])["nucleotide_perplexity"]
        ngram, expert, today = next(iter(self.labelled)), "expert mixture", f"{self.family}, {TODAY}"
        if not {(today, "with a relative"), (today, "without")} <= set(at.index):
            return markdown("All test genes are on one side: no comparison.")
        own, counted, copied = (at[label, "with a relative"] for label in (today, ngram, expert))
        between = min(counted, copied) <= own <= max(counted, copied)
        return markdown(
            f"On genes with a relative the {self.family} has {own:.2f}, "
            + (
                f"between the n-gram's {counted:.2f} and the expert mixture's {copied:.2f}; "
                if between
                else f"the n-gram {counted:.2f} and the expert mixture {copied:.2f}; "
            )
            + f"on the others {at[today, 'without']:.2f}, where those have {at[ngram, 'without']:.2f} and "
            f"{at[expert, 'without']:.2f}. A network has to squeeze its training genes into its weights, where the "
            "expert mixture keeps them word for word."
        )

    def trials(self) -> Table:
        """See `trial_table`."""
        return trial_table(self.results, self.page.profile, self.model)
