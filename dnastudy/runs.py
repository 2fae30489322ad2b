"""What the study computes: profiles, and the runs that follow from one.

A run is a model with its settings, fitted on some splits of a data set and scored on its test genes; `experiments`
computes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from dnastudy import evaluation, models
from dnastudy.datasets import Dataset, load_dataset
from dnastudy.errors import ModelError
from dnastudy.records import PACKAGE
from dnastudy.settings import Settings

PROFILES = PACKAGE / "profiles"


class Curve(Settings):
    """One model of the learning curves."""

    model: str = Field(description="registered model")
    settings: dict[str, Any] = Field(default={}, description="settings with all of the training genes")
    fractions: list[Annotated[float, Field(gt=0, le=1)]] | None = Field(
        default=None, description="shares of the training genes; None: those of all curves"
    )
    preset: str = Field(default="", description="named settings of the model that these differ from")
    seeds: list[int] | None = Field(default=None, min_length=1, description="seeds; None: those of all curves")
    part_seeds: list[int] | None = Field(
        default=None, min_length=1, description="seeds of points with fewer than all genes; None: all of them"
    )


class Texts(Settings):
    """Learning curves of the same models on what is no gene."""

    corpora: list[str] = Field(default=[], description="texts and simulated sources (`texts`)")
    symbols: int = Field(default=1_000_000, ge=10_000, description="length of a simulated text, and of English at most")
    models: list[str] = Field(default=[], description="models of the curves, by name")
    fractions: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        default=[1.0], description="shares of the training text"
    )
    seeds: list[int] = Field(default=[1], min_length=1, description="seeds of the parts and of the models")


class Curves(Settings):
    """Learning curves: each model on growing parts of the training genes, at random and by family."""

    fractions: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        default=[1.0], description="shares of the training genes; smaller ones lie in larger ones"
    )
    seeds: list[int] = Field(default=[1, 2, 3], min_length=1, description="seeds of the parts and of the models")
    models: dict[str, Curve] = Field(default={}, description="models by name")
    texts: Texts = Field(default=Texts(), description="the same on texts and simulated sources")


class Profile(Settings):
    """What the study computes, and on which genes."""

    data: str = Field(description="'simulated', a folder or file of genes, or '' for the folder in DNASTUDY_DATA")
    simulated_genes: int = Field(default=4000, ge=50, description="genes to simulate")
    seed: int = Field(default=1, ge=0, description="seed of the simulation, of random splits and of sampling")
    bootstrap_replicates: int = Field(default=1000, ge=100, description="resamples of the genes for each interval")
    mle_orders: list[int] = Field(min_length=1, description="orders N of maximum-likelihood n-grams")
    laplace_orders: list[int] = Field(min_length=1, description="orders N of Laplace n-grams")
    train_orders: list[int] = Field(
        min_length=1, description="orders N of smoothed n-grams that learn from training genes alone"
    )
    seeds: list[int] = Field(default=[1, 2, 3], min_length=1, description="seeds of the neural models")
    lstm: dict[str, Any] = Field(default={}, description="settings of the LSTM that differ from its own")
    transformer: dict[str, Any] = Field(default={}, description="settings of the Transformer that differ from its own")
    lstm_paper: dict[str, Any] = Field(
        default={"preset": "paper-256-512-4"},
        description="the paper's trial trained beside the LSTM (preset), and settings that differ from it",
    )
    transformer_paper: dict[str, Any] = Field(
        default={"preset": "paper-256-256-4-3"},
        description="the paper's trial trained beside the Transformer (preset), and settings that differ from it",
    )
    trial_changes: dict[str, Any] = Field(default={}, description="settings that differ from the paper's in its trials")
    lstm_trials: list[str] = Field(default=[], description="further trials of the paper's, one seed each")
    transformer_trials: list[str] = Field(default=[], description="further trials of the paper's, one seed each")
    curves: Curves = Field(default=Curves(), description="learning curves")
    tasks: dict[str, dict[str, Any]] = Field(default={}, description="settings of real-life tasks, by their name")
    sampled_genes: int = Field(default=500, ge=10, description="genes to sample from a model for comparison")

    def dataset(self) -> Dataset:
        """Genes of this profile."""
        return load_dataset(self.data, genes=self.simulated_genes, seed=self.seed)


def load_profile(name: str, **changes: Any) -> Profile:
    """Settings of a profile: a name ("quick", "cpu", "gpu") or a YAML file; ``changes`` replace single values."""
    path = PROFILES / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in PROFILES.glob("*.yaml")))
        raise ModelError(f"unknown profile {name!r} (known: {known}, or a YAML file)")
    try:
        given = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: not YAML ({error})") from error
    if not isinstance(given, dict):
        raise ModelError(f"{path}: a profile is a mapping of settings")
    return Profile.parse({**given, **changes}, f"profile {path.name}")


class Run(Settings):
    """One model on one choice of genes."""

    name: str = Field(description="label in tables; not part of the run's identity")
    model: str = Field(description="registered model")
    settings: dict[str, Any] = Field(default_factory=dict, description="the model's settings")
    train: list[str] = Field(default=["train"], description="splits to learn from")
    join: list[str] = Field(default=[], description="splits that join the counts once everything is tuned")
    test: str = Field(default="test", description="split to score")
    prequential: bool = Field(default=False, description="each test gene joins what was learned once it is scored")
    replicates: int = Field(default=evaluation.REPLICATES, ge=100, description="bootstrap resamples")
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
        "witten-bell": {"smoothing": "witten-bell", "novelty": 1.0},
        "witten-bell-tuned": {"smoothing": "witten-bell", "novelty": None},
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
    "fixed-weights": {"hidden": 0},
    "wide-gate": {"hidden": 96},
    "without-shifts": {"shift": 0},
    "without-substitutions": {"substitutions": False},
}
"""What the expert model gains from each of its parts: settings that differ from the default."""


def expert_runs(profile: Profile) -> list[Run]:
    """The expert model with both memories, each gene on its own and prequentially; gates without validation genes."""
    joined = {"join": ["validation"]}
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


def run_label(record: Mapping[str, Any]) -> str:
    """What the model of a run is called in tables."""
    settings = record["settings"]
    if record["model"] in NEURAL:
        return f"{record['family']}, today's recipe" if settings["end"] else f"{record['family']}, the paper's recipe"
    if record["model"] == "ensemble":
        names = {"expert": "expert mixture", "lstm": "LSTM", "transformer": "Transformer"}
        return " + ".join(names.get(member["model"], member["model"]) for member in settings["members"])
    if record["model"] == "expert":
        return "expert mixture" + (" (+ val.)" if record["data"]["join"] else "")
    if record["model"] != "ngram":
        return {"uniform": "knows nothing"}.get(record["model"], record["model"])
    smoothing = {"mle": "MLE", "laplace": "Laplace"}.get(settings["smoothing"])
    if smoothing is None:
        smoothing = "Witten-Bell" if settings["novelty"] else "Witten-Bell tuned"
    more = " (train + val.)" if record["data"]["train"] == ["counts"] else ""
    return f"{settings['order']}-gram, {smoothing}{more}"
