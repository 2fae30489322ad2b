"""Generated genes beside real ones: sets of known quality have the measures that they must have."""

import numpy as np
import pytest
from helpers import gene_frame, random_sequences

from dnastudy.data.datasets import Dataset
from dnastudy.data.sequences import reverse_complement
from dnastudy.experiments.fitting import fit_model
from dnastudy.homology.mmseqs import families
from dnastudy.tasks.base import TaskInput
from dnastudy.tasks.generation_quality import GenerationQuality

SMALL = {"genes": 60, "kmer_sizes": [2, 3], "temperatures": [1.0], "classifiers": ["linear on k-mers"], "folds": 3,
         "replicates": 100}  # fmt: skip
TRAIN, VALIDATION, TEST = (random_sequences(120, seed=s, low=100, high=180) for s in (1, 2, 3))


@pytest.fixture(scope="module")
def dataset():
    splits = {
        "train": gene_frame(TRAIN, "a"),
        "validation": gene_frame(VALIDATION, "b"),
        "test": gene_frame(TEST, "c"),
    }
    return Dataset("own", "genes of a test", splits, "training and validation genes")


def _measures(result, name):
    table = result.tables["measures"]
    return table[table["set"] == name].set_index("measure")


@pytest.mark.slow
def test_sets_of_known_quality(dataset):
    random = np.random.default_rng(0)
    sets = {
        "alike": random_sequences(60, seed=9, low=100, high=180),
        "copied": TRAIN[:60],
        "one gene": [TRAIN[0]] * 60,
        "other": ["".join(random.choice(list("ACGT"), p=[0.1, 0.4, 0.4, 0.1], size=140)) for _ in range(60)],
        "nothing": [""] * 60,
    }
    result = GenerationQuality(SMALL)._result(dataset, sets)
    values = {name: _measures(result, name)["value"] for name in sets}
    assert values["alike"]["divergence of 2-mers, bits"] < 0.01 < values["other"]["divergence of 2-mers, bits"]
    assert values["alike"]["AUC, linear on k-mers"] < 0.7
    assert values["other"]["AUC, linear on k-mers"] > 0.95
    assert values["alike"]["copies of training genes"] == 0 == values["other"]["copies of training genes"]
    assert values["copied"]["copies of training genes"] == 1 == values["copied"]["covered by a training gene"]
    assert values["copied"]["families per gene"] == 1
    assert values["one gene"]["families per gene"] == pytest.approx(1 / 60)
    assert values["one gene"]["with a homolog in the set"] == 1
    assert not any("AUC" in measure for measure in values["one gene"].index)
    assert values["alike"]["gc, mean"] == pytest.approx(0.35, abs=0.02)
    assert values["other"]["gc, distance"] > 0.9
    assert values["nothing"].to_dict() == {"empty": 1.0}
    table = result.tables["measures"].dropna()
    assert len(table) > 30
    assert (table["low"] <= table["high"]).all()
    assert ((table["low"] <= table["value"] + 1e-9) & (table["value"] <= table["high"] + 1e-9)).all()


@pytest.mark.slow
def test_the_sets_of_a_model(dataset):
    model = fit_model("ngram", {"order": 2}, TRAIN, None)[0]
    task = GenerationQuality(SMALL)
    task_input = TaskInput(model, dataset, dataset.validation, lambda: None, lambda: None)
    first, again = task.run(task_input), task.run(task_input)
    assert first.tables["measures"].equals(again.tables["measures"])
    assert set(first.tables["measures"]["set"]) == {"temperature 1", "real lengths"}
    lengths = _measures(first, "real lengths")["value"]
    assert lengths["length, distance"] < _measures(first, "temperature 1")["value"]["length, distance"]
    endless = fit_model(
        "lstm", {"epochs": 1, "embedding_size": 4, "hidden_size": 4, "kmer_size": 1, "end": False}, TRAIN, None
    )[0]
    sets = task.run(TaskInput(endless, dataset, dataset.validation, lambda: None, lambda: None)).tables["measures"][
        "set"
    ]
    assert set(sets) == {"temperature 1"}, "without an end symbol all lengths are those of real genes"


@pytest.mark.slow
def test_the_reference_rows_are_real_genes_and_their_shuffles(dataset):
    measures = GenerationQuality(SMALL).reference(dataset)
    real, mixed = (_measures(measures, name)["value"] for name in ("real genes", "shuffled real genes"))
    assert real["gc, mean"] == pytest.approx(mixed["gc, mean"])
    assert real["divergence of 2-mers, bits"] == pytest.approx(mixed["divergence of 2-mers, bits"])
    assert real["divergence of 3-mers, bits"] != mixed["divergence of 3-mers, bits"]


def test_families_are_chains_of_homologs_on_either_strand():
    base, other = random_sequences(2, seed=5, low=200, high=201)
    changed = base[:90] + "ACGT" + base[90:]
    further = reverse_complement(changed[:150] + "TTT" + changed[150:])
    short = "ACGTACGTAC"
    labels = families(gene_frame([base, other, changed, further, short, short]))
    assert labels.tolist() == [0, 1, 0, 0, 2, 3]


@pytest.mark.slow
def test_a_single_family_has_no_area_under_the_curve():
    """There are too few families to train on some and classify the others."""
    base = TRAIN[0] + TEST[0]
    copies = [base[:at] + "ACGTTG" + base[at:] for at in range(20, 60)]
    measures = GenerationQuality(SMALL).compare(
        {"copies": copies[:20]}, gene_frame(copies[20:], "c"), gene_frame(TRAIN, "a")
    )
    assert not measures["measure"].str.startswith("AUC, ").any()
    assert measures.set_index("measure").loc["families per gene", "value"] == pytest.approx(1 / 20)


@pytest.mark.slow
def test_kmers_longer_than_every_gene_have_no_divergence():
    measures = GenerationQuality({**SMALL, "kmer_sizes": [2, 9]}).compare(
        {"short": ["ACGTACG"] * 20}, gene_frame(TEST), None
    )
    assert not measures["measure"].str.contains("9-mers").any()
    assert measures["measure"].str.contains("2-mers").any()
