"""The bootstrap beside plain twins: each former implementation of its own, and loops that draw whole families."""

import math

import numpy as np
import pandas as pd
import pytest
from helpers import random_sequences
from sklearn.metrics import roc_auc_score

from dnastudy.evaluation import bootstrap, metrics
from dnastudy.evaluation.mutual_information import codon_period, mutual_information
from dnastudy.tasks.gene_types import _scores

RANDOM = np.random.default_rng(0)
LENGTHS = RANDOM.integers(20, 400, size=80)
SCORES = pd.DataFrame(
    {
        "id": np.arange(80).astype(str),
        "nucleotides": LENGTHS,
        "nucleotide_log_prob": -LENGTHS * RANDOM.normal(1.3, 0.2, size=80),
        "paper_log_prob": math.nan,
        "paper_events": 0,
    }
)
FAMILY = RANDOM.integers(0, 12, size=80)
PAIRS = pd.DataFrame(
    {
        "id": RANDOM.choice(["a", "b", "c", "d", "e"], size=60),
        "kind": RANDOM.choice(["insertion", "deletion"], size=60),
        "first": RANDOM.random(60) < 0.5,
        "second": RANDOM.random(60) < 0.7,
    }
)


def plain_draws(units, replicates, seed):
    """One multinomial draw of all units a resample: the random stream of every published interval."""
    random = np.random.default_rng(seed)
    return random.multinomial(units, np.full(units, 1 / units), size=replicates)


def plain_quantiles(values):
    """The percentile interval that takes two of the values as they are."""
    ordered, tail = np.sort(values), (1 - 0.95) / 2
    return tuple(float(ordered[math.ceil(p * len(values)) - 1]) for p in (tail, 1 - tail))


def test_resamples_are_one_multinomial_draw_and_cannot_be_changed():
    draws = bootstrap.resamples(7, 50, 3)
    assert (draws == plain_draws(7, 50, 3)).all() and (draws.sum(axis=1) == 7).all()
    with pytest.raises(ValueError, match="read-only"):
        draws[0, 0] = 5


def test_intervals_are_two_of_the_values():
    for n in (200, 1000, 2000):
        values = np.random.default_rng(n).normal(size=n)
        assert bootstrap.interval(values) == plain_quantiles(values)
    low, high = bootstrap.interval(np.array([1.0, 2.0] * 50 + [math.inf] * 20))
    assert (low, high) == (1.0, math.inf)
    linear = bootstrap.interval(values, method="linear")
    assert linear == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), rel=1e-12)


def test_bits_are_those_of_resampled_genes():
    bits = -SCORES["nucleotide_log_prob"].to_numpy() / math.log(2)
    for seed in (0, 4):
        draws = plain_draws(80, 300, seed).astype(float)
        expected = (draws @ bits) / (draws @ LENGTHS.astype(float))
        np.testing.assert_allclose(metrics.resampled_bits(SCORES, 300, seed), expected, rtol=1e-12)
    low, high = metrics.summarise(SCORES, 300, 4)["bits_per_base_interval"]
    assert (low, high) == pytest.approx(plain_quantiles(expected), rel=1e-12)


def test_a_resample_with_an_impossible_gene_is_infinite():
    scores = SCORES.assign(nucleotide_log_prob=SCORES["nucleotide_log_prob"].where(SCORES.index != 5, -math.inf))
    assert (np.isinf(metrics.resampled_bits(scores, 300, 1)) == (plain_draws(80, 300, 1)[:, 5] > 0)).all()


def plain_means(values, genes, replicates):
    """Means of the rows of drawn genes, each gene with all its rows."""
    names = list(dict.fromkeys(genes))
    results = []
    for draw in plain_draws(len(names), replicates, 0):
        rows = [row for name, count in zip(names, draw, strict=True) for row in np.flatnonzero(genes == name)
                for _ in range(count)]  # fmt: skip
        results.append(values[rows].mean(axis=0))
    return np.array(results)


def test_accuracies_and_gains_are_those_of_drawn_genes_with_all_their_pairs():
    table = bootstrap.by_group(PAIRS, ["first", "second"], "kind", 200).set_index(["kind", "rule"])
    for kind, part in PAIRS.groupby("kind"):
        values = part[["first", "second"]].to_numpy(float)
        expected = plain_means(values, part["id"].to_numpy(), 200)
        for column, rule in enumerate(("first", "second")):
            row = table.loc[(kind, rule)]
            assert row["n"] == len(part) and row["accuracy"] == values[:, column].mean()
            assert (row["low"], row["high"]) == pytest.approx(plain_quantiles(expected[:, column]), rel=1e-12)
    gain = bootstrap.paired(PAIRS, "first", "second", 200)
    values = PAIRS[["first", "second"]].to_numpy(float)
    expected = np.diff(plain_means(values, PAIRS["id"].to_numpy(), 200))[:, 0]
    assert (gain["low"], gain["high"]) == pytest.approx(plain_quantiles(expected), abs=1e-12)
    assert gain["gain"] == pytest.approx(np.diff(values.mean(axis=0))[0])


