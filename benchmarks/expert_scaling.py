"""Time and memory of the expert model against the size of its training data, simulated, beside an n-gram model.

    python benchmarks/expert_scaling.py [--largest MNT] [--write]

Each size runs in a process of its own, so that its peak memory is its own; kernels are compiled before the clock
starts, and how long that takes is measured once. Fitting has two parts: remembering, which grows with the data, and
tuning on validation genes, whose number is capped. ``--write`` stores results/expert_scaling.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dnastudy.core.atomic import atomic_write
from dnastudy.core.provenance import peak_memory_mb, reset_peak_memory, surroundings, to_json

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "results" / "expert_scaling.json"
SIZES = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64]
TEST_GENES = 3000


def warm_up() -> float:
    """Compile or load the kernels; seconds."""
    from dnastudy.models import create

    start = time.perf_counter()
    create("expert").fit(["ACGTTGCAAC" * 9] * 6, ["ACGTTGCATC" * 8]).log_probs(["ACGGT"])
    return time.perf_counter() - start


def measure(millions: float) -> dict:
    """One size: seconds and memory of both models on the same genes."""
    from dnastudy.data.sequences import encode
    from dnastudy.data.simulation import simulate_study
    from dnastudy.models import create
    from dnastudy.models.expert.index import GeneIndex

    warm_up()
    splits = simulate_study(seed=1, n=int(millions * 1e6 / 0.6 / 350))
    train = list(splits["train"]["sequence"])
    validation, test = (list(splits[name]["sequence"][:TEST_GENES]) for name in ("validation", "test"))
    del splits
    row = {"nucleotides": sum(map(len, train)), "genes": len(train), "test_nucleotides": sum(map(len, test))}
    for name, settings in (("ngram", {"order": 12, "smoothing": "witten-bell", "escape_weight": 16.0}), ("expert", {})):
        reset_peak_memory()
        start = time.perf_counter()
        model = create(name, settings).fit(train, validation)
        fitted = time.perf_counter()
        nats = sum(part.sum() for part in model.nucleotide_log_probs(test))
        scored = time.perf_counter()
        row[name] = {
            "fit_seconds": fitted - start,
            "score_seconds": scored - fitted,
            "peak_memory_mb": peak_memory_mb(),
            "nats_per_nucleotide": -nats / row["test_nucleotides"],
        }
        del model
    encoded = encode(train)
    start = time.perf_counter()
    GeneIndex().add(encoded)
    row["expert"]["remember_seconds"] = time.perf_counter() - start
    return row


def compile_seconds() -> float:
    """First compile of all kernels that fitting and scoring need, in a fresh cache."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "NUMBA_CACHE_DIR": folder}
        done = subprocess.run([sys.executable, __file__, "--warm-up"], env=env, capture_output=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Measure every size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=float, default=SIZES[-1], help="largest size, million nucleotides")
    parser.add_argument("--write", action="store_true", help="store the record")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--warm-up", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.warm_up:
        print(warm_up())
        return
    if given.one:
        print(json.dumps(measure(given.one)))
        return
    compiled = compile_seconds()
    print(f"first compile of the kernels: {compiled:.1f} s")
    rows = []
    for size in [size for size in SIZES if size <= given.largest]:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(size)], capture_output=True, text=True, check=True
        )
        rows.append(json.loads(done.stdout))
        row, expert = rows[-1], rows[-1]["expert"]
        print(
            f"{row['nucleotides'] / 1e6:6.2f} Mnt: fit {expert['fit_seconds']:6.2f} s (remember "
            f"{expert['remember_seconds']:6.2f} s, n-gram {row['ngram']['fit_seconds']:.2f} s), score "
            f"{row['test_nucleotides'] / expert['score_seconds'] / 1e6:.2f} Mnt/s, {expert['peak_memory_mb']:.0f} MB",
            flush=True,
        )
    record = {"data": "simulated genes", "compile_seconds": compiled, "sizes": rows, **surroundings()}
    if given.write:
        atomic_write(RECORD, to_json(record))


if __name__ == "__main__":
    main()
