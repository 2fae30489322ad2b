"""Task runs: each computed once, identified by fit, task and genes, complete or absent."""

import json

import pandas as pd
import pytest
from helpers import small_dataset

from dnastudy.core.config import Settings
from dnastudy.experiments.plan import Run, all_runs
from dnastudy.experiments.profile import load_profile
from dnastudy.experiments.store import Store
from dnastudy.experiments.study import Study
from dnastudy.experiments.task_runs import (
    REFERENCE,
    conditional_run,
    create_task,
    run_reference,
    run_task,
    run_tasks,
    runs_of_task,
)
from dnastudy.tasks import TASKS, Task, TaskResult

DATASET = small_dataset()
RUN = Run(name="laplace", label="3-gram", model="ngram", settings={"order": 3, "smoothing": "laplace"})


class Lengths(Task):
    """Counts long genes: enough to follow what is computed."""

    name = "lengths"

    class Settings(Settings):
        """Settings."""

        longest: int = 50
        replicates: int = 100

    calls: list[str] = []  # noqa: RUF012

    def run(self, task_input):
        """Count what is held out and what is tested."""
        self.calls.append(task_input.model.name)
        tested = task_input.dataset.test["sequence"].str.len()
        rows = [{"long": int((tested > self.settings.longest).sum()), "held_out": len(task_input.held_out)}]
        details = pd.DataFrame({"id": task_input.dataset.test["id"], "long": tested > self.settings.longest})
        return TaskResult({"counts": pd.DataFrame(rows)}, {"genes": len(tested)}, {"genes": details})

    def reference(self, dataset):
        """Count training genes."""
        self.calls.append(REFERENCE)
        return TaskResult({"counts": pd.DataFrame([{"long": len(dataset.train), "held_out": 0}])})


class NoReference(Lengths):
    """A task all rows of which need a model."""

    name = "no-reference"
    all_runs = False
    reference = Task.reference


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """What is computed: the model's name, or "reference"."""
    monkeypatch.setattr(Lengths, "calls", [])
    monkeypatch.setitem(TASKS, "lengths", f"{__name__}:Lengths")
    return Lengths.calls


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_the_same_task_run_is_never_computed_twice(store, calls):
    log = []
    first = run_task(store, Lengths(), RUN, DATASET, log.append)
    assert log == ["fit laplace", "lengths: laplace"]
    again = run_task(Store(store.root), Lengths({"longest": 50}), RUN, small_dataset())
    assert calls == ["ngram"] and again == first
    other = run_task(store, Lengths({"longest": 60}), RUN, DATASET, log.append)
    assert log[2:] == ["lengths: laplace"], "the fit is there"
    assert other.record["id"] != first.record["id"] and other.record["fit"] == first.record["fit"]
    renamed = run_task(store, Lengths(), RUN.model_copy(update={"name": "n", "label": "another"}), DATASET)
    assert (renamed.record["name"], renamed.record["label"]) == ("n", "another")
    assert renamed.record["id"] == first.record["id"] and len(calls) == 2


def test_the_record_of_a_task_run(store):
    task_run = run_task(store, Lengths(), RUN, DATASET)
    record = task_run.record
    assert task_run.folder == store.root / "tasks" / record["id"]
    assert (record["task"], record["name"], record["label"]) == ("lengths", "laplace", "3-gram")
    assert record["settings"] == {"longest": 50, "replicates": 100} and record["genes"] == 10
    assert (record["model"], record["family"], record["training"]) == ("ngram", "n-gram", False)
    assert record["model_settings"]["order"] == 3
    assert record["data"]["sha256"] == {name: DATASET.hashes[name] for name in ("train", "validation", "test")}
    assert record["seconds"] > 0 and record["peak_memory_mb"] > 20 and record["commit"] and record["device"]
    lengths = DATASET.test["sequence"].str.len()
    assert task_run.table("counts").to_dict("records") == [{"long": (lengths > 50).sum(), "held_out": 10}]
    assert (task_run.details("genes")["long"] == (lengths > 50)).all()
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize(
    "genes", [{"train": ["counts"]}, {"update": ["validation"]}, {"train": ["train", "validation"]}]
)
def test_a_model_trained_on_validation_genes_has_none_to_tune_on(store, genes):
    task_run = run_task(store, Lengths(), RUN.model_copy(update=genes), DATASET)
    assert task_run.table("counts")["held_out"].tolist() == [0]


def test_an_error_leaves_nothing_and_the_next_call_computes(store, monkeypatch, calls):
    with monkeypatch.context() as broken:
        broken.setattr(pd.DataFrame, "to_csv", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_task(store, Lengths(), RUN, DATASET)
    assert list((store.root / "tasks").iterdir()) == []
    task_run = run_task(store, Lengths(), RUN, DATASET)
    (task_run.folder / "record.json").unlink()
    assert run_task(store, Lengths(), RUN, DATASET).table("counts").equals(task_run.table("counts"))
    assert calls == ["ngram"] * 3


def test_a_reference_is_computed_once_and_needs_no_model(store, calls):
    first = run_reference(store, Lengths(), DATASET)
    assert run_reference(store, Lengths(), DATASET) == first and calls == [REFERENCE]
    assert first.table("counts")["long"].tolist() == [20] and first.record["name"] == REFERENCE
    assert not (store.root / "fits").exists()
    assert run_reference(store, NoReference(), DATASET) is None


def test_which_runs_are_evaluated_on_a_task():
    profile = load_profile("quick")
    runs = all_runs(profile)
    evaluated = runs_of_task(Lengths(), runs)
    assert {run.name for run in runs} - {run.name for run in evaluated} == {run.name for run in runs if run.prequential}
    assert runs_of_task(NoReference(), runs) == [run for run in evaluated if run.representative]
    assert runs_of_task(Lengths(), [RUN.model_copy(update={"on_tasks": False})]) == []


def test_all_tasks_of_a_profile_have_its_settings(store, monkeypatch):
    for name in list(TASKS):
        if name != "lengths":
            monkeypatch.delitem(TASKS, name)
    profile = load_profile("quick", tasks={"lengths": {"longest": 70}}, bootstrap_replicates=123)
    assert create_task("lengths", profile).settings == Lengths.Settings(longest=70, replicates=123)
    task_runs = run_tasks(store, profile, [RUN], DATASET)
    assert {task: list(runs) for task, runs in task_runs.items()} == {"lengths": ["laplace"]}
    study = Study(profile, DATASET, store)
    by_run = study.run_task("lengths", [RUN])
    assert by_run["laplace"] == task_runs["lengths"]["laplace"]
    assert set(by_run) == {"laplace", REFERENCE}
    assert set(study.task_runs) == {"laplace: lengths", "reference: lengths"}


def test_the_conditional_model_of_a_run_has_the_frequent_types_of_its_training_genes(dataset_of_types):
    run = conditional_run(RUN, dataset_of_types)
    assert (run.name, run.model) == ("laplace-conditional", "conditional")
    assert run.settings == {"model": "ngram", "settings": RUN.settings, "types": run.settings["types"]}
    assert set(run.settings["types"]) == {"PSEUDO", "ncRNA", "tRNA"}
    without = small_dataset(train=DATASET.train.assign(type=""))
    assert conditional_run(RUN, without) is RUN


@pytest.fixture
def dataset_of_types():
    return small_dataset(train=pd.concat([DATASET.train] * 20, ignore_index=True))
