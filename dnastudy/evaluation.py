"""From a model and genes to metrics, each with one meaning.

nucleotide perplexity
    exp of the mean -ln p over all nucleotides of the set, p renormalised over A C G T; its log2 is bits per base.
paper perplexity
    the protocol of Ihtiyar and Ozgur for that family: raw probabilities, with or without end events.

Intervals are percentile bootstraps over genes (Efron and Tibshirani 1993), never over nucleotides, and with one seed
all models see the same resamples, so that differences between models are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.alphabets import encode_letters
from dnastudy.models.base import LanguageModel
from dnastudy.sequences import NUCLEOTIDES, EncodedSequences

REPLICATES = 1000
LEVEL = 0.95
NATS_PER_BIT = math.log(2)
BATCH_NUCLEOTIDES = 4_000_000
POSITION_EDGES = [0, 25, 50, 100, 200, 400, 700]
"""First nucleotides (from 0) of the stretches of a gene that are summed apart; the last has no end."""
SCORE_COLUMNS = ["id", "nucleotides", "log_prob", "nucleotide_log_prob", "paper_log_prob", "paper_events"]


def score(
    model: LanguageModel,
    genes: pd.DataFrame,
    progress: Callable[[int], None] | None = None,
    prequential: bool = False,
) -> pd.DataFrame:
    """Score each gene on its own.

    Parameters
    ----------
    genes : DataFrame
        A gene table.
    progress : callable, optional
        Told the number of genes scored after each batch.
    prequential : bool
        Let each gene join what the model has learned once it is scored, in their order, as compressors of a whole file
        do (Dawid 1984); the model then knows them all.

    Returns
    -------
    DataFrame, one row a gene: ``id``; ``nucleotides``; ``log_prob``, nats, of the whole sequence and its end as the
    model gives it (-inf if it knows no end); ``nucleotide_log_prob``, nats, renormalised over A C G T;
    ``paper_log_prob`` (nats) over the ``paper_events`` of the paper's protocol (NaN and 0 where there is none);
    ``log_prob_from_1``, ``log_prob_from_26``, ...: ``nucleotide_log_prob`` from that position to where the next begins
    (`POSITION_EDGES`).
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
        stretches = np.array([_stretches(row) for row in renormalised]).T
        rows.append((encoded.lengths, raw, nucleotides, paper, count, *stretches))
        if prequential:
            model.join(encoded)
        if progress:
            progress(len(batch))
    columns = [np.concatenate(parts) for parts in zip(*rows, strict=True)] if rows else [[]] * (5 + len(POSITION_EDGES))
    names = [*SCORE_COLUMNS, *map(_stretch, POSITION_EDGES)]
    return pd.DataFrame(dict(zip(names, [genes["id"].to_numpy(), *columns], strict=True)))


def _stretch(edge: int) -> str:
    return f"log_prob_from_{edge + 1}"


def _stretches(row: np.ndarray) -> list[float]:
    """Sums of a gene's log-probabilities over the stretches between `POSITION_EDGES`."""
    return [row[a:b].sum() for a, b in pairwise([*POSITION_EDGES, None])]


def _batches(sequences: pd.Series) -> list[list[str]]:
    """Cut the genes into runs of at most about ``BATCH_NUCLEOTIDES``, in their order."""
    ends = sequences.str.len().cumsum().to_numpy()
    cuts = np.searchsorted(ends, np.arange(BATCH_NUCLEOTIDES, int(ends[-1]) if len(ends) else 0, BATCH_NUCLEOTIDES))
    return [list(part) for part in np.split(sequences.to_numpy(dtype=object), np.unique(cuts)) if len(part)]


def _encoded(model: LanguageModel, batch: list[str]) -> EncodedSequences:
    """Sequences in the alphabet of a model."""
    return encode_letters(batch, getattr(model.settings, "letters", len(NUCLEOTIDES)))


def _sums(rows: list[np.ndarray]) -> np.ndarray:
    return np.array([row.sum() for row in rows])


