"""What the chapter on learning curves shows, on curves whose law, floor and future are known."""

import math
from functools import partial

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("altair")

from test_homology import FAMILIES, HAS, LENGTHS, SETTINGS, by_hand, drawn, finished, values_of

from dnastudy.analysis import learning_curve_charts, learning_curve_statistics
from dnastudy.analysis.learning_curve_statistics import BY_FAMILY, OWN_ALL, OWN_WITHOUT, Line, Point, fit_curve, points
from dnastudy.data.corpora import markov_source
from dnastudy.display import charts
from dnastudy.display.tables import amount, amounts, duration, figure, nucleotides
from dnastudy.evaluation import bootstrap, metrics
from dnastudy.evaluation.scaling_law import EXPONENTS
from dnastudy.experiments.plan import Run

SYMBOLS = [1e5, 2e5, 4e5, 8e5, 1.6e6, 3.2e6]
EXPONENT = float(EXPONENTS[150])
FRACTIONS = [0.25, 0.5, 1]
RESAMPLES = 50


def law(symbols, floor=1.5, excess=0.2, exponent=EXPONENT):
    """An exact power law; the excess is that at a million symbols."""
    return floor + excess * (np.asarray(symbols) / 1e6) ** -exponent


def log_line(symbols, saved=0.04):
    """Bits that each doubling lowers by the same."""
    return 1.9 - saved * np.log2(np.asarray(symbols) / 1e5)


def line_of(
    bits, symbols=SYMBOLS, noise=0.0, label="LSTM", group=OWN_ALL, corpus="genes", floor=None, family="LSTM", order=None
):
    """A curve through these bits; resamples differ by ``noise``, by as much at all points."""
    shifts = np.append(0, np.random.default_rng(0).normal(0, 1, RESAMPLES)) * noise
    found = [Point(float(s), float(b) + shifts, 2000.0, 2) for s, b in zip(symbols, bits, strict=True)]
    fit = fit_curve(found) if len(found) >= learning_curve_statistics.FEWEST else None
    return Line(label, family, group, corpus, found, fit, floor, order)


def bits_of_genes(random, level):
    return level + random.normal(0, 0.05, len(LENGTHS))


@pytest.fixture
def runs(tmp_path):
    """Runs of an n-gram and of two seeds of a network, on both splits and on two texts, and their results."""
    random, planned, results = np.random.default_rng(1), [], {}
    places = [("own", ""), ("family", ""), ("own", "source-2"), ("own", "english-4")]
    for split, corpus in places:
        for model, seeds in (("ngram", [1]), ("lstm", [1, 2])):
            for seed in seeds:
                for fraction in reversed(FRACTIONS):
                    name = f"{model}-{corpus or split}-{fraction}-{seed}"
                    settings = {"seed": seed} if model == "lstm" else {"order": 8 + len(corpus)}
                    planned.append(
                        Run(name=name, model=model, settings=settings, split=split, corpus=corpus, fraction=fraction)
                    )
                    data = {"split": split, "fraction": fraction, "train_nucleotides": 1e6 * fraction + seed}
                    bits = bits_of_genes(random, law(1e6 * fraction))
                    more = {"settings": {**SETTINGS[model], **settings}, "parameters": 100 * fraction + seed}
                    if corpus and model == "ngram":
                        more["label"] = f"{settings['order']}-gram, tuned Witten-Bell"
                    results[name] = finished(tmp_path / name, bits, model, data=data, **more)
    return planned, results


def of(runs, model, where):
    planned, results = runs
    return [results[run.name] for run in planned if run.name.startswith(f"{model}-{where}-")]


# points


def test_a_point_is_the_mean_over_its_seeds(runs):
    given = of(runs, "lstm", "own")
    for results in (given, given[::-1], sorted(given, key=lambda r: r.record["name"])):
        found = points(results, RESAMPLES)
        assert [point.symbols for point in found] == [1e6 * fraction + 1.5 for fraction in FRACTIONS]
        assert [point.parameters for point in found] == [100 * fraction + 1.5 for fraction in FRACTIONS]
        assert [point.seeds for point in found] == [2, 2, 2]
        for point, fraction in zip(found, FRACTIONS, strict=True):
            each = [r.metrics["bits_per_base"] for r in results if r.record["data"]["fraction"] == fraction]
            assert point.bits.shape == (RESAMPLES + 1,)
            assert point.bits[0] == pytest.approx(np.mean(each), rel=1e-12) and len(set(each)) == 2
            low, high = point.interval
            assert low < point.bits[0] < high and point.interval == bootstrap.interval(point.bits[1:])


