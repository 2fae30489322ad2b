"""What the chapter on learning curves says of homologs in growing training sets, and of more data."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("altair")

from test_homology import LENGTHS, finished

from dnastudy.analysis import learning_curves
from dnastudy.analysis.learning_curve_statistics import BY_FAMILY, OWN_ALL
from dnastudy.analysis.learning_curves import FROM_START, NEVER, SINCE
from dnastudy.experiments.plan import Run

FRACTIONS = [0.125, 0.25, 0.5, 1.0]
FIRST_WITH_HOMOLOG = np.array([0.125, 0.125, 0.5, 0.25, 1.0, 1.0, 2, 2, 2, 0.125])
"""The share of the training genes in which each test gene first has a homolog; 2: in none."""


class OneDataset:
    """Genes of which a part can be taken."""

    text = None

    def __init__(self, fraction=1.0):
        self.fraction = fraction
        self.train = pd.DataFrame({"sequence": ["A" * 1000] * round(80 * fraction)})

    def subsample(self, fraction, seed):
        assert seed == 1
        return OneDataset(fraction)


def homologs(dataset):
    return pd.DataFrame({"identity": np.where(dataset.fraction >= FIRST_WITH_HOMOLOG, 0.8, 0.0)})


@pytest.fixture
def chapter(tmp_path):
    """An expert mixture that saves a bit where there is a homolog, and an n-gram that gains nothing, on both splits."""
    runs, results = [], {}
    for split in ("own", "family"):
        for model in ("expert", "ngram"):
            for number, fraction in enumerate(FRACTIONS):
                name = f"{model}-{split}-{fraction}"
                run = Run(name=name, model=model, split=split, fraction=fraction, subset=1)
                copied = (fraction >= FIRST_WITH_HOMOLOG) & (split == "own") & (model == "expert")
                bits = 1.95 - 0.01 * number * (model == "expert") - copied
                data = {"split": split, "fraction": fraction, "train_nucleotides": 80_000 * fraction}
                results[name] = finished(tmp_path / name, bits, model, data=data)
                runs.append(run)
    curves = SimpleNamespace(seeds=[1], texts=SimpleNamespace(corpora=["english", "source-2"]))
    profile = SimpleNamespace(bootstrap_replicates=200, curves=curves)
    study = SimpleNamespace(profile=profile, dataset=OneDataset(), store=SimpleNamespace(homologs=homologs))
    return learning_curves.Chapter(study, runs, [], results)


def test_shares_with_a_homolog_grow_with_the_training_genes(chapter):
    rows = chapter.homolog_shares
    assert list(rows["nucleotides"]) == [10_000, 20_000, 40_000, 80_000]
    assert list(rows["share"]) == pytest.approx([0.3, 0.4, 0.5, 0.7])
    assert list(rows["saved_with"]) == pytest.approx([1.05, 1.06, 1.07, 1.08])
    assert list(rows["saved_without"]) == pytest.approx([0.05, 0.06, 0.07, 0.08])
    shown = chapter.homolog_table().text
    assert list(shown.columns) == ["training nt", "with a homolog", "saved on those", "saved on the others"]
    assert list(shown.iloc[-1]) == ["80,000", "70.0%", "1.080", "0.080"]


def test_gains_are_by_when_a_gene_has_a_homolog(chapter):
    groups = chapter.homolog_groups
    assert list(groups[[0, 2, 3, 6, 9]]) == [FROM_START, SINCE, SINCE, NEVER, FROM_START]
    assert list(chapter.gains) == ["expert mixture"], "the n-gram gained nothing"
    since = LENGTHS[groups == SINCE].sum() / LENGTHS.sum()
    gain = chapter.gains["expert mixture"].loc[SINCE]
    assert gain["nucleotides"] == pytest.approx(since)
    assert gain["gain"] == pytest.approx(1.03 * since / (0.03 + since))
    shown = chapter.gains_table().text.set_index("model")
    assert set(shown.loc["8-gram, Laplace"][1:]) == {"nothing gained"}
    assert shown.loc["expert mixture", f"{SINCE}: share of it (95 %)"].startswith(f"{gain['gain']:.0%} (")


def test_the_text_on_homologs_has_the_figures_of_both_ends(chapter):
    text = chapter.homolog_text().data
    assert "From 10,000 to 80,000 training nucleotides" in text and "from 30% to 70%" in text
    assert "1.05 bits per base at the start and 1.08 at the end, on one that has none 0.05 and 0.08" in text
    assert "for the most part new homologs" in text


def test_tables_have_a_row_a_curve(chapter):
    curves = [(group, label) for group in (OWN_ALL, "own split, without homologs", BY_FAMILY)
              for label in ("expert mixture", "8-gram, Laplace")]  # fmt: skip
    for rows in (chapter.curve_table(), chapter.backtest_table(), chapter.fits_table(), chapter.needed_table(),
                 chapter.extrapolation_table()):  # fmt: skip
        assert list(zip(rows.text["test genes"], rows.text["model"], strict=True)) == curves
    own = chapter.curve_table().text.iloc[0]
    assert (own["fewest nt"], own["most nt"], own["seeds"]) == ("10,000", "80,000", "1")


def test_a_floor_that_is_not_resolved_is_marked(chapter):
    rows = chapter.extrapolations
    shown = chapter.fits_table().text
    assert (shown["floor (95 %)"].str.endswith(" *") == ~rows["floor_resolved"].to_numpy(bool)).all()
    assert not rows["floor_resolved"].all()


def test_texts_that_are_missing_are_named(chapter):
    assert "so english are left out" in chapter.missing_text().data
    chapter.study.dataset.text = "book.txt"
    assert chapter.missing_text() is None


def test_conclusions_are_of_the_best_model_of_the_family_split(chapter):
    text = chapter.conclusions().data
    random, family = (
        next(line for line in chapter.lines if (line.group, line.label) == (group, "expert mixture"))
        for group in (OWN_ALL, BY_FAMILY)
    )
    assert f"saved expert mixture {random.doubling[0]:.3f} bits per base on a random split" in text
    assert f"and {family.doubling[0]:.3f} where no test gene has a homolog" in text
    assert "3.055 billion" in text


def test_without_curves_on_texts_nothing_is_said_of_them(chapter):
    assert chapter.efficiency.empty and chapter.efficiency_text().data == ""
    assert "too few points" in chapter.efficiency_table().data
