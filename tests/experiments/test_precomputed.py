"""Finished runs that come with the repository: what is kept of them, and that a store takes them for the same runs."""

import json
import math
import os
import re

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, gene_frame, random_sequences

from dnastudy.core.provenance import from_json
from dnastudy.data.datasets import Dataset, load_dataset
from dnastudy.evaluation import metrics
from dnastudy.experiments import precompute
from dnastudy.experiments import store as stores
from dnastudy.experiments.curve_plan import curve_runs
from dnastudy.experiments.homology_cache import PARTS, split_file
from dnastudy.experiments.identity import run_id
from dnastudy.experiments.plan import find_run
from dnastudy.experiments.precompute import FAMILY_RECORD, pack_finished
from dnastudy.experiments.precomputed import FACTS, FOLDER, SCORES, STEPS, SUMMARY, pack, packed, rename, unpack
from dnastudy.experiments.profile import Profile, load_profile
from dnastudy.experiments.replicates import mean_scores
from dnastudy.experiments.store import Store
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
    """A score table of genes, between twice as probable as at random and half a bit less per base."""
    random = np.random.default_rng(seed)
    nucleotides = genes["sequence"].str.len().to_numpy()
    nats = -nucleotides * random.uniform(0.5, 2.2, len(genes)) * math.log(2)
    table = pd.DataFrame({"id": genes["id"], "nucleotides": nucleotides, "nucleotide_log_prob": nats})
    return table.assign(paper_log_prob=math.nan, paper_events=0)


def long_genes(n=500):
    return gene_frame(random_sequences(n, seed=3, low=150, high=700), "g")


def facts_of(name, **more):
    return {"id": name, "name": f"run {name}", "tuned": {"weight": math.inf, "none": None}, **more}


def unpacked(folder, name, genes, target):
    """Facts and scores of a precomputed run."""
    assert unpack(folder, name, genes, target)
    facts = from_json((target / "facts.json").read_text())
    return facts, pd.read_csv(target / "scores.csv", dtype={"id": str})


# to a file and back


def test_a_run_is_the_same_after_packing_and_unpacking(tmp_path):
    genes = long_genes()
    tables = {name: table_of(genes, seed) for seed, name in enumerate(("aa", "bb"))}
    facts = {name: facts_of(name, settings={"order": 3}, text="nötes") for name in tables}
    assert pack(tmp_path / "packed", [(facts[name], tables[name]) for name in tables]) == 2
    assert packed(tmp_path / "packed") == list(facts.values())
    bits = []
    for name, table in tables.items():
        facts_after, scores = unpacked(tmp_path / "packed", name, genes, tmp_path / "scores" / name)
        assert facts_after == facts[name]
        assert list(scores["id"]) == list(genes["id"]) and scores["nucleotides"].equals(table["nucleotides"])
        error = (scores["nucleotide_log_prob"] - table["nucleotide_log_prob"]).abs()
        assert 0 < error.max() <= 0.5 / STEPS + 1e-9
        before, after = metrics.summarise(table, 200), metrics.summarise(scores, 200)
        assert after["bits_per_base"] == pytest.approx(before["bits_per_base"], abs=1e-5)
        assert after["bits_per_base_interval"] == pytest.approx(before["bits_per_base_interval"], abs=2e-5)
        assert (after["genes"], after["nucleotides"]) == (500, before["nucleotides"])
        assert after["paper_perplexity"] is None
        assert metrics.paired_difference(scores, table, 100)["bits_per_base"] == pytest.approx(0, abs=1e-5)
        bits.append(after["bits_per_base"])
    assert bits[0] != pytest.approx(bits[1], abs=1e-3)


def test_metrics_are_not_kept_but_computed_when_they_are_read(tmp_path):
    summary = dict.fromkeys(SUMMARY, "a wrong figure")
    pack(tmp_path, [(facts_of("aa") | summary, table_of(long_genes(20)))])
    assert packed(tmp_path) == [facts_of("aa")]