def test_one_seed_has_the_resamples_of_its_genes(runs):
    for result, point in zip(of(runs, "ngram", "own")[::-1], points(of(runs, "ngram", "own"), RESAMPLES), strict=True):
        np.testing.assert_allclose(point.bits[1:], metrics.resampled_bits(result.scores(), RESAMPLES), rtol=1e-12)
        assert point.seeds == 1


def test_resamples_of_several_seeds_lie_between_them_and_spread_further(runs):
    results = [r for r in of(runs, "lstm", "own") if r.record["data"]["fraction"] == 1]
    (point,) = points(results, 400)
    each = np.stack([metrics.resampled_bits(r.scores(), 400) for r in results])
    assert ((point.bits[1:] >= each.min(axis=0) - 1e-12) & (point.bits[1:] <= each.max(axis=0) + 1e-12)).all()
    middle = each.mean(axis=0)
    same = np.isclose(point.bits[1:], middle).mean()
    assert 0.35 < same < 0.65, "with two seeds every other resample has both"
    assert np.abs(point.bits[1:] - middle).max() == pytest.approx(np.abs(each[0] - middle)[
        np.argmax(np.abs(point.bits[1:] - middle))])  # fmt: skip


@pytest.mark.parametrize("model", ["ngram", "lstm"])
def test_curves_of_different_models_are_paired(runs, tmp_path, model):
    """Equal curves differ by nothing in every resample, and one that is better in each gene by that everywhere."""
    given = of(runs, model, "own")
    for gap in (0.0, 0.125):
        other = []
        for result in given:
            scores = result.scores()
            bits = -scores["nucleotide_log_prob"] / np.log(2) / scores["nucleotides"] - gap
            folder = tmp_path / f"{gap}" / result.record["id"]
            other.append(finished(folder, bits, model, data=result.record["data"]))
        for one, two in zip(points(given, 200), points(other, 200), strict=True):
            np.testing.assert_allclose(one.bits - two.bits, gap, atol=1e-12)
            assert bootstrap.interval((one.bits - two.bits)[1:]) == pytest.approx((gap, gap), abs=1e-12)
            assert np.ptp(one.bits) > 0.005, "while each varies"


def test_points_of_some_test_genes_are_of_those(runs):
    for point, result in zip(points(of(runs, "ngram", "own"), 100, ~HAS), of(runs, "ngram", "own")[::-1], strict=True):
        scores = result.scores()
        bits = -scores["nucleotide_log_prob"] / np.log(2) / scores["nucleotides"]
        assert 2 ** point.bits[0] == pytest.approx(by_hand(bits, ~HAS), rel=1e-9)


# curves


def test_curves_on_genes_are_of_three_groups(runs):
    planned, results = runs
    lines = learning_curve_statistics.gene_lines(results, planned, HAS, RESAMPLES)
    assert [(line.group, line.label) for line in lines] == [
        (group, label) for group in (OWN_ALL, OWN_WITHOUT, BY_FAMILY) for label in ("8-gram, Laplace", "LSTM")
    ]
    at = {(line.group, line.label): line for line in lines}
    for (group, label), line in at.items():
        model = "lstm" if label == "LSTM" else "ngram"
        given = of(runs, model, "family" if group == BY_FAMILY else "own")
        expected = points(given, RESAMPLES, ~HAS if group == OWN_WITHOUT else None)
        for point, other in zip(line.points, expected, strict=True):
            np.testing.assert_array_equal(point.bits, other.bits)
        assert line.law is not None and line.floor is None and line.corpus == "genes"
        assert line.family == FAMILIES[model] and line.last is line.points[-1]


