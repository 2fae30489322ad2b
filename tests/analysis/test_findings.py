"""The main table and the sentences of the front page, on small cases by hand."""

import pytest

pytest.importorskip("altair")

from helpers import ROOT

from dnastudy.analysis import claims, findings, headline
from dnastudy.core.provenance import from_json


def record_of(group, perplexity, validation, model="ngram", trained_on=100, **settings):
    return {
        "group": group,
        "label": f"label of {group}",
        "model": model,
        "settings": settings,
        "data": {"train_nucleotides": trained_on},
        "validation_perplexity": validation,
        "metrics": {
            "nucleotide_perplexity": perplexity,
            "interval": [perplexity - 0.1, perplexity + 0.1],
            "bits_per_base": 1.0,
            "paper_perplexity": None,
        },
    }


def test_the_main_table_has_the_run_of_each_kind_that_predicts_validation_genes_best():
    records = {
        "a": record_of("witten-bell", perplexity=3.0, validation=3.9),
        "b": record_of("witten-bell", perplexity=3.5, validation=3.4),
        # trained on validation genes: chosen by the test genes
        "c": record_of("laplace", perplexity=3.7, validation=None),
        "d": record_of("laplace", perplexity=3.6, validation=None),
        "e": record_of("lstm", perplexity=3.2, validation=3.2, model="lstm"),
    }
    means = {"lstm": {**records["e"]["metrics"], "nucleotide_perplexity": 3.25}}
    table = headline.headline(records, means)
    assert table["name"].tolist() == ["d", "b", "e"], "the best last"
    assert table["nucleotide_perplexity"].tolist() == [3.6, 3.5, 3.25]
    assert table["model"].tolist()[0] == "label of laplace"


@pytest.mark.parametrize(
    ("record", "listed"),
    [
        (record_of("expert", 3, 3, model="expert"), True),
        (record_of("expert-updated", 3, 3, model="expert"), True),
        (record_of("expert-prequential", 3, 3, model="expert"), False),
        (record_of("expert-trial", 3, 3, model="expert"), False),
        (record_of("lstm", 3, 3, model="lstm"), True),
        (record_of("lstm", 3, 3, model="lstm", types=["tRNA"]), False),
        (record_of("lstm-published", 3, 3, model="lstm"), True),
        (record_of("lstm-trial", 3, 3, model="lstm"), False),
        (record_of("ensemble", 3, 3, model="ensemble"), True),
        (record_of("ensemble-control", 3, 3, model="ensemble"), False),
        (record_of("composition", 3, 3, model="composition"), True),
    ],
)
def test_trials_controls_and_variants_are_not_listed(record, listed):
    assert headline.is_listed(record) == listed


@pytest.fixture
def values():
    return from_json((ROOT / headline.FINDINGS).read_text())


def test_the_sentence_on_homologs_follows_the_figures(values):
    def sentence(with_homolog, without, ngram=3.8, share=0.4, bits=1.5):
        changes = {
            "share_with_homolog": share,
            "perplexity_by_homology": {"with": with_homolog, "without": without},
            "best_without_homolog": {"order": 6, "perplexity": ngram},
            "best": {**values["best"], "bits_per_base": bits},
        }
        return findings.finding_sentences({**values, **changes})[4]

    assert sentence(1.9, 3.9).startswith("The gain comes from homologs: 40% of the test genes have a homolog")
    assert sentence(1.9, 3.6).startswith("Most of the gain comes from homologs: 40%")
    assert sentence(1.9, 3.0).startswith("Homologs help: 40%")  # 2 - log2(3) = 0.42 of 0.5 bits
    assert sentence(3.5, 3.5).startswith("40% of the test genes")
    assert sentence(1.9, 3.6, share=0).startswith("None of the test genes have a homolog")


@pytest.mark.parametrize(
    ("published", "modern", "part"),
    [
        (0.04, 0.02, "the LSTM is ahead either way"),
        (-0.04, -0.02, "the Transformer is ahead either way"),
        (0.04, -0.02, "the recipe decides which is ahead"),
        (0.04, 0.0, "the LSTM is ahead with the published and neither with the modern one"),
        (0.0, 0.0, "neither is ahead either way"),
    ],
)
def test_the_sentence_on_networks_follows_the_intervals(values, published, modern, part):
    for recipe, bits in (("published", published), ("modern", modern)):
        values["transformer_minus_lstm"][recipe] = {
            "bits_per_base": bits, "interval": [bits - 0.01, bits + 0.01], "seeds_agree": True,
        }  # fmt: skip
    assert part in findings.finding_sentences(values)[2]


def test_a_tuned_smoothing_that_does_not_help_is_not_praised(values):
    helps = findings.finding_sentences(values)[3]
    assert helps.startswith("Long contexts help only when counts of rare contexts are smoothed heavily: from order ")
    other = findings.finding_sentences({**values, "witten_bell_tuned": [3.8, 3.9]})[3]
    assert other.startswith("From order ") and other.endswith("from 3.80 to 3.90.")


@pytest.mark.parametrize(
    ("verdicts", "text"),
    [
        (["refuted", "confirmed", "confirmed"], "Of 3 claims 2 are confirmed, 1 is refuted."),
        (["open"], "Of 1 claim 1 is open."),
    ],
)
def test_verdicts_are_counted(verdicts, text):
    assert claims.verdicts_sentence(verdicts) == text
