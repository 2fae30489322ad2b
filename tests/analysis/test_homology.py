"""What the chapter on relatives shows: classes of test genes, and figures of groups of them, beside those by hand."""

import json

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("altair")

from dnastudy.analysis import homology
from dnastudy.analysis.homology import ALIGNED, FAMILY, FAMILY_SPLIT, NONE, OWN
from dnastudy.display import charts
from dnastudy.evaluation import metrics
from dnastudy.experiments.curve_plan import curve_runs
from dnastudy.experiments.plan import expert_trials
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.store import Result

LENGTHS = np.array([40, 100, 60, 250, 80, 120, 30, 90, 200, 70])
IDENTITY = np.array([0, 0.7, 0.749999, 0.75, 0.98, 0.99, 1.0, 0, 0.85, 0])
HAS = IDENTITY > 0
SETTINGS = {
    "ngram": {"order": 8, "smoothing": "laplace", "escape_weight": None},
    "lstm": {"end": True},
    "transformer": {"end": True},
}
FAMILIES = {"ngram": "n-gram", "lstm": "LSTM", "transformer": "Transformer", "expert": "expert", "ensemble": "ensemble"}


def finished(folder, bits, model="ngram", lengths=LENGTHS, data=None, parameters=100, **more):
    """A finished run in a folder; ``bits``: bits a base of each test gene."""
    bits = np.broadcast_to(np.asarray(bits, dtype=float), len(lengths))
    scores = pd.DataFrame({"id": [f"g{i}" for i in range(len(lengths))], "nucleotides": lengths})
    scores = scores.assign(nucleotide_log_prob=-bits * lengths * np.log(2), paper_log_prob=np.nan, paper_events=0)
    folder.mkdir(parents=True, exist_ok=True)
    scores.to_csv(folder / "scores.csv", index=False)
    record = {
        "id": folder.name,
        "name": folder.name,
        "model": model,
        "family": FAMILIES[model],
        "settings": SETTINGS.get(model, {}),
        "training": {} if model in ("lstm", "transformer") else None,
        "data": {"train": ["train"], "update": [], "split": OWN, "fraction": 1.0, "train_nucleotides": 1000}
        | (data or {}),
        "parameters": parameters,
        "metrics": metrics.summarise(scores, 100),
        "validation_perplexity": 2.0,
        **more,
    }
    (folder / "record.json").write_text(json.dumps(record))
    return Result(record, folder)


def by_hand(bits, chosen=slice(None)):
    """Perplexity of a group of genes, from bits a base of each."""
    lengths = LENGTHS[chosen]
    return 2 ** ((np.asarray(bits)[chosen] * lengths).sum() / lengths.sum())


def rows_of(chart):
    told = charts.digest(chart.to_dict())["text/plain"]
    return int(told.split(";")[1].removesuffix("rows"))


def drawn(chart):
    """Figures of a chart, rows with an interval, and its description; every row of its data is told in its digest."""
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


# classes of test genes


def test_identities_at_the_edges_of_their_classes():
    found = homology.identity_classes(pd.DataFrame({"identity": IDENTITY}))
    assert list(found) == [
        "none", "70% to 75%", "70% to 75%", "75% to 80%", "95% to 99%", "99% to 100%", "99% to 100%", "none",
        "85% to 90%", "none",
    ]  # fmt: skip


def test_every_edge_begins_its_class():
    names = homology.class_names()
    assert names[0] == NONE and len(names) == len(set(names)) == len(homology.EDGES) + 1
    found = homology.identity_classes(pd.DataFrame({"identity": homology.EDGES}))
    assert list(found) == names[1:]
    below = homology.identity_classes(pd.DataFrame({"identity": np.nextafter(homology.EDGES[1:], 0)}))
    assert list(below) == names[1:-1]
    assert names[1:] == sorted(names[1:])


def test_classes_of_no_genes_and_of_genes_without_relatives():
    assert len(homology.identity_classes(pd.DataFrame({"identity": np.array([], dtype=float)}))) == 0
    assert set(homology.identity_classes(pd.DataFrame({"identity": np.zeros(3)}))) == {NONE}


def test_classes_by_what_is_aligned():
    share = np.array([0, 1e-6, 0.2499, 0.25, 0.5, 1.0])
    nothing, little, more = ALIGNED
    assert list(homology.aligned_classes(share)) == [nothing, little, little, more, more, more]
    assert list(homology.aligned_classes(np.zeros(2))) == [nothing] * 2


# names of models


@pytest.mark.parametrize(
    ("model", "settings", "label"),
    [
        ("lstm", {"end": True}, "LSTM"),
        ("lstm", {"end": False}, "LSTM, the paper's recipe"),
        ("transformer", {"end": True}, "Transformer"),
        ("ngram", {"order": 8, "smoothing": "laplace", "escape_weight": None}, "8-gram, Laplace"),
        ("ngram", {"order": 12, "smoothing": "witten-bell", "escape_weight": None}, "12-gram, Witten-Bell tuned"),
        ("expert", {}, "expert mixture"),
    ],
)
def test_labels_name_the_recipe_only_where_it_is_the_paper_s(tmp_path, model, settings, label):
    assert homology.short_label(finished(tmp_path, 1.9, model, settings=settings).record) == label


