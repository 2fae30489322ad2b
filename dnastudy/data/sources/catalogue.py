"""Fetching the study's genes: the paper's files from its repository, or the current human genes from NCBI.

The sources are registered in ``data/sources.yaml``. The paper's files are verified against their git blob ids; a set
from NCBI gets a dated data card with the hash of each table and the counts of the records left out.
"""

from __future__ import annotations

import importlib.resources
import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import yaml

from dnastudy import __version__
from dnastudy.core.errors import FetchError
from dnastudy.data.formats import CSV_COLUMNS
from dnastudy.data.genes import Policy, ReadReport, read_genes, table_hash, write_genes
from dnastudy.data.sources.http import download, file_hash, wrong_content
from dnastudy.data.sources.ncbi import Packages, fetch_packages

__all__ = ["SourceFile", "download", "fetch_ncbi", "fetch_paper", "paper_files", "verify"]

FRACTIONS = {"train": 0.6, "validation": 0.2, "test": 0.2}
"""Share of the genes in each table, as in the paper's split."""
Progress = Callable[[str, int, int | None], None]
"""Called with the name of what is fetched, the amount received and the total (None: unknown)."""


@dataclass(frozen=True)
class SourceFile:
    """One registered file: its address, its path in a data folder, and git blob id and size (bytes) of its content."""

    name: str
    url: str
    path: str
    blob: str
    size: int | None = None


def registry(path: str | os.PathLike | None = None) -> dict:
    """Return the registry of sources from ``path``, by default the installed one or that of the working copy."""
    if path is None:
        installed = importlib.resources.files("dnastudy") / "_data" / "sources.yaml"
        path = installed if installed.is_file() else Path(__file__).parents[3] / "data" / "sources.yaml"
    else:
        path = Path(path)
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def paper_files(base_url: str | None = None, registered: str | os.PathLike | None = None) -> list[SourceFile]:
    """Return the paper's registered files; ``base_url`` names a mirror to take them from.

    Raises
    ------
    ValueError
        For an entry without a git blob id, or with a path outside the data folder.
    """
    paper = registry(registered)["paper"]
    base = (base_url or paper["base_url"]).rstrip("/")
    files = []
    for entry in paper["files"]:
        entry = dict(entry)
        source = SourceFile(url=f"{base}/{entry.pop('source')}", **{"blob": "", **entry})
        if len(source.blob) != 40:
            raise ValueError(f"sources.yaml, {source.name}: no git blob id, so it could not be verified; add one")
        if Path(source.path).is_absolute() or ".." in Path(source.path).parts:
            raise ValueError(f"sources.yaml, {source.name}: the path {source.path} leaves the data folder")
        files.append(source)
    return files


def fetch_paper(
    folder: str | os.PathLike,
    *,
    base_url: str | None = None,
    names: Iterable[str] | None = None,
    progress: Progress | None = None,
    registered: str | os.PathLike | None = None,
    **settings,
) -> list[Path]:
    """Fetch the paper's files into ``folder``, each verified against its git blob id; correct files there are kept.

    Parameters
    ----------
    folder : path
        The data folder to fill.
    base_url : str, optional
        A mirror of the repository's tree at the pinned commit.
    names : names, optional
        Registered names of the files to fetch, by default all.
    progress : callable, optional
        See `Progress`; counts in bytes.
    registered : path, optional
        A registry to use instead of the project's own.
    **settings
        ``retries``, ``timeout``, ``backoff`` of `download`.

    Returns
    -------
    The files' paths, in the registry's order.

    Raises
    ------
    FetchError
        For a file that cannot be downloaded or has wrong content; files fetched before it remain.
    ValueError
        For an unknown name.
    """
    files = paper_files(base_url, registered)
    if names is not None:
        names = list(names)
        if unknown := sorted(set(names) - {file.name for file in files}):
            raise ValueError(f"unknown {', '.join(unknown)}; registered are {', '.join(file.name for file in files)}")
        files = [file for file in files if file.name in names]
    return [
        download(
            file.url,
            Path(folder) / file.path,
            blob=file.blob,
            size=file.size,
            progress=_named(progress, file.name),
            **settings,
        )
        for file in files
    ]


def _named(progress: Progress | None, name: str) -> Callable[[int, int | None], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)


