"""Runs: computed once, named by all they depend on, complete or absent however a process ends."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import HANG, ROOT, gene_frame, small_dataset, wait_for

from dnastudy.core import provenance
from dnastudy.core.errors import ModelError, SettingsError
from dnastudy.core.provenance import from_json, to_json
from dnastudy.data.datasets import Dataset
from dnastudy.evaluation import metrics, scoring
from dnastudy.experiments import store as stores
from dnastudy.experiments import summary
from dnastudy.experiments.identity import run_id
from dnastudy.experiments.plan import Run
from dnastudy.experiments.store import FACTS, Record, Store

LAPLACE = Run(name="laplace", model="ngram", settings={"order": 3, "smoothing": "laplace"}, replicates=100)
DATASET = small_dataset()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def computed(monkeypatch):
    """What is computed from here on: "fit" and "score", in order."""
    steps = []
    fit_model, score = stores.fit_model, scoring.score
    monkeypatch.setattr(stores, "fit_model", lambda *words: steps.append("fit") or fit_model(*words))
    monkeypatch.setattr(scoring, "score", lambda *words, **more: steps.append("score") or score(*words, **more))
    return steps


def changed(run: Run = LAPLACE, **changes) -> Run:
    return Run(**{**run.model_dump(), **changes})


def with_other_types() -> Dataset:
    return small_dataset(test=DATASET.test.assign(type="snRNA"))


# --- computed once -------------------------------------------------------------------------------------------------


def test_the_same_run_is_never_computed_twice(store, computed):
    log = []
    first = store.get(LAPLACE, DATASET, log.append)
    assert computed == ["fit", "score"]
    assert log == ["fit laplace", "score laplace"]
    again = Store(store.root).get(LAPLACE, small_dataset(), log.append)
    assert computed == ["fit", "score"]
    assert len(log) == 2
    assert again.record == first.record


def test_a_run_is_the_same_under_another_name(store, computed):
    store.get(LAPLACE, DATASET)
    called = {"name": "another", "label": "Another", "group": "others", "recipe": "modern", "order": 9, "seed": 5}
    other = store.get(changed(**called), DATASET)
    assert computed == ["fit", "score"]
    assert {key: other.record[key] for key in called} == called
    assert run_id(changed(**called), DATASET) == run_id(LAPLACE, DATASET) == other.record["id"]


def test_settings_left_out_are_the_defaults_written_out():
    short = changed(settings={"order": 3})
    long = changed(settings={"order": 3, "smoothing": "witten-bell", "escape_weight": None})
    assert run_id(short, DATASET) == run_id(long, DATASET)


def test_runs_that_score_one_fit_differently_share_it(store, computed):
    first = store.get(LAPLACE, DATASET)
    second = store.get(changed(prequential=True), DATASET)
    third = store.get(changed(test="validation"), DATASET)
    assert computed == ["fit", "score", "score", "score"]
    assert len({result.record["id"] for result in (first, second, third)}) == 3
    assert first.record["fit"] == second.record["fit"] == third.record["fit"]


def test_a_prequential_run_says_so_and_leaves_the_fit_as_it_is(store):
    alone, prequential = store.get(LAPLACE, DATASET), store.get(changed(prequential=True), DATASET)
    assert (alone.record["data"]["prequential"], prequential.record["data"]["prequential"]) == (False, True)
    assert prequential.record["validation_perplexity"] == alone.record["validation_perplexity"]
    assert prequential.record["parameters"] == alone.record["parameters"]
    assert prequential.metrics["bits_per_base"] != alone.metrics["bits_per_base"]


def test_a_finished_run_is_found_and_an_unfinished_one_is_not_computed(store, computed):
    assert store.finished(LAPLACE, DATASET) is None
    result = store.get(LAPLACE, DATASET)
    assert store.finished(LAPLACE, DATASET).record == result.record
    assert store.finished(changed(test="validation"), DATASET) is None, "its fit is there, its scores are not"
    assert computed == ["fit", "score"]


def test_bad_runs_are_refused_before_anything_is_written(store):
    with pytest.raises(ModelError, match="unknown model 'ngramm'"):
        store.get(changed(model="ngramm"), DATASET)
    with pytest.raises(SettingsError, match="unknown setting 'ordr'"):
        store.get(changed(settings={"ordr": 3}), DATASET)
    assert not store.root.exists()


def test_the_store_lies_where_it_is_told_to(tmp_path, monkeypatch):
    monkeypatch.setenv("DNASTUDY_STORE", str(tmp_path / "named"))
    assert Store().root == tmp_path / "named"
    assert Store(tmp_path / "given").root == tmp_path / "given"
    monkeypatch.delenv("DNASTUDY_STORE")
    monkeypatch.chdir(tmp_path)
    assert Store().root == tmp_path / "_build" / "store"


# --- what scores depend on -----------------------------------------------------------------------------------------


def with_one_gene_changed(name: str) -> Dataset:
    frame = DATASET.splits[name].copy()
    sequence = frame.iloc[0, -1]
    frame.iloc[0, -1] = sequence[:-1] + ("A" if sequence[-1] != "A" else "C")
    return small_dataset(**{name: frame})


CHANGES = {
    "order": (changed(settings={"order": 4, "smoothing": "laplace"}), DATASET),
    "protocol": (changed(settings={"order": 3, "smoothing": "laplace", "protocol": "proper"}), DATASET),
    "model": (changed(model="uniform", settings={}), DATASET),
    "training split": (changed(train=["counts"]), DATASET),
    "split of the update": (changed(update=["validation"]), DATASET),
    "scored split": (changed(test="validation"), DATASET),
    "prequential": (changed(prequential=True), DATASET),
    "a training gene": (LAPLACE, with_one_gene_changed("train")),
    "a validation gene": (LAPLACE, with_one_gene_changed("validation")),
    "a test gene": (LAPLACE, with_one_gene_changed("test")),
}


def test_all_that_scores_depend_on_is_in_their_id():
    ids = {name: run_id(run, dataset) for name, (run, dataset) in CHANGES.items()}
    assert len({run_id(LAPLACE, DATASET), *ids.values()}) == len(CHANGES) + 1, ids
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in ids.values())
    unused = with_one_gene_changed("counts")
    assert run_id(LAPLACE, unused) == run_id(LAPLACE, DATASET), "neither trained on nor scored"


@pytest.mark.parametrize(
    ("run", "dataset"), [(changed(replicates=200), DATASET), (LAPLACE, with_other_types())], ids=["resamples", "types"]
)
def test_other_resamples_or_types_show_in_the_summary_and_compute_nothing(store, computed, run, dataset):
    before = store.get(LAPLACE, DATASET)
    after = store.get(run, dataset)
    assert computed == ["fit", "score"]
    assert after.folder == before.folder and after.record["id"] == before.record["id"]
    assert after.record["summary"] != before.record["summary"]
    assert after.record["by_type"] != before.record["by_type"]
    assert after.metrics["bits_per_base"] == before.metrics["bits_per_base"]
    assert (after.metrics["interval"] == before.metrics["interval"]) is (run.replicates == LAPLACE.replicates)
    types = {"snRNA"} if dataset is not DATASET else {"PSEUDO", "ncRNA", "tRNA"}
    assert {row["group"] for row in after.record["by_type"]} == types


def test_a_new_metric_computes_no_run_again(store, computed, monkeypatch):
    before = store.get(LAPLACE, DATASET)
    summarise = metrics.summarise
    monkeypatch.setattr(metrics, "summarise", lambda *words: {**summarise(*words), "new": 1.0})
    after = store.get(LAPLACE, DATASET)
    assert after.metrics == {**before.metrics, "new": 1.0} == after.record["metrics"]
    assert computed == ["fit", "score"]


# --- half-written --------------------------------------------------------------------------------------------------


def test_scores_without_their_facts_are_computed_again(store, computed):
    complete = store.get(LAPLACE, DATASET)
    (complete.folder / FACTS).unlink()
    (complete.folder / "scores.csv").write_text("id\nhalf")
    again = store.get(LAPLACE, DATASET)
    assert computed == ["fit", "score", "score"]
    assert again.folder == complete.folder
    assert len(again.scores()) == len(DATASET.test)
    assert sorted(path.name for path in again.folder.parent.iterdir()) == [again.folder.name]


def test_a_fit_without_its_facts_is_computed_again(store, computed):
    complete = store.get(LAPLACE, DATASET)
    before = complete.metrics
    fit = store.root / "fits" / complete.record["fit"]
    (fit / "fit.json").unlink()
    (fit / "model" / "arrays.npz").write_bytes(b"half")
    (complete.folder / FACTS).unlink()
    assert store.get(LAPLACE, DATASET).metrics == before
    assert computed == ["fit", "score", "fit", "score"]


def test_an_error_leaves_nothing_and_the_next_call_computes(store, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(scoring, "score", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.get(LAPLACE, DATASET)
    assert not (store.root / "scores").exists()
    with monkeypatch.context() as broken:
        broken.setattr(pd.DataFrame, "to_csv", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.get(LAPLACE, DATASET)
    assert list((store.root / "scores").iterdir()) == []
    assert store.get(LAPLACE, DATASET).metrics["genes"] == len(DATASET.test)


SCRIPT = """
import os, sys, time
from pathlib import Path

