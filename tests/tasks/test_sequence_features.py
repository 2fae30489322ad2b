"""Measures of sequences against their definitions, written out plainly."""

from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest
from helpers import random_sequences

from dnastudy.data.kmers import kmer_counts, kmer_counts_per_sequence
from dnastudy.data.sequences import encode, reverse_complement
from dnastudy.tasks.sequence_features import describe, dust, jensen_shannon, longest_orf, shuffled

GENES = random_sequences(60, seed=1, low=0, high=150)


def plain_orf(sequence):
    """Longest run of codons from ATG to before a stop or the last whole codon, by looking at each ATG."""
    best = 0
    for strand in (sequence, reverse_complement(sequence)):
        for start in range(len(strand) - 2):
            if strand[start : start + 3] != "ATG":
                continue
            codons = [strand[i : i + 3] for i in range(start, len(strand) - 2, 3)]
            stop = next((n for n, codon in enumerate(codons) if codon in ("TAA", "TAG", "TGA")), len(codons))
            best = max(best, 3 * stop)
    return best


def plain_dust(sequence):
    scores = [0.0]
    triplets = [sequence[i : i + 3] for i in range(len(sequence) - 2)]
    for start in range(0, max(1, len(triplets) - 61), 31):
        part = triplets[start : start + 62]
        if len(part) > 1:
            scores.append(sum(n * (n - 1) / 2 for n in Counter(part).values()) / (len(part) - 1))
    return max(scores)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_kmers_are_counted(k):
    counts = kmer_counts_per_sequence(GENES, k)
    for row, sequence in zip(counts, GENES, strict=True):
        found = Counter(sequence[i : i + k] for i in range(len(sequence) - k + 1))
        assert row.sum() == sum(found.values())
        for word, n in found.items():
            assert row[int("".join(str("ACGT".index(base)) for base in word), 4)] == n
    assert (kmer_counts(GENES, k).ravel() == counts.sum(axis=0)).all()


def test_divergence_is_in_bits():
    assert jensen_shannon([3, 1, 0], [6, 2, 0]) == pytest.approx(0, abs=1e-12)
    assert jensen_shannon([1, 1, 0, 0], [0, 0, 5, 5]) == pytest.approx(1)
    p, q = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    m = (p + q) / 2
    expected = 0.5 * (0.5 * np.log2(0.5 / m[0]) + 0.5 * np.log2(0.5 / m[1])) + 0.5 * np.log2(1 / m[0])
    assert jensen_shannon(p, q) == pytest.approx(expected)


def test_divergence_of_proportional_counts_is_not_nan():
    random = np.random.default_rng(0)
    for _ in range(200):
        counts = random.integers(0, 50, size=256)
        assert jensen_shannon(counts, random.integers(1, 20) * counts) == pytest.approx(0, abs=1e-12)
        other = random.integers(0, 50, size=256)
        p, q = counts / counts.sum(), other / other.sum()
        middle = (p + q) / 2
        halves = [(share[share > 0] * np.log2(share[share > 0] / middle[share > 0])).sum() for share in (p, q)]
        assert jensen_shannon(counts, other) == pytest.approx(sum(halves) / 2, rel=1e-12)


def test_features_follow_their_definitions():
    table = describe(GENES)
    for row, sequence in zip(table.itertuples(), GENES, strict=True):
        assert row.length == len(sequence)
        c, g = sequence.count("C"), sequence.count("G")
        assert row.gc == pytest.approx((c + g) / max(len(sequence), 1))
        if c and g:
            expected = sequence.count("CG") / (len(sequence) - 1) / (c * g / len(sequence) ** 2)
            assert row.cpg == pytest.approx(expected)
        else:
            assert np.isnan(row.cpg)
        assert row.orf == plain_orf(sequence) == longest_orf(encode([sequence])[0])
        assert row.low_complexity == pytest.approx(plain_dust(sequence))


def test_known_reading_frames_and_repeats():
    cases = {"CCATGAAATTTTAGCC": 9, "ATG": 3, "TTAAAACATCC": 6, "CCCCCC": 0, "ATGATGTAA": 6, "": 0}
    for sequence, nt in cases.items():
        assert longest_orf(encode([sequence])[0]) == nt == plain_orf(sequence), sequence
    assert dust(encode(["A" * 64])[0]) == pytest.approx(31)
    assert dust(encode(["ACGTTGCA"])[0]) < 1


def test_a_shuffle_keeps_every_pair_of_neighbours():
    random = np.random.default_rng(0)
    changed = 0
    for sequence in [*GENES, "A" * 30, "ACACACACAC", "AC", "A", ""]:
        new = shuffled(sequence, random)
        assert Counter(pairwise(new)) == Counter(pairwise(sequence))
        assert new[:1] == sequence[:1] and new[-1:] == sequence[-1:]
        changed += new != sequence
    assert changed > 40


def test_shuffles_are_uniform_over_the_possible_ones():
    """All orders of a short sequence with the same pairs of neighbours, each as often as the others."""
    sequence = "ACAGACTAGA"
    pairs = Counter(pairwise(sequence))
    possible = {text for p in permutations(sequence[1:-1]) if Counter(pairwise(text := f"A{''.join(p)}A")) == pairs}
    random = np.random.default_rng(1)
    drawn = Counter(shuffled(sequence, random) for _ in range(300 * len(possible)))
    assert set(drawn) == possible
    assert len(possible) > 10
    assert all(abs(n - 300) < 5 * np.sqrt(300) for n in drawn.values())
