"""The study's tables of mutation detection, and the published figures."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT

from dnastudy.analysis.headline import published, published_task
from dnastudy.analysis.mutations import accuracies, evidence_rows, gains, mean_pairs, papers_means
from dnastudy.core.errors import PublicationError
from dnastudy.data.datasets import paper
from dnastudy.tasks.mutation_detection import CALIBRATED, PAPER_RULES, RATIO, RATIO_NATS, RULES, SINGLE


def _outcome(seed):
    """Pairs of two sets and of single edits, found at random, by a model of this seed."""
    random = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "seed": ["1"] * 40 + ["2"] * 40 + [SINGLE] * 40,
            "maximum": [1] * 20 + [5] * 20 + [1] * 20 + [5] * 20 + [1] * 40,
            "id": [f"g{i % 30}" for i in range(120)],
            "kind": "substitution",
            "where": np.linspace(0, 1, 120),
            "change": 0,
            "homologs": ["with", "without"] * 60,
            RATIO_NATS: np.random.default_rng(1).normal(size=120) + seed,
        }
    )
    rows = rows.assign(**{rule: random.random(120) < 0.5 for rule in RULES})
    return SimpleNamespace(details=lambda _: rows.copy())


def test_seeds_are_averaged_pair_by_pair():
    first, second = _outcome(1).details(""), _outcome(2).details("")
    mean = mean_pairs([_outcome(1), _outcome(2)])
    assert mean["perplexity"].tolist() == ((first["perplexity"] * 1.0 + second["perplexity"]) / 2).tolist()
    other = SimpleNamespace(details=lambda _: first[::-1])
    with pytest.raises(ValueError, match="of different pairs"):
        mean_pairs([_outcome(1), other])


def test_accuracies_are_shares_of_the_sets_or_of_the_single_edits():
    frame = mean_pairs([_outcome(1)])
    table = accuracies({"m": frame}, "maximum", 100).set_index(["maximum", "rule"])
    for maximum in (1, 5):
        part = frame[(frame["seed"] != SINGLE) & (frame["maximum"] == maximum)]
        assert table.loc[(maximum, RATIO), "n"] == 40 == len(part)
        assert table.loc[(maximum, RATIO), "accuracy"] == pytest.approx(part[RATIO].mean())
    fifths = accuracies({"m": frame}, "fifth", 100, single=True)
    assert fifths[fifths["rule"] == RATIO]["n"].sum() == 40
    few = accuracies({"m": frame}, "homologs", 100, maximum=5)
    assert few[few["rule"] == RATIO]["n"].sum() == 40


def test_gains_are_paired():
    frame = mean_pairs([_outcome(1)])
    same = gains({"a": frame, "b": frame}, ("a", RATIO), ("b", RATIO), 200)
    assert (same[["gain", "low", "high"]] == 0).all(axis=None)
    better = frame.assign(**{RATIO: 1.0})
    found = gains({"a": frame, "b": better}, ("a", RATIO), ("b", RATIO), 200).set_index("maximum")
    part = frame[(frame["seed"] != SINGLE) & (frame["maximum"] == 5)]
    assert found.loc[5, "gain"] == pytest.approx(1 - part[RATIO].mean())
    assert found.loc[5, "low"] > 0


def test_evidence_is_of_the_single_edits():
    row = evidence_rows({"m": [_outcome(1), _outcome(3)]}).set_index("homologs").loc["with"]
    parts = [
        o.details("")[lambda f: (f["seed"] == SINGLE) & (f["homologs"] == "with")] for o in (_outcome(1), _outcome(3))
    ]
    assert row["mean"] == pytest.approx(np.mean([p[RATIO_NATS].mean() for p in parts]))
    assert row["accuracy"] == pytest.approx(np.mean([(p[RATIO_NATS] > 0).mean() for p in parts]))
    assert row["ratio"] == pytest.approx(row["mean"] / row["deviation"])


RUNS, TABLES = published_task(ROOT, "mutation-detection")
ACCURACY = TABLES["accuracy"]


def _published(run, rule, by="maximum"):
    rows = ACCURACY[(ACCURACY["run"] == run) & (ACCURACY["rule"] == rule) & (ACCURACY["by"] == by)]
    return dict(zip(rows["group"].astype(str), rows["accuracy"], strict=True))


def test_every_model_of_the_study_has_its_rows_on_real_genes():
    records = published(ROOT)
    asked = {n for n, r in records.items() if not r["data"]["prequential"] and not n.endswith("-conditional")}
    assert set(RUNS) == asked == set(ACCURACY["run"])
    for run, record in RUNS.items():
        assert record["data"]["name"] == "paper"
        assert len(record["data"]["given"]) == 6, "the paper's pairs"
        assert record["fit"] == records[run]["fit"]
        assert not record["commit"].endswith("-dirty")
        rows = ACCURACY[ACCURACY["run"] == run]
        knows = {"validation", "counts"} & {*record["data"]["train"], *record["data"]["update"]}
        assert set(rows["rule"]) == set(RULES[:-1] if knows else RULES)
        assert {"set", "maximum", "kind", "fifth", "homologs", "change"} == set(rows["by"])
    assert ((ACCURACY["low"] <= ACCURACY["accuracy"]) & (ACCURACY["accuracy"] <= ACCURACY["high"])).all()


def test_the_published_8_gram_has_the_papers_accuracies():
    figures = paper()["mutations"]
    for rule in PAPER_RULES:
        ours = _published("laplace-8", rule, "set")
        theirs = {
            f"{seed}-{maximum}": of_seeds[number]
            for maximum, of_seeds in figures["laplace-8"][rule].items()
            for number, seed in enumerate(figures["seeds"][:2])
        }
        assert {name: round(value, 3) for name, value in ours.items()} == theirs


def test_the_papers_lstm_is_passed_with_part_of_its_data():
    """By the paper's own rule, and by the better one: the bounds of the study."""
    means = papers_means().query("label == \"the paper's LSTM\" and rule == 'perplexity'")
    lstm = dict(zip(means["maximum"].astype(str), means["accuracy"], strict=True))
    assert {m: round(v, 3) for m, v in lstm.items()} == {"1": 0.731, "5": 0.805, "10": 0.846}
    for run in ("expert", "ensemble-by-entropy"):
        for rule in ("perplexity", CALIBRATED):
            ours = _published(run, rule)
            assert all(ours[m] > lstm[m] for m in lstm), (run, rule, ours)


def test_the_rule_of_probability_is_one_of_length():
    assert _published("uniform", "probability", "kind") == {
        "deletion": 0, "insertion": 1, "substitution": 0, "swap": 0,
    }  # fmt: skip
    for run in ("laplace-8", "expert", "lstm-1", "transformer-1"):
        kinds = _published(run, "probability", "kind")
        assert kinds["insertion"] > 0.9 > 0.55 > kinds["deletion"]
        fair = _published(run, RATIO, "kind")
        assert abs(fair["insertion"] - fair["deletion"]) < 0.1


def test_what_is_not_published_is_said(tmp_path):
    with pytest.raises(PublicationError, match="no published outcomes; `dnastudy publish` writes them"):
        published_task(tmp_path, "mutation-detection")
