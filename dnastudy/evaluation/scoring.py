"""From a model and genes to scores: the log-probabilities of each gene, from which every metric is computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd

from dnastudy.data.sequences import NUCLEOTIDES, EncodedSequences, encode_symbols
from dnastudy.models.base import LanguageModel

BATCH_NUCLEOTIDES = 4_000_000
"""Nucleotides that are scored at a time."""
POSITION_EDGES = [0, 25, 50, 100, 200, 400, 700]
"""Where the parts of a gene begin (from 0) whose log-probabilities are summed separately; the last part has no end."""
SCORE_COLUMNS = ["id", "nucleotides", "log_prob", "nucleotide_log_prob", "paper_log_prob", "paper_events"]


def score(
    model: LanguageModel,
    genes: pd.DataFrame,
    progress: Callable[[int], None] | None = None,
    prequential: bool = False,
) -> pd.DataFrame:
    """Score each gene, independently of the others.

    Parameters
    ----------
    genes : DataFrame
        A gene table.
    progress : callable, optional
        Called after each batch with the number of genes scored in it.
    prequential : bool
        Update the model with each gene once that gene is scored, in their order, as compressors of a whole file do
        (Dawid 1984). The model is changed: afterwards it is trained on all of the genes.

    Returns
    -------
    DataFrame, one row a gene: ``id``; ``nucleotides``; ``log_prob``, nats, of the whole sequence and its end by the
    model (-inf if the model has no end symbol); ``nucleotide_log_prob``, nats, renormalised over A C G T;
    ``paper_log_prob`` (nats) over the ``paper_events`` of the paper's protocol (NaN and 0 where there is none);
    ``log_prob_from_1``, ``log_prob_from_26``, ...: the part of ``nucleotide_log_prob`` from that position to where the
    next part begins (`POSITION_EDGES`).
    """
    rows = []
    events = model.paper_events
    for batch in [[gene] for gene in genes["sequence"]] if prequential else _batches(genes["sequence"]):
        encoded = _encoded(model, batch)
        log_probs, renormalised = model.all_log_probs(encoded)
        raw, nucleotides = _sums(log_probs), _sums(renormalised)
        if events == "nucleotides":
            paper = _sums([row[:-1] for row in log_probs])
        else:
            paper = raw if events else np.full(len(batch), math.nan)
        count = {None: 0 * encoded.lengths, "nucleotides": encoded.lengths}.get(events, encoded.lengths + 1)
        parts = np.array([_part_sums(row) for row in renormalised]).T
        rows.append((encoded.lengths, raw, nucleotides, paper, count, *parts))
        if prequential:
            model.update(encoded)
        if progress:
            progress(len(batch))
    columns = [np.concatenate(parts) for parts in zip(*rows, strict=True)] if rows else [[]] * (5 + len(POSITION_EDGES))
    names = [*SCORE_COLUMNS, *map(position_column, POSITION_EDGES)]
    return pd.DataFrame(dict(zip(names, [genes["id"].to_numpy(), *columns], strict=True)))


def position_column(edge: int) -> str:
    """Return the name of the column with the log-probability of the part that begins after ``edge`` nucleotides."""
    return f"log_prob_from_{edge + 1}"


def _part_sums(row: np.ndarray) -> list[float]:
    """Return the sums of a gene's log-probabilities over its parts between `POSITION_EDGES`."""
    return [row[a:b].sum() for a, b in pairwise([*POSITION_EDGES, None])]


def _batches(sequences: pd.Series) -> list[list[str]]:
    """Split the genes into batches of about ``BATCH_NUCLEOTIDES`` at most, in their order."""
    ends = sequences.str.len().cumsum().to_numpy()
    cuts = np.searchsorted(ends, np.arange(BATCH_NUCLEOTIDES, int(ends[-1]) if len(ends) else 0, BATCH_NUCLEOTIDES))
    return [list(part) for part in np.split(sequences.to_numpy(dtype=object), np.unique(cuts)) if len(part)]


def _encoded(model: LanguageModel, batch: list[str]) -> EncodedSequences:
    """Encode sequences in the alphabet of a model."""
    return encode_symbols(batch, getattr(model.settings, "vocab_size", len(NUCLEOTIDES)))


def _sums(rows: list[np.ndarray]) -> np.ndarray:
    return np.array([row.sum() for row in rows])


def quick_perplexity(model: LanguageModel, genes: pd.DataFrame) -> float:
    """Return the nucleotide perplexity of a model on genes, without scores or intervals: to choose between models."""
    batches = (_encoded(model, batch) for batch in _batches(genes["sequence"]))
    nats = sum(row.sum() for batch in batches for row in model.nucleotide_log_probs(batch))
    return math.exp(-nats / genes["sequence"].str.len().sum())
