"""Splits of a gene table into train, validation and test, at random or by families; and random subsets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd


def random_split(
    frame: pd.DataFrame, fractions: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0
) -> tuple[pd.DataFrame, ...]:
    """Split a gene table at random into disjoint parts, as the paper does.

    Homologs of one gene may fall into different parts; the study measures what this leak is worth.

    Parameters
    ----------
    frame : DataFrame
        Genes to split; each row is in exactly one part.
    fractions : floats
        Share of each part, summing to 1. Parts end at the cumulative shares, rounded down: 22,886 genes give the
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


LARGE_SHARE, LARGE_SIZE = 0.01, 10
"""A cluster of more than this share of all genes and at least this many genes goes to the first part: a few large
families would otherwise make up most of a held-out part."""


def family_split(
    frame: pd.DataFrame, pairs: pd.DataFrame, fractions: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0
) -> tuple[pd.DataFrame, ...]:
    """Split a gene table so that no gene has a homolog (a relative) in an earlier part than its own.

    Genes that are homologs of each other, directly or through a chain, form a cluster and stay together. Homology can
    be one-sided: a long gene covers a short fragment of it, but the fragment does not cover enough of the long gene.
    The cluster of the fragment then goes to no later part than that of the long gene. Within these limits clusters are
    assigned, the largest first, to the part that lacks most of their gene types; clusters above `LARGE_SHARE` and
    `LARGE_SIZE` go to the first part.

    Parameters
    ----------
    frame : DataFrame
        Genes to split, with ``type``; each row is in exactly one part.
    pairs : DataFrame
        Row numbers ``query`` and ``target``: the gene ``target`` is a homolog of ``query`` (see
        `homology.mmseqs.homolog_pairs`).
    fractions : floats
        Target share of each part, summing to 1; met as closely as whole clusters allow.
    seed : int
        Decides between clusters that fit equally well.

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
    queries, targets = pairs["query"].to_numpy(), pairs["target"].to_numpy()
    graph = coo_array((np.ones(len(pairs)), (queries, targets)), shape=(count, count))
    clusters, cluster_of = connected_components(graph, directed=True, connection="strong")
    # between clusters homology is one-sided: of a fragment (query) with a longer gene (target)
    longer, fragments = [[] for _ in range(clusters)], [[] for _ in range(clusters)]
    between = zip(cluster_of[queries].tolist(), cluster_of[targets].tolist(), strict=True)
    for fragment, long in {(a, b) for a, b in between if a != b}:
        longer[fragment].append(long)
        fragments[long].append(fragment)

    types, type_of = np.unique(frame["type"].to_numpy(dtype=str), return_inverse=True)
    sizes = np.zeros((clusters, len(types)))  # genes of each type in each cluster
    np.add.at(sizes, (cluster_of, type_of), 1)
    wanted = np.outer(fractions, sizes.sum(axis=0))
    assigned = np.zeros_like(wanted)
    random = np.random.Generator(np.random.PCG64(seed))
    first, last = np.zeros(clusters, dtype=int), np.full(clusters, len(fractions) - 1)
    order = random.permutation(clusters)
    for cluster in order[np.argsort(-sizes[order].sum(axis=1), kind="stable")].tolist():
        genes = sizes[cluster]
        allowed = range(first[cluster], last[cluster] + 1)
        if genes.sum() > max(LARGE_SHARE * count, LARGE_SIZE - 1) and allowed[0] == 0:
            allowed = [0]
        # how full each part would be of the gene types of the cluster
        fullness = [float(genes @ ((assigned[part] + genes) / wanted[part])) for part in allowed]
        part = allowed[int(np.argmin(fullness))]
        assigned[part] += genes
        first[_reachable(longer, cluster)] = np.maximum(first[_reachable(longer, cluster)], part)
        last[_reachable(fragments, cluster)] = np.minimum(last[_reachable(fragments, cluster)], part)
        first[cluster] = last[cluster] = part
    if not assigned.sum(axis=1).all():
        families = "1 family" if clusters == 1 else f"{clusters} families"
        raise ValueError(
            f"fractions {fractions}: {count} genes of {families}, the largest of {sizes.sum(axis=1).max():.0f}, do not "
            "fill every part with whole families; use more genes, other fractions, or a random split"
        )
    order = random.permutation(count)
    part_of = first[cluster_of[order]]
    return tuple(frame.iloc[order[part_of == part]].reset_index(drop=True) for part in range(len(fractions)))


def subset(frame: pd.DataFrame, fraction: float, seed: int = 0) -> pd.DataFrame:
    """Return a random ``fraction`` of a gene table, at least one gene, in its order.

    With the same seed, smaller subsets are contained in larger ones.
    """
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


def _reachable(neighbours: list[list[int]], start: int) -> list[int]:
    """All nodes that can be reached from ``start`` through neighbours."""
    reachable, waiting = set(), [start]
    while waiting:
        new = [node for node in neighbours[waiting.pop()] if node not in reachable]
        reachable.update(new)
        waiting += new
    return sorted(reachable)
