"""The bootstrap: resamples of genes, and percentile intervals of what is computed from them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

REPLICATES = 1000
LEVEL = 0.95


@lru_cache(maxsize=2)
def resamples(genes: int, replicates: int, seed: int) -> np.ndarray:
    """How often each gene stands in each resample, shape (replicates, genes)."""
    random = np.random.default_rng(seed)
    return random.multinomial(genes, np.full(genes, 1 / genes), size=replicates).astype(np.float64)


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of bootstrap values; infinite ones sort last."""
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)
