"""The runs of a profile: which models, with which settings, on which genes.

A run is a model with its settings, fitted on some splits of a data set and scored on its test genes; `store` computes
it. What people read about a run, and what it belongs to, is set here and never read from its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from dnastudy import models
from dnastudy.core.config import Settings
from dnastudy.core.errors import SettingsError
from dnastudy.evaluation import bootstrap
from dnastudy.experiments.labels import model_label
from dnastudy.experiments.profile import Profile, resolve

MODERN, PUBLISHED = "modern", "published"
"""Recipes: of this study, and of the paper."""


class Run(Settings):
    """One model on one choice of genes."""

    name: str = Field(description="key of the run in a profile; not part of its identity")
    label: str = Field(default="", description="what the model is called on pages")
    group: str = Field(default="", description="what it is one of: runs of a group differ by order or by seed")
    recipe: Literal["", "modern", "published"] = Field(default="", description="whose recipe a network is trained by")
    order: int | None = Field(default=None, description="order of an n-gram")
    seed: int | None = Field(default=None, description="seed, of models that have one")
    model: str = Field(description="registered model")
    settings: dict[str, Any] = Field(default_factory=dict, description="settings of the model")
    train: list[str] = Field(default=["train"], description="splits to train on")
    update: list[str] = Field(default=[], description="splits whose counts are added once everything is tuned")
    test: str = Field(default="test", description="split to score")
    prequential: bool = Field(default=False, description="each test gene is added to the counts once it is scored")
    replicates: int = Field(default=bootstrap.REPLICATES, ge=100, description="bootstrap resamples")
    split: Literal["own", "family"] = Field(
        default="own", description="own: the data set's splits; family: no held-out gene has a homolog in training"
    )
    fraction: float = Field(default=1.0, gt=0, le=1, description="share of the training and validation genes")
    subset: int = Field(default=0, ge=0, description="seed by which that share is drawn")
    corpus: str = Field(default="", description="a text or a simulated source instead of the genes (`corpora`)")
    symbols: int = Field(default=1_000_000, ge=1, description="length of that text in symbols, at most")
    precomputed: bool = Field(
        default=False, description="scores that come with the repository are enough, without the fitted model"
    )
    representative: bool = Field(default=False, description="stands for its kind of model at tasks that take long")
    on_tasks: bool = Field(default=True, description="its model is evaluated on the tasks")


def planned(
    profile: Profile, name: str, model: str, settings: Mapping[str, Any], variant: str = "", **more: Any
) -> Run:
    """A run with its label, which ends in its ``variant``; it is a group of its own unless told otherwise."""
    run = Run(
        name=name,
        model=model,
        settings=dict(settings),
        replicates=profile.bootstrap_replicates,
        **{"group": name, **more},
    )
    label = model_label(run.model, run.settings, run.recipe, run.train, run.update)
    return run.model_copy(update={"label": f"{label}, {variant}" if variant else label})


def is_seeded(model: str) -> bool:
    """Whether a model's training depends on a seed."""
    return "seed" in models.model_class(model).Settings.model_fields


def recipe_of(model: str, preset: str) -> str:
    """Whose recipe a model is trained by: only models that have published settings have one."""
    if not models.model_class(model).presets:
        return ""
    return PUBLISHED if preset else MODERN


def ngram_runs(profile: Profile) -> list[Run]:
    """The n-gram runs of a profile: the paper's rows on the paper's counts, then all smoothings on training genes."""
    published = [("mle", order) for order in profile.mle_orders] + [
        ("laplace", order) for order in profile.laplace_orders
    ]
    runs = [
        planned(profile, f"{kind}-{order}", "ngram", {"order": order, "smoothing": kind}, group=kind, order=order,
                 train=["counts"])
        for kind, order in published
    ]  # fmt: skip
    kinds = {
        "laplace-train": {"smoothing": "laplace"},
        "witten-bell": {"smoothing": "witten-bell", "escape_weight": 1.0},
        "witten-bell-tuned": {"smoothing": "witten-bell", "escape_weight": None},
    }
    # of n-grams the order of the paper's best and the highest stand for all
    largest_published = max(profile.laplace_orders)
    best_order = max((order for order in profile.train_orders if order <= largest_published), default=0)
    representatives = {("laplace-train", best_order), ("witten-bell-tuned", max(profile.train_orders))}
    runs += [
        planned(profile, f"{kind}-{order}", "ngram", {"order": order, **settings}, group=kind, order=order,
                 representative=(kind, order) in representatives)
        for kind, settings in kinds.items() for order in profile.train_orders
    ]  # fmt: skip
    return [planned(profile, "uniform", "uniform", {}, representative=True), *runs]


