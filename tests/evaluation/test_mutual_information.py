"""Mutual information and codon periods of genes whose answer is known."""

import math

import numpy as np
import pytest
from helpers import random_sequences

from dnastudy.evaluation.mutual_information import PERIODS, codon_period, mutual_information

DISTANCES = range(1, 14)


def test_independent_nucleotides_have_no_mutual_information():
    genes = random_sequences(300, seed=2, low=200, high=400)
    table = mutual_information(genes, DISTANCES)
    assert list(table["distance"]) == list(DISTANCES)
    assert (table["bits"].abs() < 3e-4).all(), "the bias of counting is taken off"
    assert (table["low"] <= 3e-4).all()
    period = codon_period(genes)
    assert period["low"] < 0 < period["high"] and abs(period["bits"]) < 2e-4


def test_a_markov_chain_has_the_mutual_information_of_its_transitions():
    """The next nucleotide is the same with probability .7: known by hand at each distance."""
    random, genes = np.random.default_rng(3), []
    for _ in range(300):
        stay, drawn = random.random(500) < 0.6, random.integers(0, 4, 500)  # a redraw may stay, too: .6 + .4 / 4 = .7
        codes = [int(drawn[0])]
        for keep, new in zip(stay[1:], drawn[1:], strict=True):
            codes.append(codes[-1] if keep else int(new))
        genes.append("".join("ACGT"[code] for code in codes))
    table = mutual_information(genes, [1, 2, 3]).set_index("distance")
    for distance in (1, 2, 3):
        same = 0.25 + 0.75 * 0.6**distance
        expected = 2 + same * math.log2(same) + (1 - same) * math.log2((1 - same) / 3)
        assert table.loc[distance, "bits"] == pytest.approx(expected, abs=0.01)
        assert table.loc[distance, "low"] < expected < table.loc[distance, "high"]


def test_codons_increase_the_mutual_information_at_multiples_of_three():
    """One position of three is drawn from a composition of its own: the excess at 3, 6, 9 and 12 is the known one."""
    random = np.random.default_rng(4)
    skewed = np.array([0.7, 0.1, 0.1, 0.1])
    genes = []
    for _ in range(400):
        codes = random.integers(0, 4, 303)
        phase = random.integers(0, 3)
        codes[phase::3] = random.choice(4, size=len(codes[phase::3]), p=skewed)
        genes.append("".join("ACGT"[code] for code in codes))
    table = mutual_information(genes, DISTANCES).set_index("distance")
    marginal = skewed / 3 + 2 / 3 / 4
    alike = np.outer(skewed, skewed) / 3 + 2 / 3 / 16
    apart = (np.outer(skewed, np.full(4, 0.25)) + np.outer(np.full(4, 0.25), skewed)) / 3 + 1 / 3 / 16
    expected = {True: alike, False: apart}
    bits = {third: (p * np.log2(p / np.outer(marginal, marginal))).sum() for third, p in expected.items()}
    for distance, row in table.iterrows():
        assert row["bits"] == pytest.approx(bits[distance % 3 == 0], abs=0.003)
    period = codon_period(genes)
    assert period["bits"] == pytest.approx(bits[True] - bits[False], abs=0.002)
    assert period["low"] < bits[True] - bits[False] < period["high"]
    assert PERIODS[-1] + 1 == DISTANCES[-1]


def test_genes_shorter_than_a_distance_count_as_far_as_they_go():
    long = random_sequences(50, seed=5, low=100, high=101)
    both = mutual_information([*long, "ACGTA", "A"], [1, 50])
    alone = mutual_information(long, [50])
    assert both.set_index("distance").loc[50, "bits"] == pytest.approx(alone["bits"][0], abs=1e-12)