@pytest.mark.slow
def test_groups_that_are_no_groups_are_left_out(runs):
    planned, results = runs
    for has in (np.zeros(len(HAS), bool), np.ones(len(HAS), bool)):
        groups = {line.group for line in learning_curve_statistics.gene_lines(results, planned, has, RESAMPLES)}
        assert groups == {OWN_ALL, BY_FAMILY}
    whole = [run for run in planned if run.fraction == 1 or run.model == "ngram"]
    assert {line.label for line in learning_curve_statistics.gene_lines(results, whole, HAS, RESAMPLES)} == {
        "8-gram, Laplace"
    }
    two = [run for run in planned if run.fraction > 0.3]
    assert all(
        line.law is None and len(line.points) == 2
        for line in learning_curve_statistics.gene_lines(results, two, HAS, RESAMPLES)
    )


def test_curves_on_texts_know_the_floor_of_simulated_sources(runs):
    planned, results = runs
    lines = learning_curve_statistics.text_lines(results, [run for run in planned if run.corpus], RESAMPLES)
    assert [(line.corpus, line.label) for line in lines] == [
        (corpus, label) for corpus in ("source-2", "english-4") for label in ("n-gram, tuned Witten-Bell", "LSTM")
    ]
    for line in lines:
        known = markov_source(line.corpus).entropy_rate if line.corpus == "source-2" else None
        assert line.floor == known and len(line.points) == 3 and line.group == line.corpus


def test_genes_beside_texts_have_names_of_their_own():
    line = line_of(law(SYMBOLS), label="12-gram, tuned Witten-Bell", family="n-gram", order=12)
    beside = learning_curve_statistics.among_corpora(line)
    assert (beside.corpus, beside.label) == ("genes, random split", "n-gram, tuned Witten-Bell")
    family = learning_curve_statistics.among_corpora(line_of(law(SYMBOLS), group=BY_FAMILY))
    assert (family.corpus, family.label) == ("genes, split by family", "LSTM")
    text = line_of(law(SYMBOLS), group="english-4", corpus="english-4")
    assert learning_curve_statistics.among_corpora(text) == text


# what curves predict


def test_a_power_law_is_predicted_by_the_power_law():
    (row,) = learning_curve_statistics.backtest_rows([line_of(law(SYMBOLS))]).to_dict("records")
    assert row["law"] == pytest.approx(row["observed"], abs=1e-9) == pytest.approx(law(SYMBOLS[-1]))
    assert (row["law_low"], row["law_high"]) == pytest.approx((row["observed"], row["observed"]), abs=1e-9)
    assert row["times"] == pytest.approx(2)
    assert row["line"] < row["observed"] - 0.001, "a straight line says too few bits of a curve that bends"
    assert (row["group"], row["label"]) == (OWN_ALL, "LSTM")


def test_a_straight_line_is_predicted_by_the_straight_line():
    line = line_of(log_line(SYMBOLS))
    (row,) = learning_curve_statistics.backtest_rows([line]).to_dict("records")
    assert row["line"] == pytest.approx(row["observed"], abs=1e-12) == pytest.approx(log_line(SYMBOLS[-1]))
    assert row["law"] > row["observed"]
    for symbols in (1e3, 1e7, 1e10):
        np.testing.assert_allclose(
            learning_curve_statistics.straight(line.points, symbols), log_line(symbols), rtol=1e-12
        )


def test_a_straight_line_is_of_the_last_three_points():
    bits = [9.0, 1.2, 3.4, *log_line(SYMBOLS[3:])]
    np.testing.assert_allclose(learning_curve_statistics.straight(line_of(bits).points, 1e8), log_line(1e8), rtol=1e-12)
    two = learning_curve_statistics.straight(line_of(log_line(SYMBOLS[:2]), SYMBOLS[:2]).points, 1e8)
    np.testing.assert_allclose(two, log_line(1e8), rtol=1e-12)


def test_predictions_do_not_depend_on_the_predicted_point():
    bits = law(SYMBOLS)
    known, other = (
        learning_curve_statistics.backtest_rows([line_of([*bits[:-1], last])]).iloc[0] for last in (bits[-1], 1.0)
    )
    assert other["observed"] == 1 and other["law"] == known["law"] and other["line"] == known["line"]
    assert known["law_low"] == other["law_low"]


