"""Aggregated facts about gene tables: what the data chapter shows for real and simulated genes side by side.

Pure functions on tables; a description holds no sequence and no id, and goes into JSON as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dnastudy.data.sequences import END, NUCLEOTIDES, EncodedSequences, encode

LENGTH_BINS = np.arange(0, 1001, 50)
"""Edges of the length histogram, in nt: 1-50, 51-100, ..., 951-1000, then everything longer."""
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
IDENTITY_BINS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Lower edges of the bins of the nearest relative's identity; the last one reaches to 1."""
MAX_ORDER = 3
DIGITS = 6
_LETTERS = list(enumerate(NUCLEOTIDES))


def kmer_counts(sequences: Sequence[str] | EncodedSequences, k: int) -> np.ndarray:
    """Occurrences of each k-mer inside the sequences, shape (4,) * k, axes in the order A C G T; no end symbols.

    Raises
    ------
    ValueError
        Unless 1 <= k <= 12.
    """
    if not 1 <= k <= 12:
        raise ValueError(f"k={k}: 1 to 12")
    symbols = encode(sequences).symbols
    windows = max(len(symbols) - k + 1, 0)
    code = np.zeros(windows, dtype=np.int64)
    inside = np.ones(windows, dtype=bool)
    for offset in range(k):
        part = symbols[offset : offset + windows]
        code = code * 4 + part
        inside &= part != END
    return np.bincount(code[inside], minlength=4**k).reshape((4,) * k)


def conditional_entropy(counts: np.ndarray) -> float:
    """Plug-in entropy of the last letter given those before it, in bits, from k-mer counts of shape (4,) * k."""
    counts = counts.reshape(-1, counts.shape[-1]).astype(float)
    contexts = counts.sum(axis=1, keepdims=True)
    if contexts.sum() == 0:
        return float("nan")
    p = np.divide(counts, contexts, out=np.ones_like(counts), where=counts > 0)
    return float(-(counts * np.log2(p)).sum() / contexts.sum())


def cpg_ratio(bases: np.ndarray, pairs: np.ndarray) -> float:
    """Observed over expected CpG: p(CG) / (p(C) p(G)), from counts of shape (4,) and (4, 4); nan if undefined."""
    expected = bases[1] / max(bases.sum(), 1) * bases[2] / max(bases.sum(), 1)
    return float(pairs[1, 2] / pairs.sum() / expected) if expected > 0 and pairs.sum() else float("nan")


def describe_part(frame: pd.DataFrame) -> dict:
    """Facts about one gene table.

    Returns
    -------
    dict with ``genes``; ``nucleotides``; ``length`` (mean and quantiles, nt); ``length_histogram`` (edges in nt, genes
    with edge < length <= next edge, and the ``longer`` ones); ``bases`` and ``dinucleotides`` (shares); ``gc`` (share);
    ``cpg_observed_over_expected``; ``conditional_entropy`` (bits, plug-in, by order 0..3); ``types``, the most frequent
    first, each with genes, share, length quartiles (nt), gc and cpg_observed_over_expected. None marks what an empty
    table or too few letters leave undefined.
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
        "gc": _number(_gc(bases)),
        "dinucleotides": _shares({a + b: pairs[i, j] for i, a in enumerate(NUCLEOTIDES) for j, b in _LETTERS}),
        "cpg_observed_over_expected": _number(cpg_ratio(bases, pairs)),
        "conditional_entropy": entropies,
        "types": _types(frame),
    }


def describe_relatives(table: pd.DataFrame) -> dict:
    """Facts about a table of `dnastudy.relatives.nearest_homologs`.

    Returns
    -------
    dict with ``genes``; ``share_at_70`` and ``share_at_80`` (share of genes whose nearest relative has at least that
    identity, in percent, over the coverage asked for); ``identity_histogram`` (lower edges, genes in each bin, and
    those with ``none``).
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


def describe_genes(splits: Mapping[str, pd.DataFrame], relatives: Mapping[str, pd.DataFrame] | None = None) -> dict:
    """Facts about a study's genes, ready for JSON.

    Parameters
    ----------
    splits : mapping of names to gene tables
        Usually train, validation and test.
    relatives : mapping of names to tables, optional
        What `dnastudy.relatives.study_homologs` returns for the same splits; without it that part is empty.

    Returns
    -------
    dict with ``parts`` (`describe_part` of each split and of ``all`` of them together) and ``relatives``
    (`describe_relatives` by name). The same tables give the same dict.
    """
    parts = {name: describe_part(frame) for name, frame in splits.items()}
    parts["all"] = describe_part(pd.concat(list(splits.values()), ignore_index=True))
    return {
        "parts": parts,
        "relatives": {name: describe_relatives(table) for name, table in (relatives or {}).items()},
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


def _gc(bases: np.ndarray) -> float:
    return (bases[1] + bases[2]) / bases.sum() if bases.sum() else float("nan")


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
                "gc": _number(_gc(bases)),
                "cpg_observed_over_expected": _number(cpg_ratio(bases, pairs)),
            }
        )
    return sorted(rows, key=lambda row: (-row["genes"], row["type"]))
