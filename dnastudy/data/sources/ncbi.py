"""Gene packages of a whole taxon from NCBI Datasets, in small pieces that can be resumed.

The API (version 2) has no download by taxon. As in NCBI's own client, the genes of the taxon are listed page by page
and then requested by id (github.com/ncbi/datasets, GeneDownloader.go: WithTaxon, DownloadGenePackagePost; parameters in
docs/GeneApi.md of its OpenAPI client). Genes whose annotated ranges are all too long are not requested.
"""

from __future__ import annotations

import json
import math
import os
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from dnastudy.core.atomic import atomic_write
from dnastudy.core.errors import FetchError
from dnastudy.data.sources.http import download


@dataclass(frozen=True)
class Packages:
    """Gene packages of one request: their paths, and the numbers of genes listed, too long by range, and requested."""

    paths: list[Path]
    started: str
    announced: int | None
    listed: int
    longer: int
    requested: int


def fetch_packages(
    folder: Path,
    request: dict,
    day: str,
    *,
    pause: float | None = None,
    progress: Callable[[str, int, int | None], None] | None = None,
    settings: dict | None = None,
) -> Packages:
    """Download the gene packages of a taxon into ``folder``; an interrupted download is resumed.

    Parameters
    ----------
    folder : Path
        Holds the request, the pages of the gene list and the packages.
    request : dict
        ``url`` of the API, ``taxon``, ``max_length`` in nt, and ``batch``, the genes per page and package.
    day : str
        Date to record with a new request; a resumed one keeps its own.
    pause : float, optional
        Seconds between requests, by default what NCBI permits.
    progress : callable, optional
        Called with what is counted, how many there are, and how many there will be.
    settings : dict, optional
        ``retries``, ``timeout``, ``backoff`` of `download`.

    Raises
    ------
    FetchError
        When a page or package cannot be downloaded, or ``folder`` belongs to another request.
    """
    started = _start(folder / "request.json", request, day)
    fetch = _Api(request["url"], pause, settings or {})
    batch = request["batch"]
    listing = _list_genes(fetch, folder, request, progress)
    ids = sorted(listing.pop("ids"))
    paths, count = [], math.ceil(len(ids) / batch)
    for number in range(count):
        body = {"gene_ids": ids[number * batch : (number + 1) * batch], "include_annotation_type": ["FASTA_GENE"]}
        target = folder / f"genes_{number + 1:05d}.zip"
        paths.append(fetch("gene/download", target, check=_broken_package, json=body))
        if progress is not None:
            progress("packages", number + 1, count)
    return Packages(paths, started, requested=len(ids), **listing)


def _start(note: Path, request: dict, day: str) -> str:
    """Record a new request and its date, or find the interrupted one; return the date."""
    if note.exists():
        recorded = json.loads(note.read_text(encoding="utf-8"))
        if {key: recorded.get(key) for key in request} != request:
            raise FetchError(
                f"{note.parent} belongs to another request, {recorded}; remove it or choose another folder"
            )
        return recorded["date"]
    atomic_write(note, json.dumps(request | {"date": day}))
    return day


class _Api:
    """Requests to NCBI Datasets, at the permitted rate."""

    def __init__(self, base: str, pause: float | None, settings: dict):
        key = os.environ.get("NCBI_API_KEY")
        self.base = base
        self.settings = {"timeout": 120, **settings}  # packages are built on demand, before their first byte is sent
        self.headers = {"api-key": key} if key else {}
        self.pause = (0.11 if key else 0.36) if pause is None else pause
        self.next = 0.0

    def __call__(self, path: str, target: Path, **how) -> Path:
        if not target.exists():
            time.sleep(max(0.0, self.next - time.monotonic()))
            self.next = time.monotonic() + self.pause
        return download(f"{self.base}/{path}", target, headers=self.headers, **how, **self.settings)


def _list_genes(fetch: _Api, folder: Path, request: dict, progress) -> dict:
    """List the taxon's genes; each page is stored, reduced to the ids of genes that may be short enough."""
    total = {"ids": set(), "announced": None, "listed": 0, "longer": 0}
    token, number = "", 0
    while True:
        number += 1
        stored = folder / f"list_{number:05d}.json"
        if not stored.exists():
            raw = folder / "page.json"
            raw.unlink(missing_ok=True)
            query = f"gene/taxon/{request['taxon']}/dataset_report?page_size={request['batch']}"
            fetch(query + (f"&page_token={quote(token, safe='')}" if token else ""), raw, check=_broken_page)
            atomic_write(stored, json.dumps(_reduce(json.loads(raw.read_bytes()), request["max_length"])))
            raw.unlink()
        page = json.loads(stored.read_text(encoding="utf-8"))
        total["ids"].update(page["ids"])
        total["listed"] += page["listed"]
        total["longer"] += page["longer"]
        total["announced"] = page["announced"] or total["announced"]
        if progress is not None:
            progress("genes listed", total["listed"], total["announced"])
        if not page["next"]:
            break
        if page["next"] == token:
            raise FetchError(f"{fetch.base}: page {number} of the gene list is its own next page; try again later")
        token = page["next"]
    if total["listed"] < 0.99 * (total["announced"] or 1):
        raise FetchError(
            f"{fetch.base}: the list of taxon {request['taxon']} ended after {total['listed']} of "
            f"{total['announced'] or 'all'} genes; remove {folder} and try again later"
        )
    return total


def _reduce(page: dict, max_length: int) -> dict:
    """Reduce one page to ids of genes not known to be too long, counts, and the token of the next page."""
    genes = [report["gene"] for report in page.get("reports", []) if "gene" in report]
    ids = [int(gene["gene_id"]) for gene in genes if min(_lengths(gene), default=0) <= max_length]
    return {
        "ids": ids,
        "listed": len(genes),
        "longer": len(genes) - len(ids),
        "announced": page.get("total_count"),
        "next": page.get("next_page_token") or "",
    }


def _lengths(gene: dict) -> list[int]:
    """Lengths in nt of a gene's annotated ranges; empty when none is known."""
    annotations = gene.get("annotations", [])
    places = [place for annotation in annotations for place in annotation.get("genomic_locations", [])]
    ranges = [place["genomic_range"] for place in places if "genomic_range" in place]
    return [abs(int(r["end"]) - int(r["begin"])) + 1 for r in ranges if "begin" in r and "end" in r]


def _broken_page(path: Path) -> str | None:
    """Return what is wrong with a page of the gene list, or None."""
    try:
        page = json.loads(path.read_bytes())
        _reduce(page, 1)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"not a page of gene reports ({error!r})"
    return None


def _broken_package(path: Path) -> str | None:
    """Return what is wrong with a gene package (truncated, damaged, incomplete), or None."""
    try:
        with zipfile.ZipFile(path) as package:
            bad = package.testzip()
            names = {Path(name).name for name in package.namelist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        return f"not a complete zip file ({error})"
    if bad is not None:
        return f"damaged: the checksum of {bad} is wrong"
    missing = {"gene.fna", "data_report.jsonl"} - names
    return f"no {' and no '.join(sorted(missing))} in the package" if missing else None
