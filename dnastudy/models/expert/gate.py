"""What the expert mixture tunes on genes outside its index: tables of copies, and the gate.

The gate is a network with one hidden layer (rectified) from facts, such as how often a context was seen and how well
each expert predicted recently, to one weight for each expert: a mixture of experts in the logarithmic domain (logistic
mixing, as in Mahoney's PAQ), trained by Adam (Kingma and Ba, 2015) on the cross-entropy of the nucleotides.
"""

from __future__ import annotations

import numpy as np

from dnastudy.data.sequences import END
from dnastudy.models.expert.state import (
    KNOWN,
    LEVELS,
    NUM_CASES,
    NUM_END,
    NUM_EXPERTS,
    NUM_FACTS,
    RUNS,
    Gate,
    Tables,
    end_bin,
)  # fmt: skip

BATCH = 2048
FEWEST_STEPS = 400
"""Fewest steps: on few genes batches are smaller and epochs more."""
RATE = 0.004
"""Highest learning rate: reached after a tenth of the steps, then falling to 0 along a cosine."""
MOMENTUM, SQUARES = 0.9, 0.99
"""Adam's decays of the mean gradient and of its mean square."""
PRIOR = 1000.0
"""Penalty on the squared distance of the weights from their first values (half of it, nats), against overfitting to few
genes."""
UNTRAINED = 0.05
"""Weight of every expert before training."""


def _assumed_hits() -> np.ndarray:
    """Prior probability that a copy of each class is right, shape (NUM_CLASSES,)."""
    misses = np.arange(33)
    rate = np.clip(0.25 + 0.74 * np.maximum(1 - misses / 24, 0) ** 2, 0.26, 0.99)
    return np.tile(rate, KNOWN * RUNS)


def _assumed_symbols() -> np.ndarray:
    """Prior probability of each symbol by case, from the probability of a hit alone, shape (NUM_CASES, 4)."""
    hit = 1 / (1 + np.exp(1 - np.arange(LEVELS) / 2))
    table = np.empty((LEVELS, 4, 5, 4, 4))
    table[:] = ((1 - hit) / 3)[:, None, None, None, None]
    for symbol in range(4):
        table[:, symbol, :, :, symbol] = hit[:, None, None]
    return table.reshape(NUM_CASES, 4)


def copy_tables(hits: np.ndarray, symbols: np.ndarray, ends: np.ndarray) -> Tables:
    """Return tables from counts, each smoothed towards its prior.

    Parameters
    ----------
    hits : array, shape (2, NUM_CLASSES, 2)
        Misses and hits of copies of each class, by strand.
    symbols : array, shape (2, NUM_CASES, 4)
        True nucleotides in each case; zeros: the prior alone.
    ends : array, shape (bins,)
        Hazard of the end.
    """
    hit = np.clip((hits[:, :, 1] + 4 * _assumed_hits()) / (hits.sum(axis=2) + 4), 0.25, 0.9995)
    symbol = (symbols + 16 * _assumed_symbols()) / (symbols.sum(axis=2, keepdims=True) + 16)
    return tables_from(hit, symbol, ends)


def tables_from(hit: np.ndarray, symbol: np.ndarray, end: np.ndarray) -> Tables:
    """Return tables with all that follows from these three (see `Tables`)."""
    odds = hit / (1 - hit)
    level = np.clip(np.rint(2 * (np.log(odds) + 1)), 0, LEVELS - 1).astype(np.int64)
    return Tables(odds**1.5, hit, level, symbol, np.log(symbol), end)


def end_hazard(lengths: np.ndarray) -> np.ndarray:
    """Return the probability that a gene ends at a position, by bin of the position, from the lengths of genes."""
    ends = np.bincount(end_bin(lengths))
    positions = np.arange(lengths.max() + 1)
    still_there = len(lengths) - np.searchsorted(np.sort(lengths), positions)
    at_risk = np.bincount(end_bin(positions), weights=still_there)
    mean = len(lengths) / (lengths.sum() + len(lengths))
    return np.clip((ends + 10 * mean) / (at_risk + 10), 1e-9, 0.99)


def untrained_gate(hidden: int) -> Gate:
    """Return a gate with equal weights for all experts, and the position alone for the end."""
    end = np.zeros(NUM_END)
    end[1] = 1
    return Gate(
        np.zeros((NUM_FACTS, hidden), np.float32), np.zeros(hidden, np.float32),
        np.zeros((hidden, NUM_EXPERTS), np.float32), np.full(NUM_EXPERTS, UNTRAINED, np.float32), end,
    )  # fmt: skip


