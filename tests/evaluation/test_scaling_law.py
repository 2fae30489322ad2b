"""Saturating power laws: exact curves come back, noisy ones as from a general optimiser, and no figure is negative."""

import math

import numpy as np
import pytest
from scipy.optimize import least_squares

from dnastudy.evaluation.scaling_law import EXPONENTS, PowerLaw, fit_power_law

SYMBOLS = np.array([31e3, 62e3, 125e3, 250e3, 5e5, 1e6, 2e6])
UNIT = math.exp(np.log(SYMBOLS).mean())
STEP = EXPONENTS[1] / EXPONENTS[0]
CURVES = [(1.5, 0.3, 150), (0.0, 1.9, 150), (0.0, 0.5, 300), (1.9, 0.05, 1), (1.2, 0.4, 398), (1.8, 0.01, 200)]
"""Floor, excess, and which of the exponents that are tried."""


def curve(floor, excess, exponent, symbols=SYMBOLS):
    return floor + excess * (symbols / UNIT) ** -exponent


@pytest.mark.parametrize(("floor", "excess", "number"), CURVES)
def test_an_exact_curve_comes_back(floor, excess, number):
    law = fit_power_law(SYMBOLS, curve(floor, excess, EXPONENTS[number]))
    assert law.unit == pytest.approx(UNIT, rel=1e-12)
    assert law.exponent == pytest.approx(EXPONENTS[number], rel=1e-9)
    assert law.floor == pytest.approx(floor, abs=1e-9) and law.excess == pytest.approx(excess, rel=1e-9)
    assert law.error < 1e-9
    for symbols in (100, 3e6, 1e9):
        assert law.at(symbols) == pytest.approx(curve(floor, excess, EXPONENTS[number], symbols), rel=1e-9)


@pytest.mark.parametrize("exponent", [0.0103, 0.05, 0.1, 0.3, 0.5, 1])
def test_an_exponent_between_those_that_are_tried_is_found_to_a_step(exponent):
    law = fit_power_law(SYMBOLS, curve(1.7, 0.2, exponent))
    assert abs(math.log(law.exponent[0] / exponent)) < math.log(STEP)
    assert law.error < 0.002
    for symbols in (SYMBOLS[0], SYMBOLS[-1], 10 * SYMBOLS[-1]):
        assert law.at(symbols) == pytest.approx(curve(1.7, 0.2, exponent, symbols), abs=0.004)
    assert law.floor == pytest.approx(1.7, abs=0.004)


def test_exponents_beyond_the_range_end_at_its_ends():
    assert fit_power_law(SYMBOLS, curve(1.7, 0.2, 0.001)).exponent == EXPONENTS[0]
    assert fit_power_law(SYMBOLS, curve(1.7, 0.2, 5)).exponent == EXPONENTS[-1]
    # a straight line over the logarithm is the limit of small exponents
    assert fit_power_law(SYMBOLS, 2 - 0.01 * np.log(SYMBOLS)).exponent == EXPONENTS[0]


def noisy(rows, seed=0, noise=0.005):
    """Curves as models of genes have them, up to 0.6 bits above their floor at the first point, and noise."""
    random = np.random.default_rng(seed)
    floors, exponents = random.uniform(0, 1.7, rows), random.uniform(0.05, 0.8, rows)
    excesses = random.uniform(0.1, 0.6, rows) * (SYMBOLS[0] / UNIT) ** exponents
    curves = [curve(*parameters) for parameters in zip(floors, excesses, exponents, strict=True)]
    return np.stack(curves) + random.normal(0, noise, (rows, len(SYMBOLS)))


@pytest.mark.slow
def test_many_curves_at_once_are_as_one_by_one():
    bits = np.vstack([noisy(12), np.sort(noisy(2, seed=1)), np.full((1, len(SYMBOLS)), 1.5)])
    together, alone = fit_power_law(SYMBOLS, bits), [fit_power_law(SYMBOLS, row) for row in bits]
    for name in ("floor", "excess", "error"):
        values = getattr(together, name)
        assert values.shape == (15,)
        expected = np.concatenate([getattr(law, name) for law in alone])
        np.testing.assert_allclose(values, expected, rtol=1e-7, atol=1e-9, err_msg=name)
    for symbols in (1e3, 2e7):
        np.testing.assert_allclose(together.at(symbols), [law.at(symbols)[0] for law in alone], rtol=1e-9)


