"""What the chapter on n-grams shows, on small cases counted by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("altair")

from dnastudy.analysis import ngrams
from dnastudy.analysis.strata import WITH, WITHOUT, homology_groups
from dnastudy.core.errors import ParameterError
from dnastudy.experiments.plan import find_run
from dnastudy.experiments.profile import load_profile


def run_of(group, order, perplexity, **record):
    metrics = {
        "nucleotide_perplexity": perplexity,
        "interval": [perplexity - 0.1, perplexity + 0.1],
        "bits_per_base": float(np.log2(perplexity)),
        "paper_perplexity": perplexity + 1,
    }
    record = {"group": group, "order": order, "tuned": {}, "parameters": 4**order, **record}
    return SimpleNamespace(record=record, metrics=metrics)


RESULTS = {
    # names that say nothing: groups and orders are fields of the record
    "a": run_of("witten-bell", 2, 3.8),
    "b": run_of("witten-bell", 10, 5.0),
    "c": run_of("witten-bell-tuned", 2, 3.8, tuned={"escape_weight": 1.0}),
    "d": run_of("witten-bell-tuned", 10, 3.5, tuned={"escape_weight": 32.0}),
    "e": run_of("laplace-train", 2, 3.9),
    "f": run_of("laplace-train", 10, 4.3),
    "laplace-train-4": run_of("laplace", 4, 1.5),
}


def chapter(name="simulated"):
    return ngrams.Chapter(SimpleNamespace(dataset=SimpleNamespace(name=name)), 8, RESULTS)


def test_orders_are_those_of_the_records_whatever_the_runs_are_called():
    frame = ngrams.orders_frame(RESULTS)
    assert frame["run"].tolist() == ["a", "b", "c", "d", "e", "f"]
    assert frame["order"].tolist() == [2, 10] * 3
    assert frame["nu"].tolist()[2:4] == [1.0, 32.0] and frame["nu"].isna().sum() == 4
    assert frame.loc[3, ["smoothing", "perplexity", "low", "n-grams"]].tolist() == [
        "Witten-Bell, ν tuned", 3.5, 3.4, 4**10,
    ]  # fmt: skip


def test_the_text_on_orders():
    text = chapter().orders_text().data
    assert text.startswith(
        "The best of them is Witten-Bell, ν tuned at order 10: 3.5000 (3.4000 to 3.6000), 1.8074 bits"
    )
    assert "With ν = 1 the best order is 2 (3.8000) and order 10 gives 5.0000: a long context" in text
    assert "choose ν = 32 at order 10, which gives 3.5000." in text
    assert "Laplace would be best at order 2 (4.90, and 5.30 at order 10)" in text
    assert text.endswith("(1 of the points lie above 4.4 and outside the chart.)")


def test_points_above_the_chart_are_left_out():
    spec = chapter().orders_chart().to_dict()
    drawn = [row["run"] for rows in spec["datasets"].values() for row in rows if "run" in row]
    assert set(drawn) == {"a", "c", "d", "e", "f"}


@pytest.mark.parametrize("order", [0, 13])
def test_orders_outside_1_to_12_are_refused(order):
    with pytest.raises(ParameterError, match=f"'order': 1 to 12, got {order}"):
        ngrams.Chapter.of(None, order)


def test_a_generating_model_of_any_order():
    profile = load_profile("quick", train_orders=[2, 6])
    assert ngrams.tuned_run(profile, 6) == find_run(profile, "witten-bell-tuned-6")
    run = ngrams.tuned_run(profile, 5)
    assert (run.name, run.order, run.settings["order"]) == ("witten-bell-tuned-5", 5, 5)
    assert run == find_run(load_profile("quick", train_orders=[2, 5, 6]), "witten-bell-tuned-5")


def test_dinucleotide_ratios_by_hand():
    """Of ACGTA and AC: five pairs, AC twice; A is first in two of them, C second in two."""
    ratios = ngrams.dinucleotide_ratios(["ACGTA", "AC"]).set_index(["first", "then"])["ratio"]
    assert ratios["A", "C"] == pytest.approx(2 / (2 * 2 / 5))
    assert ratios["C", "G"] == pytest.approx(1 / (1 * 1 / 5))
    assert ratios["A", "A"] == 0


def test_the_rarest_step_is_named_and_explained_only_where_it_is_cg():
    frame = pd.DataFrame({"first": ["C", "T"], "then": ["G", "G"], "ratio": [0.3, 1.3]})
    text = ngrams.grammar_sentence(frame)
    assert "The rarest step is CG at 0.30" in text and "over-represented TG at 1.30" in text and "methylated" in text
    other = ngrams.grammar_sentence(frame.assign(ratio=[1.3, 0.3]))
    assert "The rarest step is TG" in other and "methylated" not in other


@pytest.mark.parametrize(
    ("gains", "genes", "start"),
    [
        ({WITH: 0.2, WITHOUT: -0.01}, 100, "All that long contexts add comes from homologs"),
        ({WITH: 0.2, WITHOUT: 0.05}, 100, "Most of what long contexts add"),
        ({WITH: 0.2, WITHOUT: 0.15}, 100, ""),
        ({WITH: 0.2, WITHOUT: -0.01}, 99, ""),
    ],
)
def test_what_homologs_contribute(gains, genes, start):
    text = ngrams.contribution_sentence(gains, {WITH: 100, WITHOUT: genes})
    assert text.startswith(start) and bool(text) == bool(start)


def test_test_genes_with_and_without_homologs():
    asked = []

    def homologs(dataset, splits):
        asked.append((dataset, splits))
        return pd.DataFrame({"identity": [0.0, 0.9, 0.7]})

    study = SimpleNamespace(dataset="genes", store=SimpleNamespace(homologs=homologs))
    assert homology_groups(study, ["train", "validation"]).tolist() == [WITHOUT, WITH, WITH]
    assert asked == [("genes", ["train", "validation"])]