def verify(folder: str | os.PathLike, registered: str | os.PathLike | None = None) -> pd.DataFrame:
    """Compare a data folder with its data card (a set from NCBI), or else with the registered files.

    Returns
    -------
    DataFrame with the columns ``name``, ``path``, ``status`` (``present``, ``missing`` or ``wrong hash``), ``problem``.
    """
    folder = Path(folder)
    if (folder / "card.json").exists():
        tables = json.loads((folder / "card.json").read_text(encoding="utf-8"))["tables"]
        rules = [(Path(path).stem, path, {"sha256": table["sha256"]}) for path, table in tables.items()]
    else:
        rules = [(f.name, f.path, {"blob": f.blob, "size": f.size}) for f in paper_files(registered=registered)]
    rows = []
    for name, path, rule in rules:
        problem = wrong_content(folder / path, **rule) if (folder / path).is_file() else ""
        status = "missing" if problem == "" else "wrong hash" if problem else "present"
        rows.append((name, path, status, problem or ""))
    return pd.DataFrame(rows, columns=["name", "path", "status", "problem"])


def fetch_ncbi(
    folder: str | os.PathLike,
    *,
    base_url: str | None = None,
    max_length: int = 1000,
    seed: int = 0,
    taxon: int = 9606,
    today: date | None = None,
    progress: Progress | None = None,
    batch: int = 1000,
    pause: float | None = None,
    **settings,
) -> dict:
    """Fetch the current genes of a taxon from NCBI, filtered, deduplicated and split as in the paper.

    Genes of at most ``max_length`` nt with only A C G T are kept: the first locus of each gene, and the first gene of
    each sequence. They are split at random 60/20/20 into ``genes/train.csv``, ``validation.csv`` and ``test.csv``, with
    a dated data card (``CARD.md``, ``card.json``). Downloads stay in ``package/``, from where an interrupted call is
    resumed.

    Parameters
    ----------
    folder : path
        A folder for this set alone.
    base_url : str, optional
        Another address of the NCBI Datasets API, version 2.
    max_length : int
        Longest gene, in nt.
    seed : int
        Seed of the split.
    taxon : int
        NCBI taxonomy id.
    today : date, optional
        Date for the card, by default today (UTC).
    progress : callable, optional
        See `Progress`; counts genes listed and packages.
    batch : int
        Genes per page of the list and per package, at most 1,000.
    pause : float, optional
        Seconds between requests, by default what NCBI permits (3 a second, 10 with a key in ``NCBI_API_KEY``).
    **settings
        ``retries``, ``timeout``, ``backoff`` of `download`.

    Returns
    -------
    The content of ``card.json``.

    Raises
    ------
    FetchError
        When the download fails (call again to resume it), or ``folder`` holds another set.
    """
    if not 1 <= batch <= 1000:
        raise ValueError(f"batch={batch}: 1 to 1,000 genes, NCBI's limit")
    folder, day = Path(folder), (today or datetime.now(UTC).date()).isoformat()
    base = (base_url or registry()["ncbi"]["base_url"]).rstrip("/")
    request = {"url": base, "taxon": taxon, "max_length": max_length, "batch": batch}
    if (card := _finished(folder, request | {"seed": seed})) is not None:
        return card
    packages = fetch_packages(folder / "package", request, day, pause=pause, progress=progress, settings=settings)
    return _build(folder, packages, request | {"seed": seed, "date": packages.started, "finished": day})


def _finished(folder: Path, request: dict) -> dict | None:
    """Return the card of a complete set for this request; None when there is no set yet."""
    if not (folder / "genes").exists():
        return None
    if not (folder / "card.json").exists():
        raise FetchError(f"{folder / 'genes'} exists without a card.json, so it is another set; choose another folder")
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    if other := [f"{key} {card.get(key)} (not {value})" for key, value in request.items() if card.get(key) != value]:
        raise FetchError(f"{folder} holds another set, with {', '.join(other)}; choose another folder")
    table = verify(folder)
    bad = table[table["status"] != "present"]
    if len(bad):
        raise FetchError(
            f"{folder / 'genes'} is not what its card says ({', '.join(bad['path'] + ': ' + bad['status'])}); "
            "move that folder and call again: it is made anew from package/, without a download"
        )
    return card


