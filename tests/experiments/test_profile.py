"""Profiles and the runs that follow from them: the shipped ones are sound, mistakes in one's own are named."""

import pytest
import yaml
from helpers import small_dataset

from dnastudy import models
from dnastudy.core.errors import ModelError, SettingsError
from dnastudy.data.datasets import load_dataset
from dnastudy.experiments.identity import run_id
from dnastudy.experiments.plan import (
    all_runs,
    ensemble_runs,
    find_run,
    group_runs,
    model_runs,
    network_groups,
    ngram_runs,
    trial_runs,
)
from dnastudy.experiments.profile import PROFILES, Profile, load_profile, resolve

DATASET = small_dataset()
SHIPPED = sorted(path.stem for path in PROFILES.glob("*.yaml"))
GOOD = {"data": "simulated", "mle_orders": [1], "laplace_orders": [2], "train_orders": [3]}


def write_profile(folder, **changes) -> str:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return str(path)


def profile_of(**changes) -> Profile:
    return Profile.parse({**GOOD, **changes}, "profile of a test")


# --- shipped profiles ----------------------------------------------------------------------------------------------


def test_the_documented_profiles_are_there():
    assert {"quick", "cpu", "gpu"} <= set(SHIPPED)
    assert load_profile("quick").data == "simulated"


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_profile_loads_and_its_runs_are_different_runs(name):
    profile = load_profile(name)
    written = yaml.safe_load((PROFILES / f"{name}.yaml").read_text())
    loaded = profile.model_dump(exclude_unset=True)
    assert {key: loaded[key] for key in written} == written
    runs = all_runs(profile)
    assert len({run.name for run in runs}) == len(runs)
    assert len({run_id(run, DATASET) for run in runs}) == len(runs)
    assert {run.replicates for run in runs} == {profile.bootstrap_replicates}
    assert all(run.label and run.group for run in runs)


@pytest.mark.parametrize("name", SHIPPED)
def test_runs_with_the_same_label_differ_by_their_seed_alone(name):
    labels = {}
    for run in all_runs(load_profile(name)):
        labels.setdefault((run.label, run.seed), []).append(run.name)
    assert all(len(names) == 1 for names in labels.values()), {k: v for k, v in labels.items() if len(v) > 1}


# --- one's own profile ---------------------------------------------------------------------------------------------


def test_a_profile_of_ones_own(tmp_path):
    profile = load_profile(write_profile(tmp_path, simulated_genes=60, seed=9))
    assert (profile.seed, profile.bootstrap_replicates, profile.mle_orders) == (9, 1000, [1])
    assert profile.dataset().hashes == load_dataset("simulated", genes=60, seed=9).hashes
    assert load_profile(write_profile(tmp_path), seed=4).seed == 4
    names = [run.name for run in ngram_runs(profile)]
    assert names == ["uniform", "mle-1", "laplace-2", "laplace-train-3", "witten-bell-3", "witten-bell-tuned-3"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mle_order": [1]}, ["unknown setting 'mle_order'", "did you mean 'mle_orders'?", "Known settings: data"]),
        ({"seed": "one"}, ["setting 'seed'", "valid integer", "not 'one'"]),
        ({"seed": -1}, ["setting 'seed'", "greater than or equal to 0"]),
        ({"mle_orders": 3}, ["setting 'mle_orders'", "valid list", "not 3"]),
        ({"train_orders": []}, ["setting 'train_orders'", "at least 1 item"]),
        ({"train_orders": [2, "x"]}, ["setting 'train_orders.1'", "not 'x'"]),
        ({"simulated_genes": 4000.0}, ["setting 'simulated_genes'", "not 4000.0"]),
    ],
)
def test_mistakes_in_a_profile_are_named(tmp_path, changes, words):
    with pytest.raises(SettingsError) as caught:
        load_profile(write_profile(tmp_path, **changes))
    for word in ["profile mine.yaml", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"models": {"lstm": {"unit": 3}}}, ["models.lstm", "unknown setting 'unit'", "hidden_size"]),
        ({"models": {"lstm": {"epochs": "two"}}}, ["models.lstm", "setting 'epochs'", "not 'two'"]),
        ({"models": {"mine": {"epochs": 2}}}, ["models.mine", "add `model:` with one of", "lstm, transformer"]),
        ({"models": {"mine": {"preset": "paper-9"}}}, ["models.mine", "no model has the preset 'paper-9'", "lstm"]),
        ({"models": {"lstm": {"preset": "paper-9"}}}, ["lstm", "unknown preset 'paper-9'", "paper-256-256-2"]),
        ({"models": {"mine": {"model": "lstn"}}}, ["unknown model 'lstn'", "did you mean 'lstm'?"]),
        ({"trials": {"lstm": ["paper-9"]}}, ["lstm", "unknown preset 'paper-9'", "paper-256-256-2"]),
        ({"trials": {"lstm": ["paper-256-256-2"]}, "trial_changes": {"epoch": 1}}, ["unknown setting 'epoch'"]),
    ],
)
def test_mistakes_in_the_models_of_a_profile_are_named_when_it_is_loaded(tmp_path, changes, words):
    with pytest.raises((ModelError, SettingsError)) as caught:
        load_profile(write_profile(tmp_path, **changes))
    for word in words:
        assert word in str(caught.value)


