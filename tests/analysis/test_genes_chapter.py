"""What is said of the genes, on tables counted by hand."""

from types import SimpleNamespace

import pandas as pd
import pytest
from helpers import gene_frame

from dnastudy.analysis import rerun
from dnastudy.analysis.genes import Chapter, figures_of, homolog_shares, identity_histogram, length_histogram
from dnastudy.chapters.parameters import parameters_model
from dnastudy.data.statistics import describe_genes, describe_homologs

HOMOLOGS = pd.DataFrame({"id": ["g0", "g1", "g2", "g3"], "identity": [0.0, 0.72, 0.97, 1.0]})


@pytest.fixture
def chapter():
    """Four genes, each in every split: g0 and g3 of the type PSEUDO."""
    genes = gene_frame(["ACGT" * 10, "CGCG" * 20, "AATT" * 20, "ACGT" * 30])
    splits = dict.fromkeys(("train", "validation", "test"), genes)
    dataset = SimpleNamespace(splits=splits, train=genes, test=genes, name="simulated")
    study = SimpleNamespace(dataset=dataset, store=SimpleNamespace(homologs=lambda _: HOMOLOGS))
    return Chapter.of(study)


def test_lengths_are_counted_in_classes_of_50():
    genes = pd.DataFrame({"type": ["tRNA", "tRNA", "a_b", ""], "sequence": ["A" * 50, "A" * 51, "A" * 1000, "A"]})
    rows = length_histogram(genes, ["tRNA", "a_b", ""])
    assert len(rows) == 3 * 20
    filled = rows[rows["share"] > 0].set_index(["type", "from", "to"])["share"]
    assert filled.to_dict() == {
        ("tRNA", 0, 50): 0.5,
        ("tRNA", 50, 100): 0.5,
        ("a b", 950, 1000): 1,
        ("unknown", 0, 50): 1,
    }


def test_classes_of_identity_without_genes_are_left_out():
    rows = identity_histogram(describe_homologs(HOMOLOGS))
    assert rows.to_dict("list") == {
        "identity": ["no homolog", "70% to 75%", "95% to 100%"], "genes": [1, 1, 2], "share": [0.25, 0.25, 0.5],
    }  # fmt: skip


def test_homologs_are_counted_by_type(chapter):
    rows = homolog_shares(HOMOLOGS, chapter.study.dataset.test).set_index("type")
    assert rows["genes"].to_dict() == {"PSEUDO": 2, "ncRNA": 1, "tRNA": 1}
    assert rows["share"].to_dict() == {"PSEUDO": 0.5, "ncRNA": 1, "tRNA": 1}
    # rare types have no row, unless all are rare
    assert len(chapter.homologs_by_type().text) == 3


def test_sentences_follow_the_figures(chapter):
    assert chapter.types_text().data.startswith(
        "The largest type is pseudogenes with 50%; protein-coding genes are 0%. So"
    )
    text = chapter.homologs_text().data
    assert text.startswith(
        "**75% of the test genes have a homolog among the 4 training genes at 70 % identity or more, 50%"
    )
    assert "A model that has stored its training genes" in text
    assert chapter.splits_table().text["split"].tolist() == ["train", "validation", "test", "all of them"]


def test_genes_without_types_are_said_to_be(chapter):
    genes = chapter.study.dataset.train.assign(type="")
    untyped = Chapter(chapter.study, describe_genes({"train": genes}))
    assert untyped.types_text().data == "These genes come without types."
    assert untyped.types["kind"].tolist() == ["unknown"]


def test_real_and_simulated_genes_have_the_same_figures(chapter):
    figures = figures_of(chapter.facts)
    assert figures["genes"] == "12"
    assert figures["nucleotides"] == "960"
    assert figures["share of PSEUDO"] == "50.0%"
    assert figures["test genes with a homolog at 80 %"] == "50.0%"


def test_parameters_and_settings_are_listed():
    model = parameters_model("# Parameters of this chapter\norder: int = 8  # of the n-gram")
    assert rerun.parameters_table({"ngrams": model}).text.iloc[0].tolist() == ["ngrams", "order", "int", "8"]
    shown = rerun.profiles_table(["quick", "cpu"]).text.set_index("setting")
    assert list(shown) == ["meaning", "quick", "cpu"]
    assert shown.loc["data", ["quick", "cpu"]].tolist() == ["simulated", "DNASTUDY_DATA"]
