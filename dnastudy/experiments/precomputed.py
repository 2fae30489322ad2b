"""Finished runs that come with the repository, so that a chapter is made again in minutes and not in hours.

Beside the record of a run is its log-probability of each test gene, to a twentieth of a nat: what intervals and
comparisons are made of, and no sequences. A store that lacks a run takes it from there by its id; the fitted models
do not come along.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.core.atomic import atomic_dir, atomic_write
from dnastudy.core.provenance import from_json, to_json

FOLDER = Path("results") / "curves"
RECORDS, SCORES = "records.jsonl", "scores.npz"
STEPS = 20
"""In a nat. What is kept, in 16 bits, is by how many steps a gene is more probable than among random ones."""


def pack(folder: Path, results: Iterable[tuple[dict[str, Any], pd.DataFrame]]) -> int:
    """Replace what a folder carries by these runs: record and score table of each, once an id; returns how many."""
    records, scores = {}, {}
    for record, table in results:
        records.setdefault(record["id"], record)
        nats = table["nucleotide_log_prob"].to_numpy()
        steps = np.round((nats + _random(table["nucleotides"])) * STEPS)
        if not (np.abs(steps) < 2**15).all():
            raise ValueError(f"run {record['name']}: a gene of probability 0, or much too long, cannot be carried")
        scores[record["id"]] = steps.astype(np.int16)
    lines = [json.dumps(json.loads(to_json(record))) for record in records.values()]
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **scores)
    atomic_write(folder / SCORES, arrays.getvalue())  # first: no record without its scores
    atomic_write(folder / RECORDS, "".join(f"{line}\n" for line in lines))
    return len(records)


def packed(folder: Path) -> list[dict[str, Any]]:
    """Records of the runs that a folder carries."""
    return list(_records(folder / RECORDS, _stamp(folder / RECORDS)).values())


def unpack(folder: Path, name: str, test: pd.DataFrame, run_folder: Path) -> bool:
    """Put the run of this id, if it is carried, into its folder of a store.

    The score table has what is carried: ``id``, ``nucleotides``, ``nucleotide_log_prob``, and no protocol of the
    paper's (``paper_log_prob`` NaN, no events).
    """
    record = _records(folder / RECORDS, _stamp(folder / RECORDS)).get(name)
    if record is None:
        return False
    with np.load(folder / SCORES, allow_pickle=False) as arrays:
        steps = arrays[name]
    table = pd.DataFrame({"id": test["id"].to_numpy(), "nucleotides": test["sequence"].str.len().to_numpy()})
    nats = steps / STEPS - _random(table["nucleotides"])
    table = table.assign(nucleotide_log_prob=nats, paper_log_prob=np.nan, paper_events=0)
    with atomic_dir(run_folder) as half:
        table.to_csv(half / "scores.csv", index=False)
        (half / "record.json").write_text(to_json(record))
    return True


def _random(nucleotides: pd.Series) -> np.ndarray:
    """Nats of genes of this length that are drawn at random."""
    return nucleotides.to_numpy() * math.log(4)


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@lru_cache(maxsize=2)
def _records(path: Path, stamp: int) -> dict[str, dict[str, Any]]:
    if not stamp:
        return {}
    return {record["id"]: record for record in map(from_json, path.read_text().splitlines())}
