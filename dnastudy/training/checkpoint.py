"""The state of a training on disk: complete or absent, whenever the process is killed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from dnastudy.core.atomic import atomic_write
from dnastudy.core.errors import TrainingError
from dnastudy.training.log import CHECKPOINT as NAME


def write(folder: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint in ``folder`` atomically."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    atomic_write(folder / NAME, buffer.getvalue())


def read(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    """Return the state that `write` wrote for the same training, or None; reading runs no code from the file.

    TrainingError where the checkpoint is damaged, or is that of another training, which would be lost.
    """
    path = folder / NAME
    for half in folder.glob(f".{NAME}.*.part"):  # of a process that was killed while it wrote
        half.unlink(missing_ok=True)
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can raise anything
        raise TrainingError(
            f"{path}: the checkpoint cannot be read ({error}); remove it to start the training again"
        ) from error
    if state["fingerprint"] != fingerprint:
        raise TrainingError(
            f"{path}: checkpoint of a training with other genes, settings or code; repeat its command to resume it, "
            f"name another folder, or remove {folder}"
        )
    return state
