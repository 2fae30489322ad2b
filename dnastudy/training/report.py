"""What a training reports: its progress and its course. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Progress of a training."""

    share: float
    """Share of the training that is done, 0 to 1 (it may stop early)."""
    epoch: int
    """Current epoch, from 1."""
    epochs: int
    loss: float
    """Mean loss over the last steps, nats per symbol."""
    nucleotides_per_second: float
    """Speed since the training was started or resumed, all processes together."""
    seconds_left: float
    validation: float | None
    """Nucleotide perplexity of the validation genes after the last epoch."""

    def __str__(self) -> str:
        """Epoch, loss (nats per symbol), validation perplexity, speed, and the time left at most."""
        held_out = "" if self.validation is None else f", validation {self.validation:.3f}"
        left = f"{self.seconds_left / 60:.0f} min" if self.seconds_left > 90 else f"{self.seconds_left:.0f} s"
        # with a bar beside it, it fits a terminal of 80 columns
        return (
            f"epoch {self.epoch}/{self.epochs}, loss {self.loss:.3f}{held_out}, "
            f"{self.nucleotides_per_second / 1000:,.1f}k nt/s, {left}"
        )


Report = Callable[[Progress], None]


@dataclass
class Course:
    """The course of a training; plain values, ready for JSON."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    """One row for each epoch: ``epoch``, ``step``, ``train`` and ``validation`` perplexity (``train`` includes END and
    dropout, like the loss; ``validation`` is over nucleotides), ``seconds``."""
    best_epoch: int = 0
    """Epoch whose weights were kept."""
    steps: int = 0
    symbols: int = 0
    """Symbols trained on, all epochs together."""
    seconds: float = 0.0
    """Seconds of training, those before a resumption included."""
    processes: int = 1
    device: str = ""
    stopped_early: bool = False

    def facts(self) -> dict[str, Any]:
        """Return the course without its epochs."""
        return {name: value for name, value in vars(self).items() if name != "epochs"}
