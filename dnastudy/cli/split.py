"""`dnastudy split`: cut genes into train, validation and test, at random or by family, with a card that says how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dnastudy import __version__
from dnastudy.cli.options import Duplicates, Empty, Greedy, Invalid, Json, read
from dnastudy.data.formats import DataError
from dnastudy.display.terminal import emit, say

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "validation", "test")
CARD = "split.json"


def register(app: typer.Typer) -> None:
    """Add this command to the main program."""
    app.command(cls=Greedy)(split)


def split(
    files: Annotated[list[Path], typer.Argument(help="CSV, FASTA, gzip of both, or NCBI gene package.")],
    by: Annotated[
        Literal["family", "random"],
        typer.Option(help="family: no gene has a relative in an earlier part; random: as the paper does."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for train.csv, validation.csv, test.csv and split.json.")],
    fractions: Annotated[
        list[str] | None, typer.Option(help="Shares of train, validation and test; default: 0.6 0.2 0.2.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same parts.")] = 0,
    check: Annotated[
        bool, typer.Option("--check", help="Look for relatives between the parts with NCBI BLAST+.")
    ] = False,
    invalid: Invalid = "error",
    empty: Empty = "error",
    duplicates: Duplicates = "error",
    max_length: Annotated[int | None, typer.Option(min=1, help="Leave out longer sequences, nt.")] = None,
    as_json: Json = False,
) -> None:
    """Cut genes into training, validation and test genes.

    By family, no validation gene has a relative among the training genes, and no test gene one in either: a gene of at
    least 70 % identity over at least 50 % of its length, on either strand, by MMseqs2. Whole families are hard to deal
    out, so parts and gene types have about the shares asked for; split.json tells which they got. Families of more than
    1 % of the genes, and ten at least, are for training. An earlier split in the folder is replaced.

    For example:

        dnastudy split my_genes.fa --by family --out parts

        dnastudy split a.csv b.csv.gz --by family --fractions 0.8 0.1 0.1 --seed 1 --check --out parts
    """
    from dnastudy.data.genes import table_hash
    from dnastudy.homology.blast import blast_programs, confirmation
    from dnastudy.homology.mmseqs import mmseqs_binary

    shares = _shares(fractions)
    _check_folder(out, files)
    # what is missing is told before the search, which takes minutes
    if by == "family":
        mmseqs_binary()
    if check:
        blast_programs()
    genes = read(files, invalid, empty, duplicates, max_length=max_length)
    parts, how = _cut(genes, by, shares, seed)
    card = {
        "by": by,
        "seed": seed,
        "fractions": dict(zip(PARTS, shares, strict=True)),
        **how,
        "genes": len(genes),
        "from": {"files": [file.name for file in files], "table_hash": table_hash(genes)},
        "dnastudy": __version__,
    }
    if check:
        say("look for relatives with BLAST+")
        card["check"] = confirmation(parts)
    card = _write(out, parts, card)
    emit({"folder": str(out), **(card if as_json else _lines(card))}, as_json)


def _shares(words: list[str] | None) -> list[float]:
    """Three shares that sum to 1, given as three words or with commas."""
    texts = [text for word in words or ["0.6,0.2,0.2"] for text in word.replace(",", " ").split()]
    try:
        shares = [float(text) for text in texts]
    except ValueError as error:
        raise DataError(f"--fractions: {str(error).rpartition(': ')[2]} is no number") from None
    if len(shares) != len(PARTS) or not all(0 < share < 1 for share in shares) or abs(sum(shares) - 1) > 1e-9:
        raise DataError(
            f"--fractions {' '.join(texts)}: three shares above 0 that sum to 1 are needed, of train, validation and "
            "test, for instance --fractions 0.6 0.2 0.2"
        )
    return shares


def _check_folder(out: Path, files: list[Path]) -> None:
    """Refuse a folder that is not for this command to replace: it would vanish with all that is in it."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: exists and is no folder; name another one for --out")
    if inside := [file for file in files if out.resolve() in file.resolve().parents]:
        raise DataError(f"{inside[0]}: is to be read, and lies in the folder to write; name another one for --out")
    held = {path.name for path in out.iterdir()} if out.exists() else set()
    others = held - {CARD, *(f"{part}.csv" for part in PARTS)}
    if held and (others or not _is_card(out / CARD)):
        raise DataError(
            f"{out}: holds {min(others or held)} and is no folder that `dnastudy split` wrote; "
            "name another one for --out"
        )


