"""The one bootstrap of the package: resamples of genes or of families, and intervals of what is computed from them.

All intervals are percentile intervals (Efron and Tibshirani 1993) over units that are drawn with replacement: genes, or
whole families of homologs, which are then in a resample with all their genes; never single nucleotides. With one seed
and one number of units all models see the same resamples, so that differences between models are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

REPLICATES = 1000
LEVEL = 0.95


@lru_cache(maxsize=2)
def resamples(units: int, replicates: int, seed: int = 0) -> np.ndarray:
    """Return how often each of ``units`` is drawn in each resample: float64, shape (replicates, units), read-only."""
    random = np.random.default_rng(seed)
    counts = random.multinomial(units, np.full(units, 1 / units), size=replicates).astype(np.float64)
    counts.flags.writeable = False
    return counts


def weights(units: Sequence, replicates: int, seed: int = 0) -> np.ndarray:
    """Return how often each row is in each resample, shape (replicates, rows); ``units`` has one label a row.

    Rows with the same label are drawn together: all pairs made from one gene, or all genes of one family.
    """
    codes = _codes(units)
    return resamples(codes.max() + 1, replicates, seed)[:, codes]


def sums(values: np.ndarray, replicates: int, seed: int = 0, units: Sequence | None = None) -> np.ndarray:
    """Return the sums of the columns of ``values``, (rows, columns), in each resample: shape (replicates, columns).

    Parameters
    ----------
    units : sequence, shape (rows,), optional
        Label of what each row belongs to (see `weights`); without labels each row is drawn on its own.
    """
    if units is not None:
        codes = _codes(units)
        rows, values = values, np.zeros((codes.max() + 1, values.shape[1]))
        np.add.at(values, codes, rows)
    return resamples(len(values), replicates, seed) @ values


def means(values: np.ndarray, replicates: int, seed: int = 0, units: Sequence | None = None) -> np.ndarray:
    """Return the means of the columns of ``values`` in each resample; arguments and shape as of `sums`."""
    totals = sums(np.column_stack([values, np.ones(len(values))]), replicates, seed, units)
    return totals[:, :-1] / totals[:, -1:]


def ratios(
    numerator: np.ndarray, denominator: np.ndarray, replicates: int, seed: int = 0, units: Sequence | None = None
) -> np.ndarray:
    """Return the sum of ``numerator`` over that of ``denominator``, both (rows,), in each resample: (replicates,).

    It is infinite in a resample with an infinite numerator; ``units`` as of `sums`.
    """
    infinite = ~np.isfinite(numerator)
    columns = np.stack([np.where(infinite, 0, numerator), np.asarray(denominator, dtype=float), infinite], axis=1)
    above, below, without_value = sums(columns, replicates, seed, units).T
    return np.where(without_value > 0, np.inf, above / below)


def over_seeds(values: np.ndarray, seed: int) -> np.ndarray:
    """Return the mean over the seeds of a model, the seeds resampled as well as the genes: shape (replicates + 1,).

    Parameters
    ----------
    values : array, shape (seeds, replicates + 1)
        A figure of each seed: first of all genes, then of each resample of them.
    seed : int
        Seed of the resampling.
    """
    drawn = resamples(len(values), values.shape[1] - 1, seed).T / len(values)
    return np.append(values[:, 0].mean(), (drawn * values[:, 1:]).sum(axis=0))


def interval(values: np.ndarray, level: float = LEVEL, method: str = "inverted_cdf") -> tuple[float, float]:
    """Return the percentile interval of the values of resamples, by a method of `numpy.quantile`.

    The default takes two of the values as they are, so that infinite ones may be among them: they sort last.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail], method=method)
    return float(low), float(high)


def paired(frame: pd.DataFrame, first: str, second: str, replicates: int, units: str = "id") -> dict[str, float]:
    """Return the mean of column ``second`` less that of ``first``, with a paired 95 % interval.

    ``units`` names the column with the label of what is drawn together. The keys are ``gain``, ``low`` and ``high``.
    """
    values = frame[[first, second]].to_numpy(dtype=float)
    resampled = means(values, replicates, units=frame[units])
    low, high = interval(resampled[:, 1] - resampled[:, 0])
    return {"gain": values[:, 1].mean() - values[:, 0].mean(), "low": low, "high": high}


def by_group(frame: pd.DataFrame, rules: list[str], by: str, replicates: int, units: str = "id") -> pd.DataFrame:
    """Return how often each of some rules is right, with a 95 % interval, in each group.

    Parameters
    ----------
    frame : DataFrame
        One row a pair or sequence: whether each of ``rules`` is right (boolean, or a share of several runs), the group
        in column ``by``, and in column ``units`` the label of what is drawn together.

    Returns
    -------
    DataFrame: ``by``; ``rule``; ``n``, rows; ``accuracy``, ``low`` and ``high``, between 0 and 1.
    """
    rows = []
    for label, part in frame.groupby(by, sort=True):
        values = part[rules].to_numpy(dtype=float)
        resampled = means(values, replicates, units=part[units])
        for number, rule in enumerate(rules):
            low, high = interval(resampled[:, number])
            rows.append({by: label, "rule": rule, "n": len(part), "accuracy": values[:, number].mean(),
                         "low": low, "high": high})  # fmt: skip
    return pd.DataFrame(rows, columns=[by, "rule", "n", "accuracy", "low", "high"])


def _codes(units: Sequence) -> np.ndarray:
    """Number the labels in the order of their first appearance."""
    return pd.factorize(np.asarray(units))[0]
