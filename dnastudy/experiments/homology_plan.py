"""The runs of the chapter on homology: models on both splits, and what still helps where no homolog is left."""

from __future__ import annotations

from typing import Any

from dnastudy.experiments.curve_plan import curve_runs
from dnastudy.experiments.labels import model_label
from dnastudy.experiments.plan import MODERN, Run, expert_runs, expert_trials, ngram_runs, planned
from dnastudy.experiments.profile import Profile

PARTS_LEFT_OUT = ("contexts-only", "without-own", "without-reverse", "without-copies", "without-contexts")
"""Trials of the expert mixture that are fitted on the family split, too."""
WIDE_GATE: dict[str, Any] = {"hidden_size": 96, "tuning_nucleotides": 1_900_000, "gate_epochs": 3}
"""Settings of an expert mixture whose gate is wider and tuned on more validation nucleotides."""


def full_curve_runs(profile: Profile) -> list[Run]:
    """The points of the learning curves with all training genes, on both splits."""
    return [run for run in curve_runs(profile) if run.fraction == 1]


def family_split_runs(profile: Profile) -> list[Run]:
    """The runs on the family split alone: n-grams, expert mixtures with parts left out, and ensembles with networks.

    The networks are those of the learning curves by the modern recipe, with the first seed.
    """
    expert = expert_runs(profile)[0]
    trials = {run.name: run for run in expert_trials(profile)}
    runs = [
        expert,
        *(
            trials[f"expert-{part}"].model_copy(update={"label": f"{expert.label}, {part.replace('-', ' ')}"})
            for part in PARTS_LEFT_OUT
        ),
        expert.model_copy(
            update={"name": "expert-wide", "label": f"{expert.label}, wider gate", "settings": WIDE_GATE}
        ),
        *(run for run in ngram_runs(profile) if run.group == "witten-bell-tuned"),
        *_ensembles(profile, expert),
    ]
    return [
        run.model_copy(update={"name": f"family-{run.name}", "split": "family", "precomputed": True}) for run in runs
    ]


def _ensembles(profile: Profile, expert: Run) -> list[Run]:
    """Each network beside the expert mixture; all of them beside it, and beside one with a wider gate."""
    networks = [
        run
        for run in full_curve_runs(profile)
        if run.split == "family" and run.recipe == MODERN and run.seed == profile.curves.seeds[0]
    ]
    mixtures: dict[str, tuple[str, dict[str, Any], list[Run], int]] = {
        f"expert-with-{network.model}": (expert.label, {}, [network], 6) for network in networks
    }
    if len(networks) > 1:
        mixtures["expert-with-both"] = (expert.label, {}, networks, 4)
        mixtures["expert-wide-with-both"] = (f"{expert.label} (wider gate)", WIDE_GATE, networks, 4)
    runs = []
    for name, (label, gate, beside, classes) in mixtures.items():
        members = [
            {"model": "expert", "settings": gate},
            *({"model": run.model, "settings": run.settings} for run in beside),
        ]
        run = planned(profile, name, "ensemble", {"members": members, "classes": classes}, group="ensemble")
        labels = [label, *(model_label(network.model, network.settings) for network in beside)]
        runs.append(run.model_copy(update={"label": " + ".join(labels)}))
    return runs
