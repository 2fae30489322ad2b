"""The reference that knows nothing: every nucleotide has probability 1/4, exactly 2 bits per base."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field

from dnastudy.models import base
from dnastudy.sequences import encode


class Uniform(base.LanguageModel):
    """Four equal nucleotides; the end comes with a constant probability that gives genes their mean length."""

    name = "uniform"
    family = "reference"

    class Settings(base.Settings):
        """Settings of the uniform model: none to choose."""

        mean_length: float | None = Field(default=None, gt=0, description="mean length in nt; None: the training mean")

    def fit(self, train: base.Sequences, validation: base.Sequences | None = None) -> Self:
        """Take the mean length from ``train`` unless it is set."""
        self._mean = self.settings.mean_length or float(encode(train).lengths.mean())
        return self

    def join(self, sequences: base.Sequences) -> Self:
        """Nothing to add: four equal nucleotides stay equal."""
        return self

    def log_distributions(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        end = 1 / (self._mean + 1)
        row = np.log([(1 - end) / 4] * 4 + [end])
        return [np.tile(row, (length + 1, 1)) for length in encode(sequences).lengths]

    @property
    def num_parameters(self) -> int:
        """One: the mean length."""
        return 1

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"mean_length": np.float64(self._mean)}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        self._mean = float(arrays["mean_length"])
