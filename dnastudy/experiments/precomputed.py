"""Scores that come with the repository, so that a chapter is made again in minutes and not in hours.

Beside the facts of a run is its log-probability of each test gene, to a twentieth of a nat: what metrics, intervals and
comparisons are made of, and no sequences. A store that lacks a run takes it from there by its id; the fitted models
do not come along.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.core.atomic import atomic_dir, atomic_write
from dnastudy.core.provenance import from_json, json_line, to_json

FOLDER = Path("results") / "precomputed"
FACTS, SCORES = "facts.jsonl", "scores.npz"
STEPS = 20
"""In a nat. What is kept, in 16 bits, is by how many steps a gene is more probable than among random ones."""
SUMMARY = ("summary", "metrics", "by_type", "by_length", "by_position")
"""Keys of a record that are computed from scores when they are read, and not kept."""


def pack(folder: Path, results: Iterable[tuple[Mapping[str, Any], pd.DataFrame]]) -> int:
    """Replace the precomputed runs of a folder by these: record and score table of each; returns how many ids."""
    facts: dict[str, dict[str, Any]] = {}
    scores: dict[str, np.ndarray] = {}
    for record, table in results:
        facts.setdefault(record["id"], {key: record[key] for key in record if key not in SUMMARY})
        nats = table["nucleotide_log_prob"].to_numpy()
        steps = np.round((nats + _random(table["nucleotides"])) * STEPS)
        if not (np.abs(steps) < 2**15).all():
            raise ValueError(f"run {record['name']}: a gene of probability 0, or much too long, cannot be packed")
        scores[record["id"]] = steps.astype(np.int16)
    _write(folder, facts.values(), scores)
    return len(facts)


def rename(folder: Path, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Give precomputed runs other ids: ``facts`` under the present ids, with the new id in each; scores are kept."""
    with np.load(folder / SCORES, allow_pickle=False) as arrays:
        scores = {row["id"]: arrays[old] for old, row in facts.items()}
    _write(folder, facts.values(), scores)


def _write(folder: Path, facts: Iterable[Mapping[str, Any]], scores: Mapping[str, np.ndarray]) -> None:
    lines = map(json_line, facts)
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **scores)
    atomic_write(folder / SCORES, arrays.getvalue())  # first: no facts without scores
    atomic_write(folder / FACTS, "".join(f"{line}\n" for line in lines))


def packed(folder: Path) -> list[dict[str, Any]]:
    """Facts of the precomputed runs of a folder."""
    return list(_facts(folder / FACTS, _stamp(folder / FACTS)).values())


def unpack(folder: Path, name: str, test: pd.DataFrame, target: Path) -> bool:
    """Write the scores of this id, if they are precomputed, into a folder of a store; whether they are.

    The score table has ``id``, ``nucleotides`` and ``nucleotide_log_prob``, and none of the paper's protocol
    (``paper_log_prob`` NaN, no events).
    """
    facts = _facts(folder / FACTS, _stamp(folder / FACTS)).get(name)
    if facts is None:
        return False
    with np.load(folder / SCORES, allow_pickle=False) as arrays:
        steps = arrays[name]
    table = pd.DataFrame({"id": test["id"].to_numpy(), "nucleotides": test["sequence"].str.len().to_numpy()})
    nats = steps / STEPS - _random(table["nucleotides"])
    table = table.assign(nucleotide_log_prob=nats, paper_log_prob=np.nan, paper_events=0)
    with atomic_dir(target) as half:
        table.to_csv(half / "scores.csv", index=False)
        (half / "facts.json").write_text(to_json(facts))
    return True


def _random(nucleotides: pd.Series) -> np.ndarray:
    """Nats of genes of this length under the uniform model, end apart, as a positive number."""
    return nucleotides.to_numpy() * math.log(4)


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@lru_cache(maxsize=2)
def _facts(path: Path, stamp: int) -> dict[str, dict[str, Any]]:
    if not stamp:
        return {}
    return {facts["id"]: facts for facts in map(from_json, path.read_text().splitlines())}
