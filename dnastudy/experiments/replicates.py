"""Runs that differ by their seed alone, taken together: the mean over seeds, with an interval over genes.

Bits per base are linear in log-probabilities, so the mean over seeds is that of a score table whose log-probabilities
are means; every function of `metrics` takes such a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dnastudy.evaluation import metrics
from dnastudy.experiments.store import Result


def groups(results: Mapping[str, Result]) -> dict[str, list[str]]:
    """Names of the runs of each group of networks, which differ by their seed; any other run is a group of its own."""
    names: dict[str, list[str]] = {}
    for name, result in results.items():
        names.setdefault(group_of(name, result.record), []).append(name)
    return names


def group_of(name: str, record: Mapping[str, Any]) -> str:
    """What a run is shown as one of: its group, if runs of that differ by their seed, else its own name."""
    return record["group"] if record["seed"] is not None else name


def mean_scores(results: list[Result]) -> pd.DataFrame:
    """Score table with the mean log-probabilities of several runs on the same genes (see `scoring.score`)."""
    first, *others = (result.scores() for result in results)
    if any(list(other["id"]) != list(first["id"]) for other in others):
        raise ValueError("mean_scores: the score tables are of different genes")
    # precomputed runs have fewer columns than those computed here
    first = first[[name for name in first if all(name in other for other in others)]]
    columns = [name for name in first if "log_prob" in name]
    return first.assign(**{name: sum((o[name] for o in others), first[name]) / len(results) for name in columns})


def difference(
    results: Mapping[str, Result], first: Sequence[str], second: Sequence[str], replicates: int
) -> dict[str, Any]:
    """Bits per base of the mean of the first runs minus that of the second, with a paired interval over genes.

    Returns
    -------
    What `metrics.paired_difference` does, and ``seeds_agree``: every run of the one is ahead of every run of the
    other (the interval holds the seeds fixed).
    """
    paired = metrics.paired_difference(
        *(mean_scores([results[name] for name in runs]) for runs in (first, second)), replicates
    )
    one, other = ([results[name].metrics["bits_per_base"] for name in runs] for runs in (first, second))
    return {**paired, "seeds_agree": bool(max(one) < min(other) or max(other) < min(one))}


def ahead(paired: Mapping[str, Any]) -> int:
    """Which of two is better, given their `difference`: -1 the first, 1 the second, 0 not resolved."""
    low, high = paired["interval"]
    return 0 if not paired["seeds_agree"] or low <= 0 <= high else -1 if high < 0 else 1


def over_seeds(results: Mapping[str, Result], replicates: int) -> dict[str, dict[str, Any]]:
    """Metrics of each group of runs with several seeds: those of `metrics.summarise` on the mean over the seeds.

    Beside them ``seeds``, how many; ``range``, nucleotide perplexity of the best and of the worst seed; and the mean of
    ``validation_perplexity``, ``fit_seconds``, ``score_seconds`` and ``epochs``.
    """
    means = {}
    for group, names in groups(results).items():
        if len(names) < 2:
            continue
        runs = [results[name] for name in names]
        each = [run.metrics["nucleotide_perplexity"] for run in runs]
        records = pd.DataFrame(
            {
                "validation_perplexity": [run.record["validation_perplexity"] for run in runs],
                "fit_seconds": [run.record["seconds"]["fit"] for run in runs],
                "score_seconds": [run.record["seconds"]["score"] for run in runs],
                "epochs": [len(run.record["training"]["epochs"]) for run in runs],
            }
        )
        summary = metrics.summarise(mean_scores(runs), replicates)
        means[group] = {**summary, "seeds": len(runs), "range": [min(each), max(each)], **records.mean().to_dict()}
    return means
