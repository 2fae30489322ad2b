"""What the chapter on homology shows: bins of test genes, and figures of groups of them, beside those by hand."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("altair")

from dnastudy.analysis import homology
from dnastudy.analysis.homology import FAMILY, FAMILY_SPLIT, NONE, OWN
from dnastudy.display import charts
from dnastudy.evaluation import metrics
from dnastudy.experiments.homology_plan import full_curve_runs
from dnastudy.experiments.profile import Profile

LENGTHS = np.array([40, 100, 60, 250, 80, 120, 30, 90, 200, 70])
IDENTITY = np.array([0, 0.7, 0.749999, 0.75, 0.98, 0.99, 1.0, 0, 0.85, 0])
HAS = IDENTITY > 0
SETTINGS = {
    "ngram": {"order": 8, "smoothing": "laplace", "escape_weight": None},
    "lstm": {"end": True},
    "transformer": {"end": True},
}
FAMILIES = {"ngram": "n-gram", "lstm": "LSTM", "transformer": "Transformer", "expert": "expert", "ensemble": "ensemble"}
LABELS = {"ngram": "8-gram, Laplace", "expert": "expert mixture", "ensemble": "expert mixture + LSTM"}


@dataclass
class Finished:
    """A finished run: what analysis reads of a result."""

    record: dict[str, Any]
    table: pd.DataFrame

    @property
    def metrics(self):
        return self.record["metrics"]

    def scores(self):
        return self.table.copy()


def finished(folder, bits, model="ngram", lengths=LENGTHS, data=None, parameters=100, **more):
    """A finished run of the name of a folder; ``bits``: bits per base of each test gene."""
    bits = np.broadcast_to(np.asarray(bits, dtype=float), len(lengths))
    scores = pd.DataFrame({"id": [f"g{i}" for i in range(len(lengths))], "nucleotides": lengths})
    scores = scores.assign(nucleotide_log_prob=-bits * lengths * np.log(2), paper_log_prob=np.nan, paper_events=0)
    is_network = model in ("lstm", "transformer")
    record = {
        "id": folder.name,
        "name": folder.name,
        "label": LABELS.get(model, f"{FAMILIES[model]}, modern recipe"),
        "group": model,
        "recipe": "modern" if is_network else "",
        "order": None,
        "seed": 1 if is_network else None,
        "model": model,
        "family": FAMILIES[model],
        "settings": SETTINGS.get(model, {}),
        "training": {} if is_network else None,
        "data": {"train": ["train"], "update": [], "split": OWN, "fraction": 1.0, "train_nucleotides": 1000}
        | (data or {}),
        "parameters": parameters,
        "metrics": metrics.summarise(scores, 100),
        "validation_perplexity": 2.0,
        **more,
    }
    return Finished(record, scores)


def by_hand(bits, chosen=slice(None)):
    """Perplexity of a group of genes, from bits a base of each."""
    lengths = LENGTHS[chosen]
    return 2 ** ((np.asarray(bits)[chosen] * lengths).sum() / lengths.sum())


def rows_of(chart):
    digest = charts.digest(chart.to_dict())["text/plain"]
    return int(digest.split(";")[1].removesuffix("rows"))


def drawn(chart):
    """Figures of a chart, rows with an interval, and its description; its digest counts every row of its data."""
    spec = chart.to_dict()
    rows = [row for rows in spec["datasets"].values() for row in rows]
    assert rows_of(chart) == len(rows)
    return [row for row in rows if "low" in row], spec["description"]


def values_of(node, *keys):
    """Everything under these keys in turn, anywhere in a chart."""
    if isinstance(node, list):
        return [found for item in node for found in values_of(item, *keys)]
    if not isinstance(node, dict):
        return []
    first, *others = keys
    here = values_of(node[first], *others) if others and first in node else [node[first]] if first in node else []
    return here + [found for key, item in node.items() if key != first for found in values_of(item, *keys)]


# bins of test genes


def test_identities_at_the_edges_of_their_bins():
    found = homology.identity_bins(pd.DataFrame({"identity": IDENTITY}))
    assert list(found) == [
        "none", "70% to 75%", "70% to 75%", "75% to 80%", "95% to 99%", "99% to 100%", "99% to 100%", "none",
        "85% to 90%", "none",
    ]  # fmt: skip


def test_every_edge_begins_its_bin():
    names = homology.bin_names()
    assert names[0] == NONE and len(names) == len(set(names)) == len(homology.EDGES) + 1
    found = homology.identity_bins(pd.DataFrame({"identity": homology.EDGES}))
    assert list(found) == names[1:]
    below = homology.identity_bins(pd.DataFrame({"identity": np.nextafter(homology.EDGES[1:], 0)}))
    assert list(below) == names[1:-1]
    assert names[1:] == sorted(names[1:])


def test_bins_of_no_genes_and_of_genes_without_homologs():
    assert len(homology.identity_bins(pd.DataFrame({"identity": np.array([], dtype=float)}))) == 0
    assert set(homology.identity_bins(pd.DataFrame({"identity": np.zeros(3)}))) == {NONE}


# names of models


@pytest.mark.parametrize(
    ("recipe", "label"),
    [("modern", "LSTM"), ("published", "LSTM, published recipe"), ("", "a label")],
)
def test_labels_name_the_recipe_only_where_it_is_the_published_one(tmp_path, recipe, label):
    full = {"modern": "LSTM, modern recipe"}.get(recipe, label)
    assert homology.short_label(finished(tmp_path, 1.9, "lstm", recipe=recipe, label=full).record) == label


PROFILE = Profile.parse(
    {
        "data": "simulated", "bootstrap_replicates": 100, "mle_orders": [1], "laplace_orders": [2],
        "train_orders": [2, 6],
        "curves": {"fractions": [1, 0.5], "seeds": [3, 1], "models": {
            "laplace": {"model": "ngram", "settings": {"order": 8, "smoothing": "laplace"}},
            "expert": {"model": "expert"},
            "lstm": {"model": "lstm", "settings": {"hidden_size": 8}},
            "transformer": {"model": "transformer"},
            "lstm-published": {"model": "lstm", "preset": "paper-256-256-2"},
        }},
    },
    "profile of a test",
)  # fmt: skip


def test_runs_with_all_training_genes_are_grouped_by_model_and_split(tmp_path):
    runs = full_curve_runs(PROFILE)
    results = {
        run.name: finished(tmp_path / run.name, 1.9, run.model, label=run.label, recipe=run.recipe) for run in runs
    }
    names = homology.by_model(results, runs)
    assert len(names) == len(PROFILE.curves.models) and {"LSTM", "Transformer", "LSTM, published recipe"} < set(names)
    for splits in names.values():
        assert set(splits) == {OWN, FAMILY} and len(splits[OWN]) == len(splits[FAMILY])
    assert {run.seed for run in runs if run.name in names["LSTM"][FAMILY]} == {1, 3}
    assert sorted(len(splits[OWN]) for splits in names.values()) == [1, 2, 2, 2, 2]
    assert sum(len(names) for splits in names.values() for names in splits.values()) == len(runs)


# figures of groups


@pytest.fixture
def results(tmp_path):
    """An n-gram, a network of two seeds and a mixture, on both splits."""
    random = np.random.default_rng(4)
    found = {}
    for split in (OWN, FAMILY):
        for name, model in (("laplace", "ngram"), ("lstm-1", "lstm"), ("lstm-2", "lstm"), ("expert", "expert")):
            copied = HAS & (split == OWN) & (model != "ngram")
            bits = random.uniform(1.7, 2.0, len(LENGTHS)) - np.where(copied, IDENTITY, 0)
            found[f"{name}-{split}"] = finished(tmp_path / f"{name}-{split}", bits, model, data={"split": split})
    return found


MODELS = {
    "8-gram, Laplace": {split: [f"laplace-{split}"] for split in (OWN, FAMILY)},
    "LSTM": {split: [f"lstm-1-{split}", f"lstm-2-{split}"] for split in (OWN, FAMILY)},
    "expert mixture": {split: [f"expert-{split}"] for split in (OWN, FAMILY)},
}


def bits_of(results, names):
    """Bits a base of each gene, mean over runs."""
    tables = [results[name].scores() for name in names]
    return sum(-t["nucleotide_log_prob"] / np.log(2) / t["nucleotides"] for t in tables).to_numpy() / len(tables)


def test_figures_of_classes_are_those_by_hand(results):
    classes = homology.identity_bins(pd.DataFrame({"identity": IDENTITY}))
    found = homology.grouped(results, {label: names[OWN] for label, names in MODELS.items()}, classes, 200)
    assert len(found) == len(MODELS) * len(set(classes))
    for _, row in found.iterrows():
        chosen = classes == row["group"]
        bits = bits_of(results, MODELS[row["label"]][OWN])
        assert row["nucleotide_perplexity"] == pytest.approx(by_hand(bits, chosen), rel=1e-9)
        assert (row["genes"], row["nucleotides"]) == (chosen.sum(), LENGTHS[chosen].sum())
        assert row["low"] <= row["nucleotide_perplexity"] * (1 + 1e-9) and row["high"] >= row["low"]
    assert dict(zip(found["label"], found["family"], strict=True)) == {
        "8-gram, Laplace": "n-gram", "LSTM": "LSTM", "expert mixture": "expert"
    }  # fmt: skip


def test_the_ranking_is_that_by_hand_with_and_without_homologs(results):
    found = homology.ranking(results, MODELS, HAS, 200)
    at = found.set_index(["label", "group"])
    assert at.index.is_unique and len(at) == 4 * len(MODELS)
    for label, names in MODELS.items():
        own, family = bits_of(results, names[OWN]), bits_of(results, names[FAMILY])
        for group, bits, chosen in (
            ("own split", own, slice(None)),
            ("own split, with", own, HAS),
            ("own split, without", own, ~HAS),
            (FAMILY_SPLIT, family, slice(None)),
        ):
            row = at.loc[(label, group)]
            assert row["nucleotide_perplexity"] == pytest.approx(by_hand(bits, chosen), rel=1e-9)
            assert row["bits_per_base"] == pytest.approx(np.log2(row["nucleotide_perplexity"]))
            assert row["low"] < row["nucleotide_perplexity"] < row["high"]
            assert row["seeds"] == len(names[OWN])
    low, high = results["laplace-own"].metrics["interval"]
    alone = homology.ranking(results, {"8-gram, Laplace": MODELS["8-gram, Laplace"]}, HAS, 100).iloc[0]
    assert (alone["low"], alone["high"]) == pytest.approx((low, high)), "the interval of the run itself"


@pytest.mark.parametrize(("has", "missing"), [(HAS & False, "own split, with"), (HAS | True, "own split, without")])
def test_a_group_without_genes_has_no_row(results, has, missing):
    groups = set(homology.ranking(results, MODELS, has, 100)["group"])
    assert groups == {"own split", "own split, with", "own split, without", FAMILY_SPLIT} - {missing}


# charts


def test_shares_of_a_gain_are_those_by_hand(tmp_path):
    """A model that gained a tenth of a bit on some genes, three tenths on others, and lost on one."""
    labels = np.where(IDENTITY == 0, "none", np.where(IDENTITY < 0.9, "far", "near"))
    gained = {"none": 0.1, "far": 0.3, "near": -0.05}
    first = finished(tmp_path / "first", 1.9).scores()
    second = finished(tmp_path / "second", 1.9 - np.array([gained[label] for label in labels])).scores()
    found = homology.gain_shares(first, second, labels, 500).set_index("group")
    total = sum((LENGTHS * (labels == name)).sum() * gain for name, gain in gained.items())
    for name, gain in gained.items():
        row, nucleotides = found.loc[name], LENGTHS[labels == name].sum()
        assert row["gain"] == pytest.approx(nucleotides * gain / total, rel=1e-9)
        assert row["low"] < row["gain"] < row["high"]
        assert (row["genes"], row["nucleotides"]) == ((labels == name).sum(), nucleotides / LENGTHS.sum())
    assert found["gain"].sum() == pytest.approx(1) and found.loc["near", "high"] < 0.01
    alike = homology.gain_shares(first, second, ["all"] * len(LENGTHS), 100).iloc[0]
    assert (alike["low"], alike["gain"], alike["high"]) == pytest.approx((1, 1, 1))
    with pytest.raises(ValueError, match="different genes"):
        homology.gain_shares(first, second.iloc[::-1], labels, 100)


def test_the_chart_of_bins_has_a_row_a_model_and_bin_in_the_order_of_identity(results):
    classes = homology.identity_bins(pd.DataFrame({"identity": IDENTITY}))
    found = homology.grouped(results, {label: names[OWN] for label, names in MODELS.items()}, classes, 100)
    chart = homology.identity_chart(found)
    rows, description = drawn(chart)
    assert len(rows) == len(found) == 3 * len(set(classes))
    assert {row["label"] for row in rows} == set(MODELS) and {row["group"] for row in rows} == set(classes)
    assert "homolog" in description and description.endswith(".")
    last = found[found["group"] == homology.bin_names()[-1]]
    for row in last.itertuples():
        assert f"{row.label} {row.nucleotide_perplexity:.2f}" in description
    orders = {tuple(order) for order in values_of(chart.to_dict()["layer"], "x", "sort")}
    assert orders == {tuple(name for name in homology.bin_names() if name in set(classes))}
    assert next(iter(orders))[0] == NONE


def test_the_chart_of_the_ranking_has_three_groups_a_model(results):
    chart = homology.ranking_chart(homology.ranking(results, MODELS, HAS, 100))
    rows, description = drawn(chart)
    assert len(rows) == 9
    assert {row["group"] for row in rows} == {"own split", "own split, without", FAMILY_SPLIT}
    assert {row["family"] for row in rows} == {"n-gram", "LSTM", "expert"}
    assert "by family" in description
    domains = values_of(chart.to_dict()["layer"], "color", "scale", "domain")
    assert domains and all(set(domain) == set(MODELS) for domain in domains)


@pytest.mark.slow
def test_charts_are_drawn_for_the_book(results):
    charts.setup()
    chart = homology.ranking_chart(homology.ranking(results, MODELS, HAS, 100))
    html = charts.book(chart.to_dict())["text/html"]
    assert f'data-rows="{rows_of(chart)}"' in html and "<img alt=" in html


# the chapter


class OneStudy:
    """The parts of a study that the chapter reads."""

    def __init__(self, identity=IDENTITY):
        homologs = pd.DataFrame({"identity": identity, "coverage": 0.8, "strand": np.where(identity > 0.9, "-", "+")})
        genes = pd.DataFrame(
            {"id": [f"g{i}" for i in range(len(LENGTHS))], "type": ["PSEUDO", ""] * (len(LENGTHS) // 2),
             "sequence": ["A" * length for length in LENGTHS]}
        )  # fmt: skip
        self.profile = PROFILE
        self.dataset = SimpleNamespace(
            test=genes, train=genes, splits=dict.fromkeys(PARTS, genes), hashes={"test": "0"}
        )
        self.store = SimpleNamespace(homologs=lambda dataset: homologs, by_family=lambda dataset: self.dataset)


PARTS = ("train", "validation", "test")


@pytest.fixture
def chapter(results):
    return homology.Chapter(OneStudy(), results, MODELS)


def test_the_table_of_bins_counts_every_test_gene_once(chapter):
    rows = chapter.identity_table().text.set_index("identity to the nearest homolog")
    assert list(rows.index) == homology.bin_names()
    assert rows["test genes"].astype(int).sum() == len(LENGTHS)
    assert list(rows.loc[NONE]) == ["3", "30.0%", "–", "–", "unknown"], "two of three have no type"
    assert list(rows.loc["99% to 100%"][["test genes", "on the other strand"]]) == ["2", "100%"]
    assert rows.loc["90% to 95%", "test genes"] == "0"


def test_the_ranking_table_has_a_column_a_group_and_the_best_model_last(chapter):
    rows = chapter.ranking_table().text
    assert list(rows.columns) == ["model", "seeds", "own split, all", "with a homolog", "without", FAMILY_SPLIT]
    perplexity = rows["own split, all"].str.split().str[0].astype(float)
    assert perplexity.is_monotonic_decreasing and set(rows["model"]) == set(MODELS)
    assert "100% of the nucleotides" in chapter.ranking_table().caption


def test_neighbours_are_compared_in_the_order_of_the_own_split(chapter):
    order = list(chapter.perplexities.index[::-1])
    pairs = chapter.neighbours
    assert [*pairs["first"], pairs["second"].iloc[-1]] == order
    assert (pairs["own_bits"] <= 0).all(), "the first costs fewer bits"
    shown = chapter.neighbours_table().text
    for (_, pair), (_, row) in zip(pairs.iterrows(), shown.iterrows(), strict=True):
        better = {-1: pair["first"], 1: pair["second"], 0: "not resolved"}
        assert row["own split: better"] == better[pair["own_ahead"]]
        assert row[f"{FAMILY_SPLIT}, bits per base (95 %)"].startswith(f"{pair['family_bits']:+.3f} (")


def test_sentences_hold_without_homologs(results):
    without = homology.Chapter(OneStudy(np.zeros(len(LENGTHS))), results, MODELS)
    assert "neither split has any" in without.ranking_text().data
    assert "without" in without.ranking_table().text and "with a homolog" not in without.ranking_table().text
    assert homology.Chapter(OneStudy(np.ones(len(LENGTHS))), results, MODELS).ranking_text().data == ""
    assert "second program" in without.blast_text().data, "made up genes are not those that BLAST has searched"
