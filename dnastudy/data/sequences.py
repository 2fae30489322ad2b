"""Nucleotide sequences: alphabet, encoding to integer codes, reverse complement."""

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
    """Sequences as one array of codes, each followed by the end symbol.

    Attributes
    ----------
    symbols : uint8 array, shape (nucleotides + sequences,)
        0..3 for A, C, G, T, and ``END`` after each sequence: the symbols that a model predicts.
    starts : int64 array, shape (sequences + 1,)
        Where each sequence starts in ``symbols``; the last entry is ``len(symbols)``.
    types : array of str, shape (sequences,), optional
        Gene type of each sequence, for models that are conditioned on it; "" where it is unknown.
    vocab_size : int
        Size of the alphabet: 4, except for texts that genes are compared with (`corpora`). Codes are 0, 1, ..., and
        the end symbol is ``vocab_size``.
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
        """Length of each sequence without its end symbol, nt, shape (sequences,)."""
        return np.diff(self.starts) - 1

    @property
    def nucleotides(self) -> int:
        """Total length of the sequences, nt."""
        return len(self.symbols) - len(self)


def encode(sequences: Sequence[str] | EncodedSequences, types: Sequence[str] | None = None) -> EncodedSequences:
    """Encode strings of upper-case A C G T, with their gene ``types``; encoded sequences are returned unchanged.

    Raises
    ------
    ValueError
        For any other letter, naming the sequence (0-based) and the position (1-based).
    """
    if isinstance(sequences, EncodedSequences):
        return sequences
    if isinstance(sequences, str):
        raise TypeError("encode takes a list of sequences, not one string")
    sequences, types = list(sequences), None if types is None else np.array(types, dtype=str)
    if not sequences:
        return EncodedSequences(np.empty(0, np.uint8), np.zeros(1, np.int64), types)
    text = _SEPARATOR.join(sequences) + _SEPARATOR
    # bytes.translate is several times faster than indexing; the array is read-only
    symbols = np.frombuffer(text.encode("utf-8").translate(_TRANSLATION), dtype=np.uint8)
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    starts = np.concatenate([[0], np.cumsum(lengths + 1)])
    if symbols.max() > END or len(symbols) != starts[-1] or np.count_nonzero(symbols == END) != len(sequences):
        for index, sequence in enumerate(sequences):
            if bad := INVALID_NUCLEOTIDE.search(sequence):
                raise ValueError(
                    f"sequence {index} has {bad.group()!r} at position {bad.start() + 1}; only A, C, G, T are known"
                )
    return EncodedSequences(symbols, starts, types)


def map_parts(function: Callable[[EncodedSequences, slice], Any], encoded: EncodedSequences, size: int) -> list[Any]:
    """Apply ``function`` to groups of consecutive sequences in threads; return the results in order.

    Parameters
    ----------
    function : callable
        Takes a group of sequences and its slice of ``encoded.symbols``.
    size : int
        Approximate number of symbols of a group.
    """
    cuts = np.unique(np.append(np.searchsorted(encoded.starts, np.arange(0, encoded.starts[-1], size)), len(encoded)))
    parts = []
    for first, last in pairwise(cuts.tolist()):
        place = slice(encoded.starts[first], encoded.starts[last])
        starts = encoded.starts[first : last + 1] - encoded.starts[first]
        parts.append((EncodedSequences(encoded.symbols[place], starts, vocab_size=encoded.vocab_size), place))
    if len(parts) < 2:
        return [function(*part) for part in parts]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda part: function(*part), parts))


def choose(encoded: EncodedSequences, indices: Iterable[int]) -> EncodedSequences:
    """Return the sequences with these indices, in the order of ``indices``."""
    indices = np.fromiter(indices, dtype=np.int64)
    parts = [encoded.symbols[encoded.starts[i] : encoded.starts[i + 1]] for i in indices]
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)])
    symbols = np.concatenate(parts) if parts else np.zeros(0, np.uint8)
    types = None if encoded.types is None else encoded.types[indices]
    return EncodedSequences(symbols, starts, types, encoded.vocab_size)


def evenly_spaced(encoded: EncodedSequences, nucleotides: int) -> EncodedSequences:
    """Return evenly spaced sequences with about this many nucleotides in total, at least one sequence."""
    share = min(1.0, nucleotides / max(encoded.nucleotides, 1))
    if share == 1:
        return encoded
    return choose(encoded, np.unique(np.linspace(0, len(encoded) - 1, max(1, int(share * len(encoded)))).astype(int)))


def decode(codes: np.ndarray) -> str:
    """Return the sequence of an array of nucleotide codes (0..3), shape (length,)."""
    return _LETTERS[np.asarray(codes, dtype=np.uint8)].tobytes().decode()


def reverse_complement(sequence: str) -> str:
    """Return the sequence of the other strand, 5' to 3' (A C G T only)."""
    return sequence.translate(_COMPLEMENT)[::-1]


FIRST_SYMBOL = ord("0")
"""First symbol of alphabets other than A C G T; the others are the characters after it."""
MAX_VOCAB_SIZE = 127 - FIRST_SYMBOL
"""Largest alphabet whose symbols are printable ASCII."""


def encode_symbols(sequences: Sequence[str], vocab_size: int = len(NUCLEOTIDES)) -> EncodedSequences:
    """Encode strings over an alphabet of this size: A C G T for 4, otherwise the characters from "0" on.

    Raises
    ------
    ValueError
        For any other character, naming the sequence (0-based) and the position (1-based).
    """
    if vocab_size == len(NUCLEOTIDES):
        return encode(sequences)
    if not 2 <= vocab_size <= MAX_VOCAB_SIZE:
        raise ValueError(f"vocab_size={vocab_size}: 2 to {MAX_VOCAB_SIZE}")
    if isinstance(sequences, str):
        raise TypeError("encode_symbols takes a list of sequences, not one string")
    sequences = list(sequences)
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    starts = np.concatenate([[0], np.cumsum(lengths + 1)])
    end = chr(FIRST_SYMBOL + vocab_size)
    # characters outside ASCII become several bytes, none of which is a symbol
    text = "".join(sequence + end for sequence in sequences).encode("utf-8", "surrogatepass")
    codes = np.frombuffer(text, np.uint8) - FIRST_SYMBOL
    wrong = codes > vocab_size if len(codes) == starts[-1] else np.ones(1, bool)
    if wrong.any() or np.count_nonzero(codes == vocab_size) != len(sequences):
        for index, sequence in enumerate(sequences):
            for position, character in enumerate(sequence, 1):
                if not FIRST_SYMBOL <= ord(character) < FIRST_SYMBOL + vocab_size:
                    raise ValueError(
                        f"sequence {index} has {character!r} at position {position}; the {vocab_size} symbols "
                        f"are those from {chr(FIRST_SYMBOL)!r} to {chr(FIRST_SYMBOL + vocab_size - 1)!r}"
                    )
    return EncodedSequences(codes, starts, vocab_size=vocab_size)


def encode_for(vocab_size: int, sequences: Sequence[str] | EncodedSequences) -> EncodedSequences:
    """Encode sequences for a model whose alphabet has this size; ModelError for sequences of another alphabet."""
    encoded = encode(sequences)
    if len(encoded) and encoded.vocab_size != vocab_size:
        raise ModelError(
            f"the model has an alphabet of {vocab_size} symbols, the sequences one of {encoded.vocab_size}"
        )
    return encoded
