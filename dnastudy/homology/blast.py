"""Homologs by NCBI BLAST+ (Camacho et al., BMC Bioinformatics 2009), to check splits independently of MMseqs2.

Family splits are made and searched again with MMseqs2. A program with other seeds, scores and E-values shows how far
the result depends on that choice. A homolog is defined as in `mmseqs`: one alignment, on either strand, of at least
``min_identity`` over at least ``min_coverage`` of the query.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dnastudy.core.errors import HomologyError
from dnastudy.data.datasets import Dataset
from dnastudy.data.fasta import write_fasta
from dnastudy.homology.mmseqs import COLUMNS, MIN_COVERAGE, MIN_IDENTITY

SEARCH = ["-task", "blastn", "-strand", "both", "-dust", "no", "-evalue", "1e-3", "-max_target_seqs", "500"]
"""Words of 11 nt and no masking: the most sensitive search that takes only seconds for thousands of genes."""
FIELDS = {"qseqid": "query", "sseqid": "target", "nident": "same", "length": "columns", "qstart": "qstart",
          "qend": "qend", "qlen": "qlen", "sstrand": "strand"}  # fmt: skip
PAIRS = (("test", ("train",)), ("validation", ("train",)), ("test", ("train", "validation")))
"""Parts that must have no homologs in others: part, and those others."""


def blast_programs() -> tuple[Path, Path]:
    """Return the paths of blastn and makeblastdb: ``DNASTUDY_BLASTN`` and its neighbour, else those on ``PATH``.

    Raises
    ------
    FileNotFoundError
        When one is missing, naming the ways to install it.
    """
    named = os.environ.get("DNASTUDY_BLASTN")
    search = shutil.which(named or "blastn")
    if named and search is None:
        raise FileNotFoundError(f"DNASTUDY_BLASTN={named}: not an executable program")
    builder = search and (shutil.which("makeblastdb", path=Path(search).parent) or shutil.which("makeblastdb"))
    if search and builder:
        return Path(search), Path(builder)
    raise FileNotFoundError(
        f"NCBI BLAST+ is needed to check a split, and {'makeblastdb' if search else 'blastn'} is missing: install "
        "the package ncbi-blast+ (Debian, Ubuntu) or blast (conda: bioconda), or set DNASTUDY_BLASTN to blastn's path"
    )


def blast_version() -> str:
    """Return the version of blastn, for instance "2.12.0+"."""
    return _run([str(blast_programs()[0]), "-version"]).split()[1]


def blast_homologs(
    queries: pd.DataFrame,
    targets: pd.DataFrame,
    min_identity: float = MIN_IDENTITY,
    min_coverage: float = MIN_COVERAGE,
    threads: int | None = None,
) -> pd.DataFrame:
    """Find for each query the target with the highest identity over enough of the query, aligned by BLAST+.

    Between equals, higher coverage decides, then the earlier target. Queries shorter than about 20 nt have no homologs
    among millions of nt: they are too short for an E-value of 0.001.

    Parameters
    ----------
    queries, targets : DataFrame
        Gene tables; only ``id`` and ``sequence`` are read.
    min_identity : float
        Smallest share of identical columns in the alignment, 0..1.
    min_coverage : float
        Smallest share of the query's nucleotides inside the one alignment, 0..1.
    threads : int, optional
        Processor cores; by default all of them.

    Returns
    -------
    DataFrame, one row for each query in its order, with the columns of `mmseqs.nearest_homologs`: ``id``,
    ``nearest`` (target id or ""), ``identity`` and ``coverage`` (0..1, 0 without a homolog), ``strand`` ("+", "-",
    or "").

    Raises
    ------
    FileNotFoundError
        Without BLAST+.
    HomologyError
        When BLAST+ fails, with the end of its output.
    ValueError
        For thresholds outside 0..1.
    """
    for name, value in (("min_identity", min_identity), ("min_coverage", min_coverage)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}={value}: a share between 0 and 1")
    table = pd.DataFrame({"id": queries["id"].to_numpy(), "nearest": "", "identity": 0.0, "coverage": 0.0})
    table["strand"] = ""
    if queries.empty or targets.empty:  # makeblastdb fails on an empty file
        return table[COLUMNS]
    hits = _search(queries, targets, threads or os.cpu_count() or 1)
    hits["identity"] = hits["same"] / hits["columns"]
    hits["coverage"] = (hits["qend"] - hits["qstart"] + 1) / hits["qlen"]
    hits = hits[(hits["identity"] >= min_identity) & (hits["coverage"] >= min_coverage)]
    nearest = hits.sort_values(
        ["query", "identity", "coverage", "target", "strand"], ascending=[True, False, False, True, True]
    ).drop_duplicates("query")
    rows = nearest["query"].to_numpy()
    table.loc[rows, "nearest"] = targets["id"].to_numpy()[nearest["target"].to_numpy()]
    for column in ("identity", "coverage", "strand"):
        table.loc[rows, column] = nearest[column].to_numpy()
    return table[COLUMNS]


def confirm_split(parts: Mapping[str, pd.DataFrame], threads: int | None = None) -> dict[str, Any]:
    """Search the held-out genes of a split among its training genes with BLAST+; return a report ready for JSON.

    Parameters
    ----------
    parts : mapping of DataFrame
        Gene tables "train", "validation" and "test".
    threads : int, optional
        Processor cores; by default all of them.

    Returns
    -------
    dict: ``program`` and ``version``; and under "test in train", "validation in train" and "test in train+validation"
    the number of ``genes``, of those with a homolog ``found``, and their ``relatives`` (nearest homologs): ``id``,
    ``nearest``, ``identity`` and ``coverage`` (0..1), ``aligned`` (nt of the gene in the alignment).

    Raises
    ------
    FileNotFoundError, HomologyError
        As `blast_homologs`.
    """
    report: dict[str, Any] = {"program": "NCBI BLAST+ blastn", "version": blast_version()}
    for part, sources in PAIRS:
        genes = parts[part]
        near = blast_homologs(genes, pd.concat([parts[name] for name in sources], ignore_index=True), threads=threads)
        near["aligned"] = (near["coverage"] * genes["sequence"].str.len().to_numpy()).round().astype(int)
        near = near[near["nearest"] != ""].round({"identity": 4, "coverage": 4})
        rows = near[["id", "nearest", "identity", "coverage", "aligned"]].to_dict("records")
        report[f"{part} in {'+'.join(sources)}"] = {"genes": len(genes), "found": len(rows), "relatives": rows}
    return report


def split_record(family: Dataset, original: Dataset) -> dict[str, Any]:
    """Check a family split with BLAST+, and for comparison the original split of the same genes; ready for JSON.

    Parameters
    ----------
    family, original : Dataset
        The genes in the family split, and in the split they came in.

    Returns
    -------
    As `confirm_split`, with ``genes`` (what they are), ``sha256`` of the parts and, under "own split", the number of
    test ``genes`` of the original split and of those with a homolog ``found`` in its training genes.
    """
    near = blast_homologs(original.test, original.train)
    return {
        "genes": original.description,
        "sha256": {name: family.hashes[name] for name in ("train", "validation", "test")},
        **confirm_split(family.splits),
        "own split": {"genes": len(near), "found": int((near["nearest"] != "").sum())},
    }


def _search(queries: pd.DataFrame, targets: pd.DataFrame, threads: int) -> pd.DataFrame:
    """Return all alignments of blastn, by row numbers of queries and targets."""
    search, builder = map(str, blast_programs())
    with tempfile.TemporaryDirectory(prefix="dnastudy-blast-") as name:
        folder = Path(name)
        for file, table in (("queries", queries), ("targets", targets)):
            with (folder / f"{file}.fasta").open("w") as handle:
                write_fasta(((str(i), text) for i, text in enumerate(table["sequence"])), handle)
        _run([builder, "-in", str(folder / "targets.fasta"), "-dbtype", "nucl", "-out", str(folder / "targets")])
        command = [search, *SEARCH, "-query", str(folder / "queries.fasta"), "-db", str(folder / "targets")]
        command += ["-num_threads", str(threads), "-outfmt", f"6 {' '.join(FIELDS)}", "-out", str(folder / "hits.tsv")]
        _run(command)
        hits = pd.read_csv(folder / "hits.tsv", sep="\t", names=list(FIELDS.values()), dtype={"strand": str})
    hits["strand"] = hits["strand"].map({"plus": "+", "minus": "-"})
    return hits.astype({name: "int64" for name in FIELDS.values() if name != "strand"})  # an empty table, too


def _run(command: list[str]) -> str:
    """Run a program of BLAST+, without its usage report over the network, and return its standard output."""
    environment = {**os.environ, "BLAST_USAGE_REPORT": "false"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        output = (done.stdout + done.stderr).strip()[-800:]
        raise HomologyError(f"{Path(command[0]).name} of BLAST+ failed with exit status {done.returncode}: {output}")
    return done.stdout
