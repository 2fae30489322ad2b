"""Embeddings of sequences from any model: mean residuals of its predictions.

At each position the residual is 1 for the true nucleotide and 0 for the others, minus the probabilities of the model:
the gradient of the log-probability with respect to the last logits, as in Fisher kernels (Jaakkola and Haussler 1999).
It is averaged over the positions after each pair of nucleotides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dnastudy.data.sequences import encode

if TYPE_CHECKING:
    from dnastudy.models.base import LanguageModel, Sequences

BEFORE = 2
"""Preceding nucleotides by which positions are grouped."""


def residuals(model: LanguageModel, sequences: Sequences) -> np.ndarray:
    """Return an embedding of each sequence, float64, shape (sequences, 65): mean residuals, and bits per base."""
    encoded = encode(sequences)
    embeddings = np.zeros((len(encoded), 4**BEFORE * 4 + 1))
    for row, log_p in enumerate(model.nucleotide_log_distributions(encoded)):
        codes = encoded[row].astype(np.int64)
        if len(codes) <= BEFORE:
            continue
        residual = 1.0 * (codes[:, None] == np.arange(4)) - np.exp(log_p)
        contexts = sum(4**back * codes[BEFORE - 1 - back : len(codes) - 1 - back] for back in range(BEFORE))
        sums = np.zeros((4**BEFORE, 4))
        np.add.at(sums, contexts, residual[BEFORE:])
        embeddings[row, :-1] = sums.ravel() / (len(codes) - BEFORE)
        log_likelihood = np.maximum(log_p[np.arange(len(codes)), codes], -50)
        embeddings[row, -1] = -log_likelihood.mean() / np.log(2)
    return embeddings
