"""All models, by name. A new one is one file here and one line in `registry.MODELS`."""

from __future__ import annotations

import difflib
import importlib
import os
from pathlib import Path
from typing import Any

from dnastudy.core.errors import ModelError
from dnastudy.display import looks
from dnastudy.models.base import LanguageModel, read_header
from dnastudy.models.registry import MODELS

__all__ = ["MODELS", "LanguageModel", "ModelError", "create", "load", "model_class"]

DEFAULT = "lstm"
"""Trained model that commands use where none is named."""
TRAINED = Path(__file__).parent / "trained"
"""Small trained models that come with the package, one folder each."""


def model_class(name: str) -> type[LanguageModel]:
    """Return the class registered under ``name``; ModelError naming the known ones for an unknown name."""
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ModelError(f"unknown model {name!r}{hint} (known: {', '.join(MODELS)})")
    module, _, attribute = MODELS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def create(name: str, settings: dict[str, Any] | None = None) -> LanguageModel:
    """Return a new, untrained model."""
    return model_class(name)(settings)


def load(folder_or_name: str | os.PathLike) -> LanguageModel:
    """Return a trained model from a folder that `LanguageModel.save` wrote, or one of the package by its name."""
    folder = Path(folder_or_name)
    if not folder.is_dir():
        shipped = sorted(p.name for p in TRAINED.iterdir() if (p / "model.json").exists()) if TRAINED.is_dir() else []
        if str(folder_or_name) not in shipped:
            raise ModelError(
                f"{folder_or_name}: no such folder, and no model of that name comes with the package "
                f"(those are: {', '.join(shipped) or 'none'}); make one with `dnastudy train`"
            )
        folder = TRAINED / str(folder_or_name)
    return model_class(read_header(folder)["model"]).load(folder)


def family_looks() -> dict[str, looks.Look | None]:
    """Return the look of each registered family in charts; None where its models choose none. Imports no torch."""
    chosen: dict[str, looks.Look | None] = {}
    for cls in map(model_class, MODELS):
        if not cls.of_others:
            chosen[cls.family] = chosen.get(cls.family) or cls.look
    return chosen


looks.register(family_looks)
