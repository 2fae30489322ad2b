"""Finished runs that come with the repository: what is kept of them, and that a store takes them for the same runs."""

import json
import math
import re
import time

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, gene_frame, random_sequences

from dnastudy.core.provenance import from_json
from dnastudy.data.datasets import Dataset, load_dataset
from dnastudy.evaluation import metrics
from dnastudy.experiments import store as stores
from dnastudy.experiments.precompute import FAMILY_RECORD, pack_finished
from dnastudy.experiments.curve_plan import curve_runs
from dnastudy.experiments.homology_cache import PARTS, split_file
from dnastudy.experiments.plan import find_run
from dnastudy.experiments.precomputed import FOLDER, RECORDS, SCORES, STEPS, pack, unpack
from dnastudy.experiments.profile import Profile, load_profile
from dnastudy.experiments.replicates import mean_scores
from dnastudy.experiments.store import Result, Store
from dnastudy.experiments.identity import run_id
from dnastudy.homology import mmseqs

SETTINGS = {
    "data": "simulated", "simulated_genes": 60, "seed": 2, "bootstrap_replicates": 100, "mle_orders": [1],
    "laplace_orders": [2], "train_orders": [3], "curves": {"fractions": [1, 0.5], "seeds": [1], "models": {
        "laplace": {"model": "ngram", "settings": {"order": 3, "smoothing": "laplace"}}}},
}  # fmt: skip
PROFILE = Profile.parse(SETTINGS, "profile of a test")
POINT = curve_runs(PROFILE)[0]
STUDY = find_run(PROFILE, "laplace-train-3")
SEQUENCES = random_sequences(90, seed=8, low=30)
SPLITS = {"train": gene_frame(SEQUENCES[:50], "a"), "validation": gene_frame(SEQUENCES[50:65], "b")}
DATASET = Dataset("own", "genes of a test", {**SPLITS, "test": gene_frame(SEQUENCES[65:], "c")}, "")


def table_of(genes, seed=0):
    """A score table of genes, between twice as probable as at random and half a bit less a nucleotide."""
    random = np.random.default_rng(seed)
    nucleotides = genes["sequence"].str.len().to_numpy()
    nats = -nucleotides * random.uniform(0.5, 2.2, len(genes)) * math.log(2)
    table = pd.DataFrame({"id": genes["id"], "nucleotides": nucleotides, "nucleotide_log_prob": nats})
    return table.assign(paper_log_prob=math.nan, paper_events=0)


def long_genes(n=500):
    return gene_frame(random_sequences(n, seed=3, low=150, high=700), "g")


def record_of(name, **more):
    return {"id": name, "name": f"run {name}", "metrics": {"interval": [1.5, math.inf], "paper": None}, **more}


# to a file and back


def test_a_run_is_the_same_after_it_was_carried(tmp_path):
    genes = long_genes()
    tables = {name: table_of(genes, seed) for seed, name in enumerate(("aa", "bb"))}
    records = {name: record_of(name, settings={"order": 3}, text="nötes") for name in tables}
    assert pack(tmp_path / "carried", [(records[name], tables[name]) for name in tables]) == 2
    for name, table in tables.items():
        assert unpack(tmp_path / "carried", name, genes, tmp_path / "runs" / name)
        found = Result(from_json((tmp_path / "runs" / name / "record.json").read_text()), tmp_path / "runs" / name)
        assert found.record == records[name]
        scores = found.scores()
        assert list(scores["id"]) == list(genes["id"]) and scores["nucleotides"].equals(table["nucleotides"])
        apart = (scores["nucleotide_log_prob"] - table["nucleotide_log_prob"]).abs()
        assert 0 < apart.max() <= 0.5 / STEPS + 1e-9
        assert metrics.bits_per_base(scores) == pytest.approx(metrics.bits_per_base(table), abs=1e-5)
        theirs, ours = metrics.summarise(table, 200), metrics.summarise(scores, 200)
        assert ours["bits_per_base_interval"] == pytest.approx(theirs["bits_per_base_interval"], abs=2e-5)
        assert (ours["genes"], ours["nucleotides"], ours["paper_perplexity"]) == (500, theirs["nucleotides"], None)
        assert metrics.paired_difference(scores, table, 100)["bits_per_base"] == pytest.approx(0, abs=1e-5)
    one, other = (Result(records[name], tmp_path / "runs" / name).scores() for name in tables)
    assert metrics.bits_per_base(one) != pytest.approx(metrics.bits_per_base(other), abs=1e-3)