def test_intervals_of_predictions_hold_what_shifts_the_curve():
    noise = 0.01
    row = learning_curve_statistics.backtest_rows([line_of(log_line(SYMBOLS), noise=noise)]).iloc[0]
    shifts = np.random.default_rng(0).normal(0, 1, RESAMPLES) * noise
    low, high = bootstrap.interval(log_line(SYMBOLS[-1]) + shifts)
    assert (row["line_low"], row["line_high"]) == pytest.approx((low, high), abs=1e-12)
    assert row["law_low"] < row["law"] < row["law_high"]


def test_short_curves_predict_nothing():
    short = line_of(law(SYMBOLS[:3]), SYMBOLS[:3])
    assert learning_curve_statistics.backtest_rows([short, line_of(law(SYMBOLS[:2]), SYMBOLS[:2])]).empty
    assert len(learning_curve_statistics.backtest_rows([short, line_of(law(SYMBOLS[:4]), SYMBOLS[:4])])) == 1


def test_extrapolation_of_a_power_law():
    (row,) = learning_curve_statistics.extrapolation_rows([line_of(law(SYMBOLS))], paper=5e6).to_dict("records")
    now = law(SYMBOLS[-1])
    for name, value in {
        "now": now,
        "floor": 1.5,
        "exponent": EXPONENT,
        "at_paper": law(5e6),
        "at_ten": law(3.2e7),
    }.items():
        assert row[name] == pytest.approx(value, abs=1e-8), name
        assert row[f"{name}_low"] == pytest.approx(row[name]) == row[f"{name}_high"]
    assert law(row["needed"]) == pytest.approx(now - 0.1, abs=1e-8)
    assert (row["symbols"], row["parameters"], row["seeds"], row["floor_resolved"]) == (SYMBOLS[-1], 2000, 2, True)
    assert row["error"] < 1e-8
    beyond = learning_curve_statistics.extrapolation_rows(
        [line_of(law(SYMBOLS))], paper=5e6, gain=now - 1.5 + 1e-6
    ).iloc[0]
    assert beyond["needed"] == math.inf == beyond["needed_high"], "below the floor"


def test_extrapolation_of_a_straight_line():
    (row,) = learning_curve_statistics.extrapolation_rows([line_of(log_line(SYMBOLS))], paper=5e6).to_dict("records")
    assert row["line_at_paper"] == pytest.approx(log_line(5e6)) and row["line_at_ten"] == pytest.approx(log_line(3.2e7))
    assert row["line_needed"] == pytest.approx(SYMBOLS[-1] * 2 ** (0.1 / 0.04), rel=1e-9)
    assert log_line(row["line_needed"]) == pytest.approx(log_line(SYMBOLS[-1]) - 0.1)
    assert row["floor"] < 0.05, "such points do not resolve a floor"


def test_curves_that_rise_extrapolate_to_nothing_lower():
    (row,) = learning_curve_statistics.extrapolation_rows([line_of(log_line(SYMBOLS, saved=-0.01))], paper=5e6).to_dict(
        "records"
    )
    assert row["needed"] == row["line_needed"] == math.inf and not row["floor_resolved"]
    assert row["at_ten"] == pytest.approx(row["floor"])


def test_a_curve_that_flattens_resolves_a_floor():
    assert line_of(law(SYMBOLS)).floor_resolved
    steeper = [2 - 0.01 * number**2 for number in range(6)]
    for bits in (steeper, law(SYMBOLS, exponent=5.0), log_line(SYMBOLS, saved=-0.01)):
        assert not line_of(bits).floor_resolved
    assert not line_of(law(SYMBOLS[:2]), SYMBOLS[:2]).floor_resolved, "no fit"
    assert not line_of(law(SYMBOLS, floor=-0.5, excess=2.5)).floor_resolved, "a floor of 0 is the end of the scale"
    found = learning_curve_statistics.efficiency_rows(
        [line_of(law(SYMBOLS)), line_of(steeper), line_of(steeper, floor=1.5)]
    )
    assert list(found["floor_resolved"]) == [True, False, True] and list(found["known"]) == [False, False, True]
    assert learning_curve_statistics.excess_rows([line_of(steeper)]).empty


