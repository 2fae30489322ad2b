"""What a training tells: its progress, its course, what went wrong. Importing this needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """A training on its way."""

    share: float
    """Of the training that is done, 0 to 1 (it may stop earlier)."""
    epoch: int
    """Epoch under way, from 1."""
    epochs: int
    loss: float
    """Nats a symbol, mean over the last steps."""
    nucleotides_per_second: float
    """Of this process's run, all processes of a training together."""
    seconds_left: float
    validation: float | None
    """Nucleotide perplexity of the validation genes after the last epoch."""

    def __str__(self) -> str:
        held_out = "" if self.validation is None else f", validation perplexity {self.validation:.4f}"
        left = f"{self.seconds_left / 60:.0f} min" if self.seconds_left > 90 else f"{self.seconds_left:.0f} s"
        return (
            f"epoch {self.epoch}/{self.epochs}, loss {self.loss:.4f} nats a symbol{held_out}, "
            f"{self.nucleotides_per_second:,.0f} nt/s, {left} left at most"
        )


Report = Callable[[Progress], None]


@dataclass
class Course:
    """How a training went; plain values, ready for JSON."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    """A row an epoch: ``epoch``, ``step``, ``train`` and ``validation`` (nucleotide perplexity; the first with END and
    under dropout, as the loss has them), ``seconds``."""
    best_epoch: int = 0
    """Epoch whose weights were kept."""
    steps: int = 0
    symbols: int = 0
    """Symbols learned from, all epochs together."""
    seconds: float = 0.0
    """On this course, in all processes' runs that made it."""
    processes: int = 1
    device: str = ""
    stopped_early: bool = False

    def facts(self) -> dict[str, Any]:
        """The course without its epochs."""
        return {name: value for name, value in vars(self).items() if name != "epochs"}
