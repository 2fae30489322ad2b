"""What the study says of mutation detection: the paper's table beside ours, and every model's row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dnastudy.core.errors import ModelError
from dnastudy.data.datasets import Dataset, paper
from dnastudy.data.mutation_pairs import read_pairs
from dnastudy.evaluation.proportions import gain, shares
from dnastudy.experiments.plan import find_run
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.store import Log, Store
from dnastudy.experiments.task_runs import Assessment
from dnastudy.tasks.mutation_detection import PAPER_RULES, RATIO_NATS, RULES, SINGLE, detect

REPRODUCED = "laplace-8"
"""The one model of the paper's table that can be fitted to the last count."""


def reproduce_mutations(dataset: Dataset, profile: Profile, log: Log | None = None) -> pd.DataFrame:
    """The paper's accuracies of its best n-gram on its published pairs, beside ours.

    Returns
    -------
    DataFrame, a row a cell: ``seed``, ``maximum`` (most edits), ``rule``, ``pairs``, ``right`` (pairs found), ``ours``
    and ``paper`` (accuracies), ``equal``: all three digits that the paper gives.

    Raises
    ------
    ModelError
        Where the paper's genes or pairs are not there.
    """
    if dataset.name != "paper" or dataset.counts_description == "training and validation genes":
        raise ModelError(
            f"the paper's figures are of its own genes, and these are {dataset.description}; name a folder with its "
            "test split and its training and validation genes or their surrogate (`dnastudy data fetch` fills one)"
        )
    figures = paper()["mutations"]
    seeds = list(map(str, figures["seeds"]))
    files = {name: path for name, path in dataset.pair_files.items() if name.partition("-")[0] in seeds}
    if not files:
        raise ModelError(
            "none of the paper's mutated pairs is there: they belong into the folder mutations beside the genes, as "
            "synthetic_SEED_MAXIMUM_1000.csv (`dnastudy data fetch paper` brings them)"
        )
    model, _ = Store().fit(find_run(profile, REPRODUCED), dataset, log)
    rows = []
    for name, path in files.items():
        seed, maximum = name.split("-")
        found = detect(model, read_pairs(path))
        for rule in PAPER_RULES:
            theirs = figures[REPRODUCED][rule][int(maximum)][seeds.index(seed)]
            right, n = int(found[rule].sum()), len(found)
            rows.append({"seed": int(seed), "maximum": int(maximum), "rule": rule, "pairs": n, "right": right,
                         "ours": right / n, "paper": theirs, "equal": round(right / n, 3) == theirs})  # fmt: skip
    return pd.DataFrame(rows).sort_values(["maximum", "seed", "rule"], ignore_index=True)


def mean_pairs(outcomes: Sequence[Assessment]) -> pd.DataFrame:
    """Pairs with the share of these runs (seeds of one model) that find each: see `tasks.mutation.detect`."""
    first, *others = (outcome.details("pairs") for outcome in outcomes)
    rules = [rule for rule in RULES if rule in first]
    if any(list(other["id"]) != list(first["id"]) for other in others):
        raise ValueError("mean_pairs: the outcomes are of different pairs")
    means = {rule: sum((o[rule].astype(float) for o in others), first[rule].astype(float)) for rule in rules}
    return first.assign(**{rule: total / len(outcomes) for rule, total in means.items()})


def accuracies(
    pairs: Mapping[str, pd.DataFrame], by: str, replicates: int, *, single: bool = False, maximum: int | None = None
) -> pd.DataFrame:
    """Accuracy of each model by each rule in the groups of a column.

    Parameters
    ----------
    pairs : mapping of labels to tables
        What `mean_pairs` gives for each model.
    by : str
        Column: "maximum", "kind", "relatives", "change" or "fifth" of the gene.
    single : bool
        Of the pairs whose one edit is known, instead of the study's sets; ``maximum`` chooses among those.

    Returns
    -------
    DataFrame: ``label``, ``by``, ``rule``, ``n``, ``accuracy``, ``low``, ``high``.
    """
    found = []
    for label, frame in pairs.items():
        frame = frame[(frame["seed"] == SINGLE) == single]
        if maximum is not None:
            frame = frame[frame["maximum"] == maximum]
        frame = frame.assign(fifth=(frame["where"] * 5).astype(int).clip(0, 4) + 1)
        found.append(shares(frame, [rule for rule in RULES if rule in frame], by, replicates).assign(label=label))
    return pd.concat(found, ignore_index=True)


def gains(
    pairs: Mapping[str, pd.DataFrame], first: tuple[str, str], second: tuple[str, str], replicates: int
) -> pd.DataFrame:
    """By how much ``second`` (label, rule) is right more often than ``first``, paired over genes, by most edits."""
    rows = []
    one, other = (pairs[label][pairs[label]["seed"] != SINGLE] for label, _ in (first, second))
    both = one[["id", "maximum"]].assign(first=one[first[1]].to_numpy(), second=other[second[1]].to_numpy())
    for maximum, part in both.groupby("maximum"):
        rows.append({"maximum": maximum, **gain(part, "first", "second", replicates)})
    return pd.DataFrame(rows)


def evidence_rows(outcomes: Mapping[str, Sequence[Assessment]], kind: str = "substitution") -> pd.DataFrame:
    """How strongly one edit of a kind tells, and how evenly: mean and deviation of the likelihood ratio, nats.

    Returns
    -------
    DataFrame: ``label``, ``relatives`` ("with" or "without", in train), ``mean``, ``deviation``, ``ratio`` of the two,
    and ``accuracy`` of its sign. Means over seeds.
    """
    rows = []
    for label, runs in outcomes.items():
        parts = [run.details("pairs") for run in runs]
        for near in ("with", "without"):
            nats = [p.loc[(p["seed"] == SINGLE) & (p["kind"] == kind) & (p["relatives"] == near), RATIO_NATS]
                    for p in parts]  # fmt: skip
            if not len(nats[0]):
                continue
            mean, deviation = (np.mean([getattr(part, what)() for part in nats]) for what in ("mean", "std"))
            right = np.mean([(part > 0).mean() for part in nats])
            rows.append({"label": label, "relatives": near, "mean": mean, "deviation": deviation,
                         "ratio": mean / deviation if deviation else 0.0, "accuracy": right})  # fmt: skip
    return pd.DataFrame(rows)


def papers_means() -> pd.DataFrame:
    """The paper's accuracies, mean over its seeds: ``label``, ``maximum``, ``rule``, ``accuracy``."""
    names = {"laplace-8": "8-gram, Laplace", "lstm": "LSTM", "transformer": "Transformer"}
    return pd.DataFrame(
        {"label": f"the paper's {shown}", "maximum": maximum, "rule": rule, "accuracy": float(np.mean(values))}
        for name, shown in names.items()
        for rule, cells in paper()["mutations"][name].items() for maximum, values in cells.items()
    )  # fmt: skip