def test_what_was_carried_can_be_carried_on_without_a_loss(tmp_path):
    genes = long_genes(60)
    pack(tmp_path / "one", [(record_of("aa"), table_of(genes))])
    unpack(tmp_path / "one", "aa", genes, tmp_path / "aa")
    again = Result(from_json((tmp_path / "aa" / "record.json").read_text()), tmp_path / "aa")
    pack(tmp_path / "two", [(again.record, again.scores())])
    assert (tmp_path / "two" / RECORDS).read_bytes() == (tmp_path / "one" / RECORDS).read_bytes()
    with np.load(tmp_path / "one" / SCORES) as one, np.load(tmp_path / "two" / SCORES) as two:
        assert one.files == two.files == ["aa"] and (one["aa"] == two["aa"]).all()


def test_the_same_runs_make_the_same_files(tmp_path):
    runs = [(record_of(name), table_of(long_genes(60), seed)) for seed, name in enumerate(("aa", "bb"))]
    for folder in ("one", "two"):
        assert pack(tmp_path / folder, [*runs, runs[0]]) == 2, "once an id"
    for file in (RECORDS, SCORES):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("nats", [-math.inf, math.nan, 40_000.0])
def test_a_gene_that_16_bits_do_not_hold_is_refused(tmp_path, nats):
    genes = long_genes(20)
    pack(tmp_path, [(record_of("aa"), table_of(genes))])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    table = table_of(genes)
    table.loc[7, "nucleotide_log_prob"] = nats
    with pytest.raises(ValueError, match="run bb: a gene of probability 0, or much too long"):
        pack(tmp_path, [(record_of("aa"), table_of(genes)), (record_of("bb") | {"name": "bb"}, table)])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before, "nothing is half written"


def test_what_is_not_carried_is_not_there(tmp_path):
    genes = long_genes(20)
    pack(tmp_path / "carried", [(record_of("aa"), table_of(genes))])
    for folder, name in (("carried", "bb"), ("carried", "a"), ("nowhere", "aa")):
        assert unpack(tmp_path / folder, name, genes, tmp_path / "runs" / name) is False
    assert not (tmp_path / "runs").exists() and not (tmp_path / "nowhere").exists()


def test_a_folder_without_runs_carries_none(tmp_path):
    assert pack(tmp_path / "carried", []) == 0
    assert unpack(tmp_path / "carried", "aa", long_genes(5), tmp_path / "runs" / "aa") is False
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_was_packed_anew_is_read_anew(tmp_path):
    genes = long_genes(20)
    pack(tmp_path / "carried", [(record_of("aa", commit="old"), table_of(genes))])
    assert unpack(tmp_path / "carried", "aa", genes, tmp_path / "first")
    time.sleep(0.05)  # coarse clocks of file systems
    pack(tmp_path / "carried", [(record_of("aa", commit="new"), table_of(genes)), (record_of("bb"), table_of(genes))])
    assert unpack(tmp_path / "carried", "aa", genes, tmp_path / "second")
    assert [json.loads((tmp_path / n / "record.json").read_text())["commit"] for n in ("first", "second")] == [
        "old", "new"
    ]  # fmt: skip
    assert unpack(tmp_path / "carried", "bb", genes, tmp_path / "third")


# in a store


@pytest.fixture
def given(tmp_path):
    """A folder that carries one computed run, and its result."""
    result = Store(tmp_path / "first", carried=None).get(POINT, DATASET)
    pack(tmp_path / "carried", [(result.record, result.scores())])
    return tmp_path / "carried", result


@pytest.fixture
def no_fits(monkeypatch):
    def refused(*words):
        raise AssertionError("a model was fitted")

    monkeypatch.setattr(stores, "fit_model", refused)


def test_a_store_takes_a_carried_run_and_fits_nothing(given, tmp_path, no_fits):
    folder, computed = given
    store = Store(tmp_path / "store", carried=folder)
    found = store.get(POINT, DATASET)
    assert found.record == computed.record and found.record["id"] == run_id(POINT, DATASET)
    scores, own = found.scores(), computed.scores()
    assert list(scores["id"]) == list(own["id"]) == list(DATASET.test["id"])
    np.testing.assert_allclose(scores["nucleotide_log_prob"], own["nucleotide_log_prob"], atol=0.5 / STEPS + 1e-9)
    assert Store(store.root, carried=folder).get(POINT, DATASET).record == computed.record
    assert store.finished(POINT, DATASET).record == computed.record
    renamed = store.get(POINT.model_copy(update={"name": "curve-other-own-1-1"}), DATASET)
    assert renamed.record == {**computed.record, "name": "curve-other-own-1-1"}


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"order": 2, "smoothing": "laplace"}},
        {"replicates": 101},
        {"fraction": 0.5},
        {"test": "validation"},
    ],
)
def test_another_run_is_not_taken_for_a_carried_one(given, tmp_path, no_fits, change):
    store = Store(tmp_path / "store", carried=given[0])
    with pytest.raises(AssertionError, match="a model was fitted"):
        store.get(POINT.model_copy(update=change), DATASET)