def _build(folder: Path, packages: Packages, card: dict) -> dict:
    """Make the tables and the card from the packages; the folder of tables appears complete or not at all."""
    from dnastudy.data.splits import random_split

    report = ReadReport()
    # further loci are dropped before duplicates: otherwise one could displace another gene of the same sequence
    policy = Policy(invalid="drop", empty="drop", duplicates="keep", max_length=card["max_length"])
    read = read_genes(packages.paths, policy, report)
    first = read[~read["id"].str.contains("@", regex=False)]
    genes = first.drop_duplicates("sequence", ignore_index=True)
    if len(genes) < 5:
        raise FetchError(f"{card['url']}: only {len(genes)} genes are left of {report.records}, too few to split")
    new = folder / "genes.part"
    shutil.rmtree(new, ignore_errors=True)
    tables = {}
    for name, table in zip(FRACTIONS, random_split(genes, tuple(FRACTIONS.values()), seed=card["seed"]), strict=True):
        path = write_genes(table, new / f"{name}.csv")
        tables[f"genes/{name}.csv"] = {
            "genes": len(table),
            "nucleotides": int(table["sequence"].str.len().sum()),
            "sha256": file_hash(path),
            "table_hash": table_hash(table),
        }
    shares = genes["type"].replace("", "(none)").value_counts(normalize=True)
    card = {
        "source": "NCBI Datasets, API version 2: gene reports of the taxon, then gene packages with gene sequences",
        **card,
        "dnastudy": __version__,
        "announced": packages.announced,
        "listed": packages.listed,
        "longer_by_range": packages.longer,
        "asked": packages.requested,
        "records": report.records,
        "dropped": {
            "longer": report.longer_dropped,
            "invalid": report.invalid_dropped,
            "empty": report.empty_dropped,
            "further_loci": len(read) - len(first),
            "duplicates": len(first) - len(genes),
        },
        "genes": len(genes),
        "nucleotides": int(genes["sequence"].str.len().sum()),
        "types": {kind: round(share, 4) for kind, share in shares.items()},
        "fractions": FRACTIONS,
        "tables": tables,
        "packages": {path.name: file_hash(path) for path in packages.paths},
    }
    (folder / "CARD.md").write_text(_card_text(card), encoding="utf-8")
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    new.replace(folder / "genes")
    return card


def _card_text(card: dict) -> str:
    """Return the data card as Markdown."""
    dropped, limit = card["dropped"], f"{card['max_length']:,} nt"
    tables = "\n".join(
        f"| `{path}` | {table['genes']:,} | {table['nucleotides']:,} | `{table['sha256']}` |"
        for path, table in card["tables"].items()
    )
    split = "/".join(f"{share:.0%}" for share in card["fractions"].values())
    types = ", ".join(f"{kind} {share:.1%}" for kind, share in card["types"].items())
    return f"""# Genes of taxon {card["taxon"]} of at most {limit}, NCBI, {card["date"]}

- Source: {card["source"]}; {card["url"]}
- Downloaded: {card["date"]}{"" if card["finished"] == card["date"] else " to " + card["finished"]}
- NCBI's terms: no restrictions on use or distribution by NCBI itself; some submitters may claim rights
- Made by dnastudy {card["dnastudy"]} with seed {card["seed"]} (random split {split})

## What is in it
| file | genes | nucleotides | SHA-256 |
|---|---|---|---|
{tables}

{card["genes"]:,} genes, {card["nucleotides"]:,} nt; columns: {", ".join(CSV_COLUMNS)}.
A "gene" is any record of NCBI Gene, not only one that codes for a protein. Types: {types}.

## What was left out
NCBI announced {card["announced"] or 0:,} genes and listed {card["listed"]:,}; {card["asked"]:,} were requested and
{card["records"]:,} sequences received.

| count | why |
|---|---|
| {card["longer_by_range"]:,} | annotated range longer than {limit}; not requested |
| {dropped["longer"]:,} | sequence longer than {limit} |
| {dropped["invalid"]:,} | letters outside A C G T |
| {dropped["empty"]:,} | no sequence |
| {dropped["further_loci"]:,} | a further locus of a gene (X and Y, another assembly) |
| {dropped["duplicates"]:,} | the same sequence as an earlier gene |

Homologs (similar, not identical sequences) are not removed; they are distributed over the three tables at random.
"""
