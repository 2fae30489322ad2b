"""What the chapters on networks and on families show, on runs whose figures are known."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("altair")

from test_homology import LENGTHS, finished

from dnastudy.analysis import families, networks
from dnastudy.core.errors import SettingsError
from dnastudy.data.datasets import paper
from dnastudy.experiments.profile import Profile

PROFILE = Profile.parse(
    {
        "data": "simulated", "bootstrap_replicates": 100, "mle_orders": [1], "laplace_orders": [2],
        "train_orders": [2, 6], "seeds": [1, 2],
        "models": {
            "lstm": {"hidden_size": 8, "kmer_size": 3}, "transformer": {"d_model": 8},
            "lstm-published": {"preset": "paper-256-256-2", "epochs": 3},
        },
    },
    "profile of a test",
)  # fmt: skip


def network(folder, bits, recipe, seed, model="lstm", **settings):
    training = {"best_epoch": 2 * seed, "stopped_early": False, "epochs": []}
    more = {"recipe": recipe, "label": f"LSTM, {recipe} recipe", "seed": seed, "training": training,
            "settings": {"seed": seed, **settings}, "seconds": {"fit": 60.0 * seed, "score": 1}}  # fmt: skip
    return finished(folder / f"{model}-{recipe}-{seed}", bits, model, **more)


def test_runs_are_listed_by_recipe():
    runs = networks.recipe_runs(PROFILE, "lstm")
    assert list(runs) == [networks.MODERN, networks.PUBLISHED]
    assert [len(names) for names in runs.values()] == [2, 2]
    with pytest.raises(SettingsError, match="no published one"):
        networks.recipe_runs(PROFILE, "transformer")


def test_the_recipe_table_has_what_differs():
    rows = networks.recipe_table(PROFILE, "lstm").text.set_index("setting")
    assert list(rows.loc["hidden_size"][["modern recipe", "published recipe"]]) == ["8", "256"]
    assert list(rows.loc["end"][["modern recipe", "published recipe"]]) == ["yes", "no"]
    assert "seed" not in rows.index and "n_layers" not in rows.index, "two layers in both"


def test_rows_are_means_over_seeds(tmp_path):
    results = {f"lstm-{seed}": network(tmp_path, 1.8 + seed / 10, "modern", seed) for seed in (1, 2, 3)}
    (row,) = networks.model_rows(results, {"LSTM": list(results)}, 100).to_dict("records")
    assert row["bits_per_base"] == pytest.approx(2.0) and row["nucleotide_perplexity"] == pytest.approx(4)
    assert (row["best"], row["worst"]) == pytest.approx((2**1.9, 2**2.1))
    assert (row["seeds"], row["epochs"], row["minutes"]) == (3, 4, 2)
    shown = networks.result_table(pd.DataFrame([row]), "").text.iloc[0]
    assert shown["seeds, from – to"] == f"{2**1.9:.3f} – {2**2.1:.3f}"


def test_the_best_ngram_is_chosen_on_validation_genes(tmp_path):
    perplexities = {"a": 3.8, "b": 3.6, "c": None}
    results = {
        name: finished(tmp_path / name, 1.9, "ngram", validation_perplexity=value)
        for name, value in perplexities.items()
    }
    results["expert"] = finished(tmp_path / "expert", 1.5, "expert", validation_perplexity=1.0)
    assert networks.best_ngram(results) == "b"


def test_trials_of_the_published_recipe_are_beside_the_published_figures(tmp_path):
    """Settings that only change the cost may differ from the published ones; another recipe or seed does not count."""
    preset = networks.models.model_class("lstm").presets["paper-256-256-2"]
    changed = {**preset, "epochs": 3, "precision": "bf16-mixed"}
    settings = {name: value for name, value in changed.items() if name != "seed"}
    results = {
        "right": network(tmp_path, 1.5, "published", 1, **settings),
        "other seed": network(tmp_path, 1.6, "published", 2, **settings),
        "other recipe": network(tmp_path, 1.7, "modern", 1, **settings),
        "other size": network(tmp_path, 1.8, "published", 1, **{**settings, "hidden_size": 7}),
    }
    rows = networks.trial_table(results, PROFILE, "lstm")
    assert "embedding_size, hidden_size, n_layers" in rows.caption
    rows = rows.text.set_index("trial")
    assert len(rows) == len(paper()["lstm_trials"])
    assert rows.loc["256, 256, 2", "ours, test"] == f"{2**1.5:.3f}"
    assert set(rows.drop("256, 256, 2")["ours, test"]) == {"–"}


def test_speed_is_shown_beside_each_peer():
    record = {
        "training": [
            {"model": "lstm", "loop_nt_per_s": 99.0, "bare_nt_per_s": 100.0, "share_of_bare": 0.99},
            {"model": "transformer", "loop_nt_per_s": 50.0, "bare_nt_per_s": 50.0, "share_of_bare": 1.0,
             "gpt2_nt_per_s": 40.0, "times_gpt2": 1.25},
        ],
        "sampling": [{"model": "lstm", "sequences": 64, "length": 1000, "ours_nt_per_s": 9.0, "generate_nt_per_s": 3.0,
                      "times_faster": 3.0}],
        "scoring": [{"model": "lstm", "pairs": 1000, "seconds": 4.0, "one_by_one_seconds": 16.0}],
    }  # fmt: skip
    rows = families.speed_rows(record)
    assert list(rows["ratio"]) == [0.99, 1.0, 1.25, 3.0, 4.0]
    assert rows["what"].iloc[3] == "generating 64 sequences of 1,000 nt with the LSTM, nt/s"


@pytest.fixture
def chapter(tmp_path):
    """The LSTM is better by either recipe, and the published recipe worse by three tenths of a bit."""
    bits = {("lstm", "modern"): 1.6, ("transformer", "modern"): 1.7, ("lstm", "published"): 1.9,
            ("transformer", "published"): 1.95}  # fmt: skip
    results, recipes = {}, {}
    for (model, recipe), level in bits.items():
        names = recipes[model, recipe] = [f"{model}-{recipe}-{seed}" for seed in (1, 2)]
        for seed, name in enumerate(names, 1):
            results[name] = network(tmp_path, level + np.linspace(0, 0.02, len(LENGTHS)), recipe, seed, model)
    study = type("Study", (), {"profile": PROFILE})()
    return families.Chapter(study, results, recipes, [])


def test_effects_are_differences_of_one_recipe_or_family(chapter):
    effects = chapter.effects
    assert list(effects["bits"]) == pytest.approx([0.05, 0.1, 0.3, 0.25])
    assert list(effects["ahead"]) == [-1] * 4 and (effects["low"] <= effects["bits"] + 1e-9).all()
    shown = chapter.effects_table().text
    assert list(shown["better"]) == ["LSTM", "LSTM", "modern recipe", "modern recipe"]
    assert shown["what"].iloc[0] == "family, by the published recipe"
    assert shown.iloc[3, 2].startswith("+0.250 (+0.250 to ")


def test_the_text_on_effects_says_which_is_larger(chapter, monkeypatch):
    monkeypatch.setenv("DNASTUDY_CHARTS", "digest")
    text = chapter.effects_text().data
    assert "By the published recipe the LSTM is better (0.050 bits per base)" in text
    assert text.endswith("it is the family, whichever recipe is used, though the recipe matters more than the family.")
