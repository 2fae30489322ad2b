"""Profiles: what the study computes, and on which genes, as one YAML file of typed settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from dnastudy import models
from dnastudy.core.config import Settings
from dnastudy.core.errors import SettingsError
from dnastudy.core.provenance import PACKAGE
from dnastudy.data.datasets import Dataset, load_dataset

PROFILES = PACKAGE / "experiments" / "profiles"


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
    seeds: list[int] = Field(default=[1, 2, 3], min_length=1, description="seeds of the models that have one")
    models: dict[str, dict[str, Any]] = Field(
        default={},
        description="further models of the study by the name of their group: a preset, the registered model (where "
        "neither the name nor the preset tells it), and settings that differ from its own",
    )
    trials: dict[str, list[str]] = Field(
        default={}, description="published trials to train beside them, by registered model: presets, one seed each"
    )
    trial_changes: dict[str, Any] = Field(default={}, description="settings in which these trials differ from theirs")
    curves: Curves = Field(default=Curves(), description="learning curves")
    tasks: dict[str, dict[str, Any]] = Field(default={}, description="settings of real-life tasks, by their name")
    sampled_genes: int = Field(default=500, ge=10, description="genes to sample from a model for comparison")

    def dataset(self) -> Dataset:
        """Genes of this profile."""
        return load_dataset(self.data, genes=self.simulated_genes, seed=self.seed)

    def check_models(self) -> None:
        """Raise SettingsError for a model, preset or setting that does not exist, naming the known ones."""
        for group, entry in self.models.items():
            model, _, settings = resolve(group, entry)
            models.model_class(model).Settings.parse(settings, f"models.{group}")
        for model, presets in self.trials.items():
            for preset in presets:
                settings = {**models.model_class(model).preset(preset), **self.trial_changes}
                models.model_class(model).Settings.parse(settings, f"trials.{model}: {preset}")


def resolve(group: str, entry: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Registered model, preset ("": none) and settings of an entry of `Profile.models`.

    The model is the one that the entry names, that has the entry's preset, or that is registered under the group's
    name.
    """
    settings = dict(entry)
    preset, model = str(settings.pop("preset", "")), settings.pop("model", None)
    if model is None and preset and group not in models.MODELS:
        owners = [name for name in models.MODELS if preset in models.model_class(name).presets]
        model = owners[0] if owners else None
    if model is None and group not in models.MODELS:
        known = ", ".join(models.MODELS)
        why = f"no model has the preset {preset!r}" if preset else "an entry needs a model or a preset"
        raise SettingsError(f"models.{group}: {why}; add `model:` with one of {known}")
    cls = models.model_class(model or group)
    return cls.name, preset, {**(cls.preset(preset) if preset else {}), **settings}


def load_profile(name: str, **changes: Any) -> Profile:
    """Settings of a profile: a name ("quick", "cpu", "gpu") or a YAML file; ``changes`` replace single values.

    Raises
    ------
    SettingsError
        For an unknown profile, and for a setting, model or preset that does not exist or has a bad value.
    """
    path = PROFILES / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in PROFILES.glob("*.yaml")))
        raise SettingsError(f"unknown profile {name!r} (known: {known}, or a YAML file)")
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML ({error})") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: a profile is a mapping of settings")
    profile = Profile.parse({**values, **changes}, f"profile {path.name}")
    profile.check_models()
    return profile
