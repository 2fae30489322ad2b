"""Pairs of a real gene and a mutated copy of it: making, reading and writing them.

The mutations are those of Ihtiyar and Ozgur (2024): genes are drawn with replacement, and each gets 1 to ``maximum``
random edits, one after the other. Number, kinds, positions and nucleotides of the edits are uniform.
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
from dnastudy.core.errors import DataError
from dnastudy.data.formats import opened, unbracketed
from dnastudy.data.sequences import INVALID_NUCLEOTIDE, NUCLEOTIDES

KINDS = ("insertion", "deletion", "substitution")
"""Kinds of edit in the paper's published pairs."""
SWAP = "swap"
"""Exchange of two unequal neighbours: implemented in the paper's code, but in none of its published pairs."""
COLUMNS = {"NCBIGeneID": "id", "RealNucleotideSequence": "real", "MutatedNucleotideSequence": "mutated"}


def make_pairs(
    genes: pd.DataFrame, n: int, maximum: int, seed: int, kinds: Sequence[str] = KINDS, exactly: bool = False
) -> pd.DataFrame:
    """Make mutated copies of genes drawn at random.

    Parameters
    ----------
    genes : DataFrame
        A gene table.
    n : int
        Number of pairs.
    maximum : int
        Largest number of edits of a copy.
    seed : int
        Equal seeds give equal pairs.
    kinds : sequence of str
        Kinds of edit, out of "insertion", "deletion", "substitution" and "swap", all equally likely.
    exactly : bool
        Make ``maximum`` edits in every copy, not 1 to ``maximum``.

    Returns
    -------
    DataFrame: ``id`` of the gene; ``real`` and ``mutated`` sequence, never equal; ``edits``, each as its kind,
    its position (from 1) in the sequence it was made in, and its nucleotides.

    Raises
    ------
    ValueError
        For unknown kinds, no edits, or a gene that none of the kinds can change.
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
            mutated, descriptions = real, []
            for _ in range(edits):
                mutated, description = _edited(mutated, kinds, random)
                descriptions.append(description)
            if mutated != real and all(descriptions):  # edits may undo each other
                break
        else:
            raise ValueError(f"gene {gene}: cannot be changed by {edits} edits of {', '.join(kinds)}")
        rows.append((gene, real, mutated, "; ".join(descriptions)))
    return pd.DataFrame(rows, columns=["id", "real", "mutated", "edits"])


def _edited(sequence: str, kinds: Sequence[str], random: np.random.Generator) -> tuple[str, str]:
    """Make one edit; return the sequence and a description, "" where that kind of edit is impossible here."""
    kind, at = kinds[random.integers(len(kinds))], int(random.integers(len(sequence) + 1))
    if kind == "insertion":
        new = NUCLEOTIDES[random.integers(4)]
        return sequence[:at] + new + sequence[at:], f"insertion {at + 1} {new}"
    at = int(random.integers(len(sequence)))
    old, before, after = sequence[at], sequence[:at], sequence[at + 1 :]
    if kind == "deletion" and len(sequence) > 1:
        return before + after, f"deletion {at + 1} {old}"
    if kind == "substitution":
        new = NUCLEOTIDES.replace(old, "")[random.integers(3)]
        return before + new + after, f"substitution {at + 1} {old}>{new}"
    places = [i for i, (a, b) in enumerate(pairwise(sequence)) if a != b]
    if kind == SWAP and places:
        at = places[random.integers(len(places))]
        a, b = sequence[at : at + 2]
        return sequence[:at] + b + a + sequence[at + 2 :], f"swap {at + 1} {a}{b}>{b}{a}"
    return sequence, ""


def describe_edit(real: str, mutated: str) -> tuple[str, float]:
    """Infer the edit between a gene and its mutated copy, and where it is.

    Returns
    -------
    kind : str
        "insertion", "deletion", "substitution" or "swap"; "none" for equal sequences; "several: shorter", "several: as
        long" or "several: longer" where one edit does not explain the difference.
    position : float
        Middle of the differing stretch, 0 (start of the gene) to 1 (its end).
    """
    shorter = min(len(real), len(mutated))
    head = next((i for i in range(shorter) if real[i] != mutated[i]), shorter)
    tail = next((i for i in range(shorter - head) if real[-1 - i] != mutated[-1 - i]), shorter - head)
    one, other = real[head : len(real) - tail], mutated[head : len(mutated) - tail]
    position = min(1.0, (head + len(one) / 2) / len(real)) if real else 0.0
    if not one and not other:
        return "none", position
    if len(one) + len(other) == 1:
        return "deletion" if one else "insertion", position
    if len(one) == len(other) == 1:
        return "substitution", position
    if len(one) == 2 and one == other[::-1]:
        return SWAP, position
    change = len(mutated) - len(real)
    return f"several: {'shorter' if change < 0 else 'longer' if change else 'as long'}", position


def read_pairs(path: str | os.PathLike) -> pd.DataFrame:
    """Read pairs from CSV, gzipped or not.

    The columns are those of the paper (``NCBIGeneID, RealNucleotideSequence, MutatedNucleotideSequence``) or ``id,
    real, mutated``; sequences are plain or written ``<ACGT>``. Other columns are ignored.

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
            if missing := [name for name in COLUMNS.values() if name not in header]:
                raise DataError(
                    f"{path}: no column for {', '.join(missing)}; a file of pairs has {', '.join(COLUMNS)} or "
                    f"{', '.join(COLUMNS.values())} (this one has {', '.join(names)[:200] or 'nothing'})"
                )
            order = [header.index(name) for name in COLUMNS.values()]
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
    """Write pairs atomically as CSV with the paper's columns, and the edits where they are known."""
    out = pairs.rename(columns={column: csv_column for csv_column, column in COLUMNS.items()})
    for column in ("RealNucleotideSequence", "MutatedNucleotideSequence"):
        out[column] = "<" + out[column] + ">"
    text = io.StringIO()
    out.to_csv(text, index=False, lineterminator="\n")
    return atomic_write(path, text.getvalue())
