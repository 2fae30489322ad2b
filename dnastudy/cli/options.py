"""How all commands declare options: shared ones once, several values in a row, gene files under policies."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer
import yaml
from typer.core import TyperCommand

from dnastudy.core.config import Settings
from dnastudy.core.errors import DataError, SettingsError
from dnastudy.display.terminal import messages, say

if TYPE_CHECKING:
    import pandas as pd

    from dnastudy.experiments.profile import Profile

# how a command is declared


def command(app: typer.Typer, name: str | None = None, **options: Any) -> Callable[[Callable], Callable]:
    """Decorator: the function becomes a command of this program.

    A parameter whose type is a dataclass stands for one option a field, so that commands share options without
    listing them again; the function gets the filled dataclass. ``options`` are those of `typer.Typer.command`.
    """

    def add(function: Callable) -> Callable:
        app.command(name, cls=Greedy, **options)(_with_flat_options(function))
        return function

    return add


def _with_flat_options(function: Callable) -> Callable:
    """The function with the fields of its dataclass parameters in their place."""
    hints = get_type_hints(function, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    flat: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        if group := groups.get(parameter.name):
            field_hints = get_type_hints(group, include_extras=True)
            flat += [
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if field.default is MISSING else field.default,
                    annotation=field_hints[field.name],
                )
                for field in fields(group)
            ]
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            flat.append(parameter.replace(kind=kind, annotation=hints[parameter.name]))

    @functools.wraps(function)
    def call(**values: Any) -> Any:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        return function(**values)

    call.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return call


PAIRS = {"-p", "--parameter"}
_NEGATIVE = re.compile(r"-\.?\d")


class Greedy(TyperCommand):
    """A command whose repeatable options take several values in a row, and whose ``-p`` takes a name and a value.

    ``--train a.csv b.csv`` is read as ``--train a.csv --train b.csv``, ``-p order 6`` as ``-p order=6``; ``-0.1`` is a
    value.
    """

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """Rewrite the words of the command line for the parser."""
        repeatable = {name for p in self.params if getattr(p, "multiple", False) for name in p.opts}
        rewritten: list[str] = []
        option: str | None = None
        words = iter(args)
        for word in words:
            if word in PAIRS & repeatable:
                name = next(words, None)
                if name is None or "=" in name:
                    rewritten += [word] if name is None else [word, name]
                else:
                    value = next(words, None)
                    rewritten += [word, name if value is None else f"{name}={value}"]
                option = None
            elif word.startswith("-") and word != "-" and not _NEGATIVE.match(word):
                option = word if word in repeatable else None
                if option is None:
                    rewritten.append(word)
            else:
                rewritten += [word] if option is None else [option, word]
        return super().parse_args(ctx, rewritten)


# single options

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
GeneFiles = Annotated[list[Path], typer.Argument(help="CSV, FASTA, gzip of both, or NCBI gene package.")]
Set = Annotated[list[str] | None, typer.Option(help="Settings of the model, as key=value (see `dnastudy models`).")]
Trained = Annotated[
    str, typer.Option(help="Folder of a trained model (see `dnastudy train`), or a model that comes with the package.")
]
GeneType = Annotated[str, typer.Option(help="Gene type, for instance tRNA; default: genes of any type.")]
Replicates = Annotated[int, typer.Option(min=100, help="Bootstrap resamples of the genes for each interval.")]
ProfileName = Annotated[str, typer.Option(help="quick, cpu, gpu, or a YAML file of settings.")]
Data = Annotated[
    str, typer.Option(help="Genes in place of the profile's: a folder, a gene file, or the word simulated.")
]
PaperData = Annotated[str, typer.Option(help="Folder with the paper's genes; default: DNASTUDY_DATA.")]
Cores = Annotated[int, typer.Option(min=1, help="Processor cores: so many independent jobs run in parallel.")]


def load_profile(name: str, data: str = "") -> Profile:
    """Profile of this name, on other genes where some are named."""
    from dnastudy.experiments import profile

    return profile.load_profile(name, **({"data": data} if data else {}))


# groups of options


@dataclass(frozen=True)
class Reading:
    """How gene files are read: what happens to letters outside A C G T and to empty sequences."""

    invalid: Annotated[
        Literal["error", "drop", "split"],
        typer.Option(help="Genes with letters outside A C G T: report an error, drop them, or split them there."),
    ] = "error"
    empty: Annotated[
        Literal["error", "drop"], typer.Option(help="Genes without any nucleotide: report an error or drop them.")
    ] = "error"

    def read(self, paths: Path | list[Path]) -> pd.DataFrame:
        """Gene table of these files."""
        return read(paths, **asdict(self))


@dataclass(frozen=True)
class ReadingUnique(Reading):
    """Reading with a policy for equal sequences."""

    duplicates: Annotated[
        Literal["error", "drop", "keep"],
        typer.Option(help="Equal sequences: report an error, drop all but the first, or keep them."),
    ] = "error"


@dataclass(frozen=True)
class ReadingShort(ReadingUnique):
    """Reading with a largest length."""

    max_length: Annotated[int | None, typer.Option(min=1, help="Leave out longer sequences, nt.")] = None


@dataclass(frozen=True)
class Fitting:
    """Genes that a model is fitted on, and its settings."""

    train: Annotated[list[Path], typer.Option(help="Training genes: CSV, FASTA, gzip of both, or NCBI gene package.")]
    validation: Annotated[Path | None, typer.Option(help="Genes to tune on.")] = None
    add_validation: Annotated[
        bool,
        typer.Option(
            "--add-validation", help="Add the validation genes to the training genes once everything is tuned."
        ),
    ] = False
    set: Set = None
    preset: Annotated[
        str, typer.Option(help="Named settings of the model, for instance one of the paper's trials.")
    ] = ""


# what is read and listed for several commands


def read(paths: Path | list[Path], duplicates: str = "keep", **policies: Any) -> pd.DataFrame:
    """Gene table of these files, read under these policies; what they changed is reported."""
    from dnastudy.data.genes import Policy, ReadReport, read_genes

    report = ReadReport()
    genes = read_genes(paths, Policy(duplicates=duplicates, **policies), report)
    (say if report.changed else messages.debug)(report.summary())
    if genes.empty:
        raise DataError(f"{', '.join(report.files)}: no genes are left to work with")
    return genes


_SCIENTIFIC = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def parse_pairs(option: str, pairs: list[str] | None) -> dict[str, Any]:
    """Turn the ``key=value`` words of an option, values in YAML, into a dictionary."""
    values: dict[str, Any] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise SettingsError(f"{option} {pair}: a name and a value are needed, for instance {option} order=6")
        if key in values:
            raise SettingsError(f"{option} {key}: given twice")
        try:
            values[key] = yaml.safe_load(value)
            if _SCIENTIFIC.fullmatch(value):  # YAML 1.1 takes 1e-3 for a text
                number = float(value)
                values[key] = int(number) if number.is_integer() else number
        except yaml.YAMLError as error:
            reason = getattr(error, "problem", None) or error
            raise SettingsError(f"{option} {pair}: the value is not YAML ({reason})") from None
    return values


def setting_list(settings: type[Settings]) -> dict[str, dict[str, Any]]:
    """Each setting with its ``default`` and what it is ``about``."""
    defaults = settings().model_dump(mode="json")
    return {key: {"default": defaults[key], "about": field.description} for key, field in settings.model_fields.items()}