PROFILE = Profile.parse(
    {
        "data": "simulated", "bootstrap_replicates": 100, "mle_orders": [1], "laplace_orders": [2],
        "train_orders": [2, 6],
        "curves": {"fractions": [1, 0.5], "seeds": [3, 1], "models": {
            "laplace": {"model": "ngram", "settings": {"order": 8, "smoothing": "laplace"}},
            "expert": {"model": "expert"},
            "lstm": {"model": "lstm", "settings": {"hidden_size": 8}},
            "transformer": {"model": "transformer"},
            "lstm-paper": {"model": "lstm", "preset": "paper-256-256-2"},
        }},
    },
    "profile of a test",
)  # fmt: skip


def test_runs_with_all_training_genes_are_grouped_by_model_and_split(tmp_path):
    runs = homology.full_runs(PROFILE)
    assert runs == [run for run in curve_runs(PROFILE) if run.fraction == 1]
    results = {
        run.name: finished(
            tmp_path / run.name, 1.9, run.model, settings={**SETTINGS.get(run.model, {}), **run.settings}
        )
        for run in runs
    }
    found = homology.by_model(results, runs)
    assert set(found) == {
        "8-gram, Laplace", "expert mixture", "LSTM", "Transformer", "LSTM, the paper's recipe"
    }  # fmt: skip
    for splits in found.values():
        assert set(splits) == {OWN, FAMILY} and len(splits[OWN]) == len(splits[FAMILY])
    assert sorted(found["LSTM"][FAMILY]) == ["curve-lstm-family-1-1", "curve-lstm-family-1-3"]
    assert len(found["8-gram, Laplace"][OWN]) == 1
    assert sum(len(names) for splits in found.values() for names in splits.values()) == len(runs)


def test_models_for_genes_without_relatives_are_all_fitted_on_the_split_by_family():
    runs = {run.name: run for run in homology.alone_runs(PROFILE)}
    assert len(runs) == len(homology.alone_runs(PROFILE)) == 2 + len(homology.ALONE) + 2 + 4
    assert {(run.split, run.fraction, run.test, run.replicates) for run in runs.values()} == {
        (FAMILY, 1, "test", 100)
    }  # fmt: skip
    trials = {run.name: run.settings for run in expert_trials(PROFILE)}
    for name in homology.ALONE:
        assert runs[f"family-expert-{name}"].settings == trials[f"expert-{name}"]
    assert runs["family-expert"].settings == {}
    assert {runs[f"family-witten-bell-{order}"].settings["order"] for order in (2, 6)} == {2, 6}
    members = [member["model"] for member in runs["family-expert-with-both"].settings["members"]]
    assert members == ["expert", "lstm", "transformer"]
    wide = runs["family-expert-wide-with-both"].settings["members"]
    assert wide[0]["settings"] == runs["family-expert-wide"].settings == homology.WIDE and wide[1]["model"] == "lstm"
    network = runs["family-expert-with-lstm"].settings["members"][1]["settings"]
    assert (network["units"], network["seed"]) == (8, 3), "the first seed's, by today's recipe"


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
    classes = homology.identity_classes(pd.DataFrame({"identity": IDENTITY}))
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


def test_the_ranking_is_that_by_hand_with_and_without_relatives(results):
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


def test_the_chart_of_classes_has_a_row_a_model_and_class_in_the_order_of_identity(results):
    classes = homology.identity_classes(pd.DataFrame({"identity": IDENTITY}))
    found = homology.grouped(results, {label: names[OWN] for label, names in MODELS.items()}, classes, 100)
    chart = homology.recall_chart(found)
    rows, description = drawn(chart)
    assert len(rows) == len(found) == 3 * len(set(classes))
    assert {row["label"] for row in rows} == set(MODELS) and {row["group"] for row in rows} == set(classes)
    assert "relative" in description and description.endswith(".")
    last = found[found["group"] == homology.class_names()[-1]]
    for row in last.itertuples():
        assert f"{row.label} {row.nucleotide_perplexity:.2f}" in description
    orders = {tuple(order) for order in values_of(chart.to_dict()["layer"], "x", "sort")}
    assert orders == {tuple(name for name in homology.class_names() if name in set(classes))}
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


def test_charts_are_drawn_for_the_book(results):
    charts.setup()
    chart = homology.ranking_chart(homology.ranking(results, MODELS, HAS, 100))
    html = charts.book(chart.to_dict())["text/html"]
    assert f'data-rows="{rows_of(chart)}"' in html and "<img alt=" in html
