"""The summary of a run: metrics of its scores, by gene type, length and position, computed when they are read."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pandas as pd

from dnastudy.evaluation import metrics

LENGTH_BINS = [0, 100, 200, 300, 400, 500, 1000, 10**9]
"""Upper edges of the length classes, nt."""
GROUP_COLUMNS = ["group", "genes", "nucleotides", "nucleotide_perplexity", "bits_per_base", "low", "high"]


def by_type(scores: pd.DataFrame, genes: pd.DataFrame, replicates: int) -> list[dict[str, Any]]:
    """Metrics of each gene type, one row a type: `GROUP_COLUMNS`."""
    types = genes["type"].where(genes["type"] != "", "unknown")
    return metrics.by_group(scores, types, replicates)[GROUP_COLUMNS].to_dict("records")


def by_length(scores: pd.DataFrame, genes: pd.DataFrame, replicates: int) -> list[dict[str, Any]]:
    """Metrics of each length class, one row a class: `GROUP_COLUMNS`."""
    return metrics.by_group(scores, length_labels(genes), replicates)[GROUP_COLUMNS].to_dict("records")


def by_position(scores: pd.DataFrame, replicates: int) -> list[dict[str, Any]] | None:
    """Metrics of stretches of the genes, one row a stretch: `GROUP_COLUMNS`; None where scores lack positions."""
    if not any(name.startswith("log_prob_from_") for name in scores):
        return None
    return metrics.by_position(scores, replicates)[GROUP_COLUMNS].to_dict("records")


def length_labels(genes: pd.DataFrame) -> pd.Series:
    """Length class of each gene, as text that sorts by length."""
    names = [f"{a + 1:>4}-{b} nt" if b < 10**9 else f"{a + 1:>4} nt and more" for a, b in pairwise(LENGTH_BINS)]
    return pd.cut(genes["sequence"].str.len(), LENGTH_BINS, labels=names).astype(str)
