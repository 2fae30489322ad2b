"""Composition and repeats of genes whose answer is known."""

import numpy as np
import pytest
from helpers import random_sequences

from dnastudy.data.information import gc_distance, repeated_share


def test_distance_from_the_composition_of_all():
    found = gc_distance(["GCGC", "ATAT", "GATC" * 4])
    np.testing.assert_allclose(found, [1 - 12 / 24, 12 / 24, 0])


def test_words_that_stood_before():
    assert repeated_share(["ACGTACGTAC", "A" * 12, "ACG", "ACGTAC"], 4).tolist() == [
        pytest.approx(3 / 7), pytest.approx(8 / 9), 0, 0,
    ]  # fmt: skip
    long = random_sequences(200, seed=1, low=1000, high=1001)
    pairs = 991 * 990 / 2 * (0.35**2 + 0.2**2 + 0.15**2 + 0.3**2) ** 10
    assert repeated_share(long).mean() * 991 == pytest.approx(pairs, rel=0.25)
