"""Summary statistics of gene tables, as the data chapter compares them between real and simulated genes.

A description holds no sequence and no gene id, only what can be written to JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dnastudy.data.kmers import conditional_entropy, cpg_ratio, gc_share, kmer_counts
from dnastudy.data.sequences import NUCLEOTIDES, encode

LENGTH_BINS = np.arange(0, 1001, 50)
"""Edges of the length histogram, in nt: 1-50, 51-100, ..., 951-1000, then everything longer."""
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
IDENTITY_BINS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Lower edges of the bins of identity to the nearest homolog; the last bin ends at 1."""
MAX_ORDER = 3
"""Longest context of the conditional entropies, nt."""
DIGITS = 6
"""Decimals of every number of a description."""
_LETTERS = list(enumerate(NUCLEOTIDES))


def describe_part(frame: pd.DataFrame) -> dict:
    """Summary statistics of one gene table.

    Returns
    -------
    dict with ``genes``; ``nucleotides``; ``length`` (mean and quantiles, nt); ``length_histogram`` (edges in nt, genes
    with edge < length <= next edge, and the ``longer`` ones); ``bases`` and ``dinucleotides`` (shares); ``gc`` (share);
    ``cpg_observed_over_expected``; ``conditional_entropy`` (bits, plug-in, by order 0..3); ``types``, the most frequent
    first, each with genes, share, length quartiles (nt), gc and cpg_observed_over_expected. None where an empty table
    or too few bases leave a value undefined.
    """
    encoded = encode(frame["sequence"].tolist())
    lengths = encoded.lengths
    histogram, _ = np.histogram(lengths - 0.5, bins=LENGTH_BINS)
    bases, pairs = kmer_counts(encoded, 1), kmer_counts(encoded, 2)
    entropies = {str(k): _number(conditional_entropy(kmer_counts(encoded, k + 1))) for k in range(MAX_ORDER + 1)}
    return {
        "genes": len(frame),
        "nucleotides": encoded.nucleotides,
        "length": {"mean": _number(lengths.mean() if len(lengths) else np.nan), "quantiles": _quantiles(lengths)},
        "length_histogram": {
            "edges": LENGTH_BINS.tolist(),
            "genes": histogram.tolist(),
            "longer": int((lengths > LENGTH_BINS[-1]).sum()),
        },
        "bases": _shares(dict(zip(NUCLEOTIDES, bases, strict=True))),
        "gc": _number(gc_share(bases)),
        "dinucleotides": _shares({a + b: pairs[i, j] for i, a in enumerate(NUCLEOTIDES) for j, b in _LETTERS}),
        "cpg_observed_over_expected": _number(cpg_ratio(bases, pairs.ravel())),
        "conditional_entropy": entropies,
        "types": _types(frame),
    }


def describe_homologs(table: pd.DataFrame) -> dict:
    """Summary of a table of nearest homologs, as `homology.mmseqs.nearest_homologs` returns it.

    Returns
    -------
    dict with ``genes``; ``share_at_70`` and ``share_at_80`` (share of genes whose nearest homolog has at least
    70 or 80 % identity, at the coverage of the search); ``identity_histogram`` (lower edges, genes in
    each bin, and genes with ``none``).
    """
    identity = table["identity"].to_numpy(dtype=float)
    counts, _ = np.histogram(identity, bins=[*IDENTITY_BINS, 1.0])
    return {
        "genes": len(table),
        "share_at_70": _number((identity >= 0.7).mean() if len(table) else np.nan),
        "share_at_80": _number((identity >= 0.8).mean() if len(table) else np.nan),
        "identity_histogram": {
            "edges": list(IDENTITY_BINS),
            "genes": counts.tolist(),
            "none": int((identity < IDENTITY_BINS[0]).sum()),
        },
    }


def describe_genes(splits: Mapping[str, pd.DataFrame], homologs: Mapping[str, pd.DataFrame] | None = None) -> dict:
    """Summary statistics of a study's genes, ready for JSON.

    Parameters
    ----------
    splits : mapping of names to gene tables
        Usually train, validation and test.
    homologs : mapping of names to tables, optional
        What `homology.mmseqs.study_homologs` returns for the same splits; without it that part is empty.

    Returns
    -------
    dict with ``parts`` (`describe_part` of each split and of ``all`` of them together) and ``relatives``
    (`describe_homologs` by name). The same tables give the same dict.
    """
    parts = {name: describe_part(frame) for name, frame in splits.items()}
    parts["all"] = describe_part(pd.concat(list(splits.values()), ignore_index=True))
    return {
        "parts": parts,
        "relatives": {name: describe_homologs(table) for name, table in (homologs or {}).items()},
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DIGITS)


def _quantiles(lengths: np.ndarray, at: Sequence[float] = QUANTILES) -> dict[str, float | None]:
    if not len(lengths):
        return {str(q): None for q in at}
    return {str(q): _number(value) for q, value in zip(at, np.quantile(lengths, at), strict=True)}


def _shares(counts: Mapping[str, int]) -> dict[str, float | None]:
    total = sum(counts.values())
    return {name: _number(count / total) if total else None for name, count in counts.items()}


def _types(frame: pd.DataFrame) -> list[dict]:
    rows = []
    for name, group in frame.groupby("type"):
        encoded = encode(group["sequence"].tolist())
        bases, pairs = kmer_counts(encoded, 1), kmer_counts(encoded, 2)
        rows.append(
            {
                "type": str(name),
                "genes": len(group),
                "share": _number(len(group) / len(frame)),
                "length": _quantiles(encoded.lengths, (0.25, 0.5, 0.75)),
                "gc": _number(gc_share(bases)),
                "cpg_observed_over_expected": _number(cpg_ratio(bases, pairs.ravel())),
            }
        )
    return sorted(rows, key=lambda row: (-row["genes"], row["type"]))
