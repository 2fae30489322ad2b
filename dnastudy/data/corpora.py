"""Texts that genes are compared with: English, English in fewer symbols, and simulated sources of known entropy.

Each is a data set like genes (`datasets.Dataset`): passages of one length, divided into train, validation and test in
the order of the text, so that no held-out passage lies between training passages. The symbols of alphabets other than
A C G T are written as the characters from "0" on.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from dnastudy.core.errors import DataError, SettingsError
from dnastudy.data.datasets import Dataset
from dnastudy.data.sequences import FIRST_SYMBOL, MAX_VOCAB_SIZE, NUCLEOTIDES
from dnastudy.data.simulation import MarkovSource

PASSAGE_LENGTH = 400
"""Symbols of a passage: about the mean length of the paper's genes."""
FRACTIONS = (0.8, 0.1, 0.1)
"""Shares of the passages for train, validation and test."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LETTER_CLASSES = {
    8: ["ao", "eu", "iy", "lmnrw", "bdgptk", "cfhjqsvxz", " "],
    4: ["aeiouy", "lmnrw", "bcdfghjkpqstvxz"],
}
"""Letters merged into one symbol in alphabets of 8 and 4; the last symbol is every other character."""
ENGLISH = {"english": None, "english-27": 27, "english-8": 8, "english-4": 4}
"""Alphabet size of each version of English; None: every character of the text is a symbol."""
SOURCES = {"source-0": 0, "source-2": 2, "source-5": 5}
"""Order of each simulated Markov source over A C G T."""
CONCENTRATION = {0: 4.0, 2: 2.0, 5: 1.0}
"""Concentration of the Dirichlet distribution that the transition probabilities are drawn from, by order."""


def load_corpus(corpus: str, file: Path | None = None, symbols: int = 1_000_000, seed: int = 1) -> Dataset:
    """Return one of `ENGLISH` or `SOURCES` as a data set.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    file : Path, optional
        English text in UTF-8; simulated sources need none.
    symbols : int
        Length of a simulated text, and largest length of an English one.
    seed : int
        Seed of the simulation.

    Raises
    ------
    SettingsError
        For an unknown corpus.
    DataError
        Where there is no English text, or it is too short.
    """
    if corpus in SOURCES:
        return _simulated(corpus, symbols, seed)
    if corpus not in ENGLISH:
        raise SettingsError(f"unknown corpus {corpus!r} (known: {', '.join([*ENGLISH, *SOURCES])})")
    if file is None or not file.is_file():
        missing = "no English text" if file is None else f"{file}: no such file"
        raise DataError(
            f"{missing}; corpus {corpus!r} needs one: put a .txt file into the folder `text` beside the genes"
        )
    return _english(corpus, file, file.stat().st_mtime_ns, symbols)


def vocab_size_of(corpus: str, file: Path | None = None, symbols: int = 1_000_000) -> int:
    """Alphabet size of a corpus; the errors are those of `load_corpus`."""
    if corpus in SOURCES:
        return len(NUCLEOTIDES)
    return ENGLISH.get(corpus) or load_corpus(corpus, file, symbols).vocab_size


def reduce_text(text: str, vocab_size: int | None) -> tuple[str, int]:
    """Rewrite English in fewer symbols, the characters from "0" on.

    Parameters
    ----------
    vocab_size : int, optional
        27: each letter, and one symbol for everything else; 8 or 4: classes of letters. None: each character of the
        text is a symbol of its own.

    Returns
    -------
    The text and its alphabet size.
    """
    if vocab_size is None:
        numbers = {character: number for number, character in enumerate(sorted(set(text)))}
        if len(numbers) > MAX_VOCAB_SIZE:
            raise DataError(
                f"the text has {len(numbers)} different characters, and at most {MAX_VOCAB_SIZE} can be symbols; "
                "use english-27"
            )
        return "".join(chr(FIRST_SYMBOL + numbers[character]) for character in text), len(numbers)
    classes = LETTER_CLASSES.get(vocab_size, list(LETTERS))
    symbols = {character: chr(FIRST_SYMBOL + number) for number, letters in enumerate(classes) for character in letters}
    other = chr(FIRST_SYMBOL + vocab_size - 1)
    # lower() of each character by itself: that of a whole text may have another length
    return "".join(symbols.get(character.lower(), other) for character in text), vocab_size


@lru_cache(maxsize=8)
def _english(corpus: str, file: Path, changed: int, symbols: int) -> Dataset:
    """English as a data set; ``changed``, the time of the file's last change, makes the cache see a new text."""
    text, vocab_size = reduce_text(file.read_text(encoding="utf-8")[:symbols], ENGLISH[corpus])
    passages = [
        text[start : start + PASSAGE_LENGTH] for start in range(0, len(text) - PASSAGE_LENGTH + 1, PASSAGE_LENGTH)
    ]
    if vocab_size == len(NUCLEOTIDES):
        nucleotides = {FIRST_SYMBOL + code: nucleotide for code, nucleotide in enumerate(NUCLEOTIDES)}
        passages = [passage.translate(nucleotides) for passage in passages]
    sha = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    description = f"English ({file.name}, SHA-256 {sha}) in {vocab_size} symbols, passages of {PASSAGE_LENGTH}"
    return _dataset(corpus, description, passages, vocab_size)


@lru_cache(maxsize=8)
def _simulated(corpus: str, symbols: int, seed: int) -> Dataset:
    source = markov_source(corpus, seed)
    passages = source.sample(symbols // PASSAGE_LENGTH, PASSAGE_LENGTH)
    description = f"a simulated source of order {source.order}, {source.entropy_rate:.4f} bits a letter (seed {seed})"
    return _dataset(corpus, description, passages, len(NUCLEOTIDES))


def markov_source(corpus: str, seed: int = 1) -> MarkovSource:
    """Return the source of a simulated corpus, its transition probabilities drawn from a Dirichlet distribution."""
    order = SOURCES[corpus]
    random = np.random.Generator(np.random.PCG64([seed, order]))
    return MarkovSource(order, random.dirichlet(np.full(4, CONCENTRATION[order]), size=4**order), seed)


def _dataset(name: str, description: str, passages: list[str], vocab_size: int) -> Dataset:
    ends = np.floor(np.cumsum(FRACTIONS) * len(passages) + 1e-6).astype(int)
    ids = [f"{name}:{number}" for number in range(len(passages))]
    table = pd.DataFrame({"id": ids, "type": "text", "sequence": passages})
    parts = [table.iloc[start:end].reset_index(drop=True) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    if any(part.empty for part in parts):
        raise DataError(f"{description}: too short to be divided into train, validation and test")
    splits = dict(zip(("train", "validation", "test"), parts, strict=True))
    return Dataset(name, description, splits, "", vocab_size=vocab_size)
