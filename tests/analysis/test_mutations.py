"""The study's tables of mutation detection, and the published figures."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT

from dnastudy.analysis.headline import published, published_task
from dnastudy.analysis.mutations import Chapter, accuracies, evidence_rows, gains, mean_pairs, papers_means
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


def _chapter(found, **perplexity):
    """The chapter on models that rank these shares of the pairs correctly, all by every rule."""
    records = {
        "u": {"label": "uniform model", "family": "reference", "group": "uniform", "recipe": "", "seed": None},
        "e": {"label": "expert mixture", "family": "expert", "group": "expert", "recipe": "", "seed": None},
        "t": {"label": "expert mixture", "family": "expert", "group": "expert-trial", "recipe": "", "seed": None},
        "n1": {"label": "LSTM, modern recipe", "family": "LSTM", "group": "n", "recipe": "modern", "seed": 1},
        "n2": {"label": "LSTM, modern recipe", "family": "LSTM", "group": "n", "recipe": "modern", "seed": 2},
    }
    pairs = _outcome(1).details("")
    task_runs, results = {}, {}
    for name, record in records.items():
        right = np.arange(len(pairs)) % 10 < found[name] * 10
        table = pairs.assign(**dict.fromkeys(RULES, right))
        weights = {"log_prob": 0.5, "other_log_prob": 0.25, "nucleotides": 0.9}
        task_runs[name] = SimpleNamespace(details=lambda _, table=table: table.copy(), record={"weights": weights})
        scores = pd.DataFrame(
            {"id": ["a"], "nucleotides": 1, "nucleotide_log_prob": -np.log(perplexity.get(name, 3.0))}
        )
        results[name] = SimpleNamespace(record=record, scores=scores.copy)
    runs_of = {"uniform model": ["u"], "expert mixture": ["e"], "LSTM, modern recipe": ["n1", "n2"]}
    study = SimpleNamespace(
        profile=SimpleNamespace(bootstrap_replicates=100), dataset=SimpleNamespace(name="simulated", pair_files={})
    )
    return Chapter(study, results, task_runs, runs_of, dict.fromkeys(runs_of, 3.0))


FOUND = {"u": 0.2, "e": 0.7, "t": 0.8, "n1": 0.4, "n2": 0.6}


def test_models_are_chosen_by_what_they_are():
    chapter = _chapter(FOUND)
    assert (chapter.guess, chapter.expert, chapter.network) == (
        "uniform model",
        "expert mixture",
        "LSTM, modern recipe",
    )
    assert chapter.best == "expert mixture"
    assert chapter.order == ["expert mixture", "LSTM, modern recipe", "uniform model"]
    assert chapter.top == ["expert mixture", "LSTM, modern recipe"]
    assert (
        chapter.accuracy_text().data
        == "The best detector is expert mixture, with 0.700, 0.700 for 1 edit, 1 to 5 edits."
    )


def test_the_mean_over_seeds_is_shown():
    shown = _chapter(FOUND).accuracy_table().text.set_index("model")
    assert shown.loc["LSTM, modern recipe", "1 edit: perplexity"].startswith("0.500 (")
    assert shown.loc["LSTM, modern recipe", "1 to 5 edits: our rule"].startswith("0.500 (")


def test_a_model_that_cannot_be_calibrated_is_shown_by_the_likelihood_ratio():
    chapter = _chapter(FOUND)
    table = chapter.task_runs["e"].details("").drop(columns=CALIBRATED)
    chapter.task_runs["e"] = SimpleNamespace(details=lambda _: table.copy(), record={"weights": None})
    assert chapter.best_rule("expert mixture") == RATIO
    assert chapter.best_rule("LSTM, modern recipe") == CALIBRATED
    cells = chapter.gains_table().text.set_index("model")
    assert cells.loc["expert mixture", "calibrated, 1 edit"] == ""
    assert cells.loc["LSTM, modern recipe", "calibrated, 1 edit"] == "+0.000 (+0.000 to +0.000)"


def test_calibration_is_summed_up():
    chapter = _chapter(FOUND)
    text = chapter.calibration_text().data
    assert "Of 2 models, calibration makes 0 better for 1 edit (on average by +0.000; 0 worse), 0 better" in text
    assert "less than one together" in text
    assert "worth 1.20 nats of it, where the derivation says 1.39" in text
    chapter.task_runs["e"].record["weights"]["log_prob"] = 0.75
    assert "one or more together" in chapter.calibration_text().data


def test_runs_of_one_label_are_shown_apart():
    runs = _chapter(FOUND).every_run.drop_duplicates("label").set_index("label")
    assert runs["run"].to_dict() == {
        "u": "uniform model", "e": "expert mixture (e)", "t": "expert mixture (t)", "n": "LSTM, modern recipe",
    }  # fmt: skip
    assert runs["seeds"].to_dict() == {"u": 1, "e": 1, "t": 1, "n": 2}


@pytest.mark.parametrize(
    ("lowest", "expected"),
    [
        ("t", "2.500 of expert mixture (t), goes with 0.800 of the pairs, the most of all."),
        ("e", "2.500 of expert mixture (e), goes with 0.700 of the pairs, and the most pairs, 0.800, are found by "
              "expert mixture (t) with a perplexity of 3.000."),
    ],
)  # fmt: skip
def test_the_lowest_perplexity_is_set_beside_the_best_detector(lowest, expected):
    text = _chapter(FOUND, **{lowest: 2.5}).perplexity_text().data
    assert expected in text
    assert "worse than the uniform model" not in text
    assert (
        "LSTM, modern recipe predicts test genes worse than the uniform model (perplexity 5.00), and finds 50.0%"
        in (_chapter(FOUND, n1=5.0, n2=5.0).perplexity_text().data)
    )


RUNS, TABLES = published_task(ROOT, "mutation-detection")
ACCURACY = TABLES["accuracy"]


def _published(run, rule, by="maximum"):
    rows = ACCURACY[(ACCURACY["run"] == run) & (ACCURACY["rule"] == rule) & (ACCURACY["by"] == by)]
    return dict(zip(rows["group"].astype(str), rows["accuracy"], strict=True))


def test_every_model_of_the_study_has_its_rows_on_real_genes():
    records = published(ROOT)
    evaluated = {name for name, r in records.items() if not r["data"]["prequential"] and not r["settings"].get("types")}
    assert set(RUNS) == evaluated == set(ACCURACY["run"])
    for run, record in RUNS.items():
        assert record["data"]["name"] == "paper"
        assert len(record["data"]["inputs"]) == 6, "the paper's pairs"
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


def test_missing_publications_are_reported(tmp_path):
    with pytest.raises(PublicationError, match="no published results of this task; `dnastudy publish` writes them"):
        published_task(tmp_path, "mutation-detection")
