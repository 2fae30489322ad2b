"""Embeddings of sequences from any model: by what it did not foresee.

Of each place the residual is 1 at the nucleotide that came and 0 elsewhere, less the probabilities that the model gave:
the slope of the log-probability with respect to the model's last logits, as in Fisher kernels (Jaakkola and Haussler
1999). It is averaged over the places behind each pair of nucleotides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dnastudy.data.sequences import encode

if TYPE_CHECKING:
    from dnastudy.models.base import LanguageModel, Sequences

BEFORE = 2
"""Nucleotides that places are told apart by."""


def residuals(model: LanguageModel, sequences: Sequences) -> np.ndarray:
    """Embedding of each sequence, float64, shape (sequences, 65): mean residuals, and bits a nucleotide."""
    encoded = encode(sequences)
    found = np.zeros((len(encoded), 4**BEFORE * 4 + 1))
    for row, log_p in enumerate(model.nucleotide_log_distributions(encoded)):
        codes = encoded[row].astype(np.int64)
        if len(codes) <= BEFORE:
            continue
        left = 1.0 * (codes[:, None] == np.arange(4)) - np.exp(log_p)
        contexts = sum(4**back * codes[BEFORE - 1 - back : len(codes) - 1 - back] for back in range(BEFORE))
        sums = np.zeros((4**BEFORE, 4))
        np.add.at(sums, contexts, left[BEFORE:])
        found[row, :-1] = sums.ravel() / (len(codes) - BEFORE)
        told = np.maximum(log_p[np.arange(len(codes)), codes], -50)
        found[row, -1] = -told.mean() / np.log(2)
    return found