def test_other_genes_are_not_taken_for_the_carried_ones(given, tmp_path, no_fits):
    other = Dataset("own", "genes of a test", {**DATASET.splits, "train": DATASET.train[:-1]}, "")
    with pytest.raises(AssertionError, match="a model was fitted"):
        Store(tmp_path / "store", carried=given[0]).get(POINT, other)


@pytest.mark.parametrize("folder", [None, "another", "empty"])
def test_without_a_folder_that_carries_it_a_run_is_computed(given, tmp_path, monkeypatch, folder):
    fitted, fit_model = [], stores.fit_model
    monkeypatch.setattr(stores, "fit_model", lambda *words: fitted.append(words[0]) or fit_model(*words))
    (tmp_path / "empty").mkdir()
    pack(tmp_path / "another", [(given[1].record | {"id": "0" * 16}, given[1].scores())])
    store = Store(tmp_path / "store", carried=folder and tmp_path / folder)
    found = store.get(POINT, DATASET)
    assert fitted == ["ngram"] and found.metrics == given[1].metrics
    assert "paper_log_prob" in found.scores() and found.scores()["paper_events"].sum() > 0


def test_a_computed_run_is_not_replaced_by_a_carried_one(given, tmp_path, no_fits):
    _, computed = given
    other = computed.record | {"metrics": {**computed.metrics, "bits_per_base": 9.0}}
    pack(tmp_path / "wrong", [(other, computed.scores())])
    before = {path.name: path.read_bytes() for path in computed.folder.iterdir()}
    found = Store(tmp_path / "first", carried=tmp_path / "wrong").get(POINT, DATASET)
    assert found.record == computed.record and found.folder == computed.folder
    assert {path.name: path.read_bytes() for path in computed.folder.iterdir()} == before
    assert Store(tmp_path / "new", carried=tmp_path / "wrong").get(POINT, DATASET).metrics["bits_per_base"] == 9


def test_the_repository_s_own_runs_are_what_a_store_takes_by_default(tmp_path):
    assert Store(tmp_path).carried == ROOT / FOLDER


@pytest.mark.parametrize("first", ["the point", "the run of the study"])
def test_a_run_of_the_study_that_is_also_a_point_of_a_curve_has_its_model_and_all_scores(given, tmp_path, first):
    """Chapters ask for the model of such a run, and for positions within the genes, which are not carried."""
    store = Store(tmp_path / "store", carried=given[0])
    assert run_id(STUDY, DATASET) == run_id(POINT, DATASET)
    if first == "the point":
        store.get(POINT, DATASET)
    found = store.get(STUDY, DATASET)
    assert found.model().settings.order == 3
    positions = metrics.by_position(found.scores(), 100)
    assert positions["nucleotides"].sum() == found.metrics["nucleotides"]
    assert metrics.paper_perplexity(found.scores()) == found.metrics["paper_perplexity"]
    assert store.get(POINT, DATASET).metrics == found.metrics == given[1].metrics


@pytest.mark.parametrize("order", [1, -1])
def test_means_over_seeds_are_of_carried_and_computed_runs_alike(given, tmp_path, order):
    folder, computed = given
    brought = Store(tmp_path / "store", carried=folder).get(POINT, DATASET)
    mean = mean_scores([computed, brought][::order])
    expected = (computed.scores()["nucleotide_log_prob"] + brought.scores()["nucleotide_log_prob"]) / 2
    np.testing.assert_allclose(mean["nucleotide_log_prob"], expected)
    assert metrics.bits_per_base(mean) == pytest.approx(computed.metrics["bits_per_base"], abs=1e-3)


# the split by family that comes along


@pytest.fixture
def no_search(monkeypatch):
    def refused(*words, **more):
        raise AssertionError("relatives were searched")

    for name in ("split_by_family", "nearest_homologs"):
        monkeypatch.setattr(mmseqs, name, refused)


def simulated():
    return load_dataset("simulated", genes=60, seed=2)


def write_split(folder, dataset, seed=1):
    """A split like no program makes it: every third gene into each part, last ones first."""
    ids = [name for part in PARTS for name in dataset.splits[part]["id"]][::-1]
    table = pd.DataFrame({"id": ids, "part": [PARTS[i % 3] for i in range(len(ids))]})
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / split_file(dataset, seed), index=False)
    return table


