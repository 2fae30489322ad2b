"""Which settings of a model a sweep searches: plain values, which `experiments.sweep` hands to the sampler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Range(NamedTuple):
    """All numbers from ``low`` to ``high``, both included: whole ones where ``low`` is an int.

    Attributes
    ----------
    low, high : int or float
    step : float, optional
        Distance between two values; any value by default.
    log : bool
        Sampled uniformly on a logarithmic scale.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False


SearchSpace = Mapping[str, Range | list]
"""For each setting that is searched a range, or a list of choices."""

COMMON: SearchSpace = {
    "learning_rate": Range(5e-4, 2e-2, log=True),
    "batch_tokens": [1500, 2500, 5000, 10_000],
    "dropout": Range(0.0, 0.5, step=0.05),
    "weight_decay": Range(1e-3, 0.3, log=True),
    "token_corruption": Range(0.0, 0.1, step=0.01),
    "kmer_size": Range(1, 8),
}
"""Settings that are searched for every network."""