def test_the_last_doubling_is_of_the_last_two_points():
    symbols = [1e5, 1e6, 4e6]
    line = line_of([1.9, 1.8, 1.7], symbols, noise=0.01)
    np.testing.assert_allclose(line.doubling, 0.05)
    assert line_of([1.9, 1.8, 1.7], SYMBOLS[:3]).doubling[0] == pytest.approx(0.1)


def test_curves_of_two_points_are_not_extrapolated():
    assert learning_curve_statistics.extrapolation_rows([line_of(law(SYMBOLS[:2]), SYMBOLS[:2])], paper=5e6).empty


# data efficiency


def test_efficiency_with_a_known_floor():
    """Symbols until 5 % above the entropy of the source, whatever floor the fit has."""
    (row,) = learning_curve_statistics.efficiency_rows([line_of(law(SYMBOLS), floor=1.6, corpus="source-2")]).to_dict(
        "records"
    )
    assert row["known"] and row["floor"] == 1.6
    assert law(row["needed"]) == pytest.approx(1.6 * 1.05, abs=1e-8)
    assert row["needed"] == pytest.approx(1e6 * ((1.68 - 1.5) / 0.2) ** (-1 / EXPONENT), rel=1e-6)
    assert row["symbols_per_parameter"] == SYMBOLS[-1] / 2000 and row["floor_resolved"]
    saved = (law(SYMBOLS[-2]) - law(SYMBOLS[-1])) / law(SYMBOLS[-1])
    assert row["doubling"] == pytest.approx(saved) == row["doubling_low"] == row["doubling_high"]
    assert (row["corpus"], row["symbols"], row["now"]) == ("source-2", SYMBOLS[-1], pytest.approx(law(SYMBOLS[-1])))
    assert row["exponent_low"] == pytest.approx(EXPONENT) == row["exponent_high"]
    closer = learning_curve_statistics.efficiency_rows([line_of(law(SYMBOLS), floor=1.6)], share=0.01).iloc[0]
    assert law(closer["needed"]) == pytest.approx(1.616, abs=1e-8) and closer["needed"] > row["needed"]


def test_efficiency_with_a_fitted_floor():
    (row,) = learning_curve_statistics.efficiency_rows([line_of(law(SYMBOLS))]).to_dict("records")
    assert not row["known"] and row["floor"] == pytest.approx(1.5, abs=1e-8)
    assert law(row["needed"]) == pytest.approx(1.5 * 1.05, abs=1e-8)
    assert row["error"] < 1e-8


def test_a_model_that_never_comes_near_the_floor_needs_endless_data():
    far, zero = learning_curve_statistics.efficiency_rows(
        [line_of(law(SYMBOLS), floor=1.4), line_of(law(SYMBOLS, floor=0, exponent=float(EXPONENTS[60])))]
    ).to_dict("records")
    assert far["needed"] == far["needed_low"] == far["needed_high"] == math.inf
    assert zero["floor"] == pytest.approx(0, abs=1e-6) and zero["needed"] > 1e15
    assert learning_curve_statistics.efficiency_rows([line_of(law(SYMBOLS[:2]), SYMBOLS[:2], floor=1.5)]).empty


def test_intervals_of_efficiency_hold_their_figure():
    row = learning_curve_statistics.efficiency_rows([line_of(law(SYMBOLS), noise=0.005, floor=1.6)]).iloc[0]
    assert row["needed_low"] < row["needed"] < row["needed_high"]
    shifts = np.random.default_rng(0).normal(0, 1, RESAMPLES) * 0.005
    expected = [1e6 * ((1.68 - 1.5 - shift) / 0.2) ** (-1 / EXPONENT) for shift in shifts]
    assert (row["needed_low"], row["needed_high"]) == pytest.approx(bootstrap.interval(np.array(expected)), rel=1e-4)


