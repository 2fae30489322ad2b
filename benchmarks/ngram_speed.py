"""Fit and score an 8-gram model beside NLTK, on the same sequences, in the same run.

    python benchmarks/ngram_speed.py [--data FOLDER] [--genes N] [--write]

Both get lists of strings and give the paper's perplexity of the test genes; encoding and padding are part of the time.
Each runs in a process of its own, so that its peak memory is its own. NLTK's counts are those of its Laplace model with
the paper's padding. ``--write`` stores the record in results/ and the figures in README.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from dnastudy.analysis.findings import write_readme_part
from dnastudy.core.atomic import atomic_write
from dnastudy.core.provenance import peak_memory_mb, surroundings
from dnastudy.data.datasets import load_dataset
from dnastudy.experiments.profile import load_profile

ORDER = 8
ROOT = Path(__file__).parents[1]
RECORD = ROOT / "results" / "ngram_speed.json"


def ours(train: list[str], test: list[str]) -> tuple[float, float, float]:
    """Seconds to fit, seconds to score, paper perplexity."""
    import numpy as np

    from dnastudy.models import create

    start = time.perf_counter()
    model = create("ngram", {"order": ORDER, "smoothing": "laplace"}).fit(train)
    fitted = time.perf_counter()
    log_probs = model.log_probs(test)
    perplexity = float(np.exp(-np.concatenate(log_probs).mean()))
    return fitted - start, time.perf_counter() - fitted, perplexity


def nltk(train: list[str], test: list[str]) -> tuple[float, float, float]:
    """The same by NLTK, counting and scoring as the paper did."""
    import math

    from nltk.lm import Laplace
    from nltk.util import ngrams

    def padded(sequence: str, ends: int) -> list[str]:
        return ["<s>"] * (ORDER - 1) + list(sequence) + ["</s>"] * ends

    start = time.perf_counter()
    model = Laplace(ORDER)
    text = (ngrams(padded(sequence, ORDER - 1), ORDER) for sequence in train)
    model.fit(text, vocabulary_text=["A", "C", "G", "T", "<s>", "</s>"])
    fitted = time.perf_counter()
    total, events = 0.0, 0
    for sequence in test:
        for gram in ngrams(padded(sequence, 1), ORDER):
            total -= math.log(model.score(gram[-1], gram[:-1]))
            events += 1
    return fitted - start, time.perf_counter() - fitted, math.exp(total / events)


def load(data: str, genes: int | None) -> tuple[list[str], list[str]]:
    profile = load_profile("cpu", data=data)
    dataset = load_dataset(data, genes=profile.simulated_genes)
    train, test = (list(dataset.splits[name]["sequence"].head(genes or None)) if genes else
                   list(dataset.splits[name]["sequence"]) for name in ("counts", "test"))  # fmt: skip
    return train, test


def one(which: str, data: str, genes: int | None, repeats: int) -> dict:
    """Time one side; runs in a process of its own."""
    train, test = load(data, genes)
    before = peak_memory_mb()
    runs = [{"ours": ours, "nltk": nltk}[which](train, test) for _ in range(repeats)]
    fit, score = (statistics.median(run[i] for run in runs) for i in (0, 1))
    nucleotides = sum(map(len, train)), sum(map(len, test))
    return {
        "fit_s": fit,
        "score_s": score,
        "fit_nt_per_s": nucleotides[0] / fit,
        "score_nt_per_s": nucleotides[1] / score,
        "paper_perplexity": runs[0][2],
        "peak_memory_mb": peak_memory_mb(),
        "memory_before_mb": before,
        "nucleotides": nucleotides,
        "repeats": repeats,
    }


def compare(data: str, genes: int | None, rounds: int) -> dict:
    """Both sides in turn, ``rounds`` times; the ratio is the median of the rounds' own ratios."""
    pairs = []
    for number in range(rounds):
        pair = {}
        for which, repeats in (("ours", 7), ("nltk", 1)):
            command = [sys.executable, __file__, "--one", which, "--data", data, "--repeats", str(repeats)]
            command += ["--genes", str(genes)] if genes else []
            print(f"round {number + 1} of {rounds}: {which}", file=sys.stderr, flush=True)
            pair[which] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        pairs.append(pair)

    def ratio(pair: dict) -> float:
        ours, theirs = (pair[which]["fit_s"] + pair[which]["score_s"] for which in ("ours", "nltk"))
        return theirs / ours

    # the round with the median ratio is reported whole, so that its figures belong together
    last = sorted(pairs, key=ratio)[len(pairs) // 2]
    if abs(last["ours"]["paper_perplexity"] / last["nltk"]["paper_perplexity"] - 1) > 1e-9:
        raise SystemExit(f"the two disagree: {last}")
    dataset = load_dataset(data)
    return {
        "data": dataset.description,
        "order": ORDER,
        "times_faster": ratio(last),
        "times_faster_by_round": list(map(ratio, pairs)),
        **last,
        **surroundings(),
    }


def readme_lines(record: dict) -> str:
    """The README's table of a record."""
    lines = ["| | fit, nt/s | score, nt/s | fit + score, s | peak memory, MB |", "|---|---:|---:|---:|---:|"]
    for name, side in (("dnastudy", record["ours"]), ("NLTK", record["nltk"])):
        lines.append(
            f"| {name} | {side['fit_nt_per_s']:,.0f} | {side['score_nt_per_s']:,.0f} "
            f"| {side['fit_s'] + side['score_s']:.3f} | {side['peak_memory_mb']:,.0f} |"
        )
    return "\n".join(
        [*lines, "", f"{record['times_faster']:.0f} times faster, with equal perplexities ({record['device']})."]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="simulated", help="folder of genes, or 'simulated'")
    parser.add_argument("--genes", type=int, help="only so many genes of each split")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="store the record and the README's table")
    parser.add_argument("--one", choices=["ours", "nltk"], help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one, given.data, given.genes, given.repeats)))
        return
    record = compare(given.data, given.genes, given.rounds)
    print(json.dumps(record, indent=1))
    if given.write:
        atomic_write(RECORD, json.dumps(record, indent=1) + "\n")
        write_readme_part(ROOT, "speed", readme_lines(record))


if __name__ == "__main__":
    main()
