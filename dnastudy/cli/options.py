"""What the commands share: several values in a row, options of one meaning, reading genes under policies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from typer.core import TyperCommand

from dnastudy.core.errors import ModelError
from dnastudy.data.formats import DataError
from dnastudy.display.terminal import messages, say

_NEGATIVE = re.compile(r"-\.?\d")


class Greedy(TyperCommand):
    """A command whose repeatable options take several values in a row, and whose ``-p`` takes a name and a value.

    ``--train a.csv b.csv`` is read as ``--train a.csv --train b.csv``, ``-p order 6`` as ``-p order=6``; ``-0.1`` is a
    value.
    """

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """Rewrite the words into what the parser knows."""
        many = {name for p in self.params if getattr(p, "multiple", False) for name in p.opts}
        spread: list[str] = []
        option: str | None = None
        words = iter(args)
        for word in words:
            if word in PAIRS & many:
                name = next(words, None)
                if name is None or "=" in name:
                    spread += [word] if name is None else [word, name]
                else:
                    value = next(words, None)
                    spread += [word, name if value is None else f"{name}={value}"]
                option = None
            elif word.startswith("-") and word != "-" and not _NEGATIVE.match(word):
                option = word if word in many else None
                if option is None:
                    spread.append(word)
            else:
                spread += [word] if option is None else [option, word]
        return super().parse_args(ctx, spread)


PAIRS = {"-p", "--parameter"}
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
Train = Annotated[list[Path], typer.Option(help="Genes to learn from: CSV, FASTA, gzip of both, or NCBI gene package.")]
Validation = Annotated[Path | None, typer.Option(help="Genes to tune on.")]
Join = Annotated[bool, typer.Option(help="Let the validation genes join the training counts once everything is tuned.")]
Prequential = Annotated[
    bool, typer.Option(help="Let each test gene join what was learned once it is scored, in file order.")
]
Set = Annotated[list[str] | None, typer.Option(help="Settings of the model, as key=value (see `dnastudy models`).")]
Preset = Annotated[str, typer.Option(help="Named settings of the model, for instance one of the paper's trials.")]
Trained = Annotated[
    str, typer.Option(help="Folder of a trained model (see `dnastudy train`), or one that comes with the package.")
]
Invalid = Annotated[str, typer.Option(help="Letters outside A C G T: error, drop the gene, or split it there.")]
Empty = Annotated[str, typer.Option(help="Genes without any nucleotide: error or drop.")]
Duplicates = Annotated[str, typer.Option(help="Equal sequences: error, drop all but the first, or keep.")]


def read(
    paths: Path | list[Path], invalid: str = "error", empty: str = "error", duplicates: str = "error", **more: Any
):
    """Read a gene table under the policies of the command line, and tell what they changed."""
    from dnastudy.data.genes import Policy, ReadReport, read_genes

    try:
        policy = Policy(invalid, empty, duplicates, **more)
    except ValueError as error:
        raise DataError(str(error)) from None
    report = ReadReport()
    genes = read_genes(paths, policy, report)
    (say if report.changed else messages.debug)(report.summary())
    if genes.empty:
        raise DataError(f"{', '.join(report.files)}: no genes are left to work with")
    return genes


_SCIENTIFIC = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def parse_pairs(option: str, pairs: list[str] | None) -> dict[str, Any]:
    """Turn the ``key=value`` words of an option, values in YAML, into a dictionary."""
    found: dict[str, Any] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ModelError(f"{option} {pair}: a name and a value are needed, for instance {option} order=6")
        if key in found:
            raise ModelError(f"{option} {key}: given twice")
        try:
            found[key] = yaml.safe_load(value)
            if _SCIENTIFIC.fullmatch(value):  # YAML 1.1 takes 1e-3 for a text
                number = float(value)
                found[key] = int(number) if number.is_integer() else number
        except yaml.YAMLError as error:
            reason = getattr(error, "problem", None) or error
            raise ModelError(f"{option} {pair}: the value is not YAML ({reason})") from None
    return found