import numpy, pandas
from helpers import small_dataset
from dnastudy.evaluation import scoring
from dnastudy.experiments import store as stores
from dnastudy.experiments.plan import Run

folder, moment, run = Path(sys.argv[1]), sys.argv[2], Run.model_validate_json(sys.argv[3])

def stop(module, name, number=1):
    '''Call the function, show by a file that the moment has come, and wait to be killed.'''
    original, calls = getattr(module, name), []
    def call(*words, **more):
        result = original(*words, **more)
        calls.append(name)
        if len(calls) == number:
            (folder / "reached").touch()
            while True:
                time.sleep(1)
        return result
    setattr(module, name, call)

def slow(module, name):
    original = getattr(module, name)
    def call(*words, **more):
        with (folder / "computed.log").open("a") as log:
            log.write(name + "\\n")
        time.sleep(0.3)
        return original(*words, **more)
    setattr(module, name, call)

moments = {
    "fitted": lambda: stop(stores, "fit_model"),
    "half a model saved": lambda: stop(numpy, "savez_compressed"),
    "facts of the fit ready": lambda: stop(stores, "to_json"),
    "scored": lambda: stop(scoring, "score"),
    "scores written": lambda: stop(pandas.DataFrame, "to_csv"),
    "facts of the scores ready": lambda: stop(stores, "to_json", 2),
    "together": lambda: (slow(stores, "fit_model"), slow(scoring, "score")),
}
moments[moment]()
if moment == "together":
    (folder / f"ready-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.005)
result = stores.Store(folder / "store").get(run, small_dataset())
print(result.record["id"], result.metrics["bits_per_base"])
"""


def start(folder: Path, moment: str, run: Run = LAPLACE) -> subprocess.Popen:
    """A process that computes a run and stops at a moment of it."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, script, folder, moment, run.model_dump_json()], text=True, cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
    )  # fmt: skip