def bits_per_base(scores: pd.DataFrame) -> float:
    """Mean -log2 p a nucleotide, p renormalised over A C G T; inf if any nucleotide has probability 0."""
    return -float(scores["nucleotide_log_prob"].sum()) / float(scores["nucleotides"].sum()) / NATS_PER_BIT


def nucleotide_perplexity(scores: pd.DataFrame) -> float:
    """Perplexity a nucleotide, between 1 and about 4: 2 to the power of the bits per base."""
    return 2 ** bits_per_base(scores)


def quick_perplexity(model: LanguageModel, genes: pd.DataFrame) -> float:
    """Nucleotide perplexity of a model on genes, without scores and intervals: for choosing between models."""
    batches = (_encoded(model, batch) for batch in _batches(genes["sequence"]))
    nats = sum(row.sum() for batch in batches for row in model.nucleotide_log_probs(batch))
    return math.exp(-nats / genes["sequence"].str.len().sum())


def paper_perplexity(scores: pd.DataFrame) -> float | None:
    """The paper's figure for this family; None where its protocol does not apply."""
    events = float(scores["paper_events"].sum())
    return math.exp(-float(scores["paper_log_prob"].sum()) / events) if events else None


@lru_cache(maxsize=2)
def _resamples(genes: int, replicates: int, seed: int) -> np.ndarray:
    """How often each gene stands in each resample, shape (replicates, genes)."""
    random = np.random.default_rng(seed)
    return random.multinomial(genes, np.full(genes, 1 / genes), size=replicates).astype(np.float64)


def bootstrap(scores: pd.DataFrame, replicates: int = REPLICATES, seed: int = 0) -> np.ndarray:
    """Bits per base in each bootstrap resample of the genes, shape (replicates,)."""
    if scores.empty:
        raise ValueError("bootstrap: no genes")
    bits = -scores["nucleotide_log_prob"].to_numpy() / NATS_PER_BIT
    endless = ~np.isfinite(bits)
    columns = np.stack([np.where(endless, 0, bits), scores["nucleotides"].to_numpy(dtype=float), endless], axis=1)
    total_bits, nucleotides, infinite = (_resamples(len(scores), replicates, seed) @ columns).T
    return np.where(infinite > 0, math.inf, total_bits / nucleotides)


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of bootstrap values; infinite ones sort last."""
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def metrics(scores: pd.DataFrame, replicates: int = REPLICATES, seed: int = 0) -> dict[str, Any]:
    """All metrics of one model on one set of genes, intervals at 95 % from a bootstrap over genes."""
    low, high = interval(bootstrap(scores, replicates, seed))
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
    values = bootstrap(first, replicates, seed) - bootstrap(second, replicates, seed)
    return {"bits_per_base": bits_per_base(first) - bits_per_base(second), "interval": list(interval(values))}


def by_group(scores: pd.DataFrame, groups: Sequence, replicates: int = REPLICATES, seed: int = 0) -> pd.DataFrame:
    """Metrics for each group of genes (``groups``: one label a gene): a row a group, in sorted order."""
    rows = []
    for label, part in scores.groupby(np.asarray(groups), sort=True):
        found = metrics(part.reset_index(drop=True), replicates, seed)
        low, high = found["interval"]
        rows.append({"group": label, **found, "low": low, "high": high})
    return pd.DataFrame(rows).drop(columns=["interval", "bits_per_base_interval"])


def by_position(scores: pd.DataFrame, replicates: int = REPLICATES, seed: int = 0) -> pd.DataFrame:
    """Metrics for each stretch of the genes between `POSITION_EDGES`: a row a stretch, as `by_group` has them."""
    parts = []
    for first, end in pairwise([*POSITION_EDGES, None]):
        inside = scores["nucleotides"].clip(upper=end) - first
        part = scores.assign(nucleotides=inside, nucleotide_log_prob=scores[_stretch(first)])[inside > 0]
        label = f"{first + 1:>4} and later" if end is None else f"{first + 1:>4}-{end} nt"
        parts.append(part[["id", "nucleotides", "nucleotide_log_prob"]].assign(position=label))
    table = pd.concat(parts, ignore_index=True)
    columns = table.assign(paper_log_prob=math.nan, paper_events=0)
    return by_group(columns, table["position"], replicates, seed)
