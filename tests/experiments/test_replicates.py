"""Runs of several seeds taken together."""

import numpy as np
import pytest

from dnastudy.data.datasets import load_dataset
from dnastudy.evaluation import metrics
from dnastudy.experiments import replicates
from dnastudy.experiments.plan import Run
from dnastudy.experiments.store import Store

SETTINGS = {"embedding_size": 4, "hidden_size": 8, "epochs": 1}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    dataset = load_dataset("simulated", genes=150, seed=1)
    store = Store(tmp_path_factory.mktemp("store"))
    runs = [
        Run(name=f"lstm-{seed}", model="lstm", settings={**SETTINGS, "seed": seed}, replicates=100) for seed in (1, 2)
    ]
    runs += [Run(name="ngram-3", model="ngram", settings={"order": 3}, replicates=100)]
    return {run.name: store.get(run, dataset) for run in runs}


def test_kinds_are_names_without_seeds(results):
    assert replicates.groups(results) == {"lstm": ["lstm-1", "lstm-2"], "ngram-3": ["ngram-3"]}


def test_the_mean_over_seeds_is_the_mean_of_their_bits(results):
    found = replicates.over_seeds(results, 100)
    assert set(found) == {"lstm"}
    bits = [results[name].metrics["bits_per_base"] for name in ("lstm-1", "lstm-2")]
    assert found["lstm"]["bits_per_base"] == pytest.approx(np.mean(bits), rel=1e-12)
    assert found["lstm"]["seeds"] == 2
    assert found["lstm"]["range"] == sorted(results[n].metrics["nucleotide_perplexity"] for n in ("lstm-1", "lstm-2"))
    low, high = found["lstm"]["interval"]
    assert low < found["lstm"]["nucleotide_perplexity"] < high


def test_a_mean_table_is_a_score_table(results):
    table = replicates.mean_scores([results["lstm-1"], results["lstm-2"]])
    one = results["lstm-1"].scores()
    assert list(table.columns) == list(one.columns)
    stretches = table[[c for c in table if c.startswith("log_prob_from")]].sum(axis=1)
    np.testing.assert_allclose(stretches, table["nucleotide_log_prob"], rtol=1e-12)
    by_position = metrics.by_position(table, 100)
    assert by_position["nucleotides"].sum() == table["nucleotides"].sum()
    difference = metrics.paired_difference(table, one, 100)
    expected = (results["lstm-2"].metrics["bits_per_base"] - results["lstm-1"].metrics["bits_per_base"]) / 2
    assert difference["bits_per_base"] == pytest.approx(expected, abs=1e-12)


def test_what_seeds_do_not_agree_on_is_not_called_better(results):
    """Both seeds ahead of the n-gram or behind it: told by the interval; one on each side: not told."""
    found = replicates.difference(results, ["lstm-1", "lstm-2"], ["ngram-3"], 100)
    bits = {name: result.metrics["bits_per_base"] for name, result in results.items()}
    sides = {bits[name] < bits["ngram-3"] for name in ("lstm-1", "lstm-2")}
    assert found["seeds_agree"] == (len(sides) == 1)
    assert not replicates.difference(results, ["lstm-1", "lstm-2"], ["lstm-1"], 100)["seeds_agree"]
    assert replicates.ahead({"interval": [-0.2, -0.1], "seeds_agree": True}) == -1
    assert replicates.ahead({"interval": [0.1, 0.2], "seeds_agree": True}) == 1
    assert replicates.ahead({"interval": [-0.1, 0.2], "seeds_agree": True}) == 0
    assert replicates.ahead({"interval": [0.1, 0.2], "seeds_agree": False}) == 0