def test_an_unpacked_run_can_be_packed_again_without_a_loss(tmp_path):
    genes = long_genes(60)
    pack(tmp_path / "one", [(facts_of("aa"), table_of(genes))])
    pack(tmp_path / "two", [unpacked(tmp_path / "one", "aa", genes, tmp_path / "aa")])
    assert (tmp_path / "two" / FACTS).read_bytes() == (tmp_path / "one" / FACTS).read_bytes()
    with np.load(tmp_path / "one" / SCORES) as one, np.load(tmp_path / "two" / SCORES) as two:
        assert one.files == two.files == ["aa"] and (one["aa"] == two["aa"]).all()


def test_the_same_runs_make_the_same_files(tmp_path):
    runs = [(facts_of(name), table_of(long_genes(60), seed)) for seed, name in enumerate(("aa", "bb"))]
    for folder in ("one", "two"):
        assert pack(tmp_path / folder, [*runs, runs[0]]) == 2, "each id once"
    for file in (FACTS, SCORES):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_runs_under_other_ids_keep_their_scores(tmp_path):
    genes = long_genes(60)
    pack(tmp_path, [(facts_of(name), table_of(genes, seed)) for seed, name in enumerate(("aa", "bb"))])
    before = {name: unpacked(tmp_path, name, genes, tmp_path / name)[1] for name in ("aa", "bb")}
    facts = {row["id"]: row for row in packed(tmp_path)}
    rename(tmp_path, {"bb": {**facts["bb"], "id": "dd"}, "aa": {**facts["aa"], "id": "cc", "commit": "new"}})
    assert [(row["id"], row["name"], row.get("commit")) for row in packed(tmp_path)] == [
        ("dd", "run bb", None), ("cc", "run aa", "new"),
    ]  # fmt: skip
    for old, new in (("aa", "cc"), ("bb", "dd")):
        assert unpacked(tmp_path, new, genes, tmp_path / new)[1].equals(before[old])
        assert unpack(tmp_path, old, genes, tmp_path / "gone") is False


@pytest.mark.parametrize("nats", [-math.inf, math.nan, 40_000.0])
def test_a_gene_that_16_bits_do_not_hold_is_refused(tmp_path, nats):
    genes = long_genes(20)
    pack(tmp_path, [(facts_of("aa"), table_of(genes))])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    table = table_of(genes)
    table.loc[7, "nucleotide_log_prob"] = nats
    with pytest.raises(ValueError, match="run bb: a gene of probability 0, or much too long"):
        pack(tmp_path, [(facts_of("aa"), table_of(genes)), (facts_of("bb") | {"name": "bb"}, table)])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before, "nothing is half written"


def test_a_run_that_was_not_packed_is_not_unpacked(tmp_path):
    genes = long_genes(20)
    pack(tmp_path / "packed", [(facts_of("aa"), table_of(genes))])
    pack(tmp_path / "empty", [])
    for folder, name in (("packed", "bb"), ("packed", "a"), ("empty", "aa"), ("nowhere", "aa")):
        assert unpack(tmp_path / folder, name, genes, tmp_path / "scores" / name) is False
    assert packed(tmp_path / "empty") == packed(tmp_path / "nowhere") == []
    assert not (tmp_path / "scores").exists() and not (tmp_path / "nowhere").exists()


def test_a_folder_that_was_packed_again_is_read_again(tmp_path):
    genes = long_genes(20)
    folder = tmp_path / "packed"
    pack(folder, [(facts_of("aa", commit="old"), table_of(genes))])
    assert unpacked(folder, "aa", genes, tmp_path / "first")[0]["commit"] == "old"
    pack(folder, [(facts_of("aa", commit="new"), table_of(genes)), (facts_of("bb"), table_of(genes))])
    os.utime(folder / FACTS, ns=(1, 10**18))  # clocks of file systems are coarse
    assert unpacked(folder, "aa", genes, tmp_path / "second")[0]["commit"] == "new"
    assert unpack(folder, "bb", genes, tmp_path / "third")


# in a store


@pytest.fixture
def computed(tmp_path):
    """The result of a run that was computed here and packed into the folder "packed"."""
    result = Store(tmp_path / "first", precomputed_folder=None).get(POINT, DATASET)
    pack(tmp_path / "packed", [(result.record, result.scores())])
    return result