def complete_folders(root: Path) -> dict[str, list[str]]:
    """What lies in the store under final names, each of it checked to be complete."""
    names = {}
    for kind, files in (("fits", ["fit.json", "model"]), ("scores", ["facts.json", "scores.csv"])):
        folders = [path for path in (root / kind).glob("*") if not path.name.startswith(".")]
        for folder in folders:
            assert sorted(path.name for path in folder.iterdir()) == files
            assert from_json((folder / files[0]).read_text())
        names[kind] = [folder.name for folder in folders]
    return names


@pytest.mark.parametrize(
    ("moment", "fits", "computed_after"),
    [
        ("fitted", 0, ["fit", "score"]),
        ("half a model saved", 0, ["fit", "score"]),
        ("facts of the fit ready", 0, ["fit", "score"]),
        ("scored", 1, ["score"]),
        ("scores written", 1, ["score"]),
        ("facts of the scores ready", 1, ["score"]),
    ],
)
@pytest.mark.slow
def test_after_a_kill_at_any_moment_nothing_half_is_taken_for_complete(
    tmp_path, store, computed, moment, fits, computed_after
):
    process = start(tmp_path, moment)
    try:
        wait_for((tmp_path / "reached").exists, process)
    finally:
        process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    names = complete_folders(store.root)
    assert (len(names["fits"]), names["scores"]) == (fits, [])
    result = store.get(LAPLACE, DATASET)
    assert computed == computed_after
    assert {kind: len(names) for kind, names in complete_folders(store.root).items()} == {"fits": 1, "scores": 1}
    undisturbed = Store(tmp_path / "other").get(LAPLACE, DATASET)
    assert result.metrics == undisturbed.metrics
    assert result.record["id"] == undisturbed.record["id"]