EXPERT_TRIALS: dict[str, dict[str, Any]] = {
    "contexts-only": {"experts": ["context"]},
    "without-contexts": {"experts": ["copy", "reverse", "own"]},
    "without-copies": {"experts": ["context", "reverse", "own"]},
    "without-reverse": {"experts": ["context", "copy", "own"]},
    "without-own": {"experts": ["context", "copy", "reverse"]},
    "with-inverted": {"experts": ["context", "copy", "reverse", "own", "inverted"]},
    "fixed-weights": {"hidden_size": 0},
    "wide-gate": {"hidden_size": 96},
    "without-shifts": {"max_indel": 0},
    "without-substitutions": {"substitutions": False},
}
"""Ablations of the expert mixture: settings that differ from the default."""
_VARIANTS = {
    "without-reverse": "without the other strand",
    "without-own": "without its own prefix",
    "with-inverted": "with inverted repeats",
    "without-shifts": "without indels in copies",
    "without-substitutions": "without substitutions in copies",
}


def expert_runs(profile: Profile) -> list[Run]:
    """The expert mixture with both memories, each gene on its own and prequentially; gates without validation genes."""
    updated = {"update": ["validation"]}
    # all genes in the memory and in the gate: tuned by cross-validation inside them
    inside = {"gating": "cross-validation"}
    rows: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "expert": ({}, {"representative": True}),
        "expert-updated": ({}, updated),
        "expert-prequential": ({}, {"prequential": True, "variant": "prequential"}),
        "expert-updated-prequential": ({}, {**updated, "prequential": True, "variant": "prequential"}),
        "expert-cross-validated": (inside, {"variant": "cross-validated"}),
        "expert-cross-validated-all": (inside, {"train": ["train", "validation"], "variant": "cross-validated on all"}),
    }
    return [planned(profile, name, "expert", settings, **more) for name, (settings, more) in rows.items()]


def expert_trials(profile: Profile) -> list[Run]:
    """Expert mixtures with parts left out, added or changed."""
    return [
        planned(
            profile,
            f"expert-{name}",
            "expert",
            settings,
            _VARIANTS.get(name, name.replace("-", " ")),
            group="expert-trial",
        )
        for name, settings in EXPERT_TRIALS.items()
    ]


def model_runs(profile: Profile) -> list[Run]:
    """The models that a profile names, those that have a seed once for each seed."""
    return [run for group in profile.models for run in group_runs(profile, group)]


def group_runs(profile: Profile, group: str) -> list[Run]:
    """Runs of one entry of a profile's models."""
    model, preset, settings = resolve(group, profile.models[group])
    recipe = recipe_of(model, preset)
    if not is_seeded(model):
        return [planned(profile, group, model, settings, recipe=recipe, representative=True)]
    return [
        planned(profile, f"{group}-{seed}", model, {**settings, "seed": seed}, group=group, recipe=recipe, seed=seed,
                 representative=seed == profile.seeds[0])
        for seed in profile.seeds
    ]  # fmt: skip


def network_groups(profile: Profile, model: str) -> dict[str, list[Run]]:
    """Runs of a registered model that a profile names, one list for each recipe."""
    recipes: dict[str, list[Run]] = {}
    for run in model_runs(profile):
        if run.model == model:
            recipes.setdefault(run.recipe, []).append(run)
    return recipes


