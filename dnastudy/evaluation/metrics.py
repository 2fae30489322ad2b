"""From scores to metrics, each with one meaning.

nucleotide perplexity
    exp of the mean -ln p over all nucleotides of the set, p renormalised over A C G T; its log2 is bits per base.
paper perplexity
    the protocol of Ihtiyar and Ozgur for that family: raw probabilities, with or without end events.

Intervals are percentile bootstraps over genes (Efron and Tibshirani 1993), never over nucleotides, and with one seed
all models see the same resamples, so that differences between models are paired.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.evaluation.bootstrap import REPLICATES, interval, resamples
from dnastudy.evaluation.scoring import POSITION_EDGES, stretch

NATS_PER_BIT = math.log(2)


def bits_per_base(scores: pd.DataFrame) -> float:
    """Mean -log2 p a nucleotide, p renormalised over A C G T; inf if any nucleotide has probability 0."""
    return -float(scores["nucleotide_log_prob"].sum()) / float(scores["nucleotides"].sum()) / NATS_PER_BIT


def nucleotide_perplexity(scores: pd.DataFrame) -> float:
    """Perplexity a nucleotide, between 1 and about 4: 2 to the power of the bits per base."""
    return 2 ** bits_per_base(scores)


def paper_perplexity(scores: pd.DataFrame) -> float | None:
    """The paper's figure for this family; None where its protocol does not apply."""
    events = float(scores["paper_events"].sum())
    return math.exp(-float(scores["paper_log_prob"].sum()) / events) if events else None


def resampled_bits(scores: pd.DataFrame, replicates: int = REPLICATES, seed: int = 0) -> np.ndarray:
    """Bits per base in each bootstrap resample of the genes, shape (replicates,)."""
    if scores.empty:
        raise ValueError("resampled_bits: no genes")
    bits = -scores["nucleotide_log_prob"].to_numpy() / NATS_PER_BIT
    endless = ~np.isfinite(bits)
    columns = np.stack([np.where(endless, 0, bits), scores["nucleotides"].to_numpy(dtype=float), endless], axis=1)
    total_bits, nucleotides, infinite = (resamples(len(scores), replicates, seed) @ columns).T
    return np.where(infinite > 0, math.inf, total_bits / nucleotides)


def summarise(scores: pd.DataFrame, replicates: int = REPLICATES, seed: int = 0) -> dict[str, Any]:
    """All metrics of one model on one set of genes, intervals at 95 % from a bootstrap over genes."""
    low, high = interval(resampled_bits(scores, replicates, seed))
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
    first: pd.DataFrame, second: pd.DataFrame, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, Any]:
    """Bits per base of ``first`` minus ``second`` on the same genes, with a paired 95 % bootstrap interval."""
    if list(first["id"]) != list(second["id"]):
        raise ValueError("paired_difference: the two score tables are of different genes")
    values = resampled_bits(first, replicates, seed) - resampled_bits(second, replicates, seed)
    return {"bits_per_base": bits_per_base(first) - bits_per_base(second), "interval": list(interval(values))}


def by_group(scores: pd.DataFrame, groups: Sequence, replicates: int = REPLICATES, seed: int = 0) -> pd.DataFrame:
    """Metrics for each group of genes (``groups``: one label a gene): a row a group, in sorted order."""
    rows = []
    for label, part in scores.groupby(np.asarray(groups), sort=True):
        found = summarise(part.reset_index(drop=True), replicates, seed)
        low, high = found["interval"]
        rows.append({"group": label, **found, "low": low, "high": high})
    return pd.DataFrame(rows).drop(columns=["interval", "bits_per_base_interval"])


def by_position(scores: pd.DataFrame, replicates: int = REPLICATES, seed: int = 0) -> pd.DataFrame:
    """Metrics for each stretch of the genes between `POSITION_EDGES`: a row a stretch, as `by_group` has them."""
    parts = []
    for first, end in pairwise([*POSITION_EDGES, None]):
        inside = scores["nucleotides"].clip(upper=end) - first
        part = scores.assign(nucleotides=inside, nucleotide_log_prob=scores[stretch(first)])[inside > 0]
        label = f"{first + 1:>4} and later" if end is None else f"{first + 1:>4}-{end} nt"
        parts.append(part[["id", "nucleotides", "nucleotide_log_prob"]].assign(position=label))
    table = pd.concat(parts, ignore_index=True)
    columns = table.assign(paper_log_prob=math.nan, paper_events=0)
    return by_group(columns, table["position"], replicates, seed)
