"""Small things that several test modules need."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml

from dnastudy.data.datasets import Dataset
from dnastudy.data.sequences import reverse_complement

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
        "generation-quality": {"genes": 30, "temperatures": [1.0], "kmer_sizes": [3],
                               "classifiers": ["linear on k-mers"], "folds": 2},
        "gene-types": {"genes": 10, "test_genes": 60, "classifiers": ["linear on k-mers"],
                       "judge": "linear on k-mers"},
    },
}  # fmt: skip


def write_small_profile(path: Path) -> Path:
    """Write the profile `SMALL` as a file."""
    quick = yaml.safe_load((ROOT / "dnastudy" / "experiments" / "profiles" / "quick.yaml").read_text())
    path.write_text(yaml.safe_dump({**quick, **SMALL}))
    return path


def random_sequences(n: int, seed: int = 0, low: int = 0, high: int = 120) -> list[str]:
    """Random sequences over A C G T, of every length from ``low`` on."""
    random = np.random.default_rng(seed)
    lengths = [low + i % (high - low + 1) for i in range(n)]
    return ["".join(random.choice(list("ACGT"), size=k, p=[0.35, 0.2, 0.15, 0.3])) for k in lengths]


def homologous_sequences(n: int, seed: int = 0, length: int = 90) -> list[str]:
    """Copies of a few ancestors, some of the other strand, with substitutions, insertions and deletions."""
    random = np.random.default_rng(seed)
    ancestors = random_sequences(4, seed=99, low=length)
    genes = []
    for i in range(n):
        gene = list(ancestors[random.integers(4)])
        for _ in range(random.integers(0, 8)):
            at, kind = random.integers(len(gene)), random.choice(["insert", "delete", "change", "change"])
            new = [] if kind == "delete" else ["ACGT"[random.integers(4)]]
            gene[at : at + (kind != "insert")] = new
        genes.append(reverse_complement("".join(gene)) if i % 5 == 4 else "".join(gene))
    return genes


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


def small_dataset(**changes: pd.DataFrame) -> Dataset:
    """Forty random gene records, split; ``changes`` replace single splits."""
    rows = random_sequences(40, seed=8, low=30)
    splits = {"train": gene_frame(rows[:20], "a"), "validation": gene_frame(rows[20:30], "b")}
    splits |= {"test": gene_frame(rows[30:], "c"), "counts": gene_frame(rows[:30], "d"), **changes}
    return Dataset("own", "genes of a test", splits, "training and validation genes")


HANG = 1800
"""Seconds after which a test gives a process up: far beyond what it takes on a busy machine."""


def wait_for(condition: Callable[[], object], *processes: subprocess.Popen) -> None:
    """Wait until a condition holds, while the processes that are to bring it about are running."""
    end = time.monotonic() + HANG
    while not condition():
        for process in processes:
            assert process.poll() is None, f"a process ended too early: {process.args}"
        assert time.monotonic() < end, "what is waited for never came"
        time.sleep(0.02)


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


WORDS = (
    "the of and to in a is that it was for on are as with his they at be this have from or one had by word but not "
    "what all were we when your can said there use an each which she do how their if will up other about out many then "
    "them these so some her would make like him into time has look two more write go see number no way could people my "
    "than first water been call who oil its now find long down day did get come made may part quick judge vex zone"
)
ENDS = [". ", "! ", "; ", ".\n\n"]


def english(characters: int, seed: int = 1) -> str:
    """Sentences of common words, with capitals, numbers, points and breaks."""
    random, words = np.random.default_rng(seed), WORDS.split()
    text = ""
    while len(text) < characters:
        sentence = " ".join(random.choice(words, size=random.integers(3, 12)))
        year = f" in {random.integers(1500, 1900)}" if random.random() < 0.1 else ""
        text += sentence[0].upper() + sentence[1:] + year + random.choice(ENDS)
    return text[:characters]
