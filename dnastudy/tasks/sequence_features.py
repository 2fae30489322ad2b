"""What sequences look like, set against set: short words, composition, reading frames, low complexity, relatives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dnastudy.data.sequences import EncodedSequences, decode, encode

STOPS = ("TAA", "TAG", "TGA")
_CODES = {stop: int("".join(str("ACGT".index(base)) for base in stop), 4) for stop in STOPS}
START_CODON = int("032", 4)  # ATG
WINDOW = 64
"""Window of the low-complexity score, nt, as of DUST."""


def word_counts(sequences: Sequence[str] | EncodedSequences, k: int) -> np.ndarray:
    """How often each k-mer stands in each sequence: int32, shape (sequences, 4**k), words in the order of A C G T."""
    encoded = encode(sequences)
    counts = np.zeros((len(encoded), 4**k), dtype=np.int32)
    for row in range(len(encoded)):
        words = _words(encoded[row], k)
        if len(words):
            counts[row] = np.bincount(words, minlength=4**k)
    return counts


def _words(codes: np.ndarray, k: int) -> np.ndarray:
    """Code of the k-mer that begins at each place, shape (length - k + 1,)."""
    if len(codes) < k:
        return np.zeros(0, dtype=np.int64)
    words = np.zeros(len(codes) - k + 1, dtype=np.int64)
    for offset in range(k):
        words = 4 * words + codes[offset : len(codes) - k + 1 + offset]
    return words


def jensen_shannon(one: np.ndarray, other: np.ndarray) -> float:
    """Jensen-Shannon divergence of two count vectors, bits: 0 for equal shares, 1 for none in common (Lin 1991)."""
    p, q = (counts / counts.sum() for counts in (np.asarray(one, float), np.asarray(other, float)))
    middle = (p + q) / 2

    def away(share: np.ndarray) -> float:
        has = share > 0
        return float((share[has] * np.log2(share[has] / middle[has])).sum())

    return max(0.0, (away(p) + away(q)) / 2)


def describe(sequences: Sequence[str]) -> pd.DataFrame:
    """Facts of each sequence.

    Returns
    -------
    DataFrame, one row a sequence: ``length``, nt; ``gc``, share; ``cpg``, CpG observed over expected (NaN where C or G
    is missing); ``orf``, nt of the longest open reading frame, from ATG to before a stop or the end, in the six frames;
    ``low_complexity``, the highest score of `dust` over windows.
    """
    encoded = encode(sequences)
    singles, pairs = word_counts(encoded, 1), word_counts(encoded, 2)
    lengths = np.maximum(encoded.lengths, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = singles[:, 1] * singles[:, 2] / lengths**2
        cpg = pairs[:, 6] / np.maximum(pairs.sum(axis=1), 1) / np.where(expected > 0, expected, np.nan)
    codes = [encoded[row] for row in range(len(encoded))]
    return pd.DataFrame(
        {
            "length": encoded.lengths,
            "gc": (singles[:, 1] + singles[:, 2]) / lengths,
            "cpg": cpg,
            "orf": [longest_orf(row) for row in codes],
            "low_complexity": [dust(row) for row in codes],
        }
    )


def longest_orf(codes: np.ndarray) -> int:
    """Nucleotides of the longest open reading frame of a sequence of codes, on either strand: see `describe`."""
    longest = 0
    for strand in (codes, (3 - codes.astype(np.int64))[::-1]):
        words = _words(strand, 3)
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
    """Highest low-complexity score of the windows of a sequence (Morgulis et al. 2006).

    Of a window with l triplets: the number of pairs of equal triplets, divided by l - 1; near 0.5 (l / 64) for random
    sequence, 31 for 64 equal letters. Windows overlap by half.
    """
    words = _words(codes, 3)
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
    """The sequence shuffled so that every pair of neighbours is kept as often as it stands there.

    A random Eulerian path through the graph of its dinucleotides (Altschul and Erickson 1985): first and last letter,
    and so all single letters, are kept too.
    """
    codes = encode([sequence])[0]
    if len(codes) < 3:
        return sequence
    last = int(codes[-1])
    followers = {base: codes[1:][codes[:-1] == base].astype(int).tolist() for base in range(4)}
    present = [base for base in range(4) if followers[base]]
    while True:
        # the last step out of each letter; a path exists where all of these lead to the last letter
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
    """Whether the last steps out of the letters lead from ``base`` to ``last``."""
    for _ in range(4):
        if base == last:
            return True
        base = final[base]
    return base == last
