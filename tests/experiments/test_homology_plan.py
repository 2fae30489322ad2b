"""Runs of the chapter on homology: all on the split by family, with labels of their own."""

from dnastudy.experiments.curve_plan import curve_runs
from dnastudy.experiments.homology_plan import PARTS_LEFT_OUT, WIDE_GATE, family_split_runs, full_curve_runs
from dnastudy.experiments.plan import expert_trials
from dnastudy.experiments.profile import Profile

MODELS = {
    "laplace": {"model": "ngram", "settings": {"order": 8, "smoothing": "laplace"}},
    "lstm": {"model": "lstm", "settings": {"hidden_size": 8}},
    "transformer": {"model": "transformer"},
    "lstm-published": {"model": "lstm", "preset": "paper-256-256-2"},
}


def profile(**models):
    curves = {"fractions": [1, 0.5], "seeds": [3, 1], "models": models}
    settings = {"data": "simulated", "bootstrap_replicates": 100, "mle_orders": [1], "laplace_orders": [2],
                "train_orders": [2, 6], "curves": curves}  # fmt: skip
    return Profile.parse(settings, "profile of a test")


def test_points_with_all_training_genes():
    full = full_curve_runs(profile(**MODELS))
    assert full == [run for run in curve_runs(profile(**MODELS)) if run.fraction == 1] and full


def test_all_runs_are_fitted_on_the_split_by_family():
    planned = family_split_runs(profile(**MODELS))
    runs = {run.name: run for run in planned}
    assert len(runs) == len(planned) == 2 + len(PARTS_LEFT_OUT) + 2 + 4
    assert len({run.label for run in planned if run.model != "ngram"}) == 2 + len(PARTS_LEFT_OUT) + 4
    assert {(run.split, run.fraction, run.test, run.replicates, run.precomputed) for run in planned} == {
        ("family", 1, "test", 100, True)
    }
    assert {run.order for run in planned if run.model == "ngram"} == {2, 6}


def test_parts_are_left_out_as_in_the_trials():
    runs = {run.name: run for run in family_split_runs(profile(**MODELS))}
    trials = {run.name: run.settings for run in expert_trials(profile(**MODELS))}
    for name in PARTS_LEFT_OUT:
        assert runs[f"family-expert-{name}"].settings == trials[f"expert-{name}"]
    assert runs["family-expert"].settings == {}


def test_ensembles_have_the_networks_of_the_first_seed_by_the_modern_recipe():
    runs = {run.name: run for run in family_split_runs(profile(**MODELS))}
    members = [member["model"] for member in runs["family-expert-with-both"].settings["members"]]
    assert members == ["expert", "lstm", "transformer"]
    wide = runs["family-expert-wide-with-both"].settings["members"]
    assert wide[0]["settings"] == runs["family-expert-wide"].settings == WIDE_GATE and wide[1]["model"] == "lstm"
    network = runs["family-expert-with-lstm"].settings["members"][1]["settings"]
    assert (network["hidden_size"], network["seed"]) == (8, 3)
    assert runs["family-expert-wide-with-both"].label.endswith("(wider gate) + LSTM + Transformer")


def test_without_networks_there_are_no_ensembles():
    runs = family_split_runs(profile(laplace=MODELS["laplace"]))
    assert not [run for run in runs if run.model == "ensemble"]
    one = family_split_runs(profile(lstm=MODELS["lstm"]))
    assert [run.name for run in one if run.model == "ensemble"] == ["family-expert-with-lstm"]
