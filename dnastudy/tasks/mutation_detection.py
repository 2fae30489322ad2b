"""Mutation detection: to decide which of two sequences is a real gene, and which is a mutated copy of it.

By the two rules of Ihtiyar and Ozgur (2024) the real sequence is the one with the lower perplexity, or the one with the
higher probability. Our rules follow from Bayes' theorem: the edits of `make_pairs` turn a into b with probability
q(b|a), and

    log P(a is real) / P(b is real) = log p(a) / p(b) + log q(b|a) / q(a|b).

A substitution is as likely as the one that undoes it, and an insertion, which also draws one nucleotide out of four, a
quarter as likely as the deletion that undoes it; so log q(b|a) / q(a|b) = (length of a - length of b) ln 4, and the
real gene is the one with the higher **likelihood ratio** log p(x) + length(x) ln 4 of the model against the uniform
model. The perplexity rule has the mean of the gene itself in the place of ln 4; the probability rule has 0 there, and
so chooses the shorter sequence wherever the length has changed.

p is the probability of a model, and of one direction only. The **calibrated** rule combines the evidence of both
strands, of length and of the end, weighted by a logistic regression on pairs that are made from validation genes: it
needs no labels and no test genes.
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
from dnastudy.evaluation import bootstrap, scoring
from dnastudy.models.base import LanguageModel
from dnastudy.tasks.base import Task, TaskInput, TaskResult

PAPER_RULES = ["perplexity", "probability"]
RATIO_NATS = "likelihood_ratio_nats"
RATIO, CALIBRATED = "likelihood ratio", "calibrated"
RULES = [*PAPER_RULES, RATIO, CALIBRATED]
EVIDENCE = ["log_prob", "end", "other_log_prob", "other_end", "nucleotides"]
"""Evidence of each sequence in the calibrated rule: log-probability of its nucleotides and of its end on either strand
(nats), and its length (nt)."""
LEAST = -40.0
"""Log-probability, nats per nucleotide, that replaces a probability of 0."""
TIE = 1e-10
"""Largest relative difference of two scores that counts as a tie."""
SINGLE = "one edit"
"""Name of the set of pairs with a single edit each, of known kind and position."""


class MutationDetection(Task):
    """Decide which of two sequences was mutated."""

    name = "mutation-detection"

    class Settings(Settings):
        """Settings of mutation detection."""

        pairs: int = Field(default=1000, ge=10, description="pairs in each set that is made from test genes")
        maxima: list[int] = Field(
            default=[1, 5, 10], min_length=1, description="largest numbers of edits of a copy, a set for each"
        )
        seeds: list[int] = Field(default=[1, 2], min_length=1, description="seeds of the sets, a set for each")
        calibration_pairs: int = Field(
            default=1000, ge=0, description="pairs made from validation genes for each of maxima, for calibration"
        )
        replicates: int = Field(default=1000, ge=100, description="bootstrap resamples for each interval")

    def input_hashes(self, dataset: Dataset) -> dict[str, str]:
        """Return hashes of the files of pairs beside the genes."""
        return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in dataset.pair_files.items()}

    def pair_sets(self, dataset: Dataset) -> pd.DataFrame:
        """Return pairs of test genes: from the files beside the genes, or else made; and pairs with one edit each.

        Returns
        -------
        DataFrame: ``seed``, ``maximum`` (largest number of edits), ``id``, ``real``, ``mutated``, ``kind`` and
        ``where`` (see `describe_edit`). The pairs with one edit are of all kinds, and their seed is `SINGLE`.
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
        edits = [describe_edit(real, mutated) for real, mutated in zip(frame["real"], frame["mutated"], strict=True)]
        frame["kind"], frame["where"] = zip(*edits, strict=True)
        return frame.drop(columns="edits", errors="ignore")

    def run(self, task_input: TaskInput) -> TaskResult:
        """Return the accuracy of each rule by set, kind of edit, change of length, position and homologs in train."""
        settings = self.settings
        weights = calibrate(task_input.model, task_input.held_out, settings.maxima, settings.calibration_pairs)
        pairs = detect(task_input.model, self.pair_sets(task_input.dataset), weights)
        identity = task_input.homologs().set_index("id")["identity"]
        pairs["homologs"] = np.where(pairs["id"].map(identity).fillna(0) > 0, "with", "without")
        pairs["change"] = pairs["change"].clip(-5, 5)
        pairs["fifth"] = (pairs["where"] * 5).astype(int).clip(0, 4) + 1
        single, sets = pairs[pairs["seed"] == SINGLE], pairs[pairs["seed"] != SINGLE]
        rules = [rule for rule in RULES if rule in pairs]
        sets = sets.assign(set=sets["seed"] + "-" + sets["maximum"].astype(str))

        def by(frame: pd.DataFrame, column: str) -> pd.DataFrame:
            table = bootstrap.by_group(frame, rules, column, settings.replicates)
            return table.rename(columns={column: "group"}).assign(by=column)

        groups = [by(sets, "set"), by(single, "kind"), by(single, "fifth")]
        for maximum, part in sets.groupby("maximum"):
            groups += [by(part, column).assign(maximum=maximum) for column in ("maximum", "homologs", "change")]
        table = pd.concat(groups, ignore_index=True)
        table["group"] = table["group"].astype(str)
        gains = pd.DataFrame(
            {"maximum": maximum, "rule": rule, **bootstrap.paired(part, PAPER_RULES[0], rule, settings.replicates)}
            for maximum, part in sets.groupby("maximum") for rule in rules[1:]
        )  # fmt: skip
        details = pairs[["seed", "maximum", "id", "kind", "where", "change", "homologs", *rules, RATIO_NATS]]
        tables = {"accuracy": table, "gains": gains, "evidence": _evidence_of_one_edit(single)}
        return TaskResult(tables, {"weights": weights}, {"pairs": details})


