"""The gene table: one schema, read from the paper's CSV format, FASTA, either gzipped, or an NCBI gene package.

Columns, all text: ``id`` (NCBI gene id), ``symbol``, ``description``, ``type`` (NCBI gene type, may be empty) and
``sequence`` (A C G T only). Nothing is changed or left out silently: a record that breaks the schema is an error that
names file, record and position, or is treated as a `Policy` says and counted in a `ReadReport`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from dnastudy.core.atomic import atomic_write
from dnastudy.core.errors import DataError
from dnastudy.data.fasta import write_fasta
from dnastudy.data.formats import CSV_COLUMNS, Record, records
from dnastudy.data.sequences import INVALID_NUCLEOTIDE

__all__ = ["COLUMNS", "Policy", "ReadReport", "check_genes", "read_genes", "table_hash", "write_genes"]

COLUMNS = ["id", "symbol", "description", "type", "sequence"]


@dataclass(frozen=True)
class Policy:
    """What to do with records that break the schema; by default each of them is an error."""

    invalid: Literal["error", "drop", "split"] = "error"
    """Letters outside A C G T: an error, drop the record, or split it there into pieces named ``id/1``, ``id/2`` ..."""
    empty: Literal["error", "drop"] = "error"
    """Records without any nucleotide."""
    duplicates: Literal["error", "drop", "keep"] = "error"
    """Sequences (or ids) that occur twice: an error, drop all but the first sequence, or keep all."""
    max_length: int | None = None
    """Longest sequence to keep, nt; None: no limit."""

    def __post_init__(self):
        for name, known in (
            ("invalid", ("error", "drop", "split")),
            ("empty", ("error", "drop")),
            ("duplicates", ("error", "drop", "keep")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"policy {name}={getattr(self, name)!r}: known are {', '.join(known)}")
        if self.max_length is not None and self.max_length < 1:
            raise ValueError(f"policy max_length={self.max_length}: at least 1 nt, or None")


@dataclass
class ReadReport:
    """Numbers of records read, and of records that a `Policy` changed."""

    files: list[str] = field(default_factory=list)
    records: int = 0
    genes: int = 0
    invalid_dropped: int = 0
    invalid_split: int = 0
    pieces: int = 0
    empty_dropped: int = 0
    duplicates_dropped: int = 0
    duplicates_kept: int = 0
    longer_dropped: int = 0

    @property
    def changed(self) -> bool:
        """Whether a policy changed or dropped any record."""
        return bool(self._changes())

    def _changes(self) -> list[str]:
        words = {
            "invalid_dropped": "dropped for letters outside A C G T",
            "invalid_split": f"split at letters outside A C G T (into {self.pieces} pieces)",
            "empty_dropped": "dropped as empty",
            "duplicates_dropped": "dropped as duplicates",
            "duplicates_kept": "duplicates kept",
            "longer_dropped": "dropped as too long",
        }
        return [f"{getattr(self, name)} {text}" for name, text in words.items() if getattr(self, name)]

    def summary(self) -> str:
        """Return the counts as one line of text."""
        files = ", ".join(self.files)
        return "; ".join([f"{files}: {self.records} records, {self.genes} genes", *self._changes()])


def read_genes(
    paths: str | os.PathLike | Sequence[str | os.PathLike],
    policy: Policy | None = None,
    report: ReadReport | None = None,
) -> pd.DataFrame:
    """Read one or more files into one gene table.

    The content decides the format: gzip, zip (NCBI gene package), FASTA, or CSV with the columns
    ``NCBIGeneID, Symbol, Description, GeneType, NucleotideSequence``, sequences written ``<ACGT>`` or plain. Lower
    case, CRLF line ends and a byte order mark are accepted.

    Parameters
    ----------
    paths : path or paths
        Files, read in this order.
    policy : Policy, optional
        What to do with records that break the schema; by default each is an error.
    report : ReadReport, optional
        Receives the counts. Without one, a warning says which records a policy changed.

    Returns
    -------
    DataFrame with the columns ``COLUMNS``, index 0..n-1.

    Raises
    ------
    DataError
        For records that break the schema, naming file, record and position.
    FileNotFoundError
        For a missing file.
    """
    policy = policy or Policy()
    warn = report is None
    report = report if report is not None else ReadReport()
    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    collector = _Collector(policy, report)
    for path in map(Path, paths):
        if path.is_dir():
            raise DataError(
                f"{path}: a folder, not a gene file (CSV, FASTA, either gzipped, or an NCBI gene package); name the "
                "files in it"
            )
        report.files.append(path.name)
        try:
            for record in records(path):
                collector.add(record)
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path}: the compressed file is truncated or damaged after record {report.records} ({error}); "
                "download or copy it again"
            ) from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text after record {report.records} ({error.reason})") from error
    frame = collector.frame()
    report.genes = len(frame)
    if report.changed and warn:
        warnings.warn(report.summary(), stacklevel=2)
    return frame


def _way(policy: str, *values: str) -> str:
    """How to choose a policy: with `dnastudy data convert`, with an option of other commands, and in Python."""
    options = " or ".join(f"--{policy} {value}" for value in values)
    return (
        f"write a clean file with `dnastudy data convert` and {options}; other commands that read genes have the same "
        f'option (in Python: Policy({policy}="{values[0]}"))'
    )


class _Collector:
    """Collects records into a gene table under a policy."""

    def __init__(self, policy: Policy, report: ReadReport):
        self.policy, self.report = policy, report
        self.rows: list[tuple[str, ...]] = []
        self.sequences: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    def add(self, record: Record) -> None:
        """Check one record; keep it or pieces of it, drop it, or raise DataError."""
        policy, report = self.policy, self.report
        report.records += 1
        sequence = record.sequence.upper()
        if policy.max_length is not None and len(sequence) > policy.max_length:
            report.longer_dropped += 1
            return
        if not sequence:
            if policy.empty == "error":
                raise DataError(f"{record.where}: the sequence is empty; remove it, or {_way('empty', 'drop')}")
            report.empty_dropped += 1
            return
        bad = INVALID_NUCLEOTIDE.search(sequence)
        if bad is None:
            self._keep(record, record.id, sequence)
        elif policy.invalid == "error":
            hint = " (RNA? write T for U)" if bad.group() == "U" else ""
            raise DataError(
                f"{record.where}, position {bad.start() + 1}: {bad.group()!r} is not A, C, G or T{hint}; "
                f"correct it, or {_way('invalid', 'drop', 'split')}"
            )
        elif policy.invalid == "drop":
            report.invalid_dropped += 1
        else:
            pieces = [piece for piece in INVALID_NUCLEOTIDE.split(sequence) if piece]
            report.invalid_split += 1
            report.pieces += len(pieces)
            for number, piece in enumerate(pieces, 1):
                self._keep(record, f"{record.id}/{number}", piece)

    def _keep(self, record: Record, name: str, sequence: str) -> None:
        same_sequence, same_id = self.sequences.get(sequence), self.ids.get(name)
        if same_sequence is not None or same_id is not None:
            if self.policy.duplicates == "error" or (self.policy.duplicates == "drop" and same_sequence is None):
                if same_sequence is not None:
                    problem, way = f"the same sequence as {same_sequence}", _way("duplicates", "drop", "keep")
                else:
                    problem, way = f"the same id {name!r} as {same_id}", _way("duplicates", "keep")
                raise DataError(f"{record.where}: {problem}; remove one of them, or {way}")
            if self.policy.duplicates == "drop":
                self.report.duplicates_dropped += 1
                return
            self.report.duplicates_kept += 1
        self.sequences.setdefault(sequence, record.where)
        self.ids.setdefault(name, record.where)
        self.rows.append((name, record.symbol, record.description, record.type, sequence))

    def frame(self) -> pd.DataFrame:
        """Return the gene table of the records kept."""
        return pd.DataFrame(self.rows, columns=COLUMNS, dtype="str")


def check_genes(frame: pd.DataFrame, name: str = "gene table") -> pd.DataFrame:
    """Return ``frame`` if it is a gene table; otherwise DataError, naming the row."""
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise DataError(f"{name}: missing column {', '.join(missing)}; a gene table has {', '.join(COLUMNS)}")
    for row, (gene, sequence) in enumerate(zip(frame["id"], frame["sequence"], strict=True)):
        if not isinstance(sequence, str) or not sequence:
            raise DataError(f"{name}, row {row} (id {gene}): the sequence is empty")
        if bad := INVALID_NUCLEOTIDE.search(sequence):
            raise DataError(
                f"{name}, row {row} (id {gene}), position {bad.start() + 1}: {bad.group()!r} is not A C G T"
            )
    return frame


def write_genes(frame: pd.DataFrame, path: str | os.PathLike) -> Path:
    """Write a gene table atomically: FASTA for .fa, .fasta and .fna, else the paper's CSV format; gzipped for .gz."""
    path = Path(path)
    check_genes(frame, str(path))
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    text = io.StringIO()
    if plain.suffix in {".fa", ".fasta", ".fna"}:
        fasta = []
        for row, (gene, symbol, description, kind, sequence) in enumerate(frame[COLUMNS].itertuples(index=False)):
            if re.search(r"\s", f"{gene}{symbol}") or re.search(r"[\r\n]", f"{kind}{description}"):
                raise DataError(f"{path}, row {row} (id {gene}): FASTA cannot hold its space or line break; write CSV")
            fasta.append((f"{gene} {symbol or '-'} [type={kind}] [description={description}]", sequence))
        write_fasta(fasta, text)
    else:
        columns = {column: csv_column for csv_column, column in CSV_COLUMNS.items()}
        out = frame[COLUMNS].assign(sequence="<" + frame["sequence"] + ">").rename(columns=columns)
        out.to_csv(text, index=False, lineterminator="\n")
    data = text.getvalue().encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    return atomic_write(path, data)


def table_hash(frame: pd.DataFrame) -> str:
    """SHA-256 (hex) over ids and sequences in their order: equal for equal genes, whatever file they are from."""
    digest = hashlib.sha256()
    for gene, sequence in zip(frame["id"], frame["sequence"], strict=True):
        digest.update(f"{gene}\t{sequence}\n".encode())
    return digest.hexdigest()
