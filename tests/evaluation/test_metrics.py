"""Metrics against plain definitions, and intervals that cover."""

import math

import numpy as np
import pandas as pd
import pytest
from helpers import gene_frame, random_sequences

from dnastudy.data.simulation import MarkovSource
from dnastudy.evaluation import bootstrap, metrics, scoring
from dnastudy.models import create

GENES = gene_frame(random_sequences(60, seed=3, low=1))


@pytest.fixture(scope="module")
def scores():
    return scoring.score(create("ngram", {"order": 3, "smoothing": "laplace"}).fit(list(GENES.sequence)), GENES)


def test_definitions_written_out(scores):
    model = create("ngram", {"order": 3, "smoothing": "laplace"}).fit(list(GENES.sequence))
    nats, raw, events = [], [], 0
    for sequence in GENES["sequence"]:
        rows = np.exp(model.log_distributions([sequence])[0])
        for i, base in enumerate(sequence):
            nats.append(-math.log(rows[i]["ACGT".index(base)] / rows[i][:4].sum()))
            raw.append(-math.log(rows[i]["ACGT".index(base)]))
        raw.append(-math.log(rows[-1][4]))
        events += len(sequence) + 1
    summary = metrics.summarise(scores)
    assert summary["nucleotide_perplexity"] == pytest.approx(math.exp(np.mean(nats)), rel=1e-12)
    assert summary["bits_per_base"] == pytest.approx(math.log2(summary["nucleotide_perplexity"]), rel=1e-12)
    assert summary["paper_perplexity"] == pytest.approx(math.exp(sum(raw) / events), rel=1e-12)
    assert scoring.quick_perplexity(model, GENES) == pytest.approx(summary["nucleotide_perplexity"], rel=1e-12)
    assert summary["genes"] == len(GENES)
    assert summary["nucleotides"] == len(nats)


def test_uniform_is_exactly_two_bits_with_no_width():
    summary = metrics.summarise(scoring.score(create("uniform").fit(list(GENES.sequence)), GENES))
    assert summary["bits_per_base"] == pytest.approx(2, abs=1e-12)
    assert summary["interval"] == pytest.approx([4, 4], abs=1e-10)
    assert summary["paper_perplexity"] is None


@pytest.mark.parametrize("order", [0, 1, 3])
def test_known_entropy_is_recovered(order):
    """An n-gram model of the right order needs the source's entropy rate, one that is too short needs more."""
    random = np.random.default_rng(order)
    source = MarkovSource(order, random.dirichlet([0.6] * 4, size=4**order), seed=7)
    drawn = source.sample(600, 1000)
    train, test = drawn[:300], gene_frame(drawn[300:])
    bits = {
        n: metrics.summarise(scoring.score(create("ngram", {"order": n, "escape_weight": 1.0}).fit(train), test))
        for n in range(1, order + 2)
    }
    low, high = bits[order + 1]["bits_per_base_interval"]
    # a sequence starts away from the stationary distribution's memory, and counts are finite: a few thousandths
    assert low - 0.003 <= source.entropy_rate <= high + 0.003
    assert all(summary["bits_per_base"] > source.entropy_rate + 0.02 for n, summary in bits.items() if n <= order)


def test_batches_change_nothing(monkeypatch, scores):
    monkeypatch.setattr(scoring, "BATCH_NUCLEOTIDES", 100)
    model = create("ngram", {"order": 3, "smoothing": "laplace"}).fit(list(GENES.sequence))
    seen = []
    pd.testing.assert_frame_equal(scoring.score(model, GENES, seen.append), scores)
    assert len(seen) > 5
    assert sum(seen) == len(GENES)


def test_zero_probability_is_infinite_not_nan():
    model = create("ngram", {"order": 1, "smoothing": "mle"}).fit(["AAAA", "CCCC", "GGGG"])
    scores = scoring.score(model, gene_frame(["ACGT", "ACG", "CC"]))
    summary = metrics.summarise(scores)
    assert summary["nucleotide_perplexity"] == math.inf
    assert summary["paper_perplexity"] == math.inf
    assert not any(math.isnan(x) for x in summary["interval"])
    assert summary["interval"][1] == math.inf
    assert np.isfinite(metrics.summarise(scores[1:])["nucleotide_perplexity"])


def test_intervals_cover_the_truth_about_as_often_as_their_level():
    """Genes of very different bits: the interval over genes covers, one over nucleotides would be far too narrow."""
    random = np.random.default_rng(0)
    hits, runs = 0, 200
    for _ in range(runs):
        nucleotides = random.integers(20, 400, size=100)
        bits = nucleotides * random.normal(1.8, 0.3, size=100)
        table = pd.DataFrame({"nucleotides": nucleotides, "nucleotide_log_prob": -bits * math.log(2)})
        low, high = bootstrap.interval(metrics.resampled_bits(table, replicates=300, seed=int(random.integers(1e9))))
        hits += low <= 1.8 <= high
    assert 0.88 <= hits / runs <= 0.99


def test_a_paired_difference_resolves_a_small_constant_difference(scores):
    shifted = scores.assign(nucleotide_log_prob=scores.nucleotide_log_prob - 0.001 * scores.nucleotides)
    difference = metrics.paired_difference(shifted, scores)
    assert difference["bits_per_base"] == pytest.approx(0.001 / math.log(2), rel=1e-6)
    low, high = difference["interval"]
    assert 0.0014 < low <= high < 0.0015
    with pytest.raises(ValueError, match="different genes"):
        metrics.paired_difference(scores, scores[::-1])


def test_groups_split_the_whole(scores):
    table = metrics.by_group(scores, GENES["type"])
    assert list(table["group"]) == sorted(set(GENES["type"]))
    assert table["nucleotides"].sum() == scores["nucleotides"].sum()
    weighted = (table["bits_per_base"] * table["nucleotides"]).sum() / table["nucleotides"].sum()
    assert weighted == pytest.approx(metrics.bits_per_base(scores), rel=1e-12)


@pytest.mark.slow
def test_a_prequential_model_is_updated_with_each_scored_gene():
    """The second of two equal genes is predicted from the first, but not without the update."""
    genes = gene_frame(random_sequences(3, seed=3, low=100) * 2)
    random = np.random.default_rng(4)
    # pairs that differ in one place of ten, so that copying can be learned
    train = [
        "".join(random.choice(list("ACGT")) if random.random() < change else letter for letter in gene)
        for gene in random_sequences(60, seed=4, low=60)
        for change in (0, 0.1)
    ]
    for name in ("ngram", "expert"):
        alone = scoring.score(create(name).fit(train), genes)
        scored = []
        prequential = scoring.score(create(name).fit(train), genes, scored.append, prequential=True)
        np.testing.assert_allclose(prequential["log_prob"][0], alone["log_prob"][0], rtol=1e-12)
        assert (prequential["nucleotide_log_prob"][3:] > alone["nucleotide_log_prob"][3:] + 3).all()
        assert scored == [1] * 6
