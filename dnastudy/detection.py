"""What the study says of mutation detection: the paper's table beside ours, and every model's row."""

from __future__ import annotations

import pandas as pd

from dnastudy.datasets import Dataset, paper
from dnastudy.errors import ModelError
from dnastudy.experiments import Log, Store
from dnastudy.pairs import read_pairs
from dnastudy.runs import Profile, find_run
from dnastudy.tasks.mutation import PAPER_RULES, detect

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