def train_gate(
    experts: np.ndarray, facts: np.ndarray, truth: np.ndarray, hidden: int, epochs: int, seed: int
) -> tuple[np.ndarray, ...]:
    """Return the weights of the network, for facts that are not standardised (their mean and spread are folded in).

    Parameters
    ----------
    experts : float32 array, shape (n, NUM_EXPERTS, 4)
        Centred logarithms.
    facts : float32 array, shape (n, NUM_FACTS)
    truth : array, shape (n,)
        True symbols; those of the end are left out.
    epochs : int
        Times through the data.
    """
    random = np.random.default_rng(seed)
    places = np.flatnonzero(truth < END)
    n = len(places)
    mean = facts.mean(axis=0, dtype=np.float64)
    # not `std`, which would hold all facts once more in double precision
    squares = np.einsum("ij,ij->j", facts, facts, dtype=np.float64) / len(facts)
    spread = np.sqrt(np.maximum(squares - mean**2, 0)) + 1e-3
    bound = 1 / np.sqrt(NUM_FACTS)
    # double precision, so that machines that sum in another order get the same weights to many digits
    weights = [
        random.uniform(-bound, bound, (NUM_FACTS, hidden)),
        random.uniform(-bound, bound, hidden),
        np.zeros((hidden, NUM_EXPERTS)),
        np.full(NUM_EXPERTS, UNTRAINED),
    ]
    prior = [np.zeros_like(weights[0]), np.zeros_like(weights[1]), weights[2].copy(), weights[3].copy()]
    first, second = ([np.zeros_like(w) for w in weights] for _ in range(2))
    size = min(BATCH, max(32, n // 64), n)
    steps = max(epochs * (n // size), FEWEST_STEPS)
    order = np.empty(0, np.int64)
    for step in range(1, steps + 1):
        if len(order) < size:
            order = random.permutation(places)
        batch, order = order[:size], order[size:]
        gradients = _gradients(weights, (facts[batch] - mean) / spread, experts[batch].astype(np.float64), truth[batch])
        rate = RATE * min(step / (0.1 * steps), 0.5 * (1 + np.cos(np.pi * (step - 1) / steps)))
        for w, start, g, m, v in zip(weights, prior, gradients, first, second, strict=True):
            g = g + PRIOR / n * (w - start)
            m += (1 - MOMENTUM) * (g - m)
            v += (1 - SQUARES) * (g * g - v)
            w -= rate / (1 - MOMENTUM**step) * m / (np.sqrt(v / (1 - SQUARES**step)) + 1e-8)
    inputs = weights[0] / spread[:, None]
    return tuple(w.astype(np.float32) for w in (inputs, weights[1] - mean @ inputs, *weights[2:]))


def _gradients(weights, z: np.ndarray, x: np.ndarray, truth: np.ndarray) -> list[np.ndarray]:
    """Gradients of the mean cross-entropy; z (n, facts), x (n, experts, 4)."""
    inputs, bias, outputs, offset = weights
    n = len(truth)
    hidden = np.maximum(z @ inputs + bias, 0)
    gated = hidden @ outputs + offset
    logits = np.matmul(gated[:, None, :], x)[:, 0, :]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(n), truth] -= 1
    to_gated = np.matmul(x, p[:, :, None])[:, :, 0] / n
    to_hidden = (to_gated @ outputs.T) * (hidden > 0)
    return [z.T @ to_hidden, to_hidden.sum(axis=0), hidden.T @ to_gated, to_gated.sum(axis=0)]


def train_end(ending: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """Return the weights of a logistic regression of the end of the gene, by Newton's method.

    A small penalty (1 a squared weight) holds the weights near those of the position alone.
    """
    base = untrained_gate(1).end

    def loss(weights: np.ndarray) -> float:
        logits = ending @ weights
        return float(np.logaddexp(0, logits).sum() - logits[ended].sum() + ((weights - base) ** 2).sum() / 2)

    weights, now = base.copy(), loss(base)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(ending @ weights, -40, 40)))
        gradient = ending.T @ (p - ended) + (weights - base)
        curvature = (ending * (p * (1 - p))[:, None]).T @ ending + np.eye(NUM_END)
        step = np.linalg.solve(curvature, gradient)
        # a whole step can overshoot where the curve is flat: halve it until it helps
        while (after := loss(weights - step)) > now and np.abs(step).max() > 1e-9:
            step = step / 2
        if after >= now - 1e-9:
            break
        weights, now = weights - step, after
    return weights