def _is_card(path: Path) -> bool:
    """Whether this file is what this command writes."""
    try:
        return {"by", "parts", "dnastudy"} <= set(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return False


def _cut(genes: pd.DataFrame, by: str, shares: list[float], seed: int) -> tuple[dict[str, pd.DataFrame], dict]:
    """Parts by their names, and what the card says of a split by family."""
    from dnastudy.data.splits import random_split
    from dnastudy.homology.mmseqs import split_by_family

    try:
        if by == "random":
            return dict(zip(PARTS, random_split(genes, shares, seed), strict=True)), {}
        say(f"search {len(genes):,} genes for relatives")
        parts = dict(zip(PARTS, split_by_family(genes, shares, seed), strict=True))
    except ValueError as error:
        raise DataError(str(error)) from None
    return parts, _relatives_facts(genes)


def _relatives_facts(genes: pd.DataFrame, min_identity: float = 0.7, min_coverage: float = 0.5) -> dict[str, Any]:
    """What a relative is, and the clusters: genes that are relatives of each other, directly or by a chain."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    from dnastudy.homology.mmseqs import E_VALUE, links

    say("count the clusters")
    found = links(genes, min_identity=min_identity, min_coverage=min_coverage)
    graph = coo_array((np.ones(len(found)), (found["query"], found["target"])), shape=(len(genes), len(genes)))
    sizes = np.bincount(connected_components(graph, directed=True, connection="strong")[1])
    return {
        "relatives": {"min_identity": min_identity, "min_coverage": min_coverage, "max_e_value": E_VALUE},
        "clusters": {"number": len(sizes), "largest": int(sizes.max())},
    }


def _write(out: Path, parts: dict[str, pd.DataFrame], card: dict[str, Any]) -> dict[str, Any]:
    """Write the folder whole or not at all; returns the card, with the facts of each part."""
    from dnastudy.core.atomic import atomic_dir
    from dnastudy.data.genes import table_hash, write_genes
    from dnastudy.data.sources.http import file_hash

    tables = {}
    with atomic_dir(out.resolve()) as folder:
        for name, genes in parts.items():
            path = write_genes(genes, folder / f"{name}.csv")
            types = genes["type"].replace("", "(none)").value_counts(normalize=True)
            tables[name] = {
                "genes": len(genes),
                "nucleotides": int(genes["sequence"].str.len().sum()),
                "fraction": round(len(genes) / card["genes"], 4),
                "types": {kind: round(share, 4) for kind, share in types.items()},
                "sha256": file_hash(path),
                "table_hash": table_hash(genes),
            }
        checked = {"check": card.pop("check")} if "check" in card else {}  # the longest comes last
        card = {**card, "parts": tables, **checked}
        (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def _lines(card: dict[str, Any]) -> dict[str, Any]:
    """The card as lines for people."""
    lines = {key: card[key] for key in ("by", "seed", "clusters") if key in card}
    for name, part in card["parts"].items():
        lines[name] = {key: part[key] for key in ("genes", "nucleotides", "fraction")}
        lines[f"types of {name}"] = part["types"]
    for name, found in card.get("check", {}).items():
        if isinstance(found, dict):
            near = ", ".join(f"{row['id']} ({row['nearest']})" for row in found["relatives"][:5])
            more = ", ..." if found["found"] > 5 else ""
            lines[name] = f"BLAST+ finds {found['found']} of {found['genes']}{f': {near}{more}' if near else ''}"
    return lines
