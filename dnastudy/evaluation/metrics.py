"""From scores to metrics, each with one meaning.

nucleotide perplexity
    exp of the mean -ln p over all nucleotides of the set, p renormalised over A C G T; its log2 is bits per base.
paper perplexity
    the protocol of Ihtiyar and Ozgur for that family: raw probabilities, with or without end events.

Intervals come from `bootstrap`: resamples of genes or, where ``units`` names them, of whole families of homologs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.evaluation.bootstrap import REPLICATES, interval, ratios
from dnastudy.evaluation.scoring import POSITION_EDGES, position_column

NATS_PER_BIT = math.log(2)


def bits_per_base(scores: pd.DataFrame) -> float:
    """Return the mean -log2 p per nucleotide, p renormalised over A C G T; inf if any nucleotide has probability 0."""
    return -float(scores["nucleotide_log_prob"].sum()) / float(scores["nucleotides"].sum()) / NATS_PER_BIT


def nucleotide_perplexity(scores: pd.DataFrame) -> float:
    """Return the perplexity per nucleotide: 2 to the power of the bits per base, 4 for the uniform model."""
    return 2 ** bits_per_base(scores)


def paper_perplexity(scores: pd.DataFrame) -> float | None:
    """Return the perplexity by the paper's protocol for this family; None where the paper has none."""
    events = float(scores["paper_events"].sum())
    return math.exp(-float(scores["paper_log_prob"].sum()) / events) if events else None


def resampled_bits(
    scores: pd.DataFrame, replicates: int = REPLICATES, seed: int = 0, units: Sequence | None = None
) -> np.ndarray:
    """Return the bits per base in each bootstrap resample, shape (replicates,).

    Parameters
    ----------
    scores : DataFrame
        Scores of each gene, as `scoring.score` returns them.
    units : sequence, optional
        One label a gene, for instance the number of its family: genes with the same label are drawn together. Without
        labels the genes are drawn one by one.

    Raises
    ------
    ValueError
        If there are no genes.
    """
    if scores.empty:
        raise ValueError("resampled_bits: no genes")
    bits = -scores["nucleotide_log_prob"].to_numpy() / NATS_PER_BIT
    return ratios(bits, scores["nucleotides"].to_numpy(), replicates, seed, units)


def summarise(
    scores: pd.DataFrame, replicates: int = REPLICATES, seed: int = 0, units: Sequence | None = None
) -> dict[str, Any]:
    """Return all metrics of one model on one set of genes, with 95 % intervals; ``units`` as of `resampled_bits`."""
    low, high = interval(resampled_bits(scores, replicates, seed, units))
    return {
        "nucleotide_perplexity": nucleotide_perplexity(scores),
        "bits_per_base": bits_per_base(scores),
        "interval": [2**low, 2**high],
        "bits_per_base_interval": [low, high],
        "paper_perplexity": paper_perplexity(scores),
        "genes": len(scores),
        "nucleotides": int(scores["nucleotides"].sum()),
    }


def paired_difference(
    first: pd.DataFrame,
    second: pd.DataFrame,
    replicates: int = REPLICATES,
    seed: int = 0,
    units: Sequence | None = None,
) -> dict[str, Any]:
    """Return the bits per base of ``first`` minus ``second`` on the same genes, with a paired 95 % interval.

    ``units`` as of `resampled_bits`. Raises ValueError if the two tables are not of the same genes in the same order.
    """
    if list(first["id"]) != list(second["id"]):
        raise ValueError("paired_difference: the two score tables are of different genes")
    values = resampled_bits(first, replicates, seed, units) - resampled_bits(second, replicates, seed, units)
    return {"bits_per_base": bits_per_base(first) - bits_per_base(second), "interval": list(interval(values))}


def by_group(
    scores: pd.DataFrame,
    groups: Sequence,
    replicates: int = REPLICATES,
    seed: int = 0,
    units: Sequence | None = None,
) -> pd.DataFrame:
    """Return the metrics of each group of genes.

    Parameters
    ----------
    groups : sequence
        One label a gene.
    units : sequence, optional
        As of `resampled_bits`.

    Returns
    -------
    DataFrame, one row a group in sorted order: ``group``, the metrics of `summarise`, and the 95 % interval of the
    nucleotide perplexity, ``low`` and ``high``.
    """
    rows = []
    for group, part in scores.reset_index(drop=True).groupby(np.asarray(groups), sort=True):
        labels = None if units is None else np.asarray(units)[part.index]
        metrics = summarise(part.reset_index(drop=True), replicates, seed, labels)
        low, high = metrics["interval"]
        rows.append({"group": group, **metrics, "low": low, "high": high})
    return pd.DataFrame(rows).drop(columns=["interval", "bits_per_base_interval"])


def by_position(
    scores: pd.DataFrame, replicates: int = REPLICATES, seed: int = 0, units: Sequence | None = None
) -> pd.DataFrame:
    """Return the metrics of each part of the genes between `POSITION_EDGES`: one row a part, as of `by_group`.

    ``units`` as of `resampled_bits`; a gene counts in each part that it reaches.
    """
    parts = []
    scores = scores.assign(unit=np.arange(len(scores)) if units is None else np.asarray(units))
    for first, end in pairwise([*POSITION_EDGES, None]):
        inside = scores["nucleotides"].clip(upper=end) - first
        part = scores.assign(nucleotides=inside, nucleotide_log_prob=scores[position_column(first)])[inside > 0]
        label = f"{first + 1:>4} and later" if end is None else f"{first + 1:>4}-{end} nt"
        parts.append(part[["id", "unit", "nucleotides", "nucleotide_log_prob"]].assign(position=label))
    table = pd.concat(parts, ignore_index=True).assign(paper_log_prob=math.nan, paper_events=0)
    return by_group(table, table["position"], replicates, seed, None if units is None else table["unit"])
