"""What the chapter on relatives shows: how well models predict genes that have relatives, and what is left without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from dnastudy.display.charts import loose, model_scale
from dnastudy.evaluation import bootstrap, metrics
from dnastudy.experiments.curve_plan import curve_runs
from dnastudy.experiments.labels import run_label
from dnastudy.experiments.plan import NEURAL, Run, expert_runs, expert_trials
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.replicates import mean_scores
from dnastudy.experiments.store import Result

EDGES = [0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99]
"""Identities with the nearest relative at which a class of test genes begins."""
NONE = "none"
OWN, FAMILY = "own", "family"
ALIGNED = {"nothing aligned": 0.0, "less than a quarter": 0.25, "a quarter or more": 1.01}
"""Upper edges of the classes of genes by how much of them is aligned with training genes."""
ALONE = ["contexts-only", "without-own", "without-reverse", "without-copies", "without-contexts"]
"""Experts left out that tell what is known of genes without relatives."""
WIDE: dict[str, Any] = {"hidden_size": 96, "tuning_nucleotides": 1_900_000, "gate_epochs": 3}
"""An expert mixture whose weights are learned by a wider network from more validation nucleotides."""


def full_runs(profile: Profile) -> list[Run]:
    """Points of the learning curves with all training genes, on both splits."""
    return [run for run in curve_runs(profile) if run.fraction == 1]


def by_model(results: Mapping[str, Result], runs: Sequence[Run]) -> dict[str, dict[str, list[str]]]:
    """Names of the runs of each model, a seed each, by its label and split."""
    found: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        label = short_label(results[run.name].record)
        found.setdefault(label, {OWN: [], FAMILY: []})[run.split].append(run.name)
    return found


def short_label(record: Mapping[str, Any]) -> str:
    """What a model is called where all are trained by one recipe but those that are named."""
    return run_label(record).removesuffix(", today's recipe")


def identity_classes(relatives: pd.DataFrame) -> np.ndarray:
    """Class of each test gene by identity with its nearest relative: `NONE`, "70% to 75%", ... (see `class_names`)."""
    names = [f"{a:.0%} to {b:.0%}" for a, b in zip(EDGES, [*EDGES[1:], 1.0], strict=True)]
    identity = relatives["identity"].to_numpy()
    place = np.searchsorted(EDGES, identity, side="right") - 1
    return np.where(identity > 0, np.array(names, dtype=object)[np.maximum(place, 0)], NONE)


def class_names() -> list[str]:
    """All classes of `identity_classes`, from no relative to the nearest."""
    return [NONE, *(f"{a:.0%} to {b:.0%}" for a, b in zip(EDGES, [*EDGES[1:], 1.0], strict=True))]


def grouped(
    results: Mapping[str, Result], names: Mapping[str, Sequence[str]], labels: Sequence[str], replicates: int
) -> pd.DataFrame:
    """Metrics of each model's mean over seeds for groups of test genes: as `evaluation.by_group`, with ``label``."""
    parts = [
        metrics.by_group(mean_scores([results[name] for name in runs]), labels, replicates).assign(
            label=label, family=results[runs[0]].record["family"]
        )
        for label, runs in names.items()
    ]
    return pd.concat(parts, ignore_index=True)


def recall_chart(found: pd.DataFrame) -> alt.TopLevelMixin:
    """Perplexity against identity with the nearest training relative, a line a model."""
    order = [name for name in class_names() if name in set(found["group"])]
    shown = dict(zip(found["label"], found["family"], strict=True))
    x = alt.X("group:N", sort=order, title="identity with the nearest training relative", axis=alt.Axis(labelAngle=0))
    base = alt.Chart(found[["group", "label", "family", "genes", "nucleotide_perplexity", "low", "high"]]).encode(x=x)
    scale = alt.Scale(domain=[1, 4.2], nice=False)
    y = alt.Y("nucleotide_perplexity:Q", title="nucleotide perplexity", scale=scale)
    lines = base.mark_line().encode(y=y, **model_scale("label", "line", shown))
    bars = base.mark_rule().encode(y=alt.Y("low:Q", scale=scale), y2="high:Q", **model_scale("label", "bar", shown))
    marks = base.mark_point(size=60).encode(
        y=y,
        tooltip=["label", "group", alt.Tooltip("genes", format=","), alt.Tooltip("nucleotide_perplexity", format=".3f"),
                 alt.Tooltip("low", format=".3f"), alt.Tooltip("high", format=".3f")],
        **model_scale("label", "point", shown),
    )  # fmt: skip
    ends = found[found["group"] == order[-1]].sort_values("nucleotide_perplexity")
    chart = alt.layer(bars, lines, marks).properties(
        height=380,
        description="Nucleotide perplexity of each model on test genes without a training relative and with one of "
        f"growing identity, 95 % intervals. Of the last group ({order[-1]}): "
        + ", ".join(f"{row.label} {row.nucleotide_perplexity:.2f}" for row in ends.itertuples()) + ".",
    )  # fmt: skip
    return loose(chart)


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
    gains = second["nucleotide_log_prob"] - first["nucleotide_log_prob"]
    rows = []
    for name in dict.fromkeys(labels):
        chosen = np.asarray(labels) == name
        # bits of a bootstrap are sums over sums of "nucleotides": here of a group's gains over those of all
        ratio = pd.DataFrame({"nucleotide_log_prob": -gains * chosen * metrics.NATS_PER_BIT, "nucleotides": gains})
        low, high = bootstrap.interval(metrics.resampled_bits(ratio, replicates))
        size = first["nucleotides"][chosen].sum() / first["nucleotides"].sum()
        rows.append(
            {"group": name, "genes": int(chosen.sum()), "nucleotides": size, "gain": gains[chosen].sum() / gains.sum(),
             "low": low, "high": high}
        )  # fmt: skip
    return pd.DataFrame(rows)


