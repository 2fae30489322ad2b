"""Mutation detection: of two sequences, which is the real gene, and which a mutated copy of it.

The two rules of Ihtiyar and Ozgur (2024) call that sequence real which has the lower perplexity, or the higher
probability. Ours follow from Bayes: edits as `pairs.make_pairs` makes them turn a into b with probability q(b|a), and

    log P(a is real) / P(b is real) = log p(a) / p(b) + log q(b|a) / q(a|b).

A substitution is as likely as the one that undoes it, and an insertion, which also draws one nucleotide out of four, a
quarter as likely as the deletion that undoes it; so log q(b|a) / q(a|b) = (length of a - length of b) ln 4, and the
real gene is the one with the higher **likelihood ratio** log p(x) + length(x) ln 4: that of the model against a source
which knows nothing. The rule of perplexity puts the mean of the gene itself in the place of ln 4, that of probability
puts 0 there and so takes the shorter of the two wherever the length has changed.

p is only a model's, and reads in one direction. The **calibrated** rule takes the evidence of both strands, of lengths
and of ends, weighed by a logistic regression on pairs made from validation genes: nothing labelled is needed, and no
test gene is seen.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from dnastudy.core.config import Settings
from dnastudy.data.datasets import Dataset
from dnastudy.data.mutation_pairs import KINDS, SWAP, describe_edit, make_pairs, read_pairs
from dnastudy.data.sequences import reverse_complement
from dnastudy.evaluation import scoring
from dnastudy.evaluation.proportions import gain, shares
from dnastudy.models.base import LanguageModel
from dnastudy.tasks.base import Task, TaskInput, TaskResult

PAPER_RULES = ["perplexity", "probability"]
RATIO_NATS = "likelihood_ratio_nats"
RATIO, CALIBRATED = "likelihood ratio", "calibrated"
RULES = [*PAPER_RULES, RATIO, CALIBRATED]
EVIDENCE = ["log_prob", "end", "other_log_prob", "other_end", "nucleotides"]
"""What the calibrated rule weighs of each sequence: log-probability of its nucleotides and of its end on either strand
(nats), and its length (nt)."""
LEAST = -40.0
"""Log-probability, nats a nucleotide, in the place of a model's 0."""
TIE = 1e-10
"""Largest relative difference of two scores that is none."""
SINGLE = "one edit"
"""Name of the pairs whose edits are known."""


class MutationDetection(Task):
    """Detect which of two sequences was mutated."""

    name = "mutation-detection"
    code = ("pairs.py", "relatives.py", "tasks/proportions.py")

    class Settings(Settings):
        """Settings of mutation detection."""

        pairs: int = Field(default=1000, ge=10, description="pairs of a set made from test genes")
        maxima: list[int] = Field(default=[1, 5, 10], min_length=1, description="most edits of a copy, a set each")
        seeds: list[int] = Field(default=[1, 2], min_length=1, description="seeds of the sets")
        calibration_pairs: int = Field(
            default=1000, ge=0, description="pairs made from validation genes for each of maxima, to calibrate on"
        )
        replicates: int = Field(default=1000, ge=100, description="bootstrap resamples of the genes")

    def given(self, dataset: Dataset) -> dict[str, str]:
        """Hashes of the pairs that lie beside the genes."""
        return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in dataset.pair_files.items()}

    def pair_sets(self, dataset: Dataset) -> pd.DataFrame:
        """Pairs of test genes: those that lie beside the genes, else made; and further ones with one edit each.

        Returns
        -------
        DataFrame: ``seed``, ``maximum``, ``id``, ``real``, ``mutated``, ``kind`` and ``where`` (see
        `pairs.describe_edit`); the further ones are of all kinds, and have a seed of ``SINGLE``.
        """
        settings, sets = self.settings, []
        if dataset.pair_files:
            sets = [(*name.split("-"), read_pairs(path)) for name, path in dataset.pair_files.items()]
        else:
            sets = [
                (str(seed), maximum, make_pairs(dataset.test, settings.pairs, maximum, seed))
                for seed in settings.seeds for maximum in settings.maxima
            ]  # fmt: skip
        single = make_pairs(dataset.test, 4 * settings.pairs, 1, 0, kinds=(*KINDS, SWAP))
        frame = pd.concat(
            [pairs.assign(seed=seed, maximum=int(maximum)) for seed, maximum, pairs in [*sets, (SINGLE, 1, single)]],
            ignore_index=True,
        )
        told = [describe_edit(real, mutated) for real, mutated in zip(frame["real"], frame["mutated"], strict=True)]
        frame["kind"], frame["where"] = zip(*told, strict=True)
        return frame.drop(columns="edits", errors="ignore")

    def run(self, task_input: TaskInput) -> TaskResult:
        """Accuracy of all rules by set, kind of edit, change of length, place in the gene and relatives in train."""
        settings = self.settings
        weights = calibrate(task_input.model, task_input.held_out, settings.maxima, settings.calibration_pairs)
        found = detect(task_input.model, self.pair_sets(task_input.dataset), weights)
        relatives = task_input.homologs().set_index("id")["identity"]
        found["relatives"] = np.where(found["id"].map(relatives).fillna(0) > 0, "with", "without")
        found["change"] = found["change"].clip(-5, 5)
        found["fifth"] = (found["where"] * 5).astype(int).clip(0, 4) + 1
        known, paired = found[found["seed"] == SINGLE], found[found["seed"] != SINGLE]
        rules = [rule for rule in RULES if rule in found]
        paired = paired.assign(set=paired["seed"] + "-" + paired["maximum"].astype(str))

        def by(frame: pd.DataFrame, column: str) -> pd.DataFrame:
            return shares(frame, rules, column, settings.replicates).rename(columns={column: "group"}).assign(by=column)

        groups = [by(paired, "set"), by(known, "kind"), by(known, "fifth")]
        for maximum, part in paired.groupby("maximum"):
            groups += [by(part, column).assign(maximum=maximum) for column in ("maximum", "relatives", "change")]
        table = pd.concat(groups, ignore_index=True)
        table["group"] = table["group"].astype(str)
        gains = pd.DataFrame(
            {"maximum": maximum, "rule": rule, **gain(part, PAPER_RULES[0], rule, settings.replicates)}
            for maximum, part in paired.groupby("maximum") for rule in rules[1:]
        )  # fmt: skip
        details = found[["seed", "maximum", "id", "kind", "where", "change", "relatives", *rules, RATIO_NATS]]
        tables = {"accuracy": table, "gains": gains, "evidence": _evidence_of_one_edit(known)}
        return TaskResult(tables, {"weights": weights}, {"pairs": details})


