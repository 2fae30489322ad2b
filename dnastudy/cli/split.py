"""`dnastudy split`: cut genes into train, validation and test, at random or by family."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dnastudy.cli.options import GeneFiles, Json, ReadingShort, command
from dnastudy.core.errors import SettingsError
from dnastudy.display.terminal import emit, say

app = typer.Typer()


@command(app)
def split(
    files: GeneFiles,
    by: Annotated[
        Literal["family", "random"],
        typer.Option(help="family: no gene has a homolog in an earlier part; random: as the paper does."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for train.csv, validation.csv, test.csv and split.json.")],
    reading: ReadingShort,
    fractions: Annotated[
        list[str] | None, typer.Option(help="Fractions of train, validation and test; default: 0.6 0.2 0.2.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same parts.")] = 0,
    check: Annotated[
        bool, typer.Option("--check", help="Search for homologs between the parts with NCBI BLAST+ as well.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Cut genes into training, validation and test genes.

    By family, no validation gene has a homolog (relative) among the training genes, and no test gene has one in either:
    a gene of at least 70 % identity over at least 50 % of its length, on either strand, found by MMseqs2. Families
    stay whole, so the fractions of genes and gene types are met only approximately; split.json lists the actual ones.
    Families of more than 1 % of the genes, if they have at least ten, go to training. An earlier split in the folder is
    replaced.

    For example:

        dnastudy split my_genes.fa --by family --out parts

        dnastudy split a.csv b.csv.gz --by family --fractions 0.8 0.1 0.1 --seed 1 --check --out parts
    """
    from dnastudy.homology.split_folder import check_folder, check_fractions, check_programs, write_split

    numbers = _numbers(fractions)
    check_fractions(numbers)
    check_folder(out, files)
    check_programs(by, check)
    genes = reading.read(files)
    card = write_split(genes, out, by, numbers, seed, files=files, check=check, log=say)
    emit({"folder": str(out), **(card if as_json else _lines(card))}, as_json)


def _numbers(words: list[str] | None) -> list[float]:
    """Numbers that are separated by spaces or commas."""
    texts = [text for word in words or ["0.6,0.2,0.2"] for text in word.replace(",", " ").split()]
    try:
        return [float(text) for text in texts]
    except ValueError as error:
        raise SettingsError(f"--fractions: {str(error).rpartition(': ')[2]} is not a number") from None


def _lines(card: dict[str, Any]) -> dict[str, Any]:
    """The card as lines for people."""
    lines = {key: card[key] for key in ("by", "seed", "clusters") if key in card}
    for name, part in card["parts"].items():
        lines[name] = {key: part[key] for key in ("genes", "nucleotides", "fraction")}
        lines[f"types of {name}"] = part["types"]
    for name, result in card.get("check", {}).items():
        if isinstance(result, dict):
            near = ", ".join(f"{row['id']} ({row['nearest']})" for row in result["relatives"][:5])
            more = ", ..." if result["found"] > 5 else ""
            lines[name] = f"BLAST+ finds {result['found']} of {result['genes']}{f': {near}{more}' if near else ''}"
    return lines
