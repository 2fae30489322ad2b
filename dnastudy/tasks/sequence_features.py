"""Features of sequences: k-mers, composition, open reading frames, low complexity; and shuffled sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial.distance import jensenshannon

from dnastudy.data.kmers import cpg_ratio, gc_share, kmer_codes, kmer_counts_per_sequence
from dnastudy.data.sequences import decode, encode

STOPS = ("TAA", "TAG", "TGA")
_CODES = {stop: int("".join(str("ACGT".index(base)) for base in stop), 4) for stop in STOPS}
START_CODON = int("032", 4)  # ATG
WINDOW = 64
"""Window of the low-complexity score, nt, as of DUST."""


def jensen_shannon(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence of two count vectors, bits: 0 if proportional, 1 if disjoint (Lin 1991)."""
    with np.errstate(invalid="ignore"):  # rounding may make the divergence of proportional counts negative
        distance = jensenshannon(one, other, base=2)
    return float(np.nan_to_num(distance)) ** 2


def describe(sequences: Sequence[str]) -> pd.DataFrame:
    """Return features of each sequence.

    Returns
    -------
    DataFrame, one row a sequence: ``length``, nt; ``gc``, share; ``cpg``, CpG observed over expected (NaN where C or G
    is missing); ``orf``, nt of the longest open reading frame, from ATG to before a stop or the end, in the six frames;
    ``low_complexity``, the highest score of `dust` over windows.
    """
    encoded = encode(sequences)
    bases, pairs = kmer_counts_per_sequence(encoded, 1), kmer_counts_per_sequence(encoded, 2)
    codes = [encoded[row] for row in range(len(encoded))]
    return pd.DataFrame(
        {
            "length": encoded.lengths,
            "gc": np.nan_to_num(gc_share(bases)),
            "cpg": cpg_ratio(bases, pairs),
            "orf": [longest_orf(row) for row in codes],
            "low_complexity": [dust(row) for row in codes],
        }
    )


def longest_orf(codes: np.ndarray) -> int:
    """Return the length of the longest open reading frame of a sequence, nt, on either strand: see `describe`."""
    longest = 0
    for strand in (codes, (3 - codes.astype(np.int64))[::-1]):
        words = kmer_codes(strand, 3)
        stops = np.isin(words, list(_CODES.values()))
        for frame in range(3):
            start, last = None, frame
            for at in range(frame, len(words), 3):
                last = at + 3
                if stops[at]:
                    if start is not None:
                        longest = max(longest, at - start)
                    start = None
                elif start is None and words[at] == START_CODON:
                    start = at
            if start is not None:
                longest = max(longest, last - start)
    return longest


def dust(codes: np.ndarray, window: int = WINDOW) -> float:
    """Return the highest low-complexity score of the windows of a sequence (Morgulis et al. 2006).

    The score of a window with l triplets is the number of pairs of equal triplets, divided by l - 1: near 0.5 (l / 64)
    for random sequences, 31 for 64 equal nucleotides. Windows overlap by half.
    """
    words = kmer_codes(codes, 3)
    inside = window - 2
    if len(words) < 2:
        return 0.0
    starts = range(0, max(1, len(words) - inside + 1), max(1, inside // 2))
    best = 0.0
    for start in starts:
        counts = np.bincount(words[start : start + inside], minlength=64)
        total = counts.sum()
        if total > 1:
            best = max(best, float((counts * (counts - 1)).sum() / 2 / (total - 1)))
    return best


def shuffled(sequence: str, random: np.random.Generator) -> str:
    """Return the sequence shuffled, with the number of each dinucleotide kept.

    A random Eulerian path through the graph of its dinucleotides (Altschul and Erickson 1985): the first and the last
    nucleotide, and therefore the number of each nucleotide, are kept as well.
    """
    codes = encode([sequence])[0]
    if len(codes) < 3:
        return sequence
    last = int(codes[-1])
    followers = {base: codes[1:][codes[:-1] == base].astype(int).tolist() for base in range(4)}
    present = [base for base in range(4) if followers[base]]
    while True:
        # the last step from each nucleotide; a path exists if all of these lead to the last nucleotide
        final = {base: followers[base][random.integers(len(followers[base]))] for base in present if base != last}
        if all(_leads(base, final, last) for base in final):
            break
    order = {}
    for base in present:
        rest = list(followers[base])
        if base in final:
            rest.remove(final[base])
        random.shuffle(rest)
        order[base] = iter([*rest, *([final[base]] if base in final else [])])
    path = [int(codes[0])]
    for _ in range(len(codes) - 1):
        path.append(next(order[path[-1]]))
    return decode(np.array(path))


def _leads(base: int, final: dict[int, int], last: int) -> bool:
    """Whether the last steps from the nucleotides lead from ``base`` to ``last``."""
    for _ in range(4):
        if base == last:
            return True
        base = final[base]
    return base == last