def trial_runs(profile: Profile) -> list[Run]:
    """The published trials that a profile names, but those that it trains anyway."""
    runs, settings_of_models = [], [(run.model, run.settings) for run in model_runs(profile)]
    for model, presets in profile.trials.items():
        for preset in presets:
            settings = {**models.model_class(model).preset(preset), **profile.trial_changes, "seed": profile.seeds[0]}
            if (model, settings) not in settings_of_models:
                name = f"{model}-trial-{preset.removeprefix('paper-').replace('-', 'x')}"
                runs.append(
                    planned(profile, name, model, settings, group=f"{model}-trial", recipe=PUBLISHED,
                            variant=preset.removeprefix("paper-"))
                )  # fmt: skip
    return runs


ENSEMBLE_CONTROLS = ("ensemble-of-one", "ensemble-with-ngram")
"""Ensembles that have as many free weights as `ensemble-by-entropy` and no network."""


def ensemble_runs(profile: Profile) -> list[Run]:
    """The expert mixture together with the first network of each model, mixed in several ways; and controls without.

    A geometric mixture may also make the expert mixture less confident: what a network adds is the difference from
    the expert mixture weighted alone, or beside an n-gram.
    """
    expert: dict[str, Any] = {"model": "expert", "settings": {}}
    networks = [
        {"model": run.model, "settings": run.settings}
        for group in profile.models
        for run in group_runs(profile, group)[:1]
        if run.recipe == MODERN
    ]
    ngram = {"model": "ngram", "settings": {"order": max(profile.train_orders)}}
    rows: dict[str, tuple[dict[str, Any], str]] = {
        "ensemble-of-one": ({"members": [expert], "classes": 6}, ""),
        "ensemble-with-ngram": ({"members": [expert, ngram], "classes": 6}, ""),
    }
    if networks:
        first = [expert, networks[0]]
        rows |= {
            "ensemble-linear": ({"members": first, "mixing": "linear"}, "linear"),
            "ensemble-geometric": ({"members": first}, "one set of weights"),
            "ensemble-by-entropy": ({"members": first, "classes": 6}, ""),
        }
    if len(networks) > 1:
        rows["ensemble-of-three"] = ({"members": [expert, *networks[:2]], "classes": 4}, "")
    return [
        planned(profile, name, "ensemble", settings, variant, representative=name == "ensemble-by-entropy",
                group="ensemble-control" if name in ENSEMBLE_CONTROLS else "ensemble")
        for name, (settings, variant) in rows.items()
    ]  # fmt: skip


def registered_runs(profile: Profile) -> list[Run]:
    """Models that nothing else here names, each with its default settings: so a new one has its rows."""
    named = {run.model for group in GROUPS if group is not registered_runs for run in group(profile)}
    return [
        planned(profile, name, name, {}, representative=True)
        for name in models.MODELS
        if name not in named and not models.model_class(name).of_others
    ]


GROUPS = (ngram_runs, expert_runs, expert_trials, model_runs, trial_runs, ensemble_runs, registered_runs)


def all_runs(profile: Profile) -> list[Run]:
    """Every run that the chapters of the study need; the workflow computes them in parallel."""
    return [run for group in GROUPS for run in group(profile)]


def representatives(profile: Profile) -> list[Run]:
    """The runs that stand for their kind of model."""
    return [run for run in all_runs(profile) if run.representative]


def find_run(profile: Profile, name: str) -> Run:
    """Return the run of this name; SettingsError if there is none.

    Groups are made one after the other, so that a job that counts n-grams does not wait for torch.
    """
    for group in GROUPS:
        for run in group(profile):
            if run.name == name:
                return run
    raise SettingsError(f"the profile has no run {name!r}")


TOGETHER = 8
"""Most runs of a job that has several."""


def jobs(prefix: str, runs: list[Run]) -> dict[str, list[str]]:
    """Names of the runs that each job of the workflow computes, by job.

    Models that count and copy, which have no seed, share jobs, ``TOGETHER`` of them at most: many take about as long as
    a start of Python. The names of these jobs begin with ``prefix``. Networks and ensembles, which wait for networks,
    have a job each.
    """
    counting = [
        run.name for run in runs if not is_seeded(run.model) and not models.model_class(run.model).parts(run.settings)
    ]
    starts = range(0, len(counting), TOGETHER)
    shared = {f"{prefix}counts-{number}": counting[at : at + TOGETHER] for number, at in enumerate(starts, 1)}
    return {**{run.name: [run.name] for run in runs if run.name not in counting}, **shared}
