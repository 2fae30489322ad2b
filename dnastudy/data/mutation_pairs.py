"""Pairs of a real gene and a mutated copy of it: made, read and written.

The mutations are those of Ihtiyar and Ozgur (2024): a gene is drawn with replacement and given 1 to ``maximum`` random
edits, one after the other, their number, kinds, places and nucleotides all uniform.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from dnastudy.core.atomic import atomic_write
from dnastudy.data.formats import DataError, opened, unbracketed
from dnastudy.data.sequences import INVALID_NUCLEOTIDE, NUCLEOTIDES

KINDS = ("insertion", "deletion", "substitution")
"""Edits of the paper's published pairs."""
SWAP = "swap"
"""Exchange of two unequal neighbours: in the paper's code, in none of its published pairs."""
COLUMNS = {"NCBIGeneID": "id", "RealNucleotideSequence": "real", "MutatedNucleotideSequence": "mutated"}


def make_pairs(
    genes: pd.DataFrame, n: int, maximum: int, seed: int, kinds: Sequence[str] = KINDS, exactly: bool = False
) -> pd.DataFrame:
    """Mutated copies of genes drawn at random.

    Parameters
    ----------
    genes : DataFrame
        A gene table.
    n, seed : int
        Pairs to make; the same seed makes the same pairs.
    maximum : int
        Most edits of a copy; with ``exactly`` each has so many.
    kinds : sequence of str
        Edits, out of "insertion", "deletion", "substitution" and "swap", each as likely as the others.

    Returns
    -------
    DataFrame: ``id`` of the gene; ``real`` and ``mutated`` sequence, never equal; ``edits``, each as kind, position in
    the sequence that it changed (from 1) and nucleotides.

    Raises
    ------
    ValueError
        For unknown kinds, no edits, or genes that none of the kinds can change.
    """
    if unknown := [kind for kind in kinds if kind not in (*KINDS, SWAP)]:
        raise ValueError(f"unknown kind of edit {unknown[0]!r} (known: {', '.join((*KINDS, SWAP))})")
    if not kinds or maximum < 1 or n < 0 or genes.empty:
        raise ValueError(f"mutated pairs: {len(kinds)} kinds, up to {maximum} edits, {n} pairs of {len(genes)} genes")
    random = np.random.default_rng([seed, maximum])
    rows = []
    for index in random.integers(len(genes), size=n):
        gene, real = genes["id"].iloc[index], genes["sequence"].iloc[index]
        edits = maximum if exactly else int(random.integers(1, maximum + 1))
        for _ in range(100):
            mutated, words = real, []
            for _ in range(edits):
                mutated, word = _edited(mutated, kinds, random)
                words.append(word)
            if mutated != real and all(words):  # edits may undo each other
                break
        else:
            raise ValueError(f"gene {gene}: cannot be changed by {edits} edits of {', '.join(kinds)}")
        rows.append((gene, real, mutated, "; ".join(words)))
    return pd.DataFrame(rows, columns=["id", "real", "mutated", "edits"])


def _edited(sequence: str, kinds: Sequence[str], random: np.random.Generator) -> tuple[str, str]:
    """One more edit, and what it was; the sequence as it is, and nothing, where its kind is not possible."""
    kind, at = kinds[random.integers(len(kinds))], int(random.integers(len(sequence) + 1))
    if kind == "insertion":
        new = NUCLEOTIDES[random.integers(4)]
        return sequence[:at] + new + sequence[at:], f"insertion {at + 1} {new}"
    at = int(random.integers(len(sequence)))
    old, before, behind = sequence[at], sequence[:at], sequence[at + 1 :]
    if kind == "deletion" and len(sequence) > 1:
        return before + behind, f"deletion {at + 1} {old}"
    if kind == "substitution":
        new = NUCLEOTIDES.replace(old, "")[random.integers(3)]
        return before + new + behind, f"substitution {at + 1} {old}>{new}"
    places = [i for i, (a, b) in enumerate(pairwise(sequence)) if a != b]
    if kind == SWAP and places:
        at = places[random.integers(len(places))]
        a, b = sequence[at : at + 2]
        return sequence[:at] + b + a + sequence[at + 2 :], f"swap {at + 1} {a}{b}>{b}{a}"
    return sequence, ""


