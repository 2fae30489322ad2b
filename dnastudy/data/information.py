"""What a model can learn of a gene without homologs: its composition and the repeats inside it.

Measured on sequences alone, without a model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dnastudy.data.kmers import gc_share, kmer_codes, kmer_counts_per_sequence
from dnastudy.data.sequences import encode


def gc_distance(sequences: Sequence[str]) -> np.ndarray:
    """Return the distance of the GC share of each sequence from that of all sequences together, shape (sequences,)."""
    bases = kmer_counts_per_sequence(sequences, 1)
    return np.abs(gc_share(bases) - gc_share(bases.sum(axis=0)))


def repeated_share(sequences: Sequence[str], length: int = 10) -> np.ndarray:
    """Return the share of the k-mers of ``length`` nt of each sequence that occur earlier in it, shape (sequences,).

    It is 0 for a shorter sequence. Every other random sequence of 1000 nt repeats one 10-mer.
    """

    def share(codes: np.ndarray) -> float:
        kmers = kmer_codes(codes, length)
        return 1 - len(np.unique(kmers)) / len(kmers) if len(kmers) else 0.0

    encoded = encode(list(sequences))
    return np.array([share(encoded[row]) for row in range(len(encoded))])