def test_excess_is_over_the_floor_that_is_known_or_fitted():
    lines = [line_of(law(SYMBOLS), floor=1.6, corpus="source-2"), line_of(law(SYMBOLS), corpus="english-4")]
    found = learning_curve_statistics.excess_rows(lines)
    assert len(found) == 12 and list(found["known"]) == [True] * 6 + [False] * 6
    for (_, part), floor in zip(found.groupby("corpus", sort=False), (1.6, 1.5), strict=True):
        np.testing.assert_allclose(part["excess"], law(SYMBOLS) / floor - 1, atol=1e-7)
        np.testing.assert_allclose(part["ratio"], np.array(SYMBOLS) / 2000)
        assert (part["low"] <= part["excess"] + 1e-12).all() and (part["excess"] <= part["high"] + 1e-12).all()
    few = SYMBOLS[:2]
    assert learning_curve_statistics.excess_rows([line_of(law(few), few)]).empty, "no fit, no floor"
    assert len(learning_curve_statistics.excess_rows([line_of(law(few), few, floor=1.5)])) == 2


# words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"), (12.4, "12"), (999, "999"), (1000, "1 thousand"), (1234, "1.23 thousand"), (12e6, "12 million"),
        (1_984_206, "1.98 million"), (3.1e9, "3.1 billion"), (5.55e12, "5.55 trillion"), (2e14, "200 trillion"),
        (math.inf, "never"), (math.nan, "never"), (2e15, "never"),
    ],
)  # fmt: skip
def test_amounts_in_words(value, words):
    assert amount(value) == words


def test_durations_in_words():
    assert [duration(seconds) for seconds in (0.04, 8.2, 119, 750, 7199, 22125)] == [
        "0.0 s", "8.2 s", "119.0 s", "12.5 min", "120.0 min", "6.1 hours"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "words"),
    [(999.7, "1 thousand"), (999_700, "1 million"), (999.6e6, "1 billion"), (999.9e9, "1 trillion"),
     (1e15, "1000 trillion")],
)  # fmt: skip
def test_amounts_that_round_up_to_the_next_word(value, words):
    assert amount(value) == words


def test_amounts_in_sentences():
    some = {"needed": 3.1e9, "needed_low": 2e9, "needed_high": math.inf}
    assert amounts(some, "needed") == "3.1 billion (2 billion to never)"
    assert nucleotides(some, "needed") == "3.1 billion nucleotides (2 billion to never)"
    none = dict.fromkeys(some, math.inf)
    assert amounts(none, "needed") == "never"
    assert nucleotides(none, "needed") == "no amount of data"
    assert nucleotides({**none, "needed_low": 2e9}, "needed") == "no amount of data (2 billion to never)"
    row = {"law": 1.85219, "law_low": 1.8404, "law_high": 1.8649}
    assert figure(row, "law") == "1.852 (1.840 to 1.865)"
    assert figure(row, "law", 1) == "1.9 (1.8 to 1.9)"


def english(saved, saved_of_four):
    """Curves on one text in two alphabets, each with what its doublings save."""
    lines = [
        line_of(log_line(SYMBOLS, saved), corpus=corpus, group=corpus, noise=0.001)
        for corpus, saved in (("english", saved), ("english-4", saved_of_four))
    ]
    return learning_curve_statistics.efficiency_rows(lines)


def test_the_text_says_what_the_last_doubling_saved():
    less = learning_curve_statistics.alphabet_text(english(0.04, 0.02), "LSTM")
    for corpus, saved in (("english", 0.04), ("english-4", 0.02)):
        assert f"{corpus} {saved / log_line(SYMBOLS[-1], saved):.1%} (" in less
    assert "still learning after 3.2 million of them, 1600.0 symbols per parameter, and by less than" in less
    more = learning_curve_statistics.alphabet_text(english(0.02, 0.04), "LSTM")
    assert "still learning" in more and "by no less than with all characters" in more
    assert "done learning" in learning_curve_statistics.alphabet_text(english(0.04, -0.001), "LSTM")
    assert learning_curve_statistics.alphabet_text(english(0.04, 0.02), "Transformer") == ""


