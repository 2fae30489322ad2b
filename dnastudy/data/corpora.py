"""Texts that models of genes are set beside: English, English in fewer symbols, and sources of known entropy.

All are data sets like genes (`datasets.Dataset`): passages of one length in train, validation and test, in the order of
the text, so that no held-out passage stands between training passages. Letters of other alphabets than A C G T are
written as the characters from "0" on.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from dnastudy.core.errors import ModelError
from dnastudy.data.datasets import Dataset
from dnastudy.data.sequences import FIRST, MOST, NUCLEOTIDES
from dnastudy.data.simulation import MarkovSource

PASSAGE = 400
"""Symbols of a passage: about as long as the paper's genes are on average."""
SHARES = (0.8, 0.1, 0.1)
"""Of the text, for train, validation and test."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CLASSES = {
    8: ["ao", "eu", "iy", "lmnrw", "bdgptk", "cfhjqsvxz", " "],
    4: ["aeiouy", "lmnrw", "bcdfghjkpqstvxz"],
}
"""Letters that count as one symbol where there are so few; the last symbol is everything else."""
ENGLISH = {"english": None, "english-27": 27, "english-8": 8, "english-4": 4}
"""Symbols of each reduction of English; None: every character of the text."""
SOURCES = {"source-0": 0, "source-2": 2, "source-5": 5}
"""Letters that a letter depends on, in simulated sources of four letters."""
CONCENTRATION = {0: 4.0, 2: 2.0, 5: 1.0}
"""Of the Dirichlet distribution that the rows of their transitions are drawn from."""


def load_text(corpus: str, file: Path | None = None, symbols: int = 1_000_000, seed: int = 1) -> Dataset:
    """One of `ENGLISH` or `SOURCES` as a data set.

    Parameters
    ----------
    file : Path
        English text in UTF-8.
    symbols : int
        Length of a simulated text, and of English at most.
    seed : int
        Of the simulation.

    Raises
    ------
    ModelError
        For an unknown corpus, or where there is no text.
    """
    if corpus in SOURCES:
        return _simulated(corpus, symbols, seed)
    if corpus not in ENGLISH:
        raise ModelError(f"unknown corpus {corpus!r} (known: {', '.join([*ENGLISH, *SOURCES])})")
    if file is None or not file.is_file():
        where = "no text named" if file is None else f"{file}: no such file"
        raise ModelError(f"{where}; corpus {corpus!r} is made of a file of English text (setting text of the profile)")
    return _english(corpus, file, file.stat().st_mtime_ns, symbols)


def letters_of(corpus: str, file: Path | None = None, symbols: int = 1_000_000) -> int:
    """Size of a corpus's alphabet."""
    return len(NUCLEOTIDES) if corpus in SOURCES else ENGLISH.get(corpus) or load_text(corpus, file, symbols).vocab_size


def reduce_text(text: str, symbols: int | None) -> tuple[str, int]:
    """English as so many symbols (27: letters and one for all else; 8, 4: classes of sounds), written from "0" on.

    Returns the text and the number of symbols; with None each character is one.
    """
    if symbols is None:
        known = {character: number for number, character in enumerate(sorted(set(text)))}
        if len(known) > MOST:
            raise ModelError(f"{len(known)} different characters, and at most {MOST} are known: use english-27")
        return "".join(chr(FIRST + known[character]) for character in text), len(known)
    groups = CLASSES.get(symbols, list(LETTERS))
    known = {character: chr(FIRST + number) for number, group in enumerate(groups) for character in group}
    rest = chr(FIRST + symbols - 1)
    # of each character by itself: what is lower case of a whole text may be longer than it
    return "".join(known.get(character.lower(), rest) for character in text), symbols


@lru_cache(maxsize=8)
def _english(corpus: str, file: Path, stamp: int, symbols: int) -> Dataset:
    text, letters = reduce_text(file.read_text(encoding="utf-8")[:symbols], ENGLISH[corpus])
    passages = [text[start : start + PASSAGE] for start in range(0, len(text) - PASSAGE + 1, PASSAGE)]
    if letters == len(NUCLEOTIDES):
        passages = [passage.translate({FIRST + i: letter for i, letter in enumerate(NUCLEOTIDES)})
                    for passage in passages]  # fmt: skip
    sha = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    words = f"English ({file.name}, SHA-256 {sha}) in {letters} symbols, passages of {PASSAGE}"
    return _dataset(corpus, words, passages, letters)


@lru_cache(maxsize=8)
def _simulated(corpus: str, symbols: int, seed: int) -> Dataset:
    source = source_of(corpus, seed)
    passages = source.sample(symbols // PASSAGE, PASSAGE)
    words = f"a simulated source of order {source.order}, {source.entropy_rate:.4f} bits a letter (seed {seed})"
    return _dataset(corpus, words, passages, len(NUCLEOTIDES))


def source_of(corpus: str, seed: int = 1) -> MarkovSource:
    """The source of a simulated corpus: its transitions drawn once from a Dirichlet distribution."""
    order = SOURCES[corpus]
    random = np.random.Generator(np.random.PCG64([seed, order]))
    return MarkovSource(order, random.dirichlet(np.full(4, CONCENTRATION[order]), size=4**order), seed)


def _dataset(name: str, description: str, passages: list[str], letters: int) -> Dataset:
    ends = np.floor(np.cumsum(SHARES) * len(passages) + 1e-6).astype(int)
    ids = [f"{name}:{number}" for number in range(len(passages))]
    table = pd.DataFrame({"id": ids, "type": "text", "sequence": passages})
    parts = [table.iloc[a:b].reset_index(drop=True) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    if any(part.empty for part in parts):
        raise ModelError(f"{description}: too short to be split")
    splits = dict(zip(("train", "validation", "test"), parts, strict=True))
    return Dataset(name, description, splits, "", vocab_size=letters)