def test_a_split_by_family_that_comes_along_is_used_as_it_is(tmp_path, no_search):
    dataset = simulated()
    table = write_split(tmp_path / "carried", dataset)
    store = Store(tmp_path / "store", carried=tmp_path / "carried")
    found = store.by_family(dataset)
    whole = pd.concat([dataset.splits[part] for part in PARTS]).set_index("id", drop=False)
    for part in PARTS:
        assert list(found.splits[part]["id"]) == list(table.loc[table["part"] == part, "id"])
        assert found.splits[part].equals(whole.loc[found.splits[part]["id"]].reset_index(drop=True))
    assert sum(len(found.splits[part]) for part in PARTS) == 60
    assert "split anew by family (seed 1)" in found.description
    assert not store.root.exists(), "nothing is computed or kept"
    run = POINT.model_copy(update={"split": "family"})
    assert store.genes(run, dataset).hashes == found.hashes
    assert store.genes(POINT, dataset) is dataset
    data = store.get(run, dataset).record["data"]
    assert data["split"] == "family" and data["sha256"] == {name: found.hashes[name] for name in ("train", "test")}


def test_a_split_of_other_genes_or_another_seed_is_not_used(tmp_path, no_search):
    dataset = simulated()
    write_split(tmp_path / "carried", dataset)
    store = Store(tmp_path / "store", carried=tmp_path / "carried")
    other = load_dataset("simulated", genes=60, seed=3)
    for asked in ({"dataset": dataset, "seed": 2}, {"dataset": other}):
        with pytest.raises(AssertionError, match="relatives were searched"):
            store.by_family(**asked)
    with pytest.raises(AssertionError, match="relatives were searched"):
        Store(store.root, carried=None).by_family(dataset)
    part = dataset.subsample(0.5, 1)
    assert len({split_file(dataset), split_file(dataset, 2), split_file(other), split_file(part)}) == 4


# putting points into the repository


def test_finished_points_are_carried_and_none_is_lost_later(tmp_path, monkeypatch, no_search):
    """Carrying from a store that has computed nothing leaves what came with the repository."""
    dataset, root = PROFILE.dataset(), tmp_path / "root"
    write_split(root / FOLDER, dataset)

    def of_store(name):
        return lambda: Store(tmp_path / name, carried=root / FOLDER)

    def no_blast(*words):
        raise FileNotFoundError("no BLAST+")

    monkeypatch.setattr("dnastudy.experiments.curve_plan.blast_programs", no_blast)
    monkeypatch.setattr("dnastudy.experiments.curve_plan.Store", of_store("computed"))
    planned = curve_runs(PROFILE)
    results = [of_store("computed")().get(run, dataset) for run in planned[:3]]
    said = []
    assert pack_finished(PROFILE, root, log=said.append) == 3
    assert said[0] == f"{FAMILY_RECORD} stays as it is: no BLAST+" and not (root / FAMILY_RECORD).exists()
    assert [json.loads(line)["name"] for line in (root / FOLDER / RECORDS).read_text().splitlines()] == [
        run.name for run in planned[:3]
    ]
    fresh = of_store("fresh")()
    for run, result in zip(planned, results, strict=False):
        assert fresh.get(run, dataset).record == result.record
    before = (root / FOLDER / RECORDS).read_bytes()
    monkeypatch.setattr("dnastudy.experiments.curve_plan.Store", of_store("empty"))
    assert pack_finished(PROFILE, root) == 3
    assert (root / FOLDER / RECORDS).read_bytes() == before


