"""Small things that several test modules need."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]

# the profile `quick` with fewer genes, orders and seeds: as many kinds of runs, all tasks and chapters
SMALL = {
    "simulated_genes": 400, "mle_orders": [1, 5], "laplace_orders": [8], "train_orders": [2, 5], "seeds": [1],
    "curves": {
        "fractions": [1, 0.5, 0.25], "seeds": [1],
        "models": {"witten-bell": {"model": "ngram", "settings": {"order": 6}}, "expert": {"model": "expert"}},
        "texts": {"corpora": ["source-2"], "symbols": 20000, "models": ["witten-bell"], "fractions": [1, 0.5]},
    },
    "tasks": {
        "mutation-detection": {"pairs": 40, "calibration_pairs": 40, "maxima": [1, 5], "seeds": [1]},
        "generation-quality": {"genes": 30, "temperatures": [1.0], "kmer_sizes": [3], "classifiers": ["linear on k-mers"],
                     "folds": 2},
        "gene-types": {"genes": 10, "test_genes": 60, "classifiers": ["linear on k-mers"],
                       "judge": "linear on k-mers"},
    },
}  # fmt: skip


def write_small_profile(path: Path) -> Path:
    """Write the profile `SMALL` as a file."""
    quick = yaml.safe_load((ROOT / "dnastudy" / "profiles" / "quick.yaml").read_text())
    path.write_text(yaml.safe_dump({**quick, **SMALL}))
    return path


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


TRAIN, VALIDATION, TEST = (random_sequences(60, seed=seed, low=5, high=64) for seed in (11, 12, 13))
"""Genes of the tests of the command line."""


class Done(NamedTuple):
    """What a call of the program left: exit status, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """The one object on stdout: strict, and nothing beside it."""
        assert self.code == 0, self.err
        assert self.out.count("\n") == 1
        assert self.out.startswith("{")

        def refuse(word):
            raise AssertionError(f"{word} is not JSON")

        return json.loads(self.out, parse_constant=refuse)
