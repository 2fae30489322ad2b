"""The runs of a profile: which models, with which settings, on which genes.

A run is a model with its settings, fitted on some splits of a data set and scored on its test genes; `store` computes
it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from dnastudy import models
from dnastudy.core.config import Settings
from dnastudy.core.errors import ModelError
from dnastudy.evaluation import bootstrap
from dnastudy.experiments.profile import Profile


class Run(Settings):
    """One model on one choice of genes."""

    name: str = Field(description="label in tables; not part of the run's identity")
    model: str = Field(description="registered model")
    settings: dict[str, Any] = Field(default_factory=dict, description="the model's settings")
    train: list[str] = Field(default=["train"], description="splits to learn from")
    update: list[str] = Field(default=[], description="splits that join the counts once everything is tuned")
    test: str = Field(default="test", description="split to score")
    prequential: bool = Field(default=False, description="each test gene joins what was learned once it is scored")
    replicates: int = Field(default=bootstrap.REPLICATES, ge=100, description="bootstrap resamples")
    split: Literal["own", "family"] = Field(
        default="own", description="own: the data set's own splits; family: no held-out gene has a training relative"
    )
    fraction: float = Field(default=1.0, gt=0, le=1, description="share of the training and validation genes it gets")
    corpus: str = Field(default="", description="a text or a simulated source in the place of the genes (`texts`)")
    symbols: int = Field(default=1_000_000, ge=1, description="length of that text, at most")
    subset: int = Field(default=0, ge=0, description="seed of that share")
    carried: bool = Field(
        default=False, description="record and scores may be those that come with the repository, without the model"
    )


def ngram_runs(profile: Profile) -> list[Run]:
    """The n-gram runs of a profile: the paper's rows on the paper's counts, then all smoothings on training genes."""
    rows = [("mle", order) for order in profile.mle_orders] + [("laplace", order) for order in profile.laplace_orders]
    paper = [
        Run(name=f"{kind}-{order}", model="ngram", settings={"order": order, "smoothing": kind}, train=["counts"],
            replicates=profile.bootstrap_replicates)
        for kind, order in rows
    ]  # fmt: skip
    kinds = {
        "laplace-train": {"smoothing": "laplace"},
        "witten-bell": {"smoothing": "witten-bell", "escape_weight": 1.0},
        "witten-bell-tuned": {"smoothing": "witten-bell", "escape_weight": None},
    }
    ours = [
        Run(name=f"{kind}-{order}", model="ngram", settings={"order": order, **settings},
            replicates=profile.bootstrap_replicates)
        for kind, settings in kinds.items() for order in profile.train_orders
    ]  # fmt: skip
    return [Run(name="uniform", model="uniform", replicates=profile.bootstrap_replicates), *paper, *ours]


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
"""What the expert model gains from each of its parts: settings that differ from the default."""


def expert_runs(profile: Profile) -> list[Run]:
    """The expert model with both memories, each gene on its own and prequentially; gates without validation genes."""
    joined = {"update": ["validation"]}
    # all genes in the memory and in the gate: tuned by cross-validation inside them
    inside = {"settings": {"gating": "cross-validation"}}
    rows: dict[str, dict[str, Any]] = {
        "expert": {},
        "expert-joined": joined,
        "expert-prequential": {"prequential": True},
        "expert-joined-prequential": {**joined, "prequential": True},
        "expert-cross-validated": inside,
        "expert-cross-validated-all": {**inside, "train": ["train", "validation"]},
    }
    return [
        Run(name=name, model="expert", replicates=profile.bootstrap_replicates, **row) for name, row in rows.items()
    ]


def expert_trials(profile: Profile) -> list[Run]:
    """Expert models with parts left out, put in or changed."""
    return [
        Run(name=f"expert-{name}", model="expert", settings=settings, replicates=profile.bootstrap_replicates)
        for name, settings in EXPERT_TRIALS.items()
    ]


NEURAL = ("lstm", "transformer")


def neural_runs(profile: Profile) -> list[Run]:
    """Both neural families by both recipes, today's and the paper's, for each seed."""
    rows = []
    for model in NEURAL:
        changes = dict(getattr(profile, f"{model}_paper"))
        preset = models.model_class(model).preset(changes.pop("preset", ""))
        kinds = {model: getattr(profile, model), f"{model}-paper": {**preset, **changes}}
        rows += [
            Run(name=f"{kind}-{seed}", model=model, settings={**settings, "seed": seed},
                replicates=profile.bootstrap_replicates)
            for kind, settings in kinds.items() for seed in profile.seeds
        ]  # fmt: skip
    return rows


def neural_trials(profile: Profile) -> list[Run]:
    """The paper's trial tables, as far as the profile goes."""
    rows = []
    for model in NEURAL:
        for preset in getattr(profile, f"{model}_trials"):
            settings = {**models.model_class(model).preset(preset), **profile.trial_changes, "seed": profile.seeds[0]}
            if any(run.model == model and run.settings == settings for run in neural_runs(profile)):
                continue
            name = f"{model}-trial-{preset.removeprefix('paper-').replace('-', 'x')}"
            rows.append(Run(name=name, model=model, settings=settings, replicates=profile.bootstrap_replicates))
    return rows


