"""A gene table cut into training, validation and test genes, written as a folder with a card that says how."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from dnastudy import __version__
from dnastudy.core.atomic import atomic_dir
from dnastudy.core.errors import DataError, SettingsError
from dnastudy.data.genes import table_hash, write_genes
from dnastudy.data.sources.http import file_hash
from dnastudy.data.splits import random_split
from dnastudy.homology import mmseqs
from dnastudy.homology.blast import blast_programs, confirm_split

PARTS = ("train", "validation", "test")
CARD = "split.json"
HOMOLOG = {"min_identity": mmseqs.MIN_IDENTITY, "min_coverage": mmseqs.MIN_COVERAGE}
"""What counts as a homolog: smallest share of identical columns, and of the gene's length, 0 to 1."""


def check_fractions(fractions: Sequence[float]) -> None:
    """SettingsError unless these are three fractions of the genes that sum to 1."""
    if len(fractions) != len(PARTS) or not all(0 < x < 1 for x in fractions) or abs(sum(fractions) - 1) > 1e-9:
        raise SettingsError(
            f"fractions {' '.join(f'{x:g}' for x in fractions)}: three numbers above 0 that sum to 1 are needed, for "
            "train, validation and test, for instance 0.6 0.2 0.2"
        )


def check_folder(folder: Path, files: Sequence[Path]) -> None:
    """SettingsError for a folder that may not be replaced: all that is in it would be lost."""
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder}: exists and is no folder; name another one")
    if inside := [file for file in files if folder.resolve() in file.resolve().parents]:
        raise SettingsError(f"{inside[0]}: is a file to read, and is inside the folder to write; name another folder")
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    others = names - {CARD, *(f"{part}.csv" for part in PARTS)}
    if names and (others or not _is_card(folder / CARD)):
        raise SettingsError(
            f"{folder}: contains {min(others or names)} and was not written by `dnastudy split`; name another folder"
        )


def _is_card(path: Path) -> bool:
    """Whether this file is a card of a split."""
    try:
        return {"by", "parts", "dnastudy"} <= set(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return False


def check_programs(by: str, check: bool) -> None:
    """FileNotFoundError where an aligner that the split needs is missing; a search takes minutes."""
    if by == "family":
        mmseqs.mmseqs_binary()
    if check:
        blast_programs()


def write_split(
    genes: pd.DataFrame,
    folder: Path,
    by: Literal["family", "random"],
    fractions: Sequence[float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    *,
    files: Sequence[Path] = (),
    check: bool = False,
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Cut genes into three parts and write them as a folder, whole or not at all; an earlier split is replaced.

    Parameters
    ----------
    by : str
        "family": no gene has a homolog in an earlier part; "random": as the paper does.
    fractions : floats
        Share of the genes in train, validation and test, summing to 1.
    files : paths
        Files that the genes were read from, named in the card.
    check : bool
        Search the parts for homologs with NCBI BLAST+ as well.
    log
        Receives a line before each step that takes minutes.

    Returns
    -------
    The card, a dict as it is written to ``split.json``: how the genes were cut, and what each part holds.

    Raises
    ------
    DataError
        When the genes cannot be cut like this: a part would be empty.
    """
    card = {"by": by, "seed": seed, "fractions": dict(zip(PARTS, fractions, strict=True))}
    try:
        if by == "random":
            cut = random_split(genes, fractions, seed)
        else:
            log(f"search {len(genes):,} genes for homologs")
            cut = mmseqs.split_by_family(genes, fractions, seed)
            log("count the clusters")
            card |= _clusters(genes)
    except ValueError as error:
        raise DataError(str(error)) from None
    parts = dict(zip(PARTS, cut, strict=True))
    card |= {
        "genes": len(genes),
        "from": {"files": [file.name for file in files], "table_hash": table_hash(genes)},
        "dnastudy": __version__,
    }
    if check:
        log("search for homologs with BLAST+")
    checked = {"check": confirm_split(parts)} if check else {}
    with atomic_dir(folder.resolve()) as half:
        card["parts"] = {name: _write_part(part, half / f"{name}.csv", len(genes)) for name, part in parts.items()}
        card |= checked  # the longest comes last
        (half / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def _clusters(genes: pd.DataFrame) -> dict[str, Any]:
    """What a homolog is, and the clusters: genes that are homologs of each other, directly or by a chain."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = mmseqs.homolog_pairs(genes, **HOMOLOG)
    graph = coo_array((np.ones(len(links)), (links["query"], links["target"])), shape=(len(genes), len(genes)))
    sizes = np.bincount(connected_components(graph, directed=True, connection="strong")[1])
    return {
        "relatives": {**HOMOLOG, "max_e_value": mmseqs.E_VALUE},
        "clusters": {"number": len(sizes), "largest": int(sizes.max())},
    }


def _write_part(genes: pd.DataFrame, path: Path, total: int) -> dict[str, Any]:
    """Write one part, and return what the card says of it."""
    write_genes(genes, path)
    types = genes["type"].replace("", "(none)").value_counts(normalize=True)
    return {
        "genes": len(genes),
        "nucleotides": int(genes["sequence"].str.len().sum()),
        "fraction": round(len(genes) / total, 4),
        "types": {kind: round(share, 4) for kind, share in types.items()},
        "sha256": file_hash(path),
        "table_hash": table_hash(genes),
    }