def ranking(
    results: Mapping[str, Result], models_: Mapping[str, Mapping[str, Sequence[str]]], has: np.ndarray, replicates: int
) -> pd.DataFrame:
    """Each model on the data set's own split, in all, with and without relatives, and on the split by family.

    Returns
    -------
    DataFrame, a row a model and group ("own split", "own split, with", "own split, without", "split by family"):
    ``label``, ``family``, ``group``, ``seeds``, ``nucleotide_perplexity``, ``low``, ``high``, ``bits_per_base``.
    """
    rows = []
    for label, names in models_.items():
        own, other = (mean_scores([results[name] for name in names[split]]) for split in (OWN, FAMILY))
        groups = {"own split": own, "own split, with": own[has], "own split, without": own[~has], FAMILY_SPLIT: other}
        for group, scores in groups.items():
            if len(scores):
                found = metrics.summarise(scores.reset_index(drop=True), replicates)
                low, high = found["interval"]
                rows.append(
                    {"label": label, "family": results[names[OWN][0]].record["family"], "group": group,
                     "seeds": len(names[OWN]), "nucleotide_perplexity": found["nucleotide_perplexity"], "low": low,
                     "high": high, "bits_per_base": found["bits_per_base"]}
                )  # fmt: skip
    return pd.DataFrame(rows)


FAMILY_SPLIT = "split by family"


def ranking_chart(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Each model's perplexity on its own split and on the split by family, a line a model."""
    order = ["own split", "own split, without", FAMILY_SPLIT]
    rows = rows[rows["group"].isin(order)]
    shown = dict(zip(rows["label"], rows["family"], strict=True))
    x = alt.X("group:N", sort=order, title=None, axis=alt.Axis(labelAngle=0))
    base = alt.Chart(rows).encode(x=x)
    scale = alt.Scale(zero=False)
    y = alt.Y("nucleotide_perplexity:Q", title="nucleotide perplexity", scale=scale)
    lines = base.mark_line().encode(y=y, **model_scale("label", "line", shown))
    bars = base.mark_rule().encode(y=alt.Y("low:Q", scale=scale), y2="high:Q", **model_scale("label", "bar", shown))
    marks = base.mark_point(size=70).encode(
        y=y, tooltip=["label", "group", "seeds", alt.Tooltip("nucleotide_perplexity", format=".3f")],
        **model_scale("label", "point", shown),
    )  # fmt: skip
    chart = alt.layer(bars, lines, marks).properties(
        height=360,
        description="Nucleotide perplexity of each model on the data set's own split, on its test genes without "
        "relatives, and on the split by family; 95 % intervals.",
    )
    return loose(chart)


def alone_runs(profile: Profile) -> list[Run]:
    """Runs on the split by family that tell what is known of genes without relatives: parts left out, and mixtures."""
    seed = profile.curves.seeds[0]
    networks = [
        {"model": run.model, "settings": run.settings}
        for run in full_runs(profile)
        if run.split == FAMILY and run.model in NEURAL and run.settings["seed"] == seed and "paper" not in run.name
    ]
    expert, wide = ({"model": "expert", "settings": settings} for settings in ({}, WIDE))
    mixtures = {f"with-{network['model']}": {"members": [expert, network], "classes": 6} for network in networks}
    if len(networks) > 1:
        mixtures["with-both"] = {"members": [expert, *networks], "classes": 4}
        mixtures["wide-with-both"] = {"members": [wide, *networks], "classes": 4}
    trials = {run.name.removeprefix("expert-"): run for run in expert_trials(profile)}
    first = expert_runs(profile)[0]
    rows = [
        first,
        *(trials[name] for name in ALONE),
        first.model_copy(update={"name": "expert-wide", "settings": WIDE}),
    ]
    brought = {"split": FAMILY, "carried": True}
    again = [run.model_copy(update={"name": f"family-{run.name}", **brought}) for run in rows]
    orders = [
        Run(name=f"family-witten-bell-{order}", model="ngram", settings={"order": order}, **brought,
            replicates=profile.bootstrap_replicates)
        for order in profile.train_orders
    ]  # fmt: skip
    mixed = [
        Run(name=f"family-expert-{name}", model="ensemble", settings=settings, **brought,
            replicates=profile.bootstrap_replicates)
        for name, settings in mixtures.items()
    ]  # fmt: skip
    return [*again, *orders, *mixed]


def aligned_classes(share: np.ndarray) -> np.ndarray:
    """Class of each gene by how much of it is aligned with training genes: a name of `ALIGNED`."""
    names = list(ALIGNED)
    return np.where(share <= 0, names[0], np.where(share < ALIGNED[names[1]], names[1], names[2]))