def test_rows_of_one_gene_are_drawn_together():
    """Many copies of each row make an interval no narrower than one copy."""
    frame = pd.DataFrame({"id": np.arange(100).astype(str), "set": "s", "right": np.arange(100) % 4 > 0})
    one, many = (bootstrap.by_group(f, ["right"], "set", 2000).iloc[0] for f in (frame, pd.concat([frame] * 25)))
    assert (one["n"], many["n"]) == (100, 2500)
    assert one["accuracy"] == many["accuracy"] == 0.75
    assert (one["low"], one["high"]) == pytest.approx((many["low"], many["high"]))
    assert one["high"] - one["low"] == pytest.approx(2 * 1.96 * math.sqrt(0.75 * 0.25 / 100), rel=0.15)
    better = frame.assign(other=frame["right"] | (np.arange(100) % 8 == 0))
    gain = bootstrap.paired(better, "right", "other", 2000)
    assert gain["gain"] == pytest.approx(0.13)
    assert 0.05 < gain["low"] < 0.13 < gain["high"] < 0.22


def plain_family_bits(scores, family, replicates, seed):
    """Bits per base of drawn families, each with all its genes, by a loop over resamples."""
    names = list(dict.fromkeys(family))
    results = []
    for draw in plain_draws(len(names), replicates, seed):
        bits = nucleotides = 0.0
        for name, count in zip(names, draw, strict=True):
            genes = scores[family == name]
            bits -= count * genes["nucleotide_log_prob"].sum() / math.log(2)
            nucleotides += count * genes["nucleotides"].sum()
        results.append(bits / nucleotides)
    return np.array(results)


def test_a_drawn_family_brings_all_its_genes():
    for seed in (0, 2):
        expected = plain_family_bits(SCORES, FAMILY, 100, seed)
        np.testing.assert_allclose(metrics.resampled_bits(SCORES, 100, seed, FAMILY), expected, rtol=1e-12)
    summary = metrics.summarise(SCORES, 100, 2, FAMILY)
    assert summary["bits_per_base_interval"] == pytest.approx(plain_quantiles(expected), rel=1e-12)
    assert summary["bits_per_base"] == metrics.summarise(SCORES, 100)["bits_per_base"]
    weights = bootstrap.weights(FAMILY, 100, 2)
    assert weights.shape == (100, 80)
    for name in set(FAMILY):
        assert (weights[:, name == FAMILY].std(axis=1) == 0).all(), "all genes of a family are drawn equally often"


def test_families_of_one_gene_each_are_genes():
    alone = metrics.resampled_bits(SCORES, 100, 1, SCORES["id"])
    np.testing.assert_allclose(alone, metrics.resampled_bits(SCORES, 100, 1), rtol=1e-12)


@pytest.mark.slow
def test_differences_groups_and_positions_can_be_resampled_by_family():
    other = SCORES.assign(nucleotide_log_prob=SCORES["nucleotide_log_prob"] * 1.02)
    difference = metrics.paired_difference(other, SCORES, 100, 0, FAMILY)
    expected = plain_family_bits(other, FAMILY, 100, 0) - plain_family_bits(SCORES, FAMILY, 100, 0)
    assert difference["interval"] == pytest.approx(list(plain_quantiles(expected)), rel=1e-9)
    kinds = np.where(LENGTHS > 200, "long", "short")
    table = metrics.by_group(SCORES, kinds, 100, 0, FAMILY).set_index("group")
    for kind in ("long", "short"):
        part = SCORES[kinds == kind].reset_index(drop=True)
        low, high = plain_quantiles(plain_family_bits(part, FAMILY[kinds == kind], 100, 0))
        assert table.loc[kind, ["low", "high"]].tolist() == pytest.approx([2**low, 2**high], rel=1e-12)
    parts = {f"log_prob_from_{edge + 1}": SCORES["nucleotide_log_prob"] * 0 for edge in (25, 50, 100, 200, 400, 700)}
    scores = SCORES.assign(nucleotides=20, log_prob_from_1=SCORES["nucleotide_log_prob"] / 20, **parts)
    first = metrics.by_position(scores, 100, 0, FAMILY).iloc[0]
    whole = scores.assign(nucleotide_log_prob=scores["log_prob_from_1"])
    low, high = plain_quantiles(plain_family_bits(whole, FAMILY, 100, 0))
    assert [first["low"], first["high"]] == pytest.approx([2**low, 2**high], rel=1e-12)


