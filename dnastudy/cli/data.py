"""`dnastudy data`: simulate, fetch, check and convert genes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from dnastudy.cli.options import Duplicates, Empty, Greedy, Invalid, Json, read
from dnastudy.data.formats import DataError
from dnastudy.display.terminal import emit, say

app = typer.Typer(no_args_is_help=True, help="Simulate, fetch, check and convert genes.", rich_markup_mode="markdown")


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int | None], None]]:
    """Progress of several named downloads on stderr: bars in a terminal, else a line a file."""
    import sys

    if not sys.stderr.isatty():
        named: set[str] = set()

        def tell(name: str, done: int, total: int | None) -> None:
            if name not in named:
                named.add(name)
                say(f"fetch {name}")

        yield tell
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bars:
        tasks: dict[str, int] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name)
            bars.update(tasks[name], completed=done, total=total)

        yield show


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Folder for genes/train.csv, validation.csv and test.csv.")],
    genes: Annotated[int, typer.Option(min=50, help="Number of genes in all.")] = 4000,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal genes.")] = 1,
    as_json: Json = False,
) -> None:
    """Make genes that resemble human ones: families, types, composition, lengths.

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


@app.command(cls=Greedy)
def mutate(
    files: Annotated[list[Path], typer.Argument(help="CSV, FASTA, gzip of both, or NCBI gene package.")],
    out: Annotated[Path, typer.Option(help="CSV file of pairs to write.")],
    n: Annotated[int, typer.Option(min=1, help="Pairs to make, genes drawn with replacement.")] = 1000,
    maximum: Annotated[int, typer.Option(min=1, help="Most edits of a copy; each has 1 to so many.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same pairs.")] = 1,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Kinds of edits, out of insertion, deletion, substitution and swap; default: the first 3."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make pairs of a gene and a randomly mutated copy of it, for `dnastudy mutations`.

    For example:

        dnastudy data mutate test.csv --out pairs.csv --maximum 5 --seed 1
    """
    from dnastudy.data.mutation_pairs import KINDS, make_pairs, write_pairs

    genes = read(files, duplicates="keep")
    try:
        pairs = make_pairs(genes, n, maximum, seed, kind or KINDS)
    except ValueError as error:
        raise DataError(str(error)) from None
    path = write_pairs(pairs, out)
    emit({"file": str(path), "pairs": len(pairs), "genes": int(pairs["id"].nunique()), "maximum": maximum}, as_json)


@app.command(cls=Greedy)
def check(
    files: Annotated[list[Path], typer.Argument(help="CSV, FASTA, gzip of both, or NCBI gene package.")],
    invalid: Invalid = "error",
    empty: Empty = "error",
    duplicates: Duplicates = "error",
    as_json: Json = False,
) -> None:
    """Read gene files, tell what is in them, and name the first record that breaks the schema.

    For example:

        dnastudy data check my.fa --duplicates keep
    """
    genes = read(files, invalid, empty, duplicates)
    lengths = genes["sequence"].str.len()
    facts = {
        "files": ", ".join(map(str, files)),
        "genes": len(genes),
        "nucleotides": int(lengths.sum()),
        "length": {"shortest": int(lengths.min()), "median": float(lengths.median()), "longest": int(lengths.max())},
        "types": {str(kind) or "(none)": int(n) for kind, n in genes["type"].value_counts().items()},
    }
    emit(facts, as_json)


@app.command(cls=Greedy)
def convert(
    files: Annotated[list[Path], typer.Argument(help="CSV, FASTA, gzip of both, or NCBI gene package.")],
    out: Annotated[Path, typer.Option(help="File to write: .csv (the paper's form) or .fa; .gz is packed.")],
    invalid: Invalid = "error",
    empty: Empty = "error",
    duplicates: Duplicates = "error",
    max_length: Annotated[int | None, typer.Option(min=1, help="Leave out longer sequences, nt.")] = None,
    as_json: Json = False,
) -> None:
    """Read genes under the policies you name and write them in one form.

    For example:

        dnastudy data convert ncbi_dataset.zip --out genes.csv --invalid drop --duplicates drop --max-length 1000
    """
    from dnastudy.data.genes import write_genes

    if out.resolve() in {file.resolve() for file in files}:
        raise DataError(f"{out}: is also a file to read; name another one for --out")
    if out.with_suffix("" if out.suffix == ".gz" else out.suffix).suffix not in {".csv", ".fa", ".fasta", ".fna"}:
        raise DataError(f"{out}: the ending says the form: .csv, .fa, .fasta or .fna, each with or without .gz")
    genes = read(files, invalid, empty, duplicates, max_length=max_length)
    write_genes(genes, out)
    emit({"file": str(out), "genes": len(genes), "nucleotides": int(genes["sequence"].str.len().sum())}, as_json)


fetch = typer.Typer(no_args_is_help=True, help="Fetch real genes; a broken download goes on when called again.")
app.add_typer(fetch, name="fetch")


@fetch.command("paper")
def fetch_paper(
    out: Annotated[Path, typer.Option(help="Folder to fill.")] = Path("data/raw/paper"),
    base_url: Annotated[
        str | None, typer.Option(help="A mirror of the paper's repository at the pinned commit.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The paper's own files from its public repository, verified against their git blob ids.

    For example:

        dnastudy data fetch paper --out data/raw/paper
    """
    from dnastudy.data.sources import catalogue

    say(f"fetch the paper's files into {out}")
    try:
        with _bars() as progress:
            paths = catalogue.fetch_paper(out, base_url=base_url, progress=progress)
    except catalogue.FetchError as error:
        by_hand = (
            f"files fetched by hand go to the paths in data/sources.yaml; `dnastudy data verify {out}` checks them"
        )
        raise catalogue.FetchError(f"{error}; {by_hand}") from None
    emit({"folder": str(out), "files": ", ".join(path.relative_to(out).as_posix() for path in paths)}, as_json)


@fetch.command("ncbi")
def fetch_ncbi(
    out: Annotated[Path, typer.Option(help="Folder to fill, of its own for this set.")] = Path("data/raw/ncbi"),
    max_length: Annotated[int, typer.Option(min=1, help="Longest gene, nt.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split.")] = 0,
    base_url: Annotated[str | None, typer.Option(help="Another address of the NCBI Datasets API, version 2.")] = None,
    as_json: Json = False,
) -> None:
    """Today's human genes from NCBI Datasets, filtered, deduplicated and split as the paper did, with a data card.

    An NCBI API key in NCBI_API_KEY makes it faster.

    For example:

        dnastudy data fetch ncbi --out data/raw/ncbi
    """
    from dnastudy.data.sources import catalogue

    say(f"fetch today's human genes from NCBI into {out}")
    with _bars() as progress:
        card = catalogue.fetch_ncbi(out, max_length=max_length, seed=seed, base_url=base_url, progress=progress)
    emit({"folder": str(out), **card}, as_json)


@app.command()
def verify(folder: Annotated[Path, typer.Argument(help="Folder that `dnastudy data fetch` filled.")]) -> None:
    """Check fetched files against the registry or their data card.

    For example:

        dnastudy data verify data/raw/paper
    """
    from dnastudy.data.sources import catalogue

    table = catalogue.verify(folder)
    print(table.to_string(index=False))
    if not (table["status"] == "present").all():
        raise typer.Exit(1)
