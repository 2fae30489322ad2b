"""Encoding of sequences over other alphabets than A C G T, for texts that models of genes are set beside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
    sequences = list(sequences)
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    starts = np.concatenate([[0], np.cumsum(lengths + 1)])
    end = chr(FIRST + letters)
    codes = np.frombuffer("".join(text + end for text in sequences).encode("latin-1", "replace"), np.uint8) - FIRST
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
