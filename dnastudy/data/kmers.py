"""k-mer counts, and what follows from them: GC share, CpG observed over expected, conditional entropy.

k-mers are numbered in alphabetical order (A C G T = 0 1 2 3): the number of CG is 1 * 4 + 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dnastudy.data.sequences import END, EncodedSequences, encode

MAX_K = 12


def kmer_codes(codes: np.ndarray, k: int) -> np.ndarray:
    """Number of the k-mer that begins at each position of one sequence of codes, shape (length - k + 1,)."""
    positions = max(len(codes) - k + 1, 0)
    numbers = np.zeros(positions, dtype=np.int64)
    for offset in range(k):
        numbers = 4 * numbers + codes[offset : offset + positions]
    return numbers


def kmer_counts(sequences: Sequence[str] | EncodedSequences, k: int) -> np.ndarray:
    """Occurrences of each k-mer in all sequences together, int64, shape (4,) * k, axes in the order A C G T.

    Raises
    ------
    ValueError
        Unless 1 <= k <= 12.
    """
    symbols = encode(sequences).symbols
    numbers = kmer_codes(symbols, _checked(k))
    inside = np.ones(len(numbers), dtype=bool)  # k-mers across the end of a sequence do not count
    for offset in range(k):
        inside &= symbols[offset : offset + len(numbers)] != END
    return np.bincount(numbers[inside], minlength=4**k).reshape((4,) * k)


def kmer_counts_per_sequence(sequences: Sequence[str] | EncodedSequences, k: int) -> np.ndarray:
    """Occurrences of each k-mer in each sequence, int32, shape (sequences, 4**k); ValueError unless 1 <= k <= 12."""
    encoded = encode(sequences)
    counts = np.zeros((len(encoded), 4 ** _checked(k)), dtype=np.int32)
    for row in range(len(encoded)):
        counts[row] = np.bincount(kmer_codes(encoded[row], k), minlength=4**k)
    return counts


def gc_share(bases: np.ndarray) -> np.ndarray:
    """Share of G and C from counts of A C G T, shape (..., 4) -> (...); NaN where there are no bases."""
    total = bases.sum(axis=-1)
    return np.where(total > 0, (bases[..., 1] + bases[..., 2]) / np.maximum(total, 1), np.nan)


def cpg_ratio(bases: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """CpG observed over expected, p(CG) / (p(C) p(G)); NaN where C, G or any dinucleotide is missing.

    Parameters
    ----------
    bases : array, shape (..., 4)
        Counts of A C G T.
    pairs : array, shape (..., 16)
        Counts of dinucleotides.
    """
    bases, pairs = np.asarray(bases, dtype=float), np.asarray(pairs, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = bases[..., 1] * bases[..., 2] / np.maximum(bases.sum(axis=-1), 1) ** 2
        observed = pairs[..., 4 * 1 + 2] / pairs.sum(axis=-1)
        return observed / np.where(expected > 0, expected, np.nan)


def conditional_entropy(counts: np.ndarray) -> float:
    """Plug-in entropy of the last base given those before it, bits, from k-mer counts of shape (4,) * k."""
    counts = counts.reshape(-1, counts.shape[-1]).astype(float)
    contexts = counts.sum(axis=1, keepdims=True)
    if contexts.sum() == 0:
        return float("nan")
    p = np.divide(counts, contexts, out=np.ones_like(counts), where=counts > 0)
    return float(-(counts * np.log2(p)).sum() / contexts.sum())


def _checked(k: int) -> int:
    if not 1 <= k <= MAX_K:
        raise ValueError(f"k={k}: 1 to {MAX_K}")
    return k
