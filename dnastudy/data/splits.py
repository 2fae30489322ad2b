"""Cutting one gene table into train, validation and test: at random, or by families; and taking a part of one."""

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
    fractions = _checked(fractions)
    count = len(frame)
    ends = [math.floor(count * sum(fractions[: i + 1]) + 1e-6) for i in range(len(fractions) - 1)] + [count]
    starts = [0, *ends[:-1]]
    if any(end <= start for start, end in zip(starts, ends, strict=True)):
        raise ValueError(f"fractions {fractions} of {count} rows leave a part empty")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(count)
    parts = (frame.iloc[order[start:end]] for start, end in zip(starts, ends, strict=True))
    return tuple(part.reset_index(drop=True) for part in parts)


LARGEST, SMALLEST = 0.01, 10
"""A cluster of more than this share of all genes, and of at least so many, is for training: a few large families would
be most of a held-out part."""


def family_split(
    frame: pd.DataFrame, links: pd.DataFrame, fractions: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0
) -> tuple[pd.DataFrame, ...]:
    """Cut a gene table so that no gene has a relative in an earlier part than its own.

    Genes that are relatives of each other, directly or by a chain, are a cluster, and stay together. A gene may also be
    a short piece of a longer one, which then is its relative without having it for one: the cluster of the piece goes
    to no later part than that of the longer gene. Within that, clusters are dealt out, the largest first, to where most
    is missing of their gene types; those of more than `LARGEST` of all genes, and at least `SMALLEST`, go to the first
    part.

    Parameters
    ----------
    frame : DataFrame
        Rows to share out, with ``type``; each comes back whole and once.
    links : DataFrame
        Which row ``query`` has which row ``target`` for a relative (see `relatives.links`).
    fractions : floats
        Wanted share of each part, summing to 1; met as well as whole clusters allow.
    seed : int
        Decides between clusters that fit alike.

    Returns
    -------
    One table for each fraction, rows in random order, index 0..n-1.

    Raises
    ------
    ValueError
        As `random_split`; and when the families are too large to fill every part.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    fractions, count = _checked(fractions), len(frame)
    pairs = (links["query"].to_numpy(), links["target"].to_numpy())
    graph = coo_array((np.ones(len(links)), pairs), shape=(count, count))
    clusters, of = connected_components(graph, directed=True, connection="strong")
    longer, pieces = [[] for _ in range(clusters)], [[] for _ in range(clusters)]
    for a, b in {(a, b) for a, b in zip(of[pairs[0]].tolist(), of[pairs[1]].tolist(), strict=True) if a != b}:
        longer[a].append(b)
        pieces[b].append(a)

    types, number = np.unique(frame["type"].to_numpy(dtype=str), return_inverse=True)
    held = np.zeros((clusters, len(types)))
    np.add.at(held, (of, number), 1)
    wanted = np.outer(fractions, held.sum(axis=0))
    given = np.zeros_like(wanted)
    random = np.random.Generator(np.random.PCG64(seed))
    first, last = np.zeros(clusters, dtype=int), np.full(clusters, len(fractions) - 1)
    order = random.permutation(clusters)
    for cluster in order[np.argsort(-held[order].sum(axis=1), kind="stable")].tolist():
        own = held[cluster]
        open_to = range(first[cluster], last[cluster] + 1)
        if own.sum() > max(LARGEST * count, SMALLEST - 1) and open_to[0] == 0:
            open_to = [0]
        # how full each part would be of the types that the cluster has
        full = [float(own @ ((given[part] + own) / wanted[part])) for part in open_to]
        part = open_to[int(np.argmin(full))]
        given[part] += own
        first[_reached(longer, cluster)] = np.maximum(first[_reached(longer, cluster)], part)
        last[_reached(pieces, cluster)] = np.minimum(last[_reached(pieces, cluster)], part)
        first[cluster] = last[cluster] = part
    if not given.sum(axis=1).all():
        families = "1 family" if clusters == 1 else f"{clusters} families"
        raise ValueError(
            f"fractions {fractions}: {count} genes of {families}, the largest of {held.sum(axis=1).max():.0f}, do not "
            "fill every part with whole families; take more genes, other fractions, or a random split"
        )
    order = random.permutation(count)
    side = first[of[order]]
    return tuple(frame.iloc[order[side == part]].reset_index(drop=True) for part in range(len(fractions)))


def subset(frame: pd.DataFrame, fraction: float, seed: int = 0) -> pd.DataFrame:
    """A random part of a gene table, at least one gene, in its order; of one seed, smaller parts lie in larger ones."""
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction {fraction}: above 0 and at most 1")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(frame))
    chosen = np.sort(order[: max(1, round(fraction * len(frame)))])
    return frame.iloc[chosen].reset_index(drop=True)


def _checked(fractions: Sequence[float]) -> list[float]:
    fractions = [float(fraction) for fraction in fractions]
    if not fractions or any(not 0 < fraction <= 1 for fraction in fractions):
        raise ValueError(f"fractions {fractions}: each must be above 0 and at most 1")
    if abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"fractions {fractions} sum to {sum(fractions):g}, not to 1")
    return fractions


def _reached(neighbours: list[list[int]], start: int) -> list[int]:
    """All that chains of neighbours lead to."""
    found, waiting = set(), [start]
    while waiting:
        new = [other for other in neighbours[waiting.pop()] if other not in found]
        found.update(new)
        waiting += new
    return sorted(found)
