"""Runs: computed once, named by all they depend on, whole or not there, however a process ends."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers import ROOT, gene_frame, random_sequences

from dnastudy.core import provenance
from dnastudy.core.atomic import atomic_dir, atomic_write
from dnastudy.core.errors import ModelError, SettingsError
from dnastudy.core.provenance import code_hash, finite, from_json, to_json
from dnastudy.data.datasets import Dataset, load_dataset
from dnastudy.evaluation import metrics, scoring
from dnastudy.experiments import store as stores
from dnastudy.experiments.plan import Run, all_runs, ngram_runs
from dnastudy.experiments.profile import PROFILES, load_profile
from dnastudy.experiments.store import Store
from dnastudy.experiments.identity import run_id

PACKAGE = ROOT / "dnastudy"
LAPLACE = Run(name="laplace", model="ngram", settings={"order": 3, "smoothing": "laplace"}, replicates=100)


def make_dataset(**changes) -> Dataset:
    """Small genes; ``changes`` replace single splits."""
    rows = random_sequences(40, seed=8, low=30)
    splits = {"train": gene_frame(rows[:20], "a"), "validation": gene_frame(rows[20:30], "b")}
    splits |= {"test": gene_frame(rows[30:], "c"), "counts": gene_frame(rows[:30], "d"), **changes}
    return Dataset("own", "genes of a test", splits, "training and validation genes")


DATASET = make_dataset()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def computed(monkeypatch):
    """What is computed from here on: "fit" and "score", in order."""
    seen = []
    fit_model, score = stores.fit_model, scoring.score
    monkeypatch.setattr(stores, "fit_model", lambda *words: seen.append("fit") or fit_model(*words))
    monkeypatch.setattr(scoring, "score", lambda *words, **more: seen.append("score") or score(*words, **more))
    return seen


def changed(run: Run = LAPLACE, **changes) -> Run:
    return Run(**{**run.model_dump(), **changes})


# --- computed once -------------------------------------------------------------------------------------------------


def test_the_same_run_is_never_computed_twice(store, computed):
    log = []
    first = store.get(LAPLACE, DATASET, log.append)
    assert computed == ["fit", "score"]
    assert log == ["fit laplace", "score laplace"]
    again = Store(store.root).get(LAPLACE, make_dataset(), log.append)
    assert computed == ["fit", "score"]
    assert len(log) == 2
    assert again.record == first.record


def test_another_name_is_the_same_run(store, computed):
    store.get(LAPLACE, DATASET)
    other = store.get(changed(name="another"), DATASET)
    assert computed == ["fit", "score"]
    assert other.record["name"] == "another"
    assert run_id(changed(name="another"), DATASET) == run_id(LAPLACE, DATASET) == other.record["id"]


def test_settings_left_out_are_the_defaults_written_out():
    short = changed(settings={"order": 3})
    long = changed(settings={"order": 3, "smoothing": "witten-bell", "escape_weight": None})
    assert run_id(short, DATASET) == run_id(long, DATASET)


def test_a_fit_is_shared_by_runs_that_score_it_differently(store, computed):
    first = store.get(LAPLACE, DATASET)
    second = store.get(changed(replicates=101), DATASET)
    third = store.get(changed(test="validation"), DATASET)
    assert computed == ["fit", "score", "score", "score"]
    assert len({result.record["id"] for result in (first, second, third)}) == 3
    assert first.record["fit"] == second.record["fit"] == third.record["fit"]


def one_gene_other(name: str) -> Dataset:
    frame = DATASET.splits[name].copy()
    frame.iloc[0, -1] = frame.iloc[0, -1][:-1] + ("A" if frame.iloc[0, -1][-1] != "A" else "C")
    return make_dataset(**{name: frame})


def other_type() -> Dataset:
    return make_dataset(test=DATASET.test.assign(type="snRNA"))


CHANGES = {
    "order": (changed(settings={"order": 4, "smoothing": "laplace"}), DATASET),
    "protocol": (changed(settings={"order": 3, "smoothing": "laplace", "protocol": "proper"}), DATASET),
    "model": (changed(model="uniform", settings={}), DATASET),
    "replicates": (changed(replicates=200), DATASET),
    "training split": (changed(train=["counts"]), DATASET),
    "joined split": (changed(join=["validation"]), DATASET),
    "scored split": (changed(test="validation"), DATASET),
    "a training gene": (LAPLACE, one_gene_other("train")),
    "a validation gene": (LAPLACE, one_gene_other("validation")),
    "a test gene": (LAPLACE, one_gene_other("test")),
    "types of the test genes": (LAPLACE, other_type()),
}


def test_whatever_a_run_depends_on_makes_another_run():
    ids = {name: run_id(run, dataset) for name, (run, dataset) in CHANGES.items()}
    assert len({run_id(LAPLACE, DATASET), *ids.values()}) == len(CHANGES) + 1, ids
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in ids.values())
    assert run_id(LAPLACE, one_gene_other("counts")) == run_id(LAPLACE, DATASET), "not learned from, not scored"


def test_a_changed_gene_type_shows_in_the_record(store):
    before = store.get(LAPLACE, DATASET).record["by_type"]
    after = store.get(LAPLACE, other_type()).record["by_type"]
    assert {row["group"] for row in before} == {"PSEUDO", "ncRNA", "tRNA"}
    assert {row["group"] for row in after} == {"snRNA"}


def test_bad_runs_are_refused_before_anything_is_written(store):
    with pytest.raises(ModelError, match="unknown model 'ngramm'"):
        store.get(changed(model="ngramm"), DATASET)
    with pytest.raises(SettingsError, match="unknown setting 'ordr'"):
        store.get(changed(settings={"ordr": 3}), DATASET)
    assert not store.root.exists()


# --- code ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A copy of the package's sources that ids are made from; gives a function that edits one of them."""
    copy = tmp_path / "package"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    code_hash.cache_clear()

    def edit(module: str, old: str, new: str) -> None:
        text = (copy / module).read_text()
        assert old in text
        (copy / module).write_text(text.replace(old, new, 1))
        code_hash.cache_clear()

    yield edit
    code_hash.cache_clear()