def describe_edit(real: str, mutated: str) -> tuple[str, float]:
    """What was done to a gene, as far as both sequences tell, and where.

    Returns
    -------
    "insertion", "deletion", "substitution" or "swap"; "none" for equal sequences; "several: shorter", "several: as
    long" or "several: longer" where one edit does not explain it. And the middle of what differs, as a share of the
    gene (0 its first nucleotide, 1 its last).
    """
    shorter = min(len(real), len(mutated))
    head = next((i for i in range(shorter) if real[i] != mutated[i]), shorter)
    tail = next((i for i in range(shorter - head) if real[-1 - i] != mutated[-1 - i]), shorter - head)
    one, other = real[head : len(real) - tail], mutated[head : len(mutated) - tail]
    where = min(1.0, (head + len(one) / 2) / len(real)) if real else 0.0
    if not one and not other:
        return "none", where
    if len(one) + len(other) == 1:
        return "deletion" if one else "insertion", where
    if len(one) == len(other) == 1:
        return "substitution", where
    if len(one) == 2 and one == other[::-1]:
        return SWAP, where
    change = len(mutated) - len(real)
    return f"several: {'shorter' if change < 0 else 'longer' if change else 'as long'}", where


def read_pairs(path: str | os.PathLike) -> pd.DataFrame:
    """Read pairs from CSV, gzipped or not.

    The columns are those of the paper (``NCBIGeneID, RealNucleotideSequence, MutatedNucleotideSequence``) or ``id,
    real, mutated``; sequences are plain or written ``<ACGT>``. Other columns are left out.

    Returns
    -------
    DataFrame with the columns ``id``, ``real``, ``mutated``.

    Raises
    ------
    DataError
        Naming file, record and position.
    """
    path, rows = Path(path), []
    if path.is_dir():
        raise DataError(f"{path}: a folder, not a CSV file of pairs")
    with opened(path) as lines:
        reader = csv.reader(lines, strict=True)
        number = 0
        try:
            names = [name.strip() for name in next(reader, [])]
            header = [COLUMNS.get(name, name) for name in names]
            if missing := [ours for ours in COLUMNS.values() if ours not in header]:
                raise DataError(
                    f"{path}: no column for {', '.join(missing)}; a file of pairs has {', '.join(COLUMNS)} or "
                    f"{', '.join(COLUMNS.values())} (this one has {', '.join(names)[:200] or 'nothing'})"
                )
            order = [header.index(ours) for ours in COLUMNS.values()]
            for number, row in enumerate(reader, 1):
                if not row:
                    continue
                where = f"{path}, record {number} (line {reader.line_num})"
                if len(row) != len(header):
                    raise DataError(f"{where}: {len(row)} fields instead of {len(header)}; is the file cut off?")
                gene, *sequences = (row[i].strip() for i in order)
                rows.append((gene, *(_sequence(f"{where}, id {gene}", *item) for item in zip(
                    ("real", "mutated"), sequences, strict=True))))  # fmt: skip
        except csv.Error as error:
            raise DataError(f"{path}, record {number + 1}: {error}; is the file cut off?") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text after record {number} ({error.reason})") from error
    if not rows:
        raise DataError(f"{path}: no pairs")
    return pd.DataFrame(rows, columns=list(COLUMNS.values()))


def _sequence(where: str, which: str, text: str) -> str:
    where = f"{where}, {which} sequence"
    sequence = unbracketed(where, text).upper()
    if not sequence:
        raise DataError(f"{where}: empty; remove the pair")
    if bad := INVALID_NUCLEOTIDE.search(sequence):
        hint = " (RNA? write T for U)" if bad.group() == "U" else ""
        raise DataError(f"{where}, position {bad.start() + 1}: {bad.group()!r} is not A, C, G or T{hint}; correct it")
    return sequence


def write_pairs(pairs: pd.DataFrame, path: str | os.PathLike) -> Path:
    """Write pairs as CSV whole or not at all: the paper's columns, and the edits where they are known."""
    names = {ours: theirs for theirs, ours in COLUMNS.items()}
    out = pairs.rename(columns=names)
    for column in ("RealNucleotideSequence", "MutatedNucleotideSequence"):
        out[column] = "<" + out[column] + ">"
    text = io.StringIO()
    out.to_csv(text, index=False, lineterminator="\n")
    return atomic_write(path, text.getvalue())
