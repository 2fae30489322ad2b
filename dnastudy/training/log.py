"""The folder of a training: its lock, its log of one row for each step, and TensorBoard events if requested."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dnastudy.core.errors import TrainingError

LOG = "log.csv"
CHECKPOINT = "checkpoint.pt"
LOCK = "lock"
COLUMNS = ["step", "epoch", "symbols", "loss", "gradient_norm", "learning_rate", "validation", "seconds"]


@dataclass(frozen=True)
class Workspace:
    """Where a training keeps its checkpoints and its log."""

    folder: Path
    fingerprint: str = ""
    """Identifies the training: the checkpoint of another one is not resumed."""
    every_seconds: float = 60.0
    """Seconds between two checkpoints; one is written after each epoch as well."""
    tensorboard: bool = False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the folder against other trainings; TrainingError if one is running there."""
        if not is_main_process():
            yield
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise TrainingError(
                f"{self.folder}: another training is writing there; wait for it or name another folder"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def finish(self) -> None:
        """Remove the checkpoints, those of the members of an ensemble included, once the model is saved."""
        for path in [*self.folder.rglob(CHECKPOINT), *self.folder.rglob(LOCK)]:
            path.unlink()


def is_main_process() -> bool:
    """Return whether this process is the one that writes files, of those that a launcher started."""
    return int(os.environ.get("RANK", "0")) == 0


class Log:
    """One row for each step in ``log.csv``, and TensorBoard events if requested."""

    def __init__(self, workspace: Workspace | None):
        self.path = workspace.folder / LOG if workspace else None
        self.board = None
        if workspace and workspace.tensorboard:
            from lightning_fabric.loggers import TensorBoardLogger

            self.board = TensorBoardLogger(workspace.folder, name="", version="tensorboard")

    def open(self, step: int) -> None:
        """Keep the rows up to ``step``; later ones are written again by the resumed training."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = []
        if step and self.path.exists():
            with self.path.open(newline="") as file:
                rows = [
                    row for row in csv.DictReader(file) if (row["step"] or "").isdigit() and int(row["step"]) <= step
                ]
        half = self.path.with_suffix(".part")
        with half.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows({name: row.get(name) or "" for name in COLUMNS} for row in rows)
        half.replace(self.path)

    def row(self, **values: Any) -> None:
        """Add a row; columns without a value stay empty."""
        if self.path is not None:
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n").writerow(values)

    def metrics(self, step: int, **values: float | None) -> None:
        """Write metrics for TensorBoard, if requested."""
        if self.board is not None:
            self.board.log_metrics({name: value for name, value in values.items() if value is not None}, step)
