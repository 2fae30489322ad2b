"""Saturating power laws of learning curves: bits(n) = floor + excess (n / n0)^-exponent (Hestness et al. 2017).

The fit is least squares. For each exponent of a grid, and then of ever finer grids around the best one, floor and
excess follow from linear algebra, so that a thousand resamples of a curve are fitted at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EXPONENTS = np.geomspace(0.01, 3, 400)
"""Exponents tried first; a fitted exponent at either end is not determined by the points."""
REFINED, FINER = 3, 8
"""Rounds of exponents around the best, and how many times finer the exponents of each round are than of the last."""


@dataclass(frozen=True)
class PowerLaw:
    """Fitted curves, one curve a row: arrays of shape (rows,).

    Attributes
    ----------
    floor : bits per symbol that are approached with unlimited data; never negative
    excess : bits per symbol above the floor at ``unit`` training symbols; never negative
    exponent : of the decrease of the excess
    unit : training symbols, one number for all curves
    error : root of the mean squared residual, bits per symbol
    """

    floor: np.ndarray
    excess: np.ndarray
    exponent: np.ndarray
    unit: float
    error: np.ndarray

    def at(self, symbols: float) -> np.ndarray:
        """Return the bits per symbol after this number of training symbols, shape (rows,)."""
        return self.floor + self.excess * (symbols / self.unit) ** -self.exponent

    def needed(self, bits: np.ndarray | float) -> np.ndarray:
        """Return the training symbols needed to reach these bits, (rows,); inf where they are not above the floor."""
        above = np.asarray(bits, dtype=float) - self.floor
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            symbols = self.unit * (above / self.excess) ** (-1 / self.exponent)
        return np.where(above > 0, symbols, np.inf)


def fit_power_law(symbols: np.ndarray, bits: np.ndarray) -> PowerLaw:
    """Fit saturating power laws to points by least squares.

    Parameters
    ----------
    symbols : array, shape (points,)
        Training symbols of each point, at least three different numbers.
    bits : array, shape (points,) or (rows, points)
        Bits per symbol on held-out text; one curve a row.

    Raises
    ------
    ValueError
        If there are fewer points than parameters, or values that are not finite.
    """
    symbols, bits = np.asarray(symbols, dtype=float), np.atleast_2d(np.asarray(bits, dtype=float))
    if len(np.unique(symbols)) < 3 or bits.shape[1] != len(symbols):
        raise ValueError(
            f"a saturating power law has three parameters and needs three points, not {len(np.unique(symbols))}"
        )
    if not (np.isfinite(symbols).all() and (symbols > 0).all() and np.isfinite(bits).all()):
        raise ValueError("the points of a learning curve must be finite, and their symbols above 0")
    unit = float(np.exp(np.log(symbols).mean()))
    best = _Best(symbols / unit, bits)
    for exponent in EXPONENTS:
        best.offer(np.full(len(bits), exponent))
    step = EXPONENTS[1] / EXPONENTS[0]
    for _ in range(REFINED):
        centre = best.exponent.copy()
        for power in np.linspace(-1, 1, 2 * FINER + 1):
            best.offer(np.clip(centre * step**power, EXPONENTS[0], EXPONENTS[-1]))
        step = step ** (1 / FINER)
    return PowerLaw(best.floor, best.excess, best.exponent, unit, np.sqrt(best.squares))


class _Best:
    """The best curve so far for each row of points."""

    def __init__(self, symbols: np.ndarray, bits: np.ndarray):
        self.symbols, self.bits = symbols, bits
        self.floor, self.excess, self.exponent = (np.full(len(bits), np.nan) for _ in range(3))
        self.squares = np.full(len(bits), np.inf)

    def offer(self, exponent: np.ndarray) -> None:
        """Replace the best curves by those with these exponents, (rows,), where their squared error is smaller."""
        slope = self.symbols ** -exponent[:, None]  # (rows, points)
        mean = slope.mean(axis=1)
        centred = slope - mean[:, None]
        excess = np.maximum((self.bits * centred).sum(axis=1) / (centred**2).sum(axis=1), 0)
        floor = self.bits.mean(axis=1) - excess * mean
        # the floor is never below 0 bits: otherwise it is 0, and only the excess is fitted
        below = floor < 0
        excess = np.where(below, (self.bits * slope).sum(axis=1) / (slope**2).sum(axis=1), excess)
        floor = np.where(below, 0, floor)
        squares = ((self.bits - floor[:, None] - excess[:, None] * slope) ** 2).mean(axis=1)
        better = squares < self.squares
        for name, new in (("floor", floor), ("excess", excess), ("exponent", exponent), ("squares", squares)):
            getattr(self, name)[better] = new[better]
