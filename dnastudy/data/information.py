"""What there is to be learned of a gene besides its relatives: composition, repeats inside it, periods.

Measured on sequences alone, without a model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dnastudy.data.sequences import encode

REPLICATES = 200
"""Resamples of the genes for each interval."""
PERIODS = (3, 6, 9, 12)
"""Distances at which codons show."""


def gc_distance(sequences: Sequence[str]) -> np.ndarray:
    """How far the share of G and C of each sequence is from that of all of them together, shape (sequences,)."""
    counts = np.array([[row.count("G") + row.count("C"), len(row)] for row in sequences], dtype=float)
    return np.abs(counts[:, 0] / counts[:, 1] - counts[:, 0].sum() / counts[:, 1].sum())


def repeated_share(sequences: Sequence[str], length: int = 10) -> np.ndarray:
    """Share of each sequence's words of ``length`` nt that stood in it before, shape (sequences,); 0 if it is shorter.

    Of random nucleotides a thousand have one such pair of words of 10 nt every other time.
    """

    def share(row: str) -> float:
        words = [row[start : start + length] for start in range(len(row) - length + 1)]
        return 1 - len(set(words)) / len(words) if words else 0.0

    return np.array([share(row) for row in sequences])


def mutual_information(sequences: Sequence[str], distances: Sequence[int], seed: int = 0) -> pd.DataFrame:
    """What a nucleotide tells of the one so many nt further on: average mutual information (Grosse et al. 2000).

    Parameters
    ----------
    sequences : genes over A C G T; short ones count as far as they go.
    distances : nt, each at least 1.

    Returns
    -------
    DataFrame, a row a distance: ``distance``, ``bits`` a nucleotide, less the bias of counting n pairs, 9 / (2 n ln 2),
    with ``low`` and ``high`` (95 % over genes).
    """
    found = _resampled(sequences, distances, seed)
    return pd.DataFrame([{"distance": distance, **_with_interval(bits)} for distance, bits in found.items()])


def codon_period(sequences: Sequence[str], seed: int = 0) -> dict[str, float]:
    """How much more nucleotides `PERIODS` apart tell of each other than those one nt nearer or further, on average.

    Returns ``bits`` a nucleotide, ``low`` and ``high`` (95 % over genes).
    """
    found = _resampled(
        sequences, sorted({near for period in PERIODS for near in (period - 1, period, period + 1)}), seed
    )
    return _with_interval(np.mean([found[p] - (found[p - 1] + found[p + 1]) / 2 for p in PERIODS], axis=0))


def _resampled(sequences: Sequence[str], distances: Sequence[int], seed: int) -> dict[int, np.ndarray]:
    """Mutual information at each distance: of all genes, then of resamples of them."""
    codes = [row.astype(np.int64) for row in _rows(sequences)]
    draws = np.random.default_rng(seed).multinomial(len(codes), np.full(len(codes), 1 / len(codes)), size=REPLICATES)
    weights = np.vstack([np.ones(len(codes)), draws])
    found = {}
    for distance in distances:
        pairs = [np.bincount(4 * row[:-distance] + row[distance:], minlength=16) for row in codes]
        found[distance] = _bits(weights @ np.array(pairs, dtype=float))
    return found


def _rows(sequences: Sequence[str]) -> list[np.ndarray]:
    encoded = encode(list(sequences))
    return [encoded[number] for number in range(len(sequences))]


def _with_interval(bits: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(bits[1:], [0.025, 0.975])
    return {"bits": float(bits[0]), "low": float(low), "high": float(high)}


def _bits(pairs: np.ndarray) -> np.ndarray:
    """Mutual information of counted pairs, shape (rows, 16), less its bias."""
    number = pairs.sum(axis=1)
    joint = (pairs / number[:, None]).reshape(-1, 4, 4)
    apart = joint.sum(axis=2)[:, :, None] * joint.sum(axis=1)[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(joint > 0, joint * np.log2(joint / apart), 0)
    return terms.sum(axis=(1, 2)) - 9 / (2 * number * np.log(2))