@pytest.fixture
def no_fits(monkeypatch):
    def refused(*words):
        raise AssertionError("a model was fitted")

    monkeypatch.setattr(stores, "fit_model", refused)


FIGURES = ("metrics", "by_type", "by_length", "by_position")


def facts_but_summary(record):
    return {key: value for key, value in record.items() if key not in FIGURES}


def test_a_store_takes_a_precomputed_run_and_fits_nothing(computed, tmp_path, no_fits):
    folder = tmp_path / "packed"
    store = Store(tmp_path / "store", precomputed_folder=folder)
    result = store.get(POINT, DATASET)
    assert facts_but_summary(result.record) == facts_but_summary(computed.record)
    assert result.record["id"] == run_id(POINT, DATASET)
    assert result.record["by_position"] is None, "one figure a gene is kept"
    assert result.metrics["bits_per_base"] == pytest.approx(computed.metrics["bits_per_base"], abs=1e-4)
    scores, before = result.scores(), computed.scores()
    assert list(scores["id"]) == list(before["id"]) == list(DATASET.test["id"])
    np.testing.assert_allclose(scores["nucleotide_log_prob"], before["nucleotide_log_prob"], atol=0.5 / STEPS + 1e-9)
    again = Store(store.root, precomputed_folder=folder)
    assert again.get(POINT, DATASET).record == again.finished(POINT, DATASET).record == result.record


def test_a_precomputed_run_is_called_what_it_is_asked_for_as(computed, tmp_path, no_fits):
    store = Store(tmp_path / "store", precomputed_folder=tmp_path / "packed")
    called = {"name": "curve-other-own-1-1", "label": "other", "group": "others", "order": 5}
    record = store.get(POINT.model_copy(update=called), DATASET).record
    assert facts_but_summary(record) == {**facts_but_summary(computed.record), **called}


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"order": 2, "smoothing": "laplace"}},
        {"fraction": 0.5},
        {"test": "validation"},
        {"prequential": True},
        {"precomputed": False},
    ],
)
def test_another_run_is_not_taken_for_a_precomputed_one(computed, tmp_path, no_fits, change):
    store = Store(tmp_path / "store", precomputed_folder=tmp_path / "packed")
    assert store.finished(POINT.model_copy(update=change), DATASET) is None
    with pytest.raises(AssertionError, match="a model was fitted"):
        store.get(POINT.model_copy(update=change), DATASET)


def test_other_resamples_of_a_precomputed_run_fit_nothing(computed, tmp_path, no_fits):
    store = Store(tmp_path / "store", precomputed_folder=tmp_path / "packed")
    one, other = (store.get(POINT.model_copy(update={"replicates": n}), DATASET) for n in (100, 300))
    assert one.folder == other.folder and one.metrics["interval"] != other.metrics["interval"]


def test_other_genes_are_not_taken_for_the_precomputed_ones(computed, tmp_path, no_fits):
    other = Dataset("own", "genes of a test", {**DATASET.splits, "train": DATASET.train[:-1]}, "")
    with pytest.raises(AssertionError, match="a model was fitted"):
        Store(tmp_path / "store", precomputed_folder=tmp_path / "packed").get(POINT, other)


@pytest.mark.parametrize("folder", [None, "another", "empty"])
def test_a_run_that_is_not_precomputed_is_computed(computed, tmp_path, monkeypatch, folder):
    fitted, fit_model = [], stores.fit_model
    monkeypatch.setattr(stores, "fit_model", lambda *words: fitted.append(words[0]) or fit_model(*words))
    (tmp_path / "empty").mkdir()
    pack(tmp_path / "another", [(dict(computed.record) | {"id": "0" * 16}, computed.scores())])
    store = Store(tmp_path / "store", precomputed_folder=folder and tmp_path / folder)
    result = store.get(POINT, DATASET)
    assert fitted == ["ngram"] and result.metrics == computed.metrics
    assert result.scores()["paper_events"].sum() > 0