ENSEMBLE_CONTROLS = ("ensemble-of-one", "ensemble-with-ngram")
"""Ensembles that get as free weights as `ensemble-by-entropy` and no network."""


def ensemble_runs(profile: Profile) -> list[Run]:
    """The expert model together with the first of each neural family, mixed in several ways; and without, as controls.

    A geometric mixture may also make the expert model less sure of itself: what a network adds is what it is better
    than the expert model weighed alone, or beside an n-gram.
    """
    expert, *neural = (
        {"model": model, "settings": settings}
        for model, settings in [
            ("expert", {}), *((name, {**getattr(profile, name), "seed": profile.seeds[0]}) for name in NEURAL)
        ]
    )  # fmt: skip
    ngram = {"model": "ngram", "settings": {"order": max(profile.train_orders)}}
    rows = {
        "ensemble-of-one": {"members": [expert], "classes": 6},
        "ensemble-with-ngram": {"members": [expert, ngram], "classes": 6},
        "ensemble-linear": {"members": [expert, neural[0]], "mixing": "linear"},
        "ensemble-geometric": {"members": [expert, neural[0]]},
        "ensemble-by-entropy": {"members": [expert, neural[0]], "classes": 6},
        "ensemble-of-three": {"members": [expert, *neural], "classes": 4},
    }
    return [
        Run(name=name, model="ensemble", settings=settings, replicates=profile.bootstrap_replicates)
        for name, settings in rows.items()
    ]


def registered_runs(profile: Profile) -> list[Run]:
    """Models that nothing else here names, each with its default settings: so a new one has its rows."""
    named = {run.model for group in GROUPS if group is not registered_runs for run in group(profile)}
    return [
        Run(name=name, model=name, replicates=profile.bootstrap_replicates)
        for name in models.MODELS
        if name not in named and not models.model_class(name).of_others
    ]


GROUPS = (ngram_runs, expert_runs, expert_trials, neural_runs, neural_trials, ensemble_runs, registered_runs)


def all_runs(profile: Profile) -> list[Run]:
    """Every run the chapters of the study ask for; the workflow computes them in parallel."""
    return [run for group in GROUPS for run in group(profile)]


def represents(run: Run, profile: Profile) -> bool:
    """Whether a run stands for its kind of model in what takes long; says so without importing any model.

    Of n-grams the order of the paper's best, and the highest; networks by their first seed; models that are run with
    their default settings (`registered_runs`). All learned from training genes, whose types and lengths are known.
    """
    seed, papers = profile.seeds[0], max(profile.laplace_orders)
    names = {
        f"laplace-train-{max((order for order in profile.train_orders if order <= papers), default=0)}",
        f"witten-bell-tuned-{max(profile.train_orders)}",
        *(f"{model}{recipe}-{seed}" for model in NEURAL for recipe in ("", "-paper")),
        "ensemble-by-entropy",
    }
    return run.name in names or run.name in models.MODELS


def representatives(profile: Profile) -> list[Run]:
    """The runs that stand for their kind of model."""
    return [run for run in all_runs(profile) if represents(run, profile)]


def find_run(profile: Profile, name: str) -> Run:
    """Return the run of this name; ModelError if there is none.

    Groups are made one after the other, so that a job that counts n-grams does not wait for torch.
    """
    for group in GROUPS:
        for run in group(profile):
            if run.name == name:
                return run
    raise ModelError(f"the profile has no run {name!r}")