def evidence(model: LanguageModel, sequences: Sequence[str]) -> pd.DataFrame:
    """Return the evidence of a model for each sequence.

    Equal sequences are scored once, so that their evidence is equal to the last digit.

    Returns
    -------
    DataFrame, one row a sequence in the same order: `EVIDENCE`; and ``paper_log_prob``, nats, over ``paper_events``:
    by the paper's protocol for the model's family if it has one, or else of the nucleotides.
    """
    codes, names = pd.factorize(np.array(sequences, dtype=object))
    scores = scoring.score(model, pd.DataFrame({"id": "", "sequence": names}))
    other = scoring.score(model, pd.DataFrame({"id": "", "sequence": list(map(reverse_complement, names))}))
    table = pd.DataFrame({"nucleotides": scores["nucleotides"].astype(float)})
    for prefix, frame in (("", scores), ("other_", other)):
        least = LEAST * frame["nucleotides"]
        table[f"{prefix}log_prob"] = np.maximum(frame["nucleotide_log_prob"], least)
        # log-probability of the end alone, after all nucleotides; 0 for a model without an end symbol
        end = frame["log_prob"] - frame["nucleotide_log_prob"]
        table[f"{prefix}end"] = np.where(np.isfinite(end), end, 0.0)
    has_protocol = scores["paper_events"] > 0
    table["paper_log_prob"] = np.where(has_protocol, scores["paper_log_prob"], scores["nucleotide_log_prob"])
    table["paper_events"] = np.where(has_protocol, scores["paper_events"], scores["nucleotides"])
    return table.iloc[codes].reset_index(drop=True)


def detect(model: LanguageModel, pairs: pd.DataFrame, weights: dict[str, float] | None = None) -> pd.DataFrame:
    """Decide by each rule which sequence of a pair is real.

    Parameters
    ----------
    pairs : DataFrame
        ``real`` and ``mutated`` sequences, and columns that are kept.
    weights : dict, optional
        The result of `calibrate`; without it there is no calibrated rule.

    Returns
    -------
    DataFrame: the columns of ``pairs`` except the sequences; ``change`` of length, nt; one boolean column a rule, true
    where the rule chooses the real sequence (a tie is false); and the likelihood ratio of the real to the mutated
    sequence, nats.
    """
    n = len(pairs)
    table = evidence(model, [*pairs["real"], *pairs["mutated"]])
    ratio = table["log_prob"] + table["end"] + table["nucleotides"] * math.log(4)
    scores = {
        "perplexity": table["paper_log_prob"] / table["paper_events"],
        "probability": table["paper_log_prob"],
        RATIO: ratio,
    }
    if weights is not None:
        scores[CALIBRATED] = sum(weight * table[name] for name, weight in weights.items())
    sides = {rule: (values.to_numpy()[:n], values.to_numpy()[n:]) for rule, values in scores.items()}
    # sums of equal terms may differ in their last digits: that is a tie, and so are two sequences of probability 0
    with np.errstate(invalid="ignore"):
        right = {rule: real - mutated > TIE * np.abs(real) for rule, (real, mutated) in sides.items()}
    return pairs.drop(columns=["real", "mutated"]).assign(
        change=(pairs["mutated"].str.len() - pairs["real"].str.len()).to_numpy(),
        **right,
        **{RATIO_NATS: np.subtract(*sides[RATIO])},
    )


def calibrate(
    model: LanguageModel, genes: pd.DataFrame, maxima: Sequence[int] = (1, 5, 10), n: int = 1000, seed: int = 0
) -> dict[str, float] | None:
    """Fit the weights of a model's evidence by logistic regression.

    Parameters
    ----------
    genes : DataFrame
        A gene table, from which pairs are made; they should be neither training nor test genes.
    maxima : sequence of int
        Largest numbers of edits of a pair.
    n : int
        Pairs for each of ``maxima``.

    Returns
    -------
    dict of the weight of each of `EVIDENCE`; None if there are no genes, or ``n`` is 0.
    """
    if genes.empty or not n:
        return None
    from sklearn.linear_model import LogisticRegression

    pairs = pd.concat([make_pairs(genes, n, maximum, seed) for maximum in maxima])
    values = evidence(model, [*pairs["real"], *pairs["mutated"]])[EVIDENCE].to_numpy()
    differences = values[: len(pairs)] - values[len(pairs) :]
    # each pair in both orders, so that neither side is favoured
    features, labels = np.concatenate([differences, -differences]), np.repeat([1, 0], len(pairs))
    fitted = LogisticRegression(C=1.0, fit_intercept=False, max_iter=1000).fit(features, labels)
    return dict(zip(EVIDENCE, fitted.coef_[0].tolist(), strict=True))


def _evidence_of_one_edit(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and spread of the likelihood ratio of real to mutated, nats, of one edit, by kind and homologs."""
    rows = []
    for (kind, homologs), part in pairs.groupby(["kind", "homologs"]):
        nats = part[RATIO_NATS]
        rows.append({"kind": kind, "homologs": homologs, "n": len(part), "mean": nats.mean(), "deviation": nats.std(),
                     "tenth": nats.quantile(0.1), "median": nats.median()})  # fmt: skip
    return pd.DataFrame(rows)