def test_a_computed_run_is_not_replaced_by_a_precomputed_one(computed, tmp_path, no_fits):
    wrong = computed.scores().assign(nucleotide_log_prob=-100.0)
    pack(tmp_path / "wrong", [(computed.record, wrong)])
    before = {path.name: path.read_bytes() for path in computed.folder.iterdir()}
    result = Store(tmp_path / "first", precomputed_folder=tmp_path / "wrong").get(POINT, DATASET)
    assert result.record == computed.record and result.folder == computed.folder
    assert {path.name: path.read_bytes() for path in computed.folder.iterdir()} == before
    other = Store(tmp_path / "new", precomputed_folder=tmp_path / "wrong").get(POINT, DATASET)
    assert other.metrics["bits_per_base"] == pytest.approx(metrics.bits_per_base(wrong), abs=1e-4)


def test_a_store_takes_the_runs_of_the_repository_by_default(tmp_path):
    assert Store(tmp_path).precomputed_folder == ROOT / FOLDER


@pytest.mark.parametrize("first", ["the point", "the run of the study"])
def test_a_run_of_the_study_that_is_also_a_point_of_a_curve_has_its_model_and_all_scores(computed, tmp_path, first):
    """Chapters use the model of such a run, and positions within the genes, which are not kept."""
    store = Store(tmp_path / "store", precomputed_folder=tmp_path / "packed")
    assert run_id(STUDY, DATASET) == run_id(POINT, DATASET)
    if first == "the point":
        store.get(POINT, DATASET)
    result = store.get(STUDY, DATASET)
    assert result.model().settings.order == 3
    positions = metrics.by_position(result.scores(), 100)
    assert positions["nucleotides"].sum() == result.metrics["nucleotides"]
    assert metrics.paper_perplexity(result.scores()) == result.metrics["paper_perplexity"]
    assert store.get(POINT, DATASET).metrics == result.metrics == computed.metrics


@pytest.mark.parametrize("order", [1, -1])
def test_means_over_seeds_are_of_precomputed_and_computed_runs_alike(computed, tmp_path, order):
    precomputed = Store(tmp_path / "store", precomputed_folder=tmp_path / "packed").get(POINT, DATASET)
    mean = mean_scores([computed, precomputed][::order])
    expected = (computed.scores()["nucleotide_log_prob"] + precomputed.scores()["nucleotide_log_prob"]) / 2
    np.testing.assert_allclose(mean["nucleotide_log_prob"], expected)
    assert metrics.bits_per_base(mean) == pytest.approx(computed.metrics["bits_per_base"], abs=1e-3)


# the family split that comes with the repository


@pytest.fixture
def no_search(monkeypatch):
    def refused(*words, **more):
        raise AssertionError("homologs were searched")

    for name in ("split_by_family", "nearest_homologs"):
        monkeypatch.setattr(mmseqs, name, refused)


def simulated():
    return load_dataset("simulated", genes=60, seed=2)


def write_split(folder, dataset, seed=1):
    """A split that no program would make: every third gene into each part, the last ones first."""
    ids = [name for part in PARTS for name in dataset.splits[part]["id"]][::-1]
    table = pd.DataFrame({"id": ids, "part": [PARTS[i % 3] for i in range(len(ids))]})
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / split_file(dataset, seed), index=False)
    return table


def test_a_family_split_of_the_repository_is_used_as_it_is(tmp_path, no_search):
    dataset = simulated()
    table = write_split(tmp_path / "packed", dataset)
    store = Store(tmp_path / "store", precomputed_folder=tmp_path / "packed")
    split = store.by_family(dataset)
    whole = pd.concat([dataset.splits[part] for part in PARTS]).set_index("id", drop=False)
    for part in PARTS:
        assert list(split.splits[part]["id"]) == list(table.loc[table["part"] == part, "id"])
        assert split.splits[part].equals(whole.loc[split.splits[part]["id"]].reset_index(drop=True))
    assert sum(len(split.splits[part]) for part in PARTS) == 60
    assert "split anew by family (seed 1)" in split.description
    assert not store.root.exists(), "nothing is computed or kept"
    run = POINT.model_copy(update={"split": "family"})
    assert store.genes(run, dataset).hashes == split.hashes
    assert store.genes(POINT, dataset) is dataset
    data = store.get(run, dataset).record["data"]
    assert data["split"] == "family" and data["sha256"] == {name: split.hashes[name] for name in ("train", "test")}