def test_the_text_names_sources_and_genes():
    genes = learning_curve_statistics.among_corpora(line_of(law(SYMBOLS), group=BY_FAMILY))
    lines = [line_of(law(SYMBOLS), corpus="source-2", floor=1.6), genes]
    text = learning_curve_statistics.alphabet_text(learning_curve_statistics.efficiency_rows(lines), "LSTM")
    assert f"source-2 {law(SYMBOLS[-1]) - 1.6:.3f}" in text and "One text" not in text
    saved = (law(SYMBOLS[-2]) - law(SYMBOLS[-1])) / law(SYMBOLS[-1])
    assert f"split by family {saved:.1%} (" in text


def test_tables_of_no_curves_have_their_columns():
    none, some = [line_of(law(SYMBOLS[:2]), SYMBOLS[:2])], [line_of(law(SYMBOLS))]
    extrapolation = partial(learning_curve_statistics.extrapolation_rows, paper=5e6)
    others = (
        learning_curve_statistics.backtest_rows,
        learning_curve_statistics.excess_rows,
        learning_curve_statistics.efficiency_rows,
    )
    for rows in (extrapolation, *others):
        empty, full = rows(none), rows(some)
        assert empty.empty and len(full) and list(empty.columns) == list(full.columns)
        assert not full.isna().any(axis=None)


# charts


@pytest.mark.slow
def test_the_chart_of_curves_has_a_panel_a_group():
    lines = [
        line_of(law(SYMBOLS), noise=0.01),
        line_of(log_line(SYMBOLS[:2]), SYMBOLS[:2], label="8-gram, Laplace", family="n-gram"),
        line_of(log_line(SYMBOLS[:2]), SYMBOLS[:2], group=BY_FAMILY, label="8-gram, Laplace", family="n-gram"),
    ]
    chart = learning_curve_charts.curve_chart(lines, 1e8)
    rows, description = drawn(chart)
    assert [panel["title"] for panel in chart.to_dict()["vconcat"]] == [OWN_ALL, BY_FAMILY]
    marks = [{mark["type"] for mark in values_of(panel, "mark")} for panel in chart.to_dict()["vconcat"]]
    assert "line" in marks[0] and "line" not in marks[1], "no fit, no line"
    assert len(rows) == 24 + 6 + 2 + 2
    assert OWN_ALL in description and BY_FAMILY in description and "training nucleotides" in description
    fitted = pd.DataFrame(rows).query("label == 'LSTM'").sort_values("symbols")
    assert fitted["symbols"].max() == pytest.approx(1e8) and fitted["symbols"].min() == pytest.approx(1e5)
    np.testing.assert_allclose(fitted["bits"], law(fitted["symbols"]), atol=1e-8)
    assert ((fitted["low"] < fitted["bits"]) & (fitted["bits"] < fitted["high"])).all()


@pytest.mark.slow
def test_the_chart_of_excess_has_what_is_above_the_floor():
    lines = [
        line_of(law(SYMBOLS), corpus="english-4", noise=0.2),
        line_of(law(SYMBOLS), corpus="source-2", floor=float(law(SYMBOLS[3]))),
        line_of(law(SYMBOLS), corpus="english"),
        line_of(law(SYMBOLS), corpus="english-4", label="Transformer", family="Transformer"),
    ]
    frame = learning_curve_statistics.excess_rows(lines)
    chart = learning_curve_charts.excess_chart(frame, ["english-4", "source-2"])
    rows, description = drawn(chart)
    assert [panel["title"] for panel in chart.to_dict()["vconcat"]] == ["LSTM", "Transformer"]
    assert len(rows) == 6 + 3 + 6
    assert {row["corpus"] for row in rows} == {"english-4", "source-2"}
    assert all(0 < row["low"] <= row["excess"] for row in rows), "a logarithmic axis takes no others"
    assert "LSTM, Transformer" in description and "english-4, source-2" in description
    domains = values_of(chart.to_dict()["vconcat"], "color", "scale", "domain")
    assert domains and all(domain == ["english-4", "source-2"] for domain in domains)


@pytest.mark.slow
def test_charts_are_drawn_for_the_book():
    charts.setup()
    html = charts.book(learning_curve_charts.curve_chart([line_of(law(SYMBOLS), noise=0.01)], 1e8).to_dict())[
        "text/html"
    ]
    assert "data-rows=" in html and '<img alt="Bits per base' in html
