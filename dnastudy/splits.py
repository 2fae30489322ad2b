"""Cutting one gene table into train, validation and test."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd


def random_split(
    frame: pd.DataFrame, fractions: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0
) -> tuple[pd.DataFrame, ...]:
    """Cut a gene table at random into disjoint parts, as the paper does.

    Relatives of one gene may fall into different parts: that is the leak the study measures.

    Parameters
    ----------
    frame : DataFrame
        Rows to share out; each comes back whole and once.
    fractions : floats
        Share of each part, summing to 1. Parts end at the cumulative shares rounded down, so 22,886 genes give the
        paper's 13,731 / 4,577 / 4,578.
    seed : int
        The same seed and row order give the same parts on every machine (PCG64).

    Returns
    -------
    One table for each fraction, rows in random order, index 0..n-1.

    Raises
    ------
    ValueError
        When a fraction is not in (0, 1], they do not sum to 1, or a part would be empty.
    """
    fractions = [float(fraction) for fraction in fractions]
    if not fractions or any(not 0 < fraction <= 1 for fraction in fractions):
        raise ValueError(f"fractions {fractions}: each must be above 0 and at most 1")
    if abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"fractions {fractions} sum to {sum(fractions):g}, not to 1")
    count = len(frame)
    ends = [math.floor(count * sum(fractions[: i + 1]) + 1e-6) for i in range(len(fractions) - 1)] + [count]
    starts = [0, *ends[:-1]]
    if any(end <= start for start, end in zip(starts, ends, strict=True)):
        raise ValueError(f"fractions {fractions} of {count} rows leave a part empty")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(count)
    parts = (frame.iloc[order[start:end]] for start, end in zip(starts, ends, strict=True))
    return tuple(part.reset_index(drop=True) for part in parts)
