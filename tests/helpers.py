"""Small things that several test modules need."""

from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]


def random_sequences(n: int, seed: int = 0, low: int = 0, high: int = 120) -> list[str]:
    """Random sequences over A C G T, of every length from ``low`` on."""
    random = np.random.default_rng(seed)
    lengths = [low + i % (high - low + 1) for i in range(n)]
    return ["".join(random.choice(list("ACGT"), size=k, p=[0.35, 0.2, 0.15, 0.3])) for k in lengths]


def gene_frame(sequences: list[str], prefix: str = "g") -> pd.DataFrame:
    """A gene table of these sequences."""
    types = ["PSEUDO", "ncRNA", "tRNA"]
    return pd.DataFrame(
        {
            "id": [f"{prefix}{i}" for i in range(len(sequences))],
            "symbol": "",
            "description": "",
            "type": [types[i % 3] for i in range(len(sequences))],
            "sequence": sequences,
        }
    )
