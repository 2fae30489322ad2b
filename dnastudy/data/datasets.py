"""A study's genes in train, validation and test: simulated, from a folder, or from one gene file."""

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

from dnastudy.core.errors import DataError
from dnastudy.data.genes import Policy, ReadReport, read_genes, table_hash
from dnastudy.data.sequences import NUCLEOTIDES
from dnastudy.data.splits import random_split, subset

SIMULATED = "simulated"
PAPER = "paper"
DATA_VARIABLE = "DNASTUDY_DATA"
_PAIRS = re.compile(r"synthetic_(\d+)_(\d+)_\d+\.csv")


@lru_cache
def paper() -> dict[str, Any]:
    """Published figures and protocol of the paper, from paper.yaml."""
    return yaml.safe_load((Path(__file__).parent / "paper.yaml").read_text())


@dataclass(frozen=True, eq=False)
class Dataset:
    """Genes divided into train, validation and test.

    Attributes
    ----------
    name : str
        "simulated", "paper" (the paper's own test split), or the name of the folder or file.
    description : str
        One clause that says what these genes are, for pages and records.
    splits : dict of DataFrame
        Gene tables ``train``, ``validation`` and ``test``, and ``counts``, on which the paper's n-grams are counted.
    counts_description : str
        What the table ``counts`` contains.
    has_paper_counts : bool
        Whether ``counts`` has the n-gram counts of the paper's training and validation genes.
    pair_files : dict of paths
        Files of the paper's mutated test genes, by seed and largest number of edits: "419432-5".
    vocab_size : int
        Size of the alphabet; not 4 only for texts that genes are compared with (`corpora`).
    text : path, optional
        English text in the folder ``text`` beside the genes, to compare them with.
    """

    name: str
    description: str
    splits: dict[str, pd.DataFrame]
    counts_description: str
    has_paper_counts: bool = False
    pair_files: dict[str, Path] = field(default_factory=dict)
    vocab_size: int = len(NUCLEOTIDES)
    text: Path | None = None

    @property
    def real(self) -> bool:
        """Whether these are not the simulated genes."""
        return self.name != SIMULATED

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 over the ids and sequences of each split."""
        return {name: table_hash(frame) for name, frame in self.splits.items()}

    def resplit(self, parts: Sequence[pd.DataFrame], words: str) -> Dataset:
        """Return the data set with other tables for train, validation and test; the description ends in ``words``."""
        splits = dict(zip(("train", "validation", "test"), parts, strict=True))
        changed = _dataset(self.name, f"{self.description}, {words}", splits)
        return replace(changed, vocab_size=self.vocab_size, text=self.text)

    def subsample(self, fraction: float, seed: int) -> Dataset:
        """Return a random ``fraction`` of the training and validation genes (`splits.subset`), and all test genes."""
        smaller = [subset(frame, fraction, seed) for frame in (self.train, self.validation)]
        words = f"{Fraction(fraction).limit_denominator(1000)} of the training and validation genes (seed {seed})"
        return self.resplit([*smaller, self.test], words)

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
    """Load a study's genes.

    Parameters
    ----------
    data : str
        "simulated"; a folder as `dnastudy data fetch` fills it; one gene file, which is split 60/20/20 at random; or
        "" for what the environment variable DNASTUDY_DATA names.
    genes : int
        Number of simulated genes.
    seed : int
        Seed of the simulation or of the split.

    Raises
    ------
    DataError
        When there are no genes; the message says how to get some.
    """
    data = data or os.environ.get(DATA_VARIABLE, "")
    if not data:
        raise DataError(
            f"no genes named: set {DATA_VARIABLE} or --data (in a chapter, the parameter data) to a folder "
            f"(`dnastudy data fetch` fills one), a gene file, or {SIMULATED!r}"
        )
    path = data_path(data)
    # size and time of the files are part of the cache key: a changed file is another data set
    stamp = tuple((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in _files(path))
    dataset = _load(data, path, genes, seed, stamp)
    english = sorted((path / "text").glob("*.txt")) if path.is_dir() else []
    return replace(dataset, text=english[0]) if english else dataset


def data_path(data: str, base: Path | str = "") -> Path:
    """Return the absolute path of the genes ``data``, relative to the folder ``base``; "simulated" stays as it is.

    Raises
    ------
    DataError
        If there is no such file or folder.
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
        return sorted([*folder.glob("*.csv"), *folder.glob("*.csv.gz")])  # not the .csv.part of a broken download
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
        return _dataset(_dataset_name(path), f"the genes of {path.name}, split 60/20/20 at random (seed {seed})", parts)
    return _load_folder(path)


def _load_folder(path: Path) -> Dataset:
    folder = path / "genes" if (path / "genes").is_dir() else path
    tables = {p.name.split(".csv")[0]: p for p in reversed(_files(path))}
    train = next((name for name in ("train", "train_part") if name in tables), None)
    missing = [name for name in ("validation", "test") if name not in tables] + ([] if train else ["train"])
    if missing:
        raise DataError(
            f"{folder}: no {', '.join(f'{name}.csv' for name in missing)} there; a folder of genes needs train.csv, "
            "validation.csv and test.csv (`dnastudy data fetch` or `dnastudy data simulate` fills one)"
        )
    files = {"train": tables[train], "validation": tables["validation"], "test": tables["test"]}
    splits = {name: read_genes(file) for name, file in files.items()}
    matches = ((_PAIRS.fullmatch(file.name), file) for file in sorted((folder / "mutations").glob("*.csv")))
    pairs = {f"{match[1]}-{match[2]}": file for match, file in matches if match}
    raw = tables["test"].read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()
    if blob != paper()["test_blob"]:
        return _dataset(_dataset_name(path), f"the genes of folder {path.name}", splits, pairs)
    description = "real human genes, the paper's validation and test splits"
    description += (
        " and its training split" if train == "train" else f" and {len(splits['train']):,} of its training genes"
    )
    counts = next((name for name in ("train_validation", "ngram_surrogate") if name in tables), None)
    if counts is None:
        return _dataset(PAPER, description, splits, pairs)
    splits["counts"] = read_genes(tables[counts], Policy(duplicates="keep"), ReadReport())
    counts_description = {
        "train_validation": "the paper's training and validation genes",
        "ngram_surrogate": "a corpus with exactly the 8-gram counts of the paper's training and validation genes",
    }[counts]
    return Dataset(PAPER, description, splits, counts_description, has_paper_counts=True, pair_files=pairs)


def _dataset_name(path: Path) -> str:
    """Name of a data set after its file or folder; the name "paper" is kept for the paper's test split."""
    return f"{path.name} (own genes)" if path.name == PAPER else path.name


def _dataset(
    name: str, description: str, splits: dict[str, pd.DataFrame], pair_files: dict[str, Path] | None = None
) -> Dataset:
    counts = pd.concat([splits["train"], splits["validation"]], ignore_index=True)
    return Dataset(
        name, description, {**splits, "counts": counts}, "training and validation genes", pair_files=pair_files or {}
    )
