"""Mutual information of nucleotides at a distance, measured on sequences alone: a period of 3 nt reveals codons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dnastudy.data.sequences import encode
from dnastudy.evaluation.bootstrap import interval, sums

REPLICATES = 200
"""Bootstrap resamples of the genes for each interval."""
PERIODS = (3, 6, 9, 12)
"""Distances at which codons increase the mutual information, nt."""


def mutual_information(sequences: Sequence[str], distances: Sequence[int], seed: int = 0) -> pd.DataFrame:
    """Return the average mutual information of two nucleotides at each distance (Grosse et al. 2000).

    Parameters
    ----------
    sequences : genes over A C G T; one that is shorter than a distance does not contribute to it.
    distances : nt, each at least 1.

    Returns
    -------
    DataFrame, a row a distance: ``distance``, nt; ``bits`` per base, less the bias of n counted pairs, 9 / (2 n ln 2);
    ``low`` and ``high``, the 95 % interval over genes.
    """
    bits = _resampled(sequences, distances, seed)
    return pd.DataFrame([{"distance": distance, **_with_interval(bits[distance])} for distance in distances])


def codon_period(sequences: Sequence[str], seed: int = 0) -> dict[str, float]:
    """Return by how much the mutual information at `PERIODS` exceeds that at the distances beside them, on average.

    The keys are ``bits`` (per base), ``low`` and ``high`` (95 % over genes).
    """
    distances = sorted({distance for period in PERIODS for distance in (period - 1, period, period + 1)})
    bits = _resampled(sequences, distances, seed)
    return _with_interval(np.mean([bits[p] - (bits[p - 1] + bits[p + 1]) / 2 for p in PERIODS], axis=0))


def _resampled(sequences: Sequence[str], distances: Sequence[int], seed: int) -> dict[int, np.ndarray]:
    """Return the mutual information at each distance, bits: of all genes, then of each resample of them."""
    encoded = encode(list(sequences))
    codes = [encoded[row].astype(np.int64) for row in range(len(encoded))]
    bits = {}
    for distance in distances:
        pairs = [np.bincount(4 * row[:-distance] + row[distance:], minlength=16) for row in codes]
        counts = np.array(pairs, dtype=float)  # (genes, 16)
        bits[distance] = _bits(np.vstack([counts.sum(axis=0), sums(counts, REPLICATES, seed)]))
    return bits


def _with_interval(bits: np.ndarray) -> dict[str, float]:
    low, high = interval(bits[1:], method="linear")
    return {"bits": float(bits[0]), "low": low, "high": high}


def _bits(pairs: np.ndarray) -> np.ndarray:
    """Return the mutual information of counted pairs, shape (rows, 16), less its bias."""
    number = pairs.sum(axis=1)
    joint = (pairs / number[:, None]).reshape(-1, 4, 4)
    independent = joint.sum(axis=2)[:, :, None] * joint.sum(axis=1)[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(joint > 0, joint * np.log2(joint / independent), 0)
    return terms.sum(axis=(1, 2)) - 9 / (2 * number * np.log(2))
