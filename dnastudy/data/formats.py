"""Raw gene records from the paper's CSV format, FASTA, either gzipped, and NCBI Datasets gene packages.

Only the format is checked here, and every message names file, record and line; `genes` checks the contents.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TextIO

from dnastudy.core.errors import DataError
from dnastudy.data.fasta import read_fasta

CSV_COLUMNS = {
    "NCBIGeneID": "id",
    "Symbol": "symbol",
    "Description": "description",
    "GeneType": "type",
    "NucleotideSequence": "sequence",
}
_TAG = re.compile(r"\[([\w.-]+)=([^\]]*)\]")
_LAST_TAG = re.compile(r"\[description=(.*)\]$")  # as written by write_genes; the description may contain brackets


class Record(NamedTuple):
    """One record of a file; ``where`` names its place in messages."""

    where: str
    id: str
    symbol: str
    description: str
    type: str
    sequence: str


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a text file, gzipped or not; a byte order mark is skipped, line ends are kept."""
    with path.open("rb") as raw:
        gzipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) if gzipped else raw as stream:
            yield io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")


def records(path: Path) -> Iterator[Record]:
    """Yield the records of one file; its content decides which format it is read as."""
    with path.open("rb") as raw:
        magic = raw.read(4)
    if magic == b"PK\x03\x04":
        yield from _package_records(path)
        return
    with opened(path) as text:
        start = text.readline()
        while start and not start.strip():
            start = text.readline()
        if not start:
            raise DataError(f"{path}: the file is empty")
        lines = chain([start], text)
        yield from (_fasta_records if start.lstrip()[0] in ">;" else _csv_records)(path, lines)


def _csv_records(path: Path, lines: Iterable[str]) -> Iterator[Record]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(reader)]
    except csv.Error as error:
        raise DataError(f"{path}, header: {error}; is the file cut off?") from error
    missing = [name for name in CSV_COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"{path}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)}; a gene CSV has "
            f"{', '.join(CSV_COLUMNS)} (this one has {', '.join(header)[:200]}); FASTA needs no columns"
        )
    order = [header.index(name) for name in CSV_COLUMNS]
    number = 0
    try:
        for number, row in enumerate(reader, 1):
            if not row:
                continue
            where = f"{path}, record {number} (line {reader.line_num})"
            if len(row) != len(header):
                raise DataError(f"{where}: {len(row)} fields instead of {len(header)}; is the file cut off?")
            name, symbol, description, kind, sequence = (row[i].strip() for i in order)
            where = f"{path}, record {number} (line {reader.line_num}, id {name})"
            yield Record(where, name, symbol, description, kind, unbracketed(where, sequence))
    except csv.Error as error:
        raise DataError(
            f"{path}, record {number + 1} (line {reader.line_num}): {error}; is the file cut off?"
        ) from error


def unbracketed(where: str, sequence: str) -> str:
    """Remove the brackets < > around a sequence, if there are any; DataError where there is only one of them."""
    first, last = sequence.startswith("<"), sequence.endswith(">")
    if (first or last) and (len(sequence) < 2 or not (first and last)):
        raise DataError(f"{where}: the sequence has only one of its brackets < >; is the file cut off?")
    return sequence[1:-1] if first else sequence


def _fasta(where: str, lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (where, header, sequence) of FASTA records, errors naming file and record."""
    number = 0
    try:
        for number, (header, sequence, line) in enumerate(read_fasta(lines), 1):
            yield f"{where}, record {number} (line {line})", header, sequence
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise DataError(f"{where}, record {number + 1}, {error}") from error


def _fasta_records(path: Path, lines: Iterable[str]) -> Iterator[Record]:
    for number, (where, header, sequence) in enumerate(_fasta(str(path), lines), 1):
        described = _LAST_TAG.search(header)
        if described:
            header = header[: described.start()]
        tags = dict(_TAG.findall(header))
        words = _TAG.sub(" ", header).split()
        name = tags.get("GeneID") or (words[0] if words else f"record{number}")
        tagged = bool(tags or described)
        symbol = words[1] if len(words) > 1 and tagged and words[1] != "-" else ""
        description = described.group(1) if described else " ".join(words[2:] if tagged else words[1:])
        yield Record(f"{where[:-1]}, id {name})", name, symbol, description, tags.get("type", ""), sequence)


def _package_records(path: Path) -> Iterator[Record]:
    """Yield the records of an NCBI Datasets gene package: gene.fna, with data_report.jsonl joined by gene id."""
    with zipfile.ZipFile(path) as package:
        names = {Path(name).name: name for name in package.namelist()}
        for needed in ("gene.fna", "data_report.jsonl"):
            if needed not in names:
                raise DataError(
                    f"{path}: no {needed} inside; download the gene package with gene sequences "
                    "(datasets download gene ... --include gene)"
                )
        reports: dict[str, dict] = {}
        with package.open(names["data_report.jsonl"]) as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    report = json.loads(line)
                    reports[str(report["geneId"])] = report
                except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
                    raise DataError(f"{path}, data_report.jsonl, line {number}: not a gene report ({error})") from error
        seen: set[str] = set()
        with package.open(names["gene.fna"]) as raw:
            lines = io.TextIOWrapper(raw, encoding="utf-8-sig")
            for where, header, sequence in _fasta(f"{path}, gene.fna", lines):
                gene = dict(_TAG.findall(header)).get("GeneID")
                if gene is None:
                    raise DataError(f"{where}: no [GeneID=...] in the header {header[:80]!r}")
                if gene not in reports:
                    raise DataError(f"{where}: gene {gene} is not in data_report.jsonl; is the package complete?")
                # a gene with more than one locus (on X and Y, or on two assemblies) has one record each, under one id
                name = gene if gene not in seen else f"{gene}@{header.split()[0]}"
                seen.add(gene)
                report = reports[gene]
                texts = (str(report.get(key) or "") for key in ("symbol", "description", "type"))
                yield Record(f"{where}, id {name}", name, *texts, sequence)