def test_copies_of_genes_do_not_narrow_an_interval_over_families():
    copies = pd.concat([SCORES] * 9, ignore_index=True)
    widths = [np.ptp(metrics.summarise(*arguments)["bits_per_base_interval"])
              for arguments in ((SCORES, 500), (copies, 500), (copies, 500, 0, np.tile(np.arange(80), 9)))]  # fmt: skip
    assert widths[1] < 0.5 * widths[0]
    assert widths[2] == pytest.approx(widths[0], rel=1e-9)


def test_a_mean_over_seeds_resamples_the_seeds_too():
    values = np.random.default_rng(5).normal(1.8, 0.1, size=(3, 201))
    drawn = plain_draws(3, 200, 8)
    expected = [values[:, 0].mean()]
    for resample in range(200):
        expected.append(sum(drawn[resample, seed] * values[seed, 1 + resample] for seed in range(3)) / 3)
    np.testing.assert_allclose(bootstrap.over_seeds(values, 8), expected, rtol=1e-12)


def test_ratios_are_sums_over_sums():
    gains, chosen = RANDOM.normal(5, 2, size=40), np.arange(40) % 3 == 0
    draws = plain_draws(40, 150, 0)
    expected = [(draw * gains * chosen).sum() / (draw * gains).sum() for draw in draws]
    np.testing.assert_allclose(bootstrap.ratios(gains * chosen, gains, 150), expected, rtol=1e-12)


def test_areas_under_the_curve_are_those_of_drawn_families():
    labels, p = RANDOM.integers(0, 2, size=80), RANDOM.random(80)
    names = list(dict.fromkeys(FAMILY))
    for draw, weights in zip(plain_draws(len(names), 20, 0), bootstrap.weights(FAMILY, 20), strict=True):
        rows = [row for name, count in zip(names, draw, strict=True) for row in np.flatnonzero(name == FAMILY)
                for _ in range(count)]  # fmt: skip
        assert roc_auc_score(labels, p, sample_weight=weights) == pytest.approx(roc_auc_score(labels[rows], p[rows]))


def test_scores_of_classified_types_are_those_of_drawn_genes():
    types = ["a", "b", "c"]
    truth, predicted = RANDOM.choice(types, size=50), RANDOM.choice(types, size=50)
    accuracy = [(draw * (truth == predicted)).sum() / 50 for draw in plain_draws(50, 200, 0)]
    scores = _scores(truth.tolist(), predicted.tolist(), types, 200)
    assert (scores["accuracy_low"], scores["accuracy_high"]) == pytest.approx(plain_quantiles(np.array(accuracy)))


def plain_information(sequences, distance):
    """Mutual information of the pairs at a distance, bits, less 9 / (2 n ln 2), each pair counted in turn."""
    counts = np.zeros((4, 4))
    for sequence in sequences:
        for one, other in zip(sequence, sequence[distance:], strict=False):
            counts["ACGT".index(one), "ACGT".index(other)] += 1
    joint = counts / counts.sum()
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    return (joint[seen] * np.log2(joint[seen] / independent[seen])).sum() - 9 / (2 * counts.sum() * math.log(2))


@pytest.mark.slow
def test_mutual_information_is_that_of_drawn_genes():
    genes = random_sequences(25, seed=6, low=20, high=44)
    drawn = [[gene for gene, count in zip(genes, draw, strict=True) for _ in range(count)]
             for draw in plain_draws(25, 200, 0)]  # fmt: skip
    bits = {distance: [plain_information(sample, distance) for sample in (genes, *drawn)] for distance in range(2, 14)}
    row = mutual_information(genes, [3]).iloc[0]
    assert row["bits"] == pytest.approx(bits[3][0], rel=1e-9)
    assert [row["low"], row["high"]] == pytest.approx(np.quantile(bits[3][1:], [0.025, 0.975]), rel=1e-9)
    excess = np.mean([np.array(bits[p]) - np.add(bits[p - 1], bits[p + 1]) / 2 for p in (3, 6, 9, 12)], axis=0)
    period = codon_period(genes)
    assert period["bits"] == pytest.approx(excess[0], rel=1e-9)
    assert [period["low"], period["high"]] == pytest.approx(np.quantile(excess[1:], [0.025, 0.975]), rel=1e-9)