def test_a_split_of_other_genes_or_another_seed_is_not_used(tmp_path, no_search):
    dataset = simulated()
    write_split(tmp_path / "packed", dataset)
    store = Store(tmp_path / "store", precomputed_folder=tmp_path / "packed")
    other = load_dataset("simulated", genes=60, seed=3)
    for arguments in ({"dataset": dataset, "seed": 2}, {"dataset": other}):
        with pytest.raises(AssertionError, match="homologs were searched"):
            store.by_family(**arguments)
    with pytest.raises(AssertionError, match="homologs were searched"):
        Store(store.root, precomputed_folder=None).by_family(dataset)
    part = dataset.subsample(0.5, 1)
    assert len({split_file(dataset), split_file(dataset, 2), split_file(other), split_file(part)}) == 4


# putting finished runs into the repository


def no_blast(*words):
    raise FileNotFoundError("no BLAST+")


def test_finished_runs_are_packed_and_none_is_lost_later(tmp_path, monkeypatch, no_search):
    """Packing from a store that has computed nothing keeps what came with the repository."""
    dataset, root = PROFILE.dataset(), tmp_path / "root"
    write_split(root / FOLDER, dataset)

    def store(name):
        return lambda: Store(tmp_path / name, precomputed_folder=root / FOLDER)

    monkeypatch.setattr(precompute, "blast_programs", no_blast)
    monkeypatch.setattr(precompute, "Store", store("computed"))
    runs = curve_runs(PROFILE)
    assert len(runs) > 3
    results = [store("computed")().get(run, dataset) for run in runs[:3]]
    log = []
    assert pack_finished(PROFILE, root, runs, log=log.append) == 3
    assert log[0] == f"{FAMILY_RECORD} stays as it is: no BLAST+" and not (root / FAMILY_RECORD).exists()
    assert [facts["name"] for facts in packed(root / FOLDER)] == [run.name for run in runs[:3]]
    for run, result in zip(runs, results, strict=False):
        assert facts_but_summary(store("fresh")().get(run, dataset).record) == facts_but_summary(result.record)
    before = (root / FOLDER / FACTS).read_bytes()
    monkeypatch.setattr(precompute, "Store", store("empty"))
    assert pack_finished(PROFILE, root, runs) == 3
    assert (root / FOLDER / FACTS).read_bytes() == before


