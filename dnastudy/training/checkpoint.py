"""The state of a training on disk: whole or not there, whatever kills it and when."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from dnastudy.core.atomic import atomic_write
from dnastudy.core.errors import TrainingError
from dnastudy.training.log import CHECKPOINT as NAME


def write(folder: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint in ``folder`` by one rename."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    atomic_write(folder / NAME, buffer.getvalue())


def read(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    """State that `write` wrote for the same training, None where there is none; reading runs no code from it.

    TrainingError where the checkpoint is that of another training, which would be lost, or damaged.
    """
    path = folder / NAME
    for half in folder.glob(f".{NAME}.*.part"):  # of a process that was killed while it wrote
        half.unlink(missing_ok=True)
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes that are no checkpoint fail in any way
        raise TrainingError(
            f"{path}: the checkpoint cannot be read ({error}); remove it, and the training begins anew"
        ) from error
    if state["fingerprint"] != fingerprint:
        raise TrainingError(
            f"{path}: a training of other genes, settings or code was stopped there; give its command again to go on "
            f"with it, name another folder, or remove {folder}"
        )
    return state
