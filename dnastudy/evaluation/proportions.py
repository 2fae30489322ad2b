"""Shares with intervals: a percentile bootstrap over genes, each with all the pairs or sequences that stem from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dnastudy.evaluation.bootstrap import interval

SEED = 0


def resampled_means(values: np.ndarray, genes: Sequence, replicates: int, seed: int = SEED) -> np.ndarray:
    """Means of the columns of ``values`` in bootstrap resamples of the genes.

    Parameters
    ----------
    values : array, shape (rows, columns)
    genes : sequence, shape (rows,)
        What each row stems from; rows of one gene are drawn together.

    Returns
    -------
    array, shape (replicates, columns). Columns see the same resamples, so their differences are paired.
    """
    codes = pd.factorize(np.asarray(genes))[0]
    count = codes.max() + 1
    sums = np.zeros((count, values.shape[1] + 1))
    np.add.at(sums, codes, np.column_stack([values, np.ones(len(values))]))
    random = np.random.default_rng(seed)
    weights = random.multinomial(count, np.full(count, 1 / count), size=replicates).astype(float)
    totals = weights @ sums
    return totals[:, :-1] / totals[:, -1:]


def gain(frame: pd.DataFrame, first: str, second: str, replicates: int) -> dict[str, float]:
    """Share of rows for which column ``second`` is true less that of ``first``, with a paired 95 % interval."""
    values = frame[[first, second]].to_numpy(dtype=float)
    resampled = resampled_means(values, frame["id"], replicates)
    low, high = interval(resampled[:, 1] - resampled[:, 0])
    return {"gain": values[:, 1].mean() - values[:, 0].mean(), "low": low, "high": high}


def shares(frame: pd.DataFrame, columns: list[str], by: str, replicates: int) -> pd.DataFrame:
    """Share of rows for which each column is true, with a 95 % interval, in each group and rule.

    Parameters
    ----------
    frame : DataFrame
        One row a pair or sequence: ``id`` of its gene, boolean ``columns``, and the labels ``by``.

    Returns
    -------
    DataFrame: ``by``, ``rule`` (name of the column), ``n`` (rows), ``accuracy``, ``low``, ``high`` (0..1).
    """
    rows = []
    for label, part in frame.groupby(by, sort=True):
        values = part[columns].to_numpy(dtype=float)
        resampled = resampled_means(values, part["id"], replicates)
        for number, column in enumerate(columns):
            low, high = interval(resampled[:, number])
            rows.append({by: label, "rule": column, "n": len(part), "accuracy": values[:, number].mean(),
                         "low": low, "high": high})  # fmt: skip
    return pd.DataFrame(rows, columns=[by, "rule", "n", "accuracy", "low", "high"])