def test_packing_says_which_runs_are_dropped_and_which_no_commit_holds(tmp_path, monkeypatch, no_search):
    dataset, root, log = PROFILE.dataset(), tmp_path / "root", []
    write_split(root / FOLDER, dataset)
    store = Store(tmp_path / "computed", precomputed_folder=root / FOLDER)
    monkeypatch.setattr(precompute, "Store", lambda: store)
    monkeypatch.setattr(precompute, "blast_programs", lambda: ("blastn", "makeblastdb"))
    monkeypatch.setattr(precompute, "split_record", lambda family, dataset: {"hits": 0})
    runs = curve_runs(PROFILE)
    first, second = (store.get(run, dataset) for run in runs[:2])
    for path in (tmp_path / "computed" / "scores").glob("*/facts.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "commit": "123456789abc-dirty"}))
    other = {**first.record, "id": "0" * 16, "name": "of-another-profile", "commit": "123456789abc"}
    pack(root / FOLDER, [(other, first.scores())])
    assert pack_finished(PROFILE, root, runs, log=log.append) == 2
    dropped, dirty = log
    assert dropped == "runs that are dropped: of-another-profile"
    assert dirty.startswith("runs that are by code that no commit holds: ") and second.record["name"] in dirty
    assert json.loads((root / FAMILY_RECORD).read_text()) == {"hits": 0}


# what comes with this repository

HERE = ROOT / FOLDER
PUBLISHED = packed(HERE)


@pytest.fixture(scope="module")
def steps():
    with np.load(HERE / SCORES, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_every_precomputed_run_has_its_own_score_for_each_gene(steps):
    ids = [facts["id"] for facts in PUBLISHED]
    assert len(ids) == len(set(ids)) and set(ids) == set(steps) and len(ids) > 100
    genes = {}
    for facts in PUBLISHED:
        scores = steps[facts["id"]]
        assert scores.dtype == np.int16 and scores.ndim == 1
        assert (scores != 0).mean() > 0.9, f"{facts['name']}: the scores of the uniform model"
        genes.setdefault(facts["data"]["sha256"]["test"], set()).add(len(scores))
        assert not set(SUMMARY) & set(facts), "metrics are computed from scores"
    assert all(len(numbers) == 1 for numbers in genes.values()), "runs on the same genes have as many scores"
    assert len({scores.tobytes() for scores in steps.values()}) == len(steps)


def test_precomputed_runs_say_where_they_come_from():
    assert all(re.fullmatch("[0-9a-f]{16}", facts["id"]) for facts in PUBLISHED)
    assert all(re.fullmatch("[0-9a-f]{7,40}", facts["commit"]) for facts in PUBLISHED), "of clean commits"
    names = [facts["name"] for facts in PUBLISHED]
    assert len(set(names)) == len(names)
    for facts in PUBLISHED:
        data = facts["data"]
        assert data["name"] == "paper" or data["name"].startswith(("english", "source-")), facts["name"]
        assert data["split"] in ("own", "family") and 0 < data["fraction"] <= 1
        assert data["train"] == ["train"] and data["test"] == "test" and not data["update"] and not data["prequential"]
        assert data["train_genes"] > 0 and facts["device"] and set(facts["seconds"]) == {"fit", "score"}


def test_all_models_of_a_point_are_trained_on_the_same_genes_and_all_points_tested_on_the_same():
    tests = {(facts["data"]["name"], facts["data"]["split"]): set() for facts in PUBLISHED}
    for facts in PUBLISHED:
        tests[facts["data"]["name"], facts["data"]["split"]].add(facts["data"]["sha256"]["test"])
    assert all(len(hashes) == 1 for hashes in tests.values())
    trained = {}
    for facts in PUBLISHED:
        data = facts["data"]
        place = (data["name"], data["split"], data["fraction"], data["subset"])
        trained.setdefault(place, set()).add((data["sha256"]["train"], data["train_nucleotides"]))
    assert all(len(genes) == 1 for genes in trained.values())


def test_the_family_split_of_the_repository_is_one_of_all_genes(steps):
    (path,) = HERE.glob("split-*.csv")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert list(table.columns) == ["id", "part"] and table["id"].is_unique and set(table["part"]) == set(PARTS)
    family = next(f for f in PUBLISHED if f["data"]["split"] == "family" and f["data"]["fraction"] == 1)
    assert (table["part"] == "train").sum() == family["data"]["train_genes"]
    assert (table["part"] == "test").sum() == len(steps[family["id"]])


def test_no_sequences_come_with_the_repository():
    files = sorted(path.name for path in HERE.iterdir())
    assert [name for name in files if not name.startswith("split-")] == [FACTS, SCORES]
    for path in HERE.iterdir():
        assert not re.search(rb"[ACGTacgt]{30}", path.read_bytes()), path.name


@pytest.mark.realdata
def test_precomputed_runs_are_those_that_this_code_plans(real_data, tmp_path):
    """Ids contain the code that a run depends on: changed code makes precomputed runs useless, silently."""
    profile = load_profile("cpu", data=str(real_data))
    dataset, store = profile.dataset(), Store(tmp_path)
    if split_file(dataset) not in {path.name for path in HERE.iterdir()}:
        pytest.skip("these are not the genes of the published study")
    names = {facts["id"]: facts["name"] for facts in PUBLISHED}
    runs = [run for run in curve_runs(profile) if run.name in names.values() and run.fraction == 1]
    assert len(runs) > 10
    for run in runs:
        assert names.get(run_id(run, store.genes(run, dataset))) == run.name
