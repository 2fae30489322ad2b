"""`dnastudy data`: simulate, fetch, check and convert genes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from dnastudy.cli.options import GeneFiles, Json, ReadingShort, ReadingUnique, command, read
from dnastudy.core.errors import DataError, SettingsError
from dnastudy.display.terminal import emit, say

app = typer.Typer(no_args_is_help=True, help="Simulate, fetch, check and convert genes.", rich_markup_mode="markdown")


@contextmanager
def _download_progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show the progress of named downloads on stderr: bars in a terminal, else one line a file."""
    import sys

    if not sys.stderr.isatty():
        started: set[str] = set()

        def write_line(name: str, done: int, total: int | None) -> None:
            if name not in started:
                started.add(name)
                say(f"fetch {name}")

        yield write_line
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bars:
        tasks: dict[str, int] = {}

        def move_bar(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name)
            bars.update(tasks[name], completed=done, total=total)

        yield move_bar


@command(app)
def simulate(
    out: Annotated[Path, typer.Option(help="Folder for genes/train.csv, validation.csv and test.csv.")],
    genes: Annotated[int, typer.Option(min=50, help="Genes in all three files together.")] = 4000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same genes.")] = 1,
    as_json: Json = False,
) -> None:
    """Simulate genes that resemble human ones: families, types, composition, lengths.

    For example:

        dnastudy data simulate --out data/raw/simulated --genes 4000 --seed 1
    """
    from dnastudy.data.genes import table_hash, write_genes
    from dnastudy.data.simulation import simulate_study

    splits = simulate_study(seed=seed, n=genes)
    facts: dict[str, object] = {"folder": str(out), "seed": seed}
    for name, frame in splits.items():
        path = write_genes(frame, out / "genes" / f"{name}.csv")
        facts[name] = {"genes": len(frame), "nucleotides": int(frame["sequence"].str.len().sum()),
                       "file": str(path), "sha256": table_hash(frame)}  # fmt: skip
    emit(facts, as_json)


@command(app)
def mutate(
    files: GeneFiles,
    out: Annotated[Path, typer.Option(help="CSV file of pairs to write.")],
    n: Annotated[int, typer.Option(min=1, help="Pairs to make, genes drawn with replacement.")] = 1000,
    maximum: Annotated[int, typer.Option(min=1, help="Most edits in a copy; each gets 1 to this many.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same pairs.")] = 1,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Kinds of edits: insertion, deletion, substitution, swap; default: the first three."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make pairs of a gene and a randomly mutated copy, for `dnastudy mutations`.

    For example:

        dnastudy data mutate test.csv --out pairs.csv --maximum 5 --seed 1
    """
    from dnastudy.data.mutation_pairs import KINDS, make_pairs, write_pairs

    genes = read(files)
    try:
        pairs = make_pairs(genes, n, maximum, seed, kind or KINDS)
    except ValueError as error:
        raise DataError(str(error)) from None
    path = write_pairs(pairs, out)
    emit({"file": str(path), "pairs": len(pairs), "genes": int(pairs["id"].nunique()), "maximum": maximum}, as_json)


@command(app)
def check(
    files: GeneFiles,
    reading: ReadingUnique,
    as_json: Json = False,
) -> None:
    """Read gene files, summarise them, and name the first record that breaks the schema.

    For example:

        dnastudy data check my.fa --duplicates keep
    """
    genes = reading.read(files)
    lengths = genes["sequence"].str.len()
    facts = {
        "files": ", ".join(map(str, files)),
        "genes": len(genes),
        "nucleotides": int(lengths.sum()),
        "length": {"shortest": int(lengths.min()), "median": float(lengths.median()), "longest": int(lengths.max())},
        "types": {str(kind) or "(none)": int(n) for kind, n in genes["type"].value_counts().items()},
    }
    emit(facts, as_json)


@command(app)
def convert(
    files: GeneFiles,
    out: Annotated[Path, typer.Option(help="File to write: .csv (as in the paper) or .fa, each with or without .gz.")],
    reading: ReadingShort,
    as_json: Json = False,
) -> None:
    """Read genes under the given policies and write them to one file.

    For example:

        dnastudy data convert ncbi_dataset.zip --out genes.csv --invalid drop --duplicates drop --max-length 1000
    """
    from dnastudy.data.genes import write_genes

    if out.resolve() in {file.resolve() for file in files}:
        raise SettingsError(f"{out}: is also a file to read; name another one for --out")
    if out.with_suffix("" if out.suffix == ".gz" else out.suffix).suffix not in {".csv", ".fa", ".fasta", ".fna"}:
        raise SettingsError(f"{out}: the file must end in .csv, .fa, .fasta or .fna, each with or without .gz")
    genes = reading.read(files)
    write_genes(genes, out)
    emit({"file": str(out), "genes": len(genes), "nucleotides": int(genes["sequence"].str.len().sum())}, as_json)


fetch = typer.Typer(
    no_args_is_help=True,
    help="Download real genes; a broken download continues when called again.",
)
app.add_typer(fetch, name="fetch")


@command(fetch, "paper")
def fetch_paper(
    out: Annotated[Path, typer.Option(help="Folder to fill.")] = Path("data/raw/paper"),
    base_url: Annotated[
        str | None, typer.Option(help="A mirror of the paper's repository at the pinned commit.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Download the paper's own files from its public repository and verify their git blob ids.

    For example:

        dnastudy data fetch paper --out data/raw/paper
    """
    from dnastudy.data.sources import catalogue

    say(f"fetch the paper's files into {out}")
    try:
        with _download_progress() as progress:
            paths = catalogue.fetch_paper(out, base_url=base_url, progress=progress)
    except catalogue.FetchError as error:
        by_hand = (
            f"files fetched by hand go to the paths in data/sources.yaml; `dnastudy data verify {out}` checks them"
        )
        raise catalogue.FetchError(f"{error}; {by_hand}") from None
    emit({"folder": str(out), "files": ", ".join(path.relative_to(out).as_posix() for path in paths)}, as_json)


@command(fetch, "ncbi")
def fetch_ncbi(
    out: Annotated[Path, typer.Option(help="Folder to fill; it must hold nothing else.")] = Path("data/raw/ncbi"),
    max_length: Annotated[int, typer.Option(min=1, help="Longest gene, nt.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split.")] = 0,
    base_url: Annotated[str | None, typer.Option(help="Another address of the NCBI Datasets API, version 2.")] = None,
    as_json: Json = False,
) -> None:
    """Download the current human genes from NCBI Datasets, filter, deduplicate and split them as the paper did.

    The folder gets a data card. An NCBI API key in NCBI_API_KEY makes the download faster.

    For example:

        dnastudy data fetch ncbi --out data/raw/ncbi
    """
    from dnastudy.data.sources import catalogue

    say(f"fetch the current human genes from NCBI into {out}")
    with _download_progress() as progress:
        card = catalogue.fetch_ncbi(out, max_length=max_length, seed=seed, base_url=base_url, progress=progress)
    emit({"folder": str(out), **card}, as_json)


@command(app)
def verify(folder: Annotated[Path, typer.Argument(help="Folder that `dnastudy data fetch` filled.")]) -> None:
    """Check downloaded files against the registry or their data card.

    For example:

        dnastudy data verify data/raw/paper
    """
    from dnastudy.data.sources import catalogue

    table = catalogue.verify(folder)
    print(table.to_string(index=False))
    if not (table["status"] == "present").all():
        raise typer.Exit(1)
