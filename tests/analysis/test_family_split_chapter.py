"""What still helps without homologs: steps, classes and nucleotides, beside figures by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("altair")

from test_homology import LENGTHS, finished

from dnastudy.analysis import family_split
from dnastudy.analysis.family_split import ALIGNED, CONTEXTS, EXPERT, UNALIGNED, WITHOUT_COPIES, FamilySplit
from dnastudy.evaluation import metrics

SHARES = np.array([0, 0, 0.1, 0.3, 0, 0.9, 0, 0.24, 0.25, 0])
FREE = SHARES == 0
BITS = {"family-witten-bell-tuned-4": 1.95, CONTEXTS: 1.93, WITHOUT_COPIES: 1.90, EXPERT: 1.85, "family-mixture": 1.8}


def test_classes_by_what_is_aligned():
    share = np.array([0, 1e-6, 0.2499, 0.25, 0.5, 1.0])
    nothing, little, more = ALIGNED
    assert list(family_split.aligned_classes(share)) == [nothing, little, little, more, more, more]
    assert list(family_split.aligned_classes(np.zeros(2))) == [nothing] * 2


def test_savings_by_the_nucleotide_before():
    """A model that gives each nucleotide after a C probability 1/2, and 1/4 to all others."""
    sequences = ["ACCGT", "CA", "TTT"]
    log_probs = [np.log([0.25, 0.25, 0.5, 0.5, 0.25]), np.log([0.25, 0.5]), np.log([0.25] * 3)]
    rows = family_split.after_each_nucleotide(sequences, log_probs).set_index("after")
    assert list(rows["nucleotides"]) == [1, 3, 1, 2], "the first of a gene has none before it"
    assert rows.loc["C", "bits saved each"] == pytest.approx(1)
    assert rows.loc["C", "share of all that is saved"] == pytest.approx(1)
    assert list(rows.loc[["A", "G", "T"], "bits saved each"]) == pytest.approx([0, 0, 0], abs=1e-12)


@pytest.fixture
def family(tmp_path):
    """Five models, each better than the one before by as much on every gene; copies help where something is aligned."""
    results, runs = {}, {}
    for name, bits in BITS.items():
        each = np.full(len(LENGTHS), bits)
        if name == EXPERT:
            each[FREE] = BITS[WITHOUT_COPIES]
        model = "ngram" if "witten" in name else "ensemble" if "mixture" in name else "expert"
        results[name] = finished(tmp_path / name, each, model, validation_perplexity=2**bits)
        order = 4 if model == "ngram" else None
        runs[name] = SimpleNamespace(name=name, label=f"label of {name}", model=model, order=order)
    genes = pd.DataFrame(
        {"id": [f"g{i}" for i in range(len(LENGTHS))], "type": "PSEUDO", "sequence": ["ACGT" * 20] * len(LENGTHS)}
    )
    study = SimpleNamespace(store=SimpleNamespace(aligned=lambda dataset: SHARES))
    chapter = SimpleNamespace(
        study=study, replicates=100, models={}, family=SimpleNamespace(test=genes),
        perplexities=pd.DataFrame({"own split": [3.0], "split by family": [3.6]}, index=["LSTM"]),
    )  # fmt: skip
    return FamilySplit(chapter, runs, results)


def test_each_step_saves_what_its_model_is_better_by(family):
    steps = family.steps.pivot_table(index="step", columns="genes", values="bits")
    names = ["label of family-witten-bell-tuned-4", *family_split.STEPS.values(),
             "networks beside it (label of family-mixture)"]  # fmt: skip
    assert list(family.steps["step"].unique()) == names
    assert list(steps.loc[names, UNALIGNED]) == pytest.approx([0.05, 0.02, 0.03, 0, 0.1])
    aligned = LENGTHS[~FREE].sum() / LENGTHS.sum()
    copies = family_split.STEPS[EXPERT]
    assert steps.loc[copies, "all test genes"] == pytest.approx(0.05 * aligned)
    assert (family.steps["low"] <= family.steps["bits"] + 1e-9).all()
    assert (family.steps["bits"] <= family.steps["high"] + 1e-9).all()
    total = 2 - metrics.bits_per_base(family.results["family-mixture"].scores())
    assert steps["all test genes"].sum() == pytest.approx(total)


def test_the_best_model_and_the_best_order_are_chosen_on_validation_genes(family):
    assert (family.best, family.lowest_ngram) == ("family-mixture", "family-witten-bell-tuned-4")
    text = family.steps_text().data
    assert f"{2**1.8:.3f}" in text and f"{2**1.95:.3f}" in text and "lower" in text
    assert f"{1 - FREE.mean():.0%} of the test genes share a piece" in text


def test_conclusions_name_the_largest_step_without_copies(family):
    text = family.conclusions().data
    assert "the largest step beyond the best n-gram is the gene's own prefix" in text
    assert "LSTM, at 3.600" in text and "mixture of two figures" not in text, "no group with homologs here"


def test_gains_within_the_gene_are_of_the_studied_genes(family):
    rows = family.within_gene
    assert set(rows["by"]) == {"share of G and C, fifths by distance", "words of 10 nt that stood before"}
    for _, part in rows.groupby("by"):
        assert part["genes"].sum() == FREE.sum() and part["gain"].sum() == pytest.approx(1)
    assert list(rows["saved"]) == pytest.approx([0.03] * len(rows))
    repeats = rows[rows["by"].str.startswith("words")]
    assert list(repeats["class"]) == ["more than 5%"], "four letters over and over"
