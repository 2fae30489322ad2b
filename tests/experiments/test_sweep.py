"""The search over settings: seeded, kept on disk, continued where it was killed, blind to the test genes."""

import json
import os
import signal
import subprocess
import sys

import optuna
import pytest
from helpers import HANG, wait_for
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from dnastudy import models
from dnastudy.core.errors import ModelError, SettingsError, TrainingError
from dnastudy.data.datasets import load_dataset
from dnastudy.experiments.store import Store
from dnastudy.experiments.sweep import distributions, sweep, trial_table

pytestmark = pytest.mark.slow  # trains, or searches for homologs

FIXED = {"epochs": 1, "embedding_size": 8, "hidden_size": 8, "n_layers": 1}


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("simulated", genes=120, seed=3)


def params(study):
    return [trial.params for trial in study.trials if trial.value is not None]


@pytest.mark.parametrize("model", [name for name in models.MODELS if models.model_class(name).search_space])
def test_every_setting_searched_exists_and_takes_every_value(model):
    for name, distribution in distributions(model).items():
        ends = getattr(distribution, "choices", ()) or (distribution.low, distribution.high)
        for value in ends:
            models.model_class(model).Settings.parse({name: value}, model)


def test_ranges_become_distributions():
    space = distributions("lstm")
    assert space["learning_rate"] == FloatDistribution(5e-4, 2e-2, log=True)
    assert space["dropout"] == FloatDistribution(0.0, 0.5, step=0.05)
    assert space["kmer_size"] == IntDistribution(1, 8)
    assert space["batch_tokens"] == CategoricalDistribution([1500, 2500, 5000, 10_000])
    assert distributions("ngram") == {}


def test_a_sweep_repeats_continues_and_uses_no_test_gene(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("DNASTUDY_STORE", str(tmp_path / "store"))
    whole = sweep("lstm", dataset, tmp_path / "a", 4, seed=5, fixed=FIXED)
    assert len(params(whole)) == 4 and len({json.dumps(p) for p in params(whole)}) == 4
    sweep("lstm", dataset, tmp_path / "b", 2, seed=5, fixed=FIXED)
    assert params(sweep("lstm", dataset, tmp_path / "b", 4, seed=5, fixed=FIXED)) == params(whole)
    assert params(sweep("lstm", dataset, tmp_path / "c", 2, seed=6, fixed=FIXED)) != params(whole)[:2]
    table = trial_table(whole)
    assert table["validation_perplexity"].is_monotonic_increasing and not {"n_layers", "embedding_size"} & set(table)
    assert not (tmp_path / "store" / "scores").exists(), "nothing was scored on the test genes"


def test_settings_that_do_not_train_are_a_result(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("DNASTUDY_STORE", str(tmp_path / "store"))
    original, runs = Store.fit, []

    def fit(store, run, *more):
        runs.append(run.name)
        if len(runs) == 1:
            raise TrainingError("the loss is no number at step 3")
        return original(store, run, *more)

    monkeypatch.setattr(Store, "fit", fit)
    with pytest.raises(ModelError, match=r"none of its trials could be trained.*no number at step 3"):
        sweep("lstm", dataset, tmp_path / "a", 1, seed=5, fixed=FIXED)
    study = sweep("lstm", dataset, tmp_path / "a", 2, seed=5, fixed=FIXED)
    assert study.trials[0].user_attrs["error"] == "the loss is no number at step 3"
    assert trial_table(study)["trial"].tolist() == [1]


def test_an_error_that_the_settings_did_not_cause_ends_the_sweep_and_repeats_the_trial(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("DNASTUDY_STORE", str(tmp_path / "store"))
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("DNASTUDY_ACCELERATOR", "abacus")
        with pytest.raises(SettingsError, match="abacus"):
            sweep("lstm", dataset, tmp_path / "a", 1, seed=5, fixed=FIXED)
    study = sweep("lstm", dataset, tmp_path / "a", 1, seed=5, fixed=FIXED)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]
    assert study.trials[1].params == study.trials[0].params


def test_settings_that_do_not_fit_together_are_a_result(dataset, tmp_path, monkeypatch):
    """Of 18 dimensions each of three or four heads gets an even number, each of two or six an odd one."""
    monkeypatch.setenv("DNASTUDY_STORE", str(tmp_path / "store"))
    fixed = {"epochs": 1, "d_model": 18, "n_layers": 1, "kmer_size": 1}
    study = sweep("transformer", dataset, tmp_path / "a", 8, seed=1, fixed=fixed)
    ends = {(trial.params["n_heads"] in (3, 4), trial.state.name) for trial in study.trials}
    assert ends == {(True, "COMPLETE"), (False, "PRUNED")}
    assert all("n_heads" in trial.user_attrs["error"] for trial in study.trials if trial.state.name == "PRUNED")


def test_a_model_without_a_search_space_is_refused(dataset, tmp_path):
    with pytest.raises(SettingsError, match="lstm, transformer"):
        sweep("ngram", dataset, tmp_path, 1)


@pytest.mark.slow
def test_a_killed_sweep_repeats_its_trial(tmp_path):
    words = [sys.executable, "-m", "dnastudy", "sweep", "lstm", "--profile", "quick", "--data", "simulated"]
    words += ["--trials", "2", "--folder", str(tmp_path / "s"), "--json"]
    words += ["--set", "hidden_size=8", "embedding_size=8", "epochs=1"]
    environment = {**os.environ, "DNASTUDY_STORE": str(tmp_path / "store")}
    first = subprocess.Popen(words, stderr=subprocess.DEVNULL, env=environment)
    try:
        wait_for(lambda: list((tmp_path / "store" / "trainings").glob("*/log.csv")), first)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=HANG)
    assert done.returncode == 0, done.stderr
    assert sorted(trial["trial"] for trial in json.loads(done.stdout)["trials"]) == [1, 2]
    (journal,) = (tmp_path / "s").glob("journal.log")
    study = optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(str(journal))))
    killed, again, _ = study.trials
    assert killed.state.name == "FAIL" and again.params == killed.params
