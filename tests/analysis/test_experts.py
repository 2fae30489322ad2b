"""What the chapter on the expert mixture shows, on small cases counted by hand."""

from types import SimpleNamespace

import pandas as pd
import pytest

pytest.importorskip("altair")

from helpers import ROOT

from dnastudy.analysis import experts
from dnastudy.core.provenance import from_json
from dnastudy.experiments.plan import EXPERT_TRIALS, expert_runs, expert_trials
from dnastudy.experiments.profile import load_profile


def test_every_row_of_the_chapter_is_a_run_of_the_plan():
    profile = load_profile("quick")
    assert list(experts.VARIANTS) == [
        "expert", "expert-updated", "expert-cross-validated", "expert-cross-validated-all", "expert-prequential",
        "expert-updated-prequential",
    ]  # fmt: skip
    assert set(experts.VARIANTS) == {run.name for run in expert_runs(profile)}
    assert set(experts.CHANGES) == {run.name for run in expert_trials(profile)}
    assert len(experts.CHANGES) == len(EXPERT_TRIALS)


def test_stretches_by_hand():
    bases = pd.DataFrame(
        {
            "position": [1, 2, 3, 4, 5, 6],
            "copied_from": ["x", "x", "nothing", "y", "y", "x"],
            "wrong": [False, True, False, False, False, True],
        }
    )
    assert experts.stretches(bases).to_dict("list") == {
        "copied_from": ["x", "nothing", "y", "x"],
        "start": [1, 3, 4, 6],
        "stop": [3, 4, 6, 7],
        "wrong": [1, 0, 0, 1],
    }


def test_what_copied_bases_cost():
    bases = pd.DataFrame({"bits": [0.1, 0.3, 4.0, 2.0], "source": [0, 0, 1, -1], "wrong": [False, False, True, False]})
    assert experts.copying_sentences(bases) == [
        "A nucleotide that is copied rightly costs 0.20 bits, one where the copy is wrong 4.0, and one without a copy "
        "2.00."
    ]
    assert experts.copying_sentences(bases[bases["source"] >= 0])[0].endswith("one where the copy is wrong 4.0.")
    assert experts.copying_sentences(bases[~bases["wrong"]]) == []


@pytest.mark.parametrize(
    ("interval", "part"),
    [
        ((-0.03, -0.01), "it is better even on genes without a homolog, by 0.020 (0.010 to 0.030) bits per base"),
        ((0.01, 0.03), "it is worse by 0.020 (0.010 to 0.030) bits per base."),
        ((-0.01, 0.03), "the difference is not resolved (+0.010 bits per base, -0.010 to +0.030)"),
    ],
)
def test_genes_without_homologs_follow_the_interval(interval, part):
    difference = {"bits_per_base": sum(interval) / 2, "interval": list(interval)}
    assert part in experts.without_homologs_sentence(difference)


def test_changes_are_named_by_their_size():
    changes = pd.DataFrame({"change": ["a", "b", "c"], "bits": [0.2, 0.0005, -0.02]})
    assert experts.change_sentences(changes) == [
        "Most is lost by this change: a (+0.200 bits per base).",
        "On these genes, this change helps: c (-0.020).",
        "Less than a thousandth of a bit is changed by: b.",
    ]
    assert experts.change_sentences(changes.assign(bits=[0.0005, 0.0, -0.005])) == [
        "Less than a thousandth of a bit is changed by: a, b."
    ]


def test_costs_are_of_runs_on_the_training_genes_alone():
    def run(**data):
        record = {"label": "x", "family": "expert", "seconds": {"fit": 1.0, "score": 2.5}, "peak_memory_mb": 10.0}
        record["data"] = {"train": ["train"], "update": [], "prequential": False, **data}
        return SimpleNamespace(record=record, metrics={"nucleotide_perplexity": 3.0})

    results = {
        "alone": run(), "counts": run(train=["counts"]), "updated": run(update=["validation"]),
        "prequential": run(prequential=True),
    }  # fmt: skip
    frame = experts.cost_frame(results)
    assert frame["seconds"].tolist() == [3.5] and len(frame) == 1


def test_growth_is_from_the_published_benchmark():
    scaling = from_json((ROOT / "results" / "expert_scaling.json").read_text())
    small, large = scaling["sizes"][-3], scaling["sizes"][-1]
    text = " ".join(experts.growth_sentences(scaling))
    assert f"{large['nucleotides'] / small['nucleotides']:.1f} times as many" in text
    assert f"{large['expert']['remember_seconds'] / small['expert']['remember_seconds']:.1f} times as long" in text