@pytest.mark.parametrize(
    ("test", "computed_once"),
    [("test", ["fit_model", "score"]), ("validation", ["fit_model", "score", "score"])],
    ids=["the same run", "two runs of one fit"],
)
@pytest.mark.slow
def test_two_processes_that_need_a_run_at_once_compute_it_once(tmp_path, store, test, computed_once):
    runs = [LAPLACE, changed(test=test)]
    processes = [start(tmp_path, "together", run) for run in runs]
    try:
        for process in processes:
            wait_for((tmp_path / f"ready-{process.pid}").exists, *processes)
        (tmp_path / "go").touch()
        outputs = [process.communicate(timeout=HANG) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert (tmp_path / "computed.log").read_text().split() == computed_once
    ids = [run_id(run, DATASET) for run in runs]
    assert [out.split()[0] for out, _ in outputs] == ids
    assert len({out.split()[1] for out, _ in outputs}) == len(set(ids))
    assert sorted(complete_folders(store.root)["scores"]) == sorted(set(ids))


# --- the record ----------------------------------------------------------------------------------------------------


def test_the_record_says_what_was_done_on_what_with_what_and_where(store):
    run = changed(settings={"order": 4}, update=["validation"], label="4-gram", group="n-grams", order=4)
    result = store.get(run, DATASET)
    record = result.record
    assert (record["id"], record["fit"]) == (run_id(run, DATASET), result.model_folder().parent.name)
    assert result.folder == store.root / "scores" / record["id"]
    called = [record[key] for key in ("name", "label", "group", "recipe", "order", "seed")]
    assert called == ["laplace", "4-gram", "n-grams", "", 4, None]
    assert (record["model"], record["family"], record["training"]) == ("ngram", "n-gram", None)
    of_ngrams = {"order": 4, "smoothing": "witten-bell", "escape_weight": None, "vocab_size": 4, "protocol": None}
    assert record["settings"] == of_ngrams
    assert record["tuned"]["escape_weight"] > 0
    trained_on = pd.concat([DATASET.train, DATASET.validation])["sequence"]
    assert record["data"] == {
        "name": "own",
        "description": "genes of a test",
        "train": ["train"],
        "update": ["validation"],
        "test": "test",
        "prequential": False,
        "split": "own",
        "fraction": 1.0,
        "subset": None,
        "train_genes": 30,
        "train_nucleotides": trained_on.str.len().sum(),
        "sha256": {name: DATASET.hashes[name] for name in ("train", "validation", "test")},
    }
    figures = record["metrics"]
    assert figures["genes"] == 10
    assert figures["nucleotides"] == DATASET.test["sequence"].str.len().sum()
    assert figures["paper_perplexity"] is None
    assert 1 < figures["interval"][0] < figures["nucleotide_perplexity"] < figures["interval"][1] < 5
    low, high = figures["bits_per_base_interval"]
    assert low < figures["bits_per_base"] < high
    assert record["validation_perplexity"] is None, "the model is trained on the validation genes"
    assert record["parameters"] > 100
    assert set(record["seconds"]) == {"fit", "score"} and all(seconds > 0 for seconds in record["seconds"].values())
    assert record["peak_memory_mb"] > 20
    assert record["commit"] == provenance.git_commit()
    assert set(record["versions"]) == {"dnastudy", "python", "numpy", "pandas"}
    assert record["versions"]["numpy"] == np.__version__
    assert f"{os.cpu_count()} cores" in record["device"]
    assert set(record["code"]) == {"fit", "scores"}
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in record["code"].values())
    assert re.fullmatch("[0-9a-f]{16}", record["summary"])


