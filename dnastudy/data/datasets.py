"""A study's genes: train, validation and test, from simulation, a folder, or one file of somebody's own genes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from dnastudy.data.genes import DataError, Policy, ReadReport, read_genes, table_hash
from dnastudy.data.sequences import NUCLEOTIDES
from dnastudy.data.splits import random_split, subset

SIMULATED = "simulated"
PAPER = "paper"
DATA_VARIABLE = "DNASTUDY_DATA"
_PAIRS = re.compile(r"synthetic_(\d+)_(\d+)_\d+\.csv")


@lru_cache
def paper() -> dict[str, Any]:
    """Protocol figures of the paper, from paper.yaml."""
    return yaml.safe_load((Path(__file__).parent / "paper.yaml").read_text())


@dataclass(frozen=True, eq=False)
class Dataset:
    """Genes in their splits.

    Attributes
    ----------
    name : str
        "simulated", "paper" (the paper's own test split), or the name of the folder or file.
    description : str
        One clause for pages and records: what these genes are.
    splits : dict of DataFrame
        Gene tables ``train``, ``validation``, ``test``; and ``counts``, what the paper's n-grams are counted on.
    counts_description : str
        What ``counts`` holds.
    pair_files : dict of paths
        Files of mutated test genes beside the splits, by seed and most edits: "419432-5".
    vocab_size : int
        Size of the alphabet; other than 4 only in texts that genes are set beside (`texts`).
    text : path, optional
        English text that came with the genes, to set them beside.
    """

    name: str
    description: str
    splits: dict[str, pd.DataFrame]
    counts_description: str
    pair_files: dict[str, Path] = field(default_factory=dict)
    vocab_size: int = len(NUCLEOTIDES)
    text: Path | None = None

    @property
    def real(self) -> bool:
        """Whether these are genes rather than a simulation."""
        return self.name != SIMULATED

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of ids and sequences of each split."""
        return {name: table_hash(frame) for name, frame in self.splits.items()}

    def resplit(self, parts: Sequence[pd.DataFrame], words: str) -> Dataset:
        """The same data set cut anew into train, validation and test; ``words`` are added to its description."""
        named = dict(zip(("train", "validation", "test"), parts, strict=True))
        return replace(
            _dataset(self.name, f"{self.description}, {words}", named), vocab_size=self.vocab_size, text=self.text
        )

    def subsample(self, fraction: float, seed: int) -> Dataset:
        """With so much of the training and validation genes (`splits.subset`), and all test genes."""
        less = [subset(frame, fraction, seed) for frame in (self.train, self.validation)]
        words = f"{Fraction(fraction).limit_denominator(1000)} of the training and validation genes (seed {seed})"
        return self.resplit([*less, self.test], words)

    @property
    def train(self) -> pd.DataFrame:
        """Training genes."""
        return self.splits["train"]

    @property
    def validation(self) -> pd.DataFrame:
        """Validation genes."""
        return self.splits["validation"]

    @property
    def test(self) -> pd.DataFrame:
        """Test genes."""
        return self.splits["test"]


def load_dataset(data: str, *, genes: int = 4000, seed: int = 1) -> Dataset:
    """Find a study's genes.

    Parameters
    ----------
    data : str
        "simulated"; a folder as `dnastudy data fetch` makes it; one gene file, split 60/20/20 at random; or "" for
        the folder named by the environment variable DNASTUDY_DATA.
    genes, seed : int
        Number of simulated genes; seed of the simulation or of the split.

    Raises
    ------
    DataError
        When there are no genes there, saying how to get some.
    """
    data = data or os.environ.get(DATA_VARIABLE, "")
    if not data:
        raise DataError(
            f"no genes named: set {DATA_VARIABLE} or --data (in a chapter: the parameter data) to a folder "
            f"(`dnastudy data fetch` fills one), a gene file, "
            f"or {SIMULATED!r}"
        )
    path = data_path(data)
    # a changed file is another data set: the cache sees size and time
    stamp = tuple((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in _files(path))
    found = _load(data, path, genes, seed, stamp)
    english = sorted((path / "text").glob("*.txt")) if path.is_dir() else []
    return replace(found, text=english[0]) if english else found


def data_path(data: str, base: Path | str = "") -> Path:
    """Where the genes named ``data`` lie, seen from the folder ``base``; the word "simulated" stays as it is.

    Raises
    ------
    DataError
        If nothing lies there.
    """
    if data == SIMULATED:
        return Path(data)
    path = Path(base, Path(data).expanduser()).resolve()
    if not path.exists():
        raise DataError(f"{data}: no such file or folder of genes (looked for {path})")
    return path


def _files(path: Path) -> list[Path]:
    folder = path / "genes" if (path / "genes").is_dir() else path
    if folder.is_dir():
        return sorted([*folder.glob("*.csv"), *folder.glob("*.csv.gz")])  # not what a broken download left: .csv.part
    return [path] if path.is_file() else []


@lru_cache(maxsize=4)
def _load(data: str, path: Path, genes: int, seed: int, stamp: tuple) -> Dataset:
    if data == SIMULATED:
        from dnastudy.data.simulation import simulate_study

        splits = simulate_study(seed=seed, n=genes)
        return _dataset(SIMULATED, f"{genes:,} simulated genes (seed {seed}), not real ones", splits)
    if path.is_file():
        frame = read_genes(path)
        if len(frame) < 10:
            raise DataError(f"{path}: {len(frame)} genes are too few to split into train, validation and test")
        parts = dict(zip(("train", "validation", "test"), random_split(frame, seed=seed), strict=True))
        return _dataset(_own_name(path), f"the genes of {path.name}, split 60/20/20 at random (seed {seed})", parts)
    return _load_folder(path)


def _load_folder(path: Path) -> Dataset:
    folder = path / "genes" if (path / "genes").is_dir() else path
    found = {p.name.split(".csv")[0]: p for p in reversed(_files(path))}
    train = next((name for name in ("train", "train_part") if name in found), None)
    missing = [name for name in ("validation", "test") if name not in found] + ([] if train else ["train"])
    if missing:
        raise DataError(
            f"{folder}: no {', '.join(f'{name}.csv' for name in missing)} there; a folder of genes has train.csv, "
            "validation.csv and test.csv (`dnastudy data fetch` or `dnastudy data simulate` fills one)"
        )
    splits = {name: read_genes(found[source]) for name, source in
              (("train", train), ("validation", "validation"), ("test", "test"))}  # fmt: skip
    names = ((_PAIRS.fullmatch(file.name), file) for file in sorted((folder / "mutations").glob("*.csv")))
    pairs = {f"{name[1]}-{name[2]}": file for name, file in names if name}
    raw = found["test"].read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()
    if blob != paper()["test_blob"]:
        return _dataset(_own_name(path), f"the genes of folder {path.name}", splits, pairs)
    words = "real human genes, the paper's validation and test splits"
    words += " and its training split" if train == "train" else f" and {len(splits['train']):,} of its training genes"
    counts = next((name for name in ("train_validation", "ngram_surrogate") if name in found), None)
    if counts is None:
        return _dataset(PAPER, words, splits, pairs)
    splits["counts"] = read_genes(found[counts], Policy(duplicates="keep"), ReadReport())
    what = {
        "train_validation": "the paper's training and validation genes",
        "ngram_surrogate": "a corpus with exactly the 8-gram counts of the paper's training and validation genes",
    }
    return Dataset(PAPER, words, splits, what[counts], pairs)


def _own_name(path: Path) -> str:
    """Name of somebody's own genes; only the paper's test split, known by its content, is called "paper"."""
    return f"{path.name} (own genes)" if path.name == PAPER else path.name


def _dataset(
    name: str, description: str, splits: dict[str, pd.DataFrame], pair_files: dict[str, Path] | None = None
) -> Dataset:
    counts = pd.concat([splits["train"], splits["validation"]], ignore_index=True)
    return Dataset(name, description, {**splits, "counts": counts}, "training and validation genes", pair_files or {})