def test_the_order_of_the_points_does_not_matter():
    bits, order = noisy(5), np.random.default_rng(3).permutation(len(SYMBOLS))
    one, other = fit_power_law(SYMBOLS, bits), fit_power_law(SYMBOLS[order], bits[:, order])
    np.testing.assert_allclose(one.at(1e7), other.at(1e7), rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("row", range(12))
def test_noisy_curves_are_fitted_as_by_a_general_optimiser(row):
    bits = noisy(12, seed=5)[row]

    def residuals(parameters):
        return curve(*parameters) - bits

    starts = [(bits.min() * share, 0.3, exponent) for share in (0.1, 1) for exponent in (0.05, 0.3, 1)]
    bounds = ([0, 0, EXPONENTS[0]], [np.inf, np.inf, EXPONENTS[-1]])
    best = min(
        (least_squares(residuals, start, bounds=bounds, xtol=1e-13, ftol=1e-13, gtol=1e-13) for start in starts),
        key=lambda result: result.cost,
    )
    error = math.sqrt(2 * best.cost / len(bits))
    law = fit_power_law(SYMBOLS, bits)
    assert error * (1 - 1e-6) <= law.error[0] < error + 1e-6
    assert law.exponent[0] == pytest.approx(best.x[2], rel=0.002)
    for symbols in (*SYMBOLS, 2e7):
        assert law.at(symbols)[0] == pytest.approx(curve(*best.x, symbols), abs=1e-4)
    assert law.floor[0] == pytest.approx(best.x[0], abs=0.002)


def test_floor_and_excess_are_never_negative():
    random = np.random.default_rng(2)
    bits = np.vstack([random.uniform(0, 2, (300, 7)), random.uniform(0, 0.01, (50, 7)), np.geomspace(5, 1e-6, 7)])
    law = fit_power_law(SYMBOLS, bits)
    assert (law.floor >= 0).all() and (law.excess >= 0).all()
    assert (law.floor == 0).any() and (law.excess == 0).any(), "both limits are reached"
    assert np.isfinite([law.floor, law.excess, law.exponent, law.error]).all()
    assert (law.at(1e12) <= law.at(1e3) + 1e-12).all(), "no curve rises"


def test_points_that_rise_or_stay_have_no_excess():
    for bits in (np.linspace(1.6, 1.8, 7), np.full(7, 1.7)):
        law = fit_power_law(SYMBOLS, bits)
        assert law.excess == pytest.approx(0, abs=1e-12) and law.floor == pytest.approx(1.7)
        assert law.at(10) == pytest.approx(law.floor) == law.at(1e9)
        assert law.error == pytest.approx(bits.std(), abs=1e-12)


def test_bits_and_the_symbols_they_need_lead_back_to_each_other():
    law = fit_power_law(SYMBOLS, np.vstack([noisy(20), curve(0, 1.5, 0.2)]))
    assert (law.excess > 0).all()
    for symbols in (1e3, UNIT, 1e9):
        np.testing.assert_allclose(law.needed(law.at(symbols)), symbols, rtol=1e-6)
    wanted = law.floor + 0.01
    needed = law.needed(wanted)
    reached = [PowerLaw(*(getattr(law, name)[i : i + 1] for name in ("floor", "excess", "exponent")), law.unit,
                        law.error).at(symbols)[0] for i, symbols in enumerate(needed)]  # fmt: skip
    np.testing.assert_allclose(reached, wanted, rtol=1e-9)


def test_no_amount_of_symbols_reaches_the_floor():
    law = PowerLaw(np.array([1.5, 1.5, 0.0]), np.array([0.3, 0.0, 0.4]), np.array([0.5, 0.5, 0.01]), UNIT, np.zeros(3))
    assert law.needed(law.floor).tolist() == [np.inf] * 3
    assert law.needed(law.floor - 0.1).tolist() == [np.inf] * 3
    assert law.needed(1.5).tolist()[:2] == [np.inf] * 2
    above = law.needed(1.8)
    assert above[0] == pytest.approx(UNIT) and above[1] == 0, "a curve without excess is at its floor from the start"
    assert law.needed(np.array([1.8, 1.4, 1e-9]))[1:].tolist() == [np.inf] * 2, "further than a number reaches"


@pytest.mark.parametrize(
    ("symbols", "bits"),
    [([1, 2], [2, 1]), ([1, 2, 2, 1], [2, 1, 1, 2]), ([], []), ([1, 2, 3], [2, 1]), ([1, 2, 3], [[2, 1], [2, 1]])],
)
def test_fewer_points_than_parameters_are_refused(symbols, bits):
    with pytest.raises(ValueError, match="three parameters"):
        fit_power_law(np.array(symbols), np.array(bits))


@pytest.mark.parametrize(
    ("symbols", "bits"),
    [
        ([1, 2, 3], [2, math.inf, 1]),
        ([1, 2, 3], [[2, 1.5, 1], [2, math.nan, 1]]),
        ([1, 2, math.inf], [3, 2, 1]),
        ([1, 2, 3, math.nan], [3, 2, 1, 1]),
        ([0, 1, 2], [3, 2, 1]),
        ([-1, 1, 2], [3, 2, 1]),
    ],
)
def test_figures_that_no_curve_has_are_refused(symbols, bits):
    with pytest.raises(ValueError, match="finite"):
        fit_power_law(np.array(symbols), np.array(bits))


def test_three_points_are_met():
    law = fit_power_law(np.array([1e5, 1e6, 1e7]), np.array([1.9, 1.8, 1.76]))
    for symbols, bits in ((1e5, 1.9), (1e6, 1.8), (1e7, 1.76)):
        assert law.at(symbols) == pytest.approx(bits, abs=0.001)
