"""Shared fixtures. Tests never depend on what lies on the machine: real genes and a browser are marked."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
REAL_DATA = Path(os.environ.get("DNASTUDY_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real genes, or a skip with the reason."""
    if not (REAL_DATA / "genes" / "test.csv").exists():
        pytest.skip(f"no real genes at {REAL_DATA} (name a folder in DNASTUDY_DATA)")
    return REAL_DATA


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
