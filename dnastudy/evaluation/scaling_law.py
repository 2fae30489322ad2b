"""Saturating power laws of learning curves: bits(n) = floor + excess (n / n0)^-exponent (Hestness et al. 2017).

The fit is least squares: for each exponent of a grid, and then of ever finer ones around the best, floor and excess are
linear algebra, so that a thousand resamples of a curve are fitted at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EXPONENTS = np.geomspace(0.01, 3, 400)
"""Exponents tried first; one at either end says that the points do not tell it."""
REFINED, FINER = 3, 8
"""Rounds in which exponents between the neighbours of the best are tried, each so many times finer than the last."""


@dataclass(frozen=True)
class PowerLaw:
    """Fitted curves, one a row: arrays of shape (rows,).

    Attributes
    ----------
    floor : bits a symbol that no amount of data goes below; never negative
    excess : bits above the floor at ``unit`` symbols; never negative
    exponent : how fast the excess falls
    unit : symbols, one for all
    error : root of the mean squared residual, bits
    """

    floor: np.ndarray
    excess: np.ndarray
    exponent: np.ndarray
    unit: float
    error: np.ndarray

    def at(self, symbols: float) -> np.ndarray:
        """Bits a symbol after so many training symbols, shape (rows,)."""
        return self.floor + self.excess * (symbols / self.unit) ** -self.exponent

    def needed(self, bits: np.ndarray | float) -> np.ndarray:
        """Training symbols after which so many bits are reached, shape (rows,); inf where the floor is not below."""
        left = np.asarray(bits, dtype=float) - self.floor
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = self.unit * (left / self.excess) ** (-1 / self.exponent)
        return np.where(left > 0, found, np.inf)


def fit_power_law(symbols: np.ndarray, bits: np.ndarray) -> PowerLaw:
    """Fit curves to points.

    Parameters
    ----------
    symbols : array, shape (points,)
        Training symbols; at least three different numbers of them.
    bits : array, shape (points,) or (rows, points)
        Bits a symbol on held-out text; a row a curve.

    Raises
    ------
    ValueError
        For fewer points than parameters, or figures that are not finite.
    """
    symbols, bits = np.asarray(symbols, dtype=float), np.atleast_2d(np.asarray(bits, dtype=float))
    if len(np.unique(symbols)) < 3 or bits.shape[1] != len(symbols):
        raise ValueError(f"a saturating power law has three parameters, and here are {len(np.unique(symbols))} points")
    if not (np.isfinite(symbols).all() and (symbols > 0).all() and np.isfinite(bits).all()):
        raise ValueError("a learning curve's points must be finite, and its symbols above 0")
    unit = float(np.exp(np.log(symbols).mean()))
    best = _Best(symbols / unit, bits)
    for exponent in EXPONENTS:
        best.offer(np.full(len(bits), exponent))
    step = EXPONENTS[1] / EXPONENTS[0]
    for _ in range(REFINED):
        known = best.exponent.copy()
        for power in np.linspace(-1, 1, 2 * FINER + 1):
            best.offer(np.clip(known * step**power, EXPONENTS[0], EXPONENTS[-1]))
        step = step ** (1 / FINER)
    return PowerLaw(best.floor, best.excess, best.exponent, unit, np.sqrt(best.squares))


class _Best:
    """The best curve so far through each row of points."""

    def __init__(self, symbols: np.ndarray, bits: np.ndarray):
        self.symbols, self.bits = symbols, bits
        self.floor, self.excess, self.exponent = (np.full(len(bits), np.nan) for _ in range(3))
        self.squares = np.full(len(bits), np.inf)

    def offer(self, exponent: np.ndarray) -> None:
        """Keep the curves of these exponents, one a row, where they are nearer to the points."""
        slope = self.symbols ** -exponent[:, None]  # (rows, points)
        mean = slope.mean(axis=1)
        centred = slope - mean[:, None]
        excess = np.maximum((self.bits * centred).sum(axis=1) / (centred**2).sum(axis=1), 0)
        floor = self.bits.mean(axis=1) - excess * mean
        # no curve ends below 0 bits: then the excess alone is fitted
        below = floor < 0
        excess = np.where(below, (self.bits * slope).sum(axis=1) / (slope**2).sum(axis=1), excess)
        floor = np.where(below, 0, floor)
        squares = ((self.bits - floor[:, None] - excess[:, None] * slope) ** 2).mean(axis=1)
        better = squares < self.squares
        for name, new in (("floor", floor), ("excess", excess), ("exponent", exponent), ("squares", squares)):
            getattr(self, name)[better] = new[better]
