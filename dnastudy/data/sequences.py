"""Alphabet, encoding, reverse complement and FASTA: the ground floor, without any notion of a gene or a model."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dnastudy.core.errors import ModelError

NUCLEOTIDES = "ACGT"
END = 4
"""Code of the end symbol; codes 0 to 3 are A, C, G, T."""
NUM_SYMBOLS = 5

INVALID_NUCLEOTIDE = re.compile("[^ACGT]")
_SEPARATOR = "\n"
_CODES = np.full(256, 255, dtype=np.uint8)
_CODES[np.frombuffer(NUCLEOTIDES.encode(), dtype=np.uint8)] = np.arange(4)
_CODES[ord(_SEPARATOR)] = END
_TRANSLATION = _CODES.tobytes()
_LETTERS = np.frombuffer(NUCLEOTIDES.encode(), dtype=np.uint8)
_COMPLEMENT = str.maketrans(NUCLEOTIDES, "TGCA")


@dataclass(frozen=True)
class EncodedSequences:
    """Many sequences as one stream of codes, each followed by the end symbol.

    Attributes
    ----------
    symbols : uint8 array, shape (nucleotides + sequences,)
        0..3 for A, C, G, T and ``END`` after each sequence: exactly the events a model is asked to predict.
    starts : int64 array, shape (sequences + 1,)
        Where each sequence starts in ``symbols``; the last entry is ``len(symbols)``.
    types : array of str, shape (sequences,), optional
        Gene type of each sequence, for models that learn to write genes of a type; "" where it is not known.
    vocab_size : int
        Size of the alphabet: 4, but for text that models of genes are compared on (`texts`); its codes are 0, 1, ...,
        and the code of the end is ``vocab_size``.
    """

    symbols: np.ndarray
    starts: np.ndarray
    types: np.ndarray | None = None
    vocab_size: int = len(NUCLEOTIDES)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        """Codes of one sequence without its end symbol, shape (length,)."""
        return self.symbols[self.starts[index] : self.starts[index + 1] - 1]

    def with_end(self, index: int) -> np.ndarray:
        """Codes of one sequence and its end symbol, shape (length + 1,)."""
        return self.symbols[self.starts[index] : self.starts[index + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Nucleotides of each sequence, shape (sequences,)."""
        return np.diff(self.starts) - 1

    @property
    def nucleotides(self) -> int:
        """Nucleotides in all."""
        return len(self.symbols) - len(self)


def encode(sequences: Sequence[str] | EncodedSequences, types: Sequence[str] | None = None) -> EncodedSequences:
    """Encode strings over A C G T (upper case), with their gene ``types``; what is encoded is returned as it is.

    Raises
    ------
    ValueError
        For any other letter, naming the sequence (0-based) and the position (1-based).
    """
    if isinstance(sequences, EncodedSequences):
        return sequences
    if isinstance(sequences, str):
        raise TypeError("encode wants a list of sequences, not one string")
    sequences, types = list(sequences), None if types is None else np.array(types, dtype=str)
    if not sequences:
        return EncodedSequences(np.empty(0, np.uint8), np.zeros(1, np.int64), types)
    text = _SEPARATOR.join(sequences) + _SEPARATOR
    # bytes.translate is a few times faster than indexing; the array is read-only
    symbols = np.frombuffer(text.encode("utf-8").translate(_TRANSLATION), dtype=np.uint8)
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    starts = np.concatenate([[0], np.cumsum(lengths + 1)])
    if symbols.max() > END or len(symbols) != starts[-1] or np.count_nonzero(symbols == END) != len(sequences):
        for index, sequence in enumerate(sequences):
            if found := INVALID_NUCLEOTIDE.search(sequence):
                raise ValueError(
                    f"sequence {index} has {found.group()!r} at position {found.start() + 1}; only A, C, G, T are known"
                )
    return EncodedSequences(symbols, starts, types)


