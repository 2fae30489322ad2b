"""What models are called on pages: one name in all tables, charts and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnastudy import models


def model_label(
    model: str, settings: Mapping[str, Any], recipe: str = "", train: Sequence[str] = (), update: Sequence[str] = ()
) -> str:
    """Name of a model with these settings: "12-gram, tuned Witten-Bell", "LSTM, published recipe".

    Parameters
    ----------
    recipe : str
        "modern", "published" or "".
    train, update : sequence of str
        Splits that it is trained on and updated with, named where they are not the training genes alone.
    """
    label = models.model_class(model).label_of(dict(settings))
    if recipe:
        label += f", {recipe} recipe"
    if list(train) == ["counts"]:
        return f"{label} (train + val.)"
    return f"{label} (+ val.)" if update else label