def test_changed_code_is_seen_and_changed_words_are_not(source):
    same = run_id(LAPLACE, DATASET)
    for module in ("models/ngram.py", "models/base.py", "evaluation.py", "sequences.py"):
        source(module, '"""', '"""In other words: ')
        source(module, "from __future__", "# a remark\n\n\nfrom __future__")
    source("models/uniform.py", "return 1", "return 2")
    source("figures.py", "import", "import  abc, ")
    assert run_id(LAPLACE, DATASET) == same
    seen = {same}
    for module, old, new in (
        ("models/ngram.py", "(self.counts + 1)", "(self.counts + 2)"),
        ("models/base.py", "FORMAT = 1", "FORMAT = 2"),
        ("sequences.py", "END = 4", "END = 5"),
        ("evaluation.py", "LEVEL = 0.95", "LEVEL = 0.9"),
    ):
        source(module, old, new)
        seen.add(run_id(LAPLACE, DATASET))
    assert len(seen) == 5


def test_a_new_metric_scores_again_without_fitting_again(source, store, computed):
    first = store.get(LAPLACE, DATASET)
    source("evaluation.py", "REPLICATES = 1000", "REPLICATES = 1001")
    second = store.get(LAPLACE, DATASET)
    assert computed == ["fit", "score", "score"]
    assert first.record["code"]["fit"] == second.record["code"]["fit"]
    assert first.record["code"]["evaluation"] != second.record["code"]["evaluation"]
    source("models/ngram.py", "(self.counts + 1)", "(self.counts + 2)")
    assert store.get(LAPLACE, DATASET).record["fit"] != first.record["fit"]
    assert computed[3:] == ["fit", "score"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('"""Doc."""\nx = 1\n', True),
        ("# comment\n\nx = 1   \n", True),
        ("x = 1\n\n\n    # indented comment\n", True),
        ("x = 2\n", False),
        ("if True:\n    x = 1\n", False),
        ("x = 1\ny = 1\n", False),
        ('x = "1"\n', False),
    ],
)
def test_code_hash_of_a_file(tmp_path, monkeypatch, text, same):
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    code_hash.cache_clear()
    (tmp_path / "plain.py").write_text("x = 1\n")
    plain = code_hash("plain.py")
    (tmp_path / "plain.py").write_text(text)
    assert code_hash("plain.py") == plain, "one process, one hash"
    code_hash.cache_clear()
    assert (code_hash("plain.py") == plain) is same
    code_hash.cache_clear()