def test_a_record_is_a_mapping_whose_metrics_are_computed_when_they_are_read(store, monkeypatch):
    record = store.get(LAPLACE, DATASET).record
    with monkeypatch.context() as broken:
        broken.setattr(metrics, "summarise", lambda *_: 1 / 0)
        broken.setattr(summary, "by_type", lambda *_: 1 / 0)
        assert record["model"] == "ngram", "facts need no metrics"
        assert {"metrics", "by_type", "by_length", "by_position", "summary"} < set(record)
    assert len(record) == len(list(record)) == len(set(record))
    with pytest.raises(KeyError, match="metric"):
        record["metric"]
    assert from_json(to_json(record)) == record


def test_lazy_values_of_a_record_are_computed_once():
    calls = []
    record = Record({"a": 1}, {"b": lambda: calls.append("b") or 2})
    assert dict(record) == {"a": 1, "b": 2} and record == {"a": 1, "b": 2}
    assert (record["b"], record.get("c"), "b" in record, calls) == (2, None, True, ["b"])


def test_groups_of_the_record_share_out_all_genes(store):
    record = store.get(LAPLACE, DATASET).record
    for key in ("by_type", "by_length"):
        assert sum(row["genes"] for row in record[key]) == 10
        assert sum(row["nucleotides"] for row in record[key]) == record["metrics"]["nucleotides"]
        assert all(row["low"] <= row["nucleotide_perplexity"] <= row["high"] for row in record[key])
    lengths = DATASET.test["sequence"].str.len()
    short = next(row for row in record["by_length"] if row["group"] == "   1-100 nt")
    assert short["genes"] == (lengths <= 100).sum()
    assert sum(row["nucleotides"] for row in record["by_position"]) == record["metrics"]["nucleotides"]


def test_length_labels_at_their_borders():
    lengths = [1, 100, 101, 500, 501, 1000, 1001]
    labels = summary.length_labels(gene_frame(["A" * length for length in lengths]))
    assert list(labels) == [
        "   1-100 nt", "   1-100 nt", " 101-200 nt", " 401-500 nt", " 501-1000 nt", " 501-1000 nt", "1001 nt and more",
    ]  # fmt: skip
    assert list(labels) == sorted(labels)


def test_scores_and_model_come_back_from_the_store_exactly(store):
    result = store.get(LAPLACE, DATASET)
    model = result.model()
    assert model.settings.order == 3
    pd.testing.assert_frame_equal(result.scores(), scoring.score(model, DATASET.test), check_exact=True)
    assert metrics.summarise(result.scores(), 100) == result.metrics


def test_a_caller_that_changes_its_score_table_changes_no_result(store):
    result = store.get(LAPLACE, DATASET)
    before, scores = result.scores(), result.scores()
    scores["nucleotide_log_prob"] = 0.0
    assert result.scores().equals(before)


def test_infinite_results_survive_the_file(store):
    run = changed(settings={"order": 8, "smoothing": "mle"})
    first = store.get(run, DATASET)
    assert "Infinity" not in re.sub('"-?Infinity"', "", (first.folder / FACTS).read_text())
    assert first.metrics["paper_perplexity"] == first.metrics["interval"][1] == math.inf
    assert store.get(run, DATASET).metrics == first.metrics
    assert json.loads(to_json(first.record))["metrics"]["paper_perplexity"] == "Infinity"
    scores = first.scores()
    assert np.isneginf(scores["nucleotide_log_prob"]).any() and not scores.isna().any().any()
