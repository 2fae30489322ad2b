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
        Run(
            name=f"lstm-{seed}",
            model="lstm",
            settings={**SETTINGS, "seed": seed},
            replicates=100,
            group="lstm",
            seed=seed,
        )
        for seed in (1, 2)
    ]
    runs += [Run(name="ngram-3", model="ngram", settings={"order": 3}, replicates=100, group="witten-bell", order=3)]
    return {run.name: store.get(run, dataset) for run in runs}


@pytest.mark.slow
def test_runs_that_differ_by_their_seed_are_a_group_and_others_are_by_themselves(results):
    assert replicates.groups(results) == {"lstm": ["lstm-1", "lstm-2"], "ngram-3": ["ngram-3"]}
    assert replicates.group_of("any name", results["lstm-1"].record) == "lstm"
    assert replicates.group_of("ngram-3", results["ngram-3"].record) == "ngram-3"


def test_the_mean_over_seeds_is_the_mean_of_their_bits(results):
    means = replicates.over_seeds(results, 100)
    assert set(means) == {"lstm"}
    bits = [results[name].metrics["bits_per_base"] for name in ("lstm-1", "lstm-2")]
    assert means["lstm"]["bits_per_base"] == pytest.approx(np.mean(bits), rel=1e-12)
    assert means["lstm"]["seeds"] == 2
    assert means["lstm"]["range"] == sorted(results[n].metrics["nucleotide_perplexity"] for n in ("lstm-1", "lstm-2"))
    low, high = means["lstm"]["interval"]
    assert low < means["lstm"]["nucleotide_perplexity"] < high
    records = [results[name].record for name in ("lstm-1", "lstm-2")]
    assert means["lstm"]["validation_perplexity"] == np.mean([record["validation_perplexity"] for record in records])
    assert means["lstm"]["epochs"] == 1
    assert means["lstm"]["fit_seconds"] == pytest.approx(np.mean([record["seconds"]["fit"] for record in records]))


def test_runs_on_different_genes_have_no_mean(results, tmp_path):
    dataset = load_dataset("simulated", genes=150, seed=1)
    other = Store(tmp_path).get(results["ngram-3"].run.model_copy(update={"test": "validation"}), dataset)
    with pytest.raises(ValueError, match="the score tables are of different genes"):
        replicates.mean_scores([results["ngram-3"], other])


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


def test_a_difference_on_which_seeds_disagree_is_not_resolved(results):
    """Both seeds on one side of the n-gram: the interval decides; one on each side: not resolved."""
    paired = replicates.difference(results, ["lstm-1", "lstm-2"], ["ngram-3"], 100)
    bits = {name: result.metrics["bits_per_base"] for name, result in results.items()}
    sides = {bits[name] < bits["ngram-3"] for name in ("lstm-1", "lstm-2")}
    assert paired["seeds_agree"] == (len(sides) == 1)
    assert not replicates.difference(results, ["lstm-1", "lstm-2"], ["lstm-1"], 100)["seeds_agree"]
    assert replicates.ahead({"interval": [-0.2, -0.1], "seeds_agree": True}) == -1
    assert replicates.ahead({"interval": [0.1, 0.2], "seeds_agree": True}) == 1
    assert replicates.ahead({"interval": [-0.1, 0.2], "seeds_agree": True}) == 0
    assert replicates.ahead({"interval": [0.1, 0.2], "seeds_agree": False}) == 0