def test_carrying_says_what_goes_and_what_nobody_can_rebuild(tmp_path, monkeypatch, no_search):
    dataset, root, said = PROFILE.dataset(), tmp_path / "root", []
    write_split(root / FOLDER, dataset)
    store = Store(tmp_path / "computed", carried=root / FOLDER)
    monkeypatch.setattr("dnastudy.experiments.curve_plan.Store", lambda: store)
    monkeypatch.setattr("dnastudy.experiments.curve_plan.blast_programs", lambda: ("blastn", "makeblastdb"))
    monkeypatch.setattr("dnastudy.experiments.curve_plan.split_record", lambda family, dataset: {})
    first, second = (store.get(run, dataset) for run in curve_runs(PROFILE)[:2])
    for path in (tmp_path / "computed" / "runs").glob("*/record.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "commit": "123456789abc-dirty"}))
    other = {**first.record, "id": "0" * 16, "name": "of-another-profile", "commit": "123456789abc"}
    pack(root / FOLDER, [(other, first.scores())])
    assert pack_finished(PROFILE, root, log=said.append) == 2
    gone, dirty = said
    assert gone == "runs that are carried no longer: of-another-profile"
    assert dirty.startswith("runs that are by code that no commit holds: ") and second.record["name"] in dirty


# what this repository carries

HERE = ROOT / FOLDER
PUBLISHED = [from_json(line) for line in (HERE / RECORDS).read_text().splitlines()]


@pytest.fixture(scope="module")
def steps():
    with np.load(HERE / SCORES, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_every_carried_record_has_its_scores_and_its_bits(steps):
    ids = [record["id"] for record in PUBLISHED]
    assert len(ids) == len(set(ids)) and set(ids) == set(steps) and len(ids) > 100
    for record in PUBLISHED:
        found, metrics = steps[record["id"]], record["metrics"]
        assert found.dtype == np.int16 and found.shape == (metrics["genes"],)
        nats = found.astype(np.int64).sum() / STEPS - metrics["nucleotides"] * math.log(4)
        bits = -nats / metrics["nucleotides"] / math.log(2)
        # five standard deviations of what rounding each gene adds up to: 4e-6 on genes, 2e-5 on short texts
        rounding = 5 * math.sqrt(metrics["genes"] / 12) / STEPS / metrics["nucleotides"] / math.log(2)
        assert bits == pytest.approx(metrics["bits_per_base"], abs=rounding), record["name"]
        low, high = metrics["bits_per_base_interval"]
        assert low < bits < high


def test_carried_records_say_where_they_come_from():
    assert all(re.fullmatch("[0-9a-f]{16}", record["id"]) for record in PUBLISHED)
    assert all(re.fullmatch("[0-9a-f]{7,40}", record["commit"]) for record in PUBLISHED), "of clean commits"
    names = [record["name"] for record in PUBLISHED]
    assert len(set(names)) == len(names) and all(name.startswith(("curve-", "family-")) for name in names)
    for record in PUBLISHED:
        data = record["data"]
        assert data["name"] == "paper" or data["name"].startswith(("english", "source-")), record["name"]
        assert data["split"] in ("own", "family") and 0 < data["fraction"] <= 1
        assert data["train"] == ["train"] and data["test"] == "test" and not data["update"] and not data["prequential"]
        assert data["train_genes"] > 0 and record["device"] and set(record["seconds"]) == {"fit", "score"}


def test_one_model_learns_from_nested_parts_and_all_are_tested_on_the_same_genes():
    tests = {(r["data"]["name"], r["data"]["split"]): set() for r in PUBLISHED}
    for record in PUBLISHED:
        tests[record["data"]["name"], record["data"]["split"]].add(record["data"]["sha256"]["test"])
    assert all(len(hashes) == 1 for hashes in tests.values())
    trained = {}
    for record in PUBLISHED:
        data = record["data"]
        place = (data["name"], data["split"], data["fraction"], data["subset"])
        trained.setdefault(place, set()).add((data["sha256"]["train"], data["train_nucleotides"]))
    assert all(len(found) == 1 for found in trained.values()), "all models of a point get the same genes"


def test_the_carried_split_is_one_of_all_genes():
    (path,) = HERE.glob("split-*.csv")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert list(table.columns) == ["id", "part"] and table["id"].is_unique and set(table["part"]) == set(PARTS)
    family = next(r for r in PUBLISHED if r["data"]["split"] == "family" and r["data"]["fraction"] == 1)
    assert (table["part"] == "train").sum() == family["data"]["train_genes"]
    assert (table["part"] == "test").sum() == family["metrics"]["genes"]


def test_no_sequences_are_carried(steps):
    files = sorted(path.name for path in HERE.iterdir())
    assert [name for name in files if not name.startswith("split-")] == [RECORDS, SCORES]
    for path in HERE.iterdir():
        assert not re.search(rb"[ACGTacgt]{30}", path.read_bytes()), path.name
    assert all(array.ndim == 1 for array in steps.values()), "a figure a gene"


@pytest.mark.realdata
def test_carried_runs_are_those_that_this_code_asks_for(real_data, tmp_path):
    """Ids hold the code that a run depends on: changed code makes what is carried useless, without a word."""
    profile = load_profile("cpu", data=str(real_data))
    dataset, store = profile.dataset(), Store(tmp_path)
    if split_file(dataset) not in {path.name for path in HERE.iterdir()}:
        pytest.skip("these are not the genes of the published study")
    known = {record["id"]: record["name"] for record in PUBLISHED}
    names = set(known.values())
    planned = [run for run in curve_runs(profile) if run.name in names and run.fraction == 1]
    assert len(planned) > 10
    for run in planned:
        assert known.get(run_id(run, store.genes(run, dataset))) == run.name