def map_parts(function: Callable[[EncodedSequences, slice], Any], encoded: EncodedSequences, size: int) -> list[Any]:
    """Apply ``function`` to runs of whole sequences, in threads; results in their order.

    Parameters
    ----------
    function : callable
        Gets the run, and its place in ``encoded.symbols``.
    size : int
        Symbols a run has about.
    """
    cuts = np.unique(np.append(np.searchsorted(encoded.starts, np.arange(0, encoded.starts[-1], size)), len(encoded)))
    parts = []
    for a, b in pairwise(cuts.tolist()):
        here = slice(encoded.starts[a], encoded.starts[b])
        starts = encoded.starts[a : b + 1] - encoded.starts[a]
        parts.append((EncodedSequences(encoded.symbols[here], starts, vocab_size=encoded.vocab_size), here))
    if len(parts) < 2:
        return [function(*part) for part in parts]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda part: function(*part), parts))


def choose(encoded: EncodedSequences, indices: Iterable[int]) -> EncodedSequences:
    """Return the sequences of these indices, in their order."""
    indices = np.fromiter(indices, dtype=np.int64)
    parts = [encoded.symbols[encoded.starts[i] : encoded.starts[i + 1]] for i in indices]
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)])
    symbols = np.concatenate(parts) if parts else np.zeros(0, np.uint8)
    types = None if encoded.types is None else encoded.types[indices]
    return EncodedSequences(symbols, starts, types, encoded.vocab_size)


def evenly_spaced(encoded: EncodedSequences, nucleotides: int) -> EncodedSequences:
    """Return sequences spread evenly over all, with about so many nucleotides, and at least one."""
    share = min(1.0, nucleotides / max(encoded.nucleotides, 1))
    if share == 1:
        return encoded
    return choose(encoded, np.unique(np.linspace(0, len(encoded) - 1, max(1, int(share * len(encoded)))).astype(int)))


def decode(codes: np.ndarray) -> str:
    """Letters of an array of nucleotide codes (0..3), shape (length,)."""
    return _LETTERS[np.asarray(codes, dtype=np.uint8)].tobytes().decode()


def reverse_complement(sequence: str) -> str:
    """Sequence of the other strand, read 5' to 3' (A C G T only)."""
    return sequence.translate(_COMPLEMENT)[::-1]


FIRST = ord("0")
"""The letters of other alphabets are the characters from this one on."""
MOST = 127 - FIRST


def encode_symbols(sequences: Sequence[str], vocab_size: int = len(NUCLEOTIDES)) -> EncodedSequences:
    """`sequences.encode` for an alphabet of this size: A C G T for 4, else the characters from "0" on.

    Raises
    ------
    ValueError
        For any other character, naming the sequence (0-based) and the position (1-based).
    """
    if vocab_size == len(NUCLEOTIDES):
        return encode(sequences)
    if not 2 <= vocab_size <= MOST:
        raise ValueError(f"an alphabet of {vocab_size} letters: 2 to {MOST} are known")
    if isinstance(sequences, str):
        raise TypeError("encode_symbols wants a list of sequences, not one string")
    sequences = list(sequences)
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    starts = np.concatenate([[0], np.cumsum(lengths + 1)])
    end = chr(FIRST + vocab_size)
    # what is not ASCII is several bytes, none of them a letter
    coded = "".join(text + end for text in sequences).encode("utf-8", "surrogatepass")
    codes = np.frombuffer(coded, np.uint8) - FIRST
    wrong = codes > vocab_size if len(codes) == starts[-1] else np.ones(1, bool)
    if wrong.any() or np.count_nonzero(codes == vocab_size) != len(sequences):
        for index, text in enumerate(sequences):
            for position, character in enumerate(text, 1):
                if not FIRST <= ord(character) < FIRST + vocab_size:
                    raise ValueError(
                        f"sequence {index} has {character!r} at position {position}; {vocab_size} letters "
                        f"are known, from {chr(FIRST)!r} to {chr(FIRST + vocab_size - 1)!r}"
                    )
    return EncodedSequences(codes, starts, vocab_size=vocab_size)


def encode_for(vocab_size: int, sequences: Sequence[str] | EncodedSequences) -> EncodedSequences:
    """`sequences.encode` for a model of so many letters; ModelError for sequences of another alphabet."""
    encoded = encode(sequences)
    if len(encoded) and encoded.vocab_size != vocab_size:
        raise ModelError(f"the model knows {vocab_size} letters, and the sequences are of {encoded.vocab_size}")
    return encoded