def test_a_file_that_is_no_profile(tmp_path):
    with pytest.raises(SettingsError, match=r"unknown profile 'quik' \(known: .*quick.*or a YAML file\)"):
        load_profile("quik")
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n")
    with pytest.raises(SettingsError, match="a profile is a mapping"):
        load_profile(str(path))
    path.write_text("a: [1\n")
    with pytest.raises(SettingsError, match="not YAML"):
        load_profile(str(path))
    path.write_text("")
    with pytest.raises(SettingsError, match="setting 'data'"):
        load_profile(str(path))


# --- models and runs of a profile ----------------------------------------------------------------------------------


def test_an_entry_of_a_profile_names_its_model_its_preset_or_both():
    preset = models.model_class("lstm").preset("paper-256-256-2")
    assert resolve("lstm", {"epochs": 2}) == ("lstm", "", {"epochs": 2})
    assert resolve("any", {"model": "lstm", "epochs": 2}) == ("lstm", "", {"epochs": 2})
    published = ("lstm", "paper-256-256-2", {**preset, "epochs": 2})
    assert resolve("lstm-published", {"preset": "paper-256-256-2", "epochs": 2}) == published
    assert resolve("lstm", {"preset": "paper-256-256-2", "epochs": 2}) == published


def test_models_have_a_run_for_each_seed_with_the_recipe_as_data():
    entries = {
        "lstm": {"epochs": 1}, "lstm-published": {"preset": "paper-256-256-2"}, "small": {"model": "ngram", "order": 2},
    }  # fmt: skip
    profile = profile_of(models=entries, seeds=[4, 7])
    runs = {run.name: run for run in model_runs(profile)}
    assert list(runs) == ["lstm-4", "lstm-7", "lstm-published-4", "lstm-published-7", "small"]
    of_run = [(run.group, run.recipe, run.seed, run.representative) for run in runs.values()]
    assert of_run == [
        ("lstm", "modern", 4, True), ("lstm", "modern", 7, False),
        ("lstm-published", "published", 4, True), ("lstm-published", "published", 7, False),
        ("small", "", None, True),
    ]  # fmt: skip
    assert runs["lstm-4"].settings == {"epochs": 1, "seed": 4}
    assert runs["lstm-4"].label == runs["lstm-7"].label != runs["lstm-published-4"].label
    assert group_runs(profile, "small") == [runs["small"]]
    recipes = network_groups(profile, "lstm")
    assert {recipe: [run.name for run in group] for recipe, group in recipes.items()} == {
        "modern": ["lstm-4", "lstm-7"], "published": ["lstm-published-4", "lstm-published-7"],
    }  # fmt: skip
    assert [find_run(profile, name) for name in runs] == list(runs.values())
    with pytest.raises(SettingsError, match="the profile has no run 'lstm-5'"):
        find_run(profile, "lstm-5")


def test_published_trials_are_trained_once_each_but_those_that_are_trained_anyway():
    presets = ["paper-256-256-2", "paper-256-256-1"]
    trials = trial_runs(profile_of(trials={"lstm": presets}, trial_changes={"epochs": 3}, seeds=[5]))
    assert [run.name for run in trials] == ["lstm-trial-256x256x2", "lstm-trial-256x256x1"]
    assert {(run.group, run.recipe, run.settings["epochs"], run.settings["seed"]) for run in trials} == {
        ("lstm-trial", "published", 3, 5)
    }
    trained = {"lstm-published": {"preset": presets[0], "epochs": 3}}
    others = trial_runs(profile_of(trials={"lstm": presets}, trial_changes={"epochs": 3}, seeds=[5], models=trained))
    assert others == trials[1:]


def test_ensembles_take_the_first_network_of_each_modern_recipe():
    assert [run.group for run in ensemble_runs(profile_of())] == ["ensemble-control"] * 2
    entries = {"lstm-published": {"preset": "paper-256-256-2"}, "lstm": {"epochs": 1}, "transformer": {"epochs": 1}}
    runs = {run.name: run for run in ensemble_runs(profile_of(models=entries, seeds=[3, 4]))}
    members = [(member["model"], member["settings"]) for member in runs["ensemble-of-three"].settings["members"]]
    assert members == [("expert", {}), ("lstm", {"epochs": 1, "seed": 3}), ("transformer", {"epochs": 1, "seed": 3})]
    assert [name for name, run in runs.items() if run.representative] == ["ensemble-by-entropy"]
