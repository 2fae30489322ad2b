"""Encoding of sequences over other alphabets than A C G T, for texts that models of genes are set beside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dnastudy.errors import ModelError
from dnastudy.sequences import NUCLEOTIDES, EncodedSequences, encode

FIRST = ord("0")
"""The letters of other alphabets are the characters from this one on."""
MOST = 127 - FIRST


def encode_letters(sequences: Sequence[str], letters: int = len(NUCLEOTIDES)) -> EncodedSequences:
    """`sequences.encode` for an alphabet of this size: A C G T for 4, else the characters from "0" on.

    Raises
    ------
    ValueError
        For any other character, naming the sequence (0-based) and the position (1-based).
    """
    if letters == len(NUCLEOTIDES):
        return encode(sequences)
    if not 2 <= letters <= MOST:
        raise ValueError(f"an alphabet of {letters} letters: 2 to {MOST} are known")
    if isinstance(sequences, str):
        raise TypeError("encode_letters wants a list of sequences, not one string")
    sequences = list(sequences)
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    starts = np.concatenate([[0], np.cumsum(lengths + 1)])
    end = chr(FIRST + letters)
    # what is not ASCII is several bytes, none of them a letter
    coded = "".join(text + end for text in sequences).encode("utf-8", "surrogatepass")
    codes = np.frombuffer(coded, np.uint8) - FIRST
    wrong = codes > letters if len(codes) == starts[-1] else np.ones(1, bool)
    if wrong.any() or np.count_nonzero(codes == letters) != len(sequences):
        for index, text in enumerate(sequences):
            for position, character in enumerate(text, 1):
                if not FIRST <= ord(character) < FIRST + letters:
                    raise ValueError(
                        f"sequence {index} has {character!r} at position {position}; {letters} letters "
                        f"are known, from {chr(FIRST)!r} to {chr(FIRST + letters - 1)!r}"
                    )
    return EncodedSequences(codes, starts, letters=letters)


def encode_for(letters: int, sequences: Sequence[str] | EncodedSequences) -> EncodedSequences:
    """`sequences.encode` for a model of so many letters; ModelError for sequences of another alphabet."""
    encoded = encode(sequences)
    if len(encoded) and encoded.letters != letters:
        raise ModelError(f"the model knows {letters} letters, and the sequences are of {encoded.letters}")
    return encoded