def test_docstrings_of_functions_and_classes_are_no_code(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    text = 'class A:\n    """One."""\n\n    def f(self):\n        """Two\n        lines."""\n        return "three"\n'
    found = []
    for version in (text, text.replace("One", "1").replace("lines.", "and\n        more."), text.replace("three", "3")):
        (tmp_path / "a.py").write_text(version)
        code_hash.cache_clear()
        found.append(code_hash("a.py"))
    code_hash.cache_clear()
    assert found[0] == found[1] != found[2]


# --- half-written --------------------------------------------------------------------------------------------------


def test_a_run_folder_without_its_record_is_computed_again(store, computed):
    whole = store.get(LAPLACE, DATASET)
    (whole.folder / "record.json").unlink()
    (whole.folder / "scores.csv").write_text("id\nhalf")
    again = store.get(LAPLACE, DATASET)
    assert computed == ["fit", "score", "score"]
    assert again.folder == whole.folder
    assert len(again.scores()) == len(DATASET.test)
    assert sorted(path.name for path in again.folder.parent.iterdir()) == [again.folder.name]


def test_a_fit_folder_without_its_facts_is_computed_again(store, computed):
    whole = store.get(LAPLACE, DATASET)
    fit = store.root / "fits" / whole.record["fit"]
    (fit / "fit.json").unlink()
    (fit / "model" / "arrays.npz").write_bytes(b"half")
    (whole.folder / "record.json").unlink()
    assert store.get(LAPLACE, DATASET).metrics == whole.metrics
    assert computed == ["fit", "score", "fit", "score"]


def test_an_error_leaves_nothing_and_the_next_call_computes(store, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(metrics, "summarise", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.get(LAPLACE, DATASET)
    assert not (store.root / "runs").exists()
    with monkeypatch.context() as broken:
        broken.setattr(pd.DataFrame, "to_csv", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.get(LAPLACE, DATASET)
    assert list((store.root / "runs").iterdir()) == []
    assert store.get(LAPLACE, DATASET).metrics["genes"] == len(DATASET.test)


SCRIPT = """
import sys, time
from pathlib import Path

sys.path.insert(0, {tests!r})
import numpy, pandas
import test_store as t
from dnastudy.evaluation import scoring
from dnastudy.experiments import store as stores

folder, moment = Path(sys.argv[1]), sys.argv[2]

def stop(module, name, number=1):
    '''Do what was asked, then tell that the moment has come and wait to be killed.'''
    original, calls = getattr(module, name), []
    def call(*words, **more):
        result = original(*words, **more)
        calls.append(name)
        if len(calls) == number:
            (folder / "reached").touch()
            time.sleep(60)
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

moments = {{
    "fitted": lambda: stop(stores, "fit_model"),
    "half a model saved": lambda: stop(numpy, "savez_compressed"),
    "facts of the fit written": lambda: stop(stores, "to_json"),
    "scored": lambda: stop(scoring, "score"),
    "half a run written": lambda: stop(pandas.DataFrame, "to_csv"),
    "record ready": lambda: stop(stores, "to_json", 2),
    "together": lambda: (slow(stores, "fit_model"), slow(scoring, "score")),
}}
moments[moment]()
if moment == "together":
    (folder / f"ready-{{__import__('os').getpid()}}").touch()
    while not (folder / "go").exists():
        time.sleep(0.005)
result = t.Store(folder / "store").get(t.changed(replicates=int(sys.argv[3])), t.DATASET)
print(result.record["id"], result.metrics["bits_per_base"])
"""


def start(folder: Path, moment: str, replicates: int = 100) -> subprocess.Popen:
    script = folder / "script.py"
    script.write_text(SCRIPT.format(tests=str(ROOT / "tests")))
    command = [sys.executable, script, folder, moment, str(replicates)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def wait_for(condition, process, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the moment never came"
        time.sleep(0.01)


def finished(root: Path) -> dict[str, list[str]]:
    """What stands in the store under final names, each of it checked to be whole."""
    found = {}
    for kind, needed in (("fits", ["fit.json", "model"]), ("runs", ["record.json", "scores.csv"])):
        folders = [path for path in (root / kind).glob("*") if not path.name.startswith(".")]
        for folder in folders:
            assert sorted(path.name for path in folder.iterdir()) == needed
            assert from_json((folder / needed[0]).read_text())
        found[kind] = [folder.name for folder in folders]
    return found


@pytest.mark.parametrize(
    ("moment", "fits", "then"),
    [
        ("fitted", 0, ["fit", "score"]),
        ("half a model saved", 0, ["fit", "score"]),
        ("facts of the fit written", 0, ["fit", "score"]),
        ("scored", 1, ["score"]),
        ("half a run written", 1, ["score"]),
        ("record ready", 1, ["score"]),
    ],
)
def test_killed_at_any_moment_nothing_half_is_taken_for_whole(tmp_path, store, computed, moment, fits, then):
    process = start(tmp_path, moment)
    try:
        wait_for((tmp_path / "reached").exists, process)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    found = finished(store.root)
    assert (len(found["fits"]), found["runs"]) == (fits, [])
    result = store.get(LAPLACE, DATASET)
    assert computed == then
    assert {kind: len(names) for kind, names in finished(store.root).items()} == {"fits": 1, "runs": 1}
    undisturbed = Store(tmp_path / "other").get(LAPLACE, DATASET)
    assert result.metrics == undisturbed.metrics
    assert result.record["id"] == undisturbed.record["id"]


@pytest.mark.parametrize(
    ("replicates", "computed_once"),
    [((100, 100), ["fit_model", "score"]), ((100, 101), ["fit_model", "score", "score"])],
    ids=["the same run", "two runs of one fit"],
)
def test_two_processes_that_ask_at_once_compute_it_once(tmp_path, store, replicates, computed_once):
    both = [start(tmp_path, "together", count) for count in replicates]
    try:
        for process in both:
            wait_for((tmp_path / f"ready-{process.pid}").exists, process)
        (tmp_path / "go").touch()
        answers = [process.communicate(timeout=60) for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], answers
    assert (tmp_path / "computed.log").read_text().split() == computed_once
    ids = [run_id(changed(replicates=count), DATASET) for count in replicates]
    assert [out.split()[0] for out, _ in answers] == ids
    assert len({out.split()[1] for out, _ in answers}) == 1
    assert sorted(finished(store.root)["runs"]) == sorted(set(ids))


# --- the record ----------------------------------------------------------------------------------------------------


def test_the_record_says_what_was_done_on_what_with_what_and_where(store):
    run = changed(settings={"order": 4}, join=["validation"])
    record = store.get(run, DATASET).record
    assert record["id"] == run_id(run, DATASET)
    assert (record["name"], record["model"], record["family"]) == ("laplace", "ngram", "n-gram")
    of_ngrams = {"order": 4, "smoothing": "witten-bell", "escape_weight": None, "vocab_size": 4, "protocol": None}
    assert record["settings"] == of_ngrams
    assert record["tuned"]["novelty"] > 0
    learned = pd.concat([DATASET.train, DATASET.validation])["sequence"]
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
        "train_nucleotides": learned.str.len().sum(),
        "sha256": {name: DATASET.hashes[name] for name in ("train", "validation", "test")},
    }
    metrics = record["metrics"]
    assert metrics["genes"] == 10
    assert metrics["nucleotides"] == DATASET.test["sequence"].str.len().sum()
    assert metrics["paper_perplexity"] is None
    assert 1 < metrics["interval"][0] < metrics["nucleotide_perplexity"] < metrics["interval"][1] < 5
    low, high = metrics["bits_per_base_interval"]
    assert low < metrics["bits_per_base"] < high
    assert record["parameters"] > 100
    assert all(0 < record["seconds"][key] < 60 for key in ("fit", "score"))
    assert 20 < record["peak_memory_mb"] < 20_000
    assert record["commit"] == provenance.git_commit()
    assert set(record["versions"]) == {"dnastudy", "python", "numpy", "pandas"}
    assert record["versions"]["numpy"] == np.__version__
    assert f"{os.cpu_count()} cores" in record["device"]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in record["code"].values())


def test_groups_of_the_record_share_out_all_genes(store):
    record = store.get(LAPLACE, DATASET).record
    for key in ("by_type", "by_length"):
        assert sum(row["genes"] for row in record[key]) == 10
        assert sum(row["nucleotides"] for row in record[key]) == record["metrics"]["nucleotides"]
        assert all(row["low"] <= row["nucleotide_perplexity"] <= row["high"] for row in record[key])
    lengths = DATASET.test["sequence"].str.len()
    short = next(row for row in record["by_length"] if row["group"] == "   1-100 nt")
    assert short["genes"] == (lengths <= 100).sum()


def test_length_labels_at_their_borders():
    lengths = [1, 100, 101, 500, 501, 1000, 1001]
    labels = store.length_labels(gene_frame(["A" * length for length in lengths]))
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


def test_infinite_results_survive_the_file(store):
    run = changed(settings={"order": 8, "smoothing": "mle"})
    first = store.get(run, DATASET)
    text = (first.folder / "record.json").read_text()
    assert "Infinity" not in re.sub('"-?Infinity"', "", text)
    assert first.metrics["paper_perplexity"] == first.metrics["interval"][1] == math.inf
    assert store.get(run, DATASET).metrics == first.metrics
    assert result_is_infinite(first.scores())


def result_is_infinite(scores) -> bool:
    return bool(np.isneginf(scores["nucleotide_log_prob"]).any()) and not scores.isna().any().any()


def test_json_there_and_back():
    record = {"a": math.inf, "b": [-math.inf, 1.5, {"c": math.inf}], "d": "text", "e": None, "f": True, "g": 0.1 + 0.2}
    assert from_json(to_json(record)) == record
    assert json.loads(to_json(record))["b"][0] == "-Infinity"
    assert from_json(to_json({"nan": math.nan})) == {"nan": None}
    numbers = finite({"n": np.int64(3), "x": np.float64("inf"), "pair": (np.float32(0.5), np.bool_(True))})
    assert json.dumps(numbers) == '{"n": 3, "x": "Infinity", "pair": [0.5, true]}'
    with pytest.raises(TypeError):
        to_json({"frame": DATASET})


def test_peak_memory_sees_a_large_array():
    provenance.reset_peak_memory()
    before = provenance.peak_memory_mb()
    block = np.ones(30 * 2**20 // 8 * 4)
    assert provenance.peak_memory_mb() > before + 90
    del block


def test_the_store_is_where_it_is_told_to_be(tmp_path, monkeypatch):
    monkeypatch.setenv("DNASTUDY_STORE", str(tmp_path / "named"))
    assert Store().root == tmp_path / "named"
    assert Store(tmp_path / "given").root == tmp_path / "given"
    monkeypatch.delenv("DNASTUDY_STORE")
    monkeypatch.chdir(tmp_path)
    assert Store().root == tmp_path / "_build" / "store"


# --- profiles ------------------------------------------------------------------------------------------------------

SHIPPED = sorted(path.stem for path in PROFILES.glob("*.yaml"))


def test_the_promised_profiles_are_there():
    assert {"quick", "cpu", "gpu"} <= set(SHIPPED)
    assert load_profile("quick").data == "simulated"


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_profile_loads_and_its_runs_are_different_runs(name):
    profile = load_profile(name)
    given = yaml.safe_load((PROFILES / f"{name}.yaml").read_text())
    found = profile.model_dump(exclude_unset=True)
    assert {key: found[key] for key in given} == given
    planned = all_runs(profile)
    assert len({run.name for run in planned}) == len(planned)
    assert len({run_id(run, DATASET) for run in planned}) == len(planned)
    assert {run.replicates for run in planned} == {profile.bootstrap_replicates}


GOOD = {"data": "simulated", "mle_orders": [1], "laplace_orders": [2], "train_orders": [3]}


def write_profile(folder: Path, **changes) -> str:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return str(path)


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


def test_a_profile_that_is_none(tmp_path):
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


# --- files ---------------------------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    path = atomic_write(tmp_path / "deep" / "file.txt", "first")
    assert path.read_text() == "first"
    atomic_write(path, b"second")
    assert path.read_bytes() == b"second"

    def full(file):
        raise OSError("no space left")

    with monkeypatch.context() as disk:
        disk.setattr("dnastudy.core.atomic.os.fsync", full)  # the file is written, and not yet on the disk
        with pytest.raises(OSError, match="no space left"):
            atomic_write(path, "third")
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["file.txt"]


def fill(folder: Path, text: str) -> None:
    with atomic_dir(folder) as half:
        assert half.parent == folder.parent
        assert half.name.startswith(".")
        (half / "a.txt").write_text(text)
        (half / f"{text}.txt").write_text(text)


def test_a_folder_is_whole_or_as_it_was(tmp_path):
    folder = tmp_path / "deep" / "folder"
    fill(folder, "first")
    fill(folder, "second")
    assert names(folder) == ["a.txt", "second.txt"], "nothing of the first is left"
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), atomic_dir(folder) as half:
            (half / "a.txt").write_text("third")
            assert (folder / "a.txt").read_text() == "second", "readers see the old one until the end"
            raise error
        assert names(folder) == ["a.txt", "second.txt"]
    with pytest.raises(ValueError, match="early"), atomic_dir(tmp_path / "new"):
        raise ValueError("early")
    assert names(tmp_path) == ["deep"]
    assert names(folder.parent) == ["folder"]


def test_a_folder_that_cannot_take_its_name_leaves_the_old_one(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    fill(folder, "first")
    replace, move = Path.replace, shutil.move

    def refused(path) -> bool:
        if Path(path).name.endswith(".part"):
            raise OSError("busy")
        return False

    monkeypatch.setattr(Path, "replace", lambda self, target: refused(self) or replace(self, target))
    monkeypatch.setattr(shutil, "move", lambda source, target: refused(source) or move(source, target))
    with pytest.raises(OSError, match="busy"):
        fill(folder, "second")
    assert names(folder) == ["a.txt", "first.txt"]
    assert names(tmp_path) == ["folder"]


def test_a_prequential_run_is_another_run_of_the_same_fit(store, computed):
    alone = store.get(LAPLACE, DATASET)
    prequential = store.get(changed(prequential=True), DATASET)
    assert computed == ["fit", "score", "score"]
    assert prequential.record["fit"] == alone.record["fit"]
    assert prequential.record["id"] != alone.record["id"]
    assert prequential.record["data"]["prequential"] is True
    assert prequential.record["validation_perplexity"] == alone.record["validation_perplexity"]
    assert prequential.record["parameters"] == alone.record["parameters"]
