"""The uniform model, the reference of all others: every nucleotide has probability 1/4, exactly 2 bits per base."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field

from dnastudy.data.sequences import encode
from dnastudy.display import looks
from dnastudy.models import base


class Uniform(base.LanguageModel):
    """Four equal nucleotides; the end comes with a constant probability that gives genes their mean length."""

    name = "uniform"
    family = "reference"
    label = "uniform model"
    look = looks.GREY

    class Settings(base.Settings):
        """Settings of the uniform model."""

        mean_length: float | None = Field(
            default=None, gt=0, description="mean length of a gene, nt; None: that of the training genes"
        )

    def fit(self, train: base.Sequences, validation: base.Sequences | None = None) -> Self:
        """Take the mean length from ``train``, unless it is set."""
        self._genes = self._nucleotides = 0
        return self.update(train)

    def update(self, sequences: base.Sequences) -> Self:
        """Include more genes in the mean length."""
        encoded = encode(sequences)
        self._genes += len(encoded)
        self._nucleotides += encoded.nucleotides
        return self

    def log_distributions(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        mean = self.settings.mean_length or self._nucleotides / max(self._genes, 1)
        end = 1 / (mean + 1)
        row = np.log([(1 - end) / 4] * 4 + [end])
        return [np.tile(row, (length + 1, 1)) for length in encode(sequences).lengths]

    @property
    def num_parameters(self) -> int:
        """One: the mean length."""
        return 1

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"genes": np.int64(self._genes), "nucleotides": np.int64(self._nucleotides)}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        self._genes, self._nucleotides = int(arrays["genes"]), int(arrays["nucleotides"])