def evidence(model: LanguageModel, sequences: Sequence[str]) -> pd.DataFrame:
    """What a model says of each sequence, equal ones read once so that they are equal to the last digit.

    Returns
    -------
    DataFrame, one row a sequence in its order: `EVIDENCE`; and ``paper_log_prob``, nats, over ``paper_events``: by
    the paper's protocol for the model's family, where it has one, else of the nucleotides.
    """
    codes, names = pd.factorize(np.array(sequences, dtype=object))
    scores = scoring.score(model, pd.DataFrame({"id": "", "sequence": names}))
    other = scoring.score(model, pd.DataFrame({"id": "", "sequence": list(map(reverse_complement, names))}))
    table = pd.DataFrame({"nucleotides": scores["nucleotides"].astype(float)})
    for prefix, frame in (("", scores), ("other_", other)):
        least = LEAST * frame["nucleotides"]
        table[f"{prefix}log_prob"] = np.maximum(frame["nucleotide_log_prob"], least)
        # how probable it is, nucleotides apart, that it ends where it does; nothing of a model that knows no end
        end = frame["log_prob"] - frame["nucleotide_log_prob"]
        table[f"{prefix}end"] = np.where(np.isfinite(end), end, 0.0)
    has = scores["paper_events"] > 0
    table["paper_log_prob"] = np.where(has, scores["paper_log_prob"], scores["nucleotide_log_prob"])
    table["paper_events"] = np.where(has, scores["paper_events"], scores["nucleotides"])
    return table.iloc[codes].reset_index(drop=True)


def detect(model: LanguageModel, pairs: pd.DataFrame, weights: dict[str, float] | None = None) -> pd.DataFrame:
    """Put pairs to a model.

    Parameters
    ----------
    pairs : DataFrame
        ``real`` and ``mutated``, and what else is to be kept.
    weights : dict, optional
        What `calibrate` gives; without it there is no calibrated rule.

    Returns
    -------
    DataFrame: the columns of ``pairs`` but the sequences; ``change`` of length, nt; one boolean column a rule, true
    where it finds the real sequence, ties being wrong; and how strongly the likelihood ratio is for it, nats.
    """
    n = len(pairs)
    told = evidence(model, [*pairs["real"], *pairs["mutated"]])
    ratio = told["log_prob"] + told["end"] + told["nucleotides"] * math.log(4)
    scores = {
        "perplexity": told["paper_log_prob"] / told["paper_events"],
        "probability": told["paper_log_prob"],
        RATIO: ratio,
    }
    if weights is not None:
        scores[CALIBRATED] = sum(weight * told[name] for name, weight in weights.items())
    sides = {rule: (values.to_numpy()[:n], values.to_numpy()[n:]) for rule, values in scores.items()}
    # sums of equal terms differ in their last digits: that is a tie, and so is impossible against impossible
    with np.errstate(invalid="ignore"):
        found = {rule: real - mutated > TIE * np.abs(real) for rule, (real, mutated) in sides.items()}
    return pairs.drop(columns=["real", "mutated"]).assign(
        change=(pairs["mutated"].str.len() - pairs["real"].str.len()).to_numpy(),
        **found,
        **{RATIO_NATS: np.subtract(*sides[RATIO])},
    )


def calibrate(
    model: LanguageModel, genes: pd.DataFrame, maxima: Sequence[int] = (1, 5, 10), n: int = 1000, seed: int = 0
) -> dict[str, float] | None:
    """Weights of a model's evidence, by logistic regression on ``n`` pairs made from ``genes`` for each of ``maxima``.

    The genes should be neither training nor test genes. None where there are none.
    """
    if genes.empty or not n:
        return None
    from sklearn.linear_model import LogisticRegression

    pairs = pd.concat([make_pairs(genes, n, maximum, seed) for maximum in maxima])
    told = evidence(model, [*pairs["real"], *pairs["mutated"]])[EVIDENCE].to_numpy()
    apart = told[: len(pairs)] - told[len(pairs) :]
    # both orders of a pair, so that neither side is favoured
    sides = np.repeat([1, 0], len(apart))
    fitted = LogisticRegression(C=1.0, fit_intercept=False, max_iter=1000).fit(np.concatenate([apart, -apart]), sides)
    return dict(zip(EVIDENCE, fitted.coef_[0].tolist(), strict=True))


def _evidence_of_one_edit(found: pd.DataFrame) -> pd.DataFrame:
    """Likelihood ratio of real against mutated, nats, after one edit: mean and evenly_spaced, by kind and relatives."""
    rows = []
    for (kind, near), part in found.groupby(["kind", "relatives"]):
        nats = part[RATIO_NATS]
        rows.append({"kind": kind, "relatives": near, "n": len(part), "mean": nats.mean(), "deviation": nats.std(),
                     "tenth": nats.quantile(0.1), "median": nats.median()})  # fmt: skip
    return pd.DataFrame(rows)
