"""A study's genes, wherever they come from: whole, apart from each other, and never mistaken for others."""

import os
import subprocess

import pandas as pd
import pytest
from helpers import gene_frame, random_sequences

from dnastudy.core.errors import DataError
from dnastudy.data import datasets
from dnastudy.data.datasets import load_dataset
from dnastudy.data.genes import table_hash, write_genes

GENES = gene_frame(random_sequences(60, seed=5, low=20), "g")
SPLITS = {"train": GENES[:36], "validation": GENES[36:48], "test": GENES[48:]}


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("DNASTUDY_DATA", raising=False)


@pytest.fixture
def folder(tmp_path):
    """A folder as `dnastudy data simulate` makes it."""
    for name, frame in SPLITS.items():
        write_genes(frame, tmp_path / "mine" / "genes" / f"{name}.csv")
    return tmp_path / "mine"


def same_splits(dataset):
    return all(list(dataset.splits[name]["id"]) == list(frame["id"]) for name, frame in SPLITS.items())


def test_simulated_genes(monkeypatch, tmp_path):
    monkeypatch.setenv("DNASTUDY_DATA", str(tmp_path / "elsewhere"))
    first = load_dataset("simulated", genes=60, seed=2)
    assert (first.name, first.real) == ("simulated", False)
    assert first.description == "60 simulated genes (seed 2), not real ones"
    assert [len(first.splits[name]) for name in ("train", "validation", "test")] == [36, 12, 12]
    assert first.hashes != load_dataset("simulated", genes=60, seed=3).hashes
    datasets._load.cache_clear()
    assert first.hashes == load_dataset("simulated", genes=60, seed=2).hashes


def test_a_folder_with_or_without_its_genes_folder(folder, monkeypatch):
    for path in (folder, folder / "genes"):
        found = load_dataset(str(path))
        assert same_splits(found)
        assert (found.name, found.real) == (path.name, True)
        assert found.description == f"the genes of folder {path.name}"
    monkeypatch.chdir(folder.parent)
    assert same_splits(load_dataset("mine"))
    monkeypatch.setenv("HOME", str(folder.parent))
    assert same_splits(load_dataset("~/mine"))


def test_counts_are_training_and_validation_genes_and_hashes_are_of_the_tables(folder):
    found = load_dataset(str(folder))
    assert list(found.splits["counts"]["id"]) == list(GENES["id"][:48])
    assert found.counts_description == "training and validation genes"
    assert found.hashes == {name: table_hash(frame) for name, frame in found.splits.items()}
    assert len(set(found.hashes.values())) == 4
    assert found.train is found.splits["train"]
    assert found.validation is found.splits["validation"]
    assert found.test is found.splits["test"]


def test_packed_tables_serve_as_well_and_plain_ones_come_first(folder):
    genes = folder / "genes"
    write_genes(SPLITS["train"], genes / "train.csv.gz")
    write_genes(SPLITS["validation"][:5], genes / "validation.csv.gz")
    (genes / "train.csv").unlink()
    found = load_dataset(str(folder))
    assert same_splits(found)


@pytest.mark.parametrize("ending", ["csv", "fa", "fa.gz"])
def test_one_file_is_split_at_random_without_overlap(tmp_path, ending):
    path = write_genes(GENES, tmp_path / f"own.{ending}")
    found = load_dataset(str(path), seed=4)
    assert (found.name, found.real) == (f"own.{ending}", True)
    assert "split 60/20/20 at random (seed 4)" in found.description
    parts = [found.splits[name] for name in ("train", "validation", "test")]
    assert list(map(len, parts)) == [36, 12, 12]
    together = pd.concat(parts)
    assert together["id"].is_unique
    assert together["sequence"].is_unique
    assert sorted(together["id"]) == sorted(GENES["id"])
    assert list(together["id"]) != list(GENES["id"]), "shuffled"
    assert load_dataset(str(path), seed=5).hashes["test"] != found.hashes["test"]
    datasets._load.cache_clear()
    assert load_dataset(str(path), seed=4).hashes == found.hashes


def test_too_few_genes_to_split(tmp_path):
    path = write_genes(GENES[:9], tmp_path / "few.csv")
    with pytest.raises(DataError, match=r"few\.csv: 9 genes are too few to split"):
        load_dataset(str(path))
    assert len(load_dataset(str(write_genes(GENES[:10], tmp_path / "enough.csv"))).test) == 2


def test_the_environment_names_the_genes_when_nothing_else_does(folder, monkeypatch):
    monkeypatch.setenv("DNASTUDY_DATA", str(folder))
    assert same_splits(load_dataset(""))
    assert load_dataset("simulated", genes=60).name == "simulated"
    monkeypatch.delenv("DNASTUDY_DATA")
    with pytest.raises(DataError, match="no genes named: set DNASTUDY_DATA or --data"):
        load_dataset("")


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_a_missing_table_is_named_and_a_half_download_is_none(folder, name):
    path = folder / "genes" / f"{name}.csv"
    path.rename(path.with_name(f"{name}.csv.part"))
    with pytest.raises(DataError, match=rf"genes: no {name}\.csv there") as caught:
        load_dataset(str(folder))
    assert "dnastudy data fetch" in str(caught.value)


def test_nothing_there_at_all(tmp_path):
    with pytest.raises(DataError) as caught:
        load_dataset(str(tmp_path / "nowhere"))
    assert f"{tmp_path / 'nowhere'}: no such file or folder of genes" in str(caught.value)


def test_bad_genes_are_refused_with_their_place(folder):
    path = folder / "genes" / "validation.csv"
    path.write_text(path.read_text().replace("<", "<N", 1))
    with pytest.raises(DataError, match=r"validation\.csv, record 1 .*position 1: 'N'"):
        load_dataset(str(folder))


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_a_changed_file_is_seen(folder, name):
    first = load_dataset(str(folder))
    assert load_dataset(str(folder)) is first, "read once while nothing changes"
    path = folder / "genes" / f"{name}.csv"
    frame = SPLITS[name].copy()
    flipped = frame.iloc[0, -1].translate(str.maketrans("ACGT", "TGCA"))
    frame.iloc[0, -1] = flipped
    before = path.stat()
    write_genes(frame, path)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    again = load_dataset(str(folder))
    assert again.splits[name]["sequence"].iloc[0] == flipped
    changed = {key for key in first.hashes if first.hashes[key] != again.hashes[key]}
    assert changed == {name} | ({"counts"} if name != "test" else set())


def test_a_changed_single_file_is_seen(tmp_path):
    path = write_genes(GENES, tmp_path / "own.csv")
    assert len(load_dataset(str(path)).train) == 36
    write_genes(GENES[:20], path)
    assert len(load_dataset(str(path)).train) == 12


def test_genes_are_the_papers_by_content_and_not_by_name(folder, monkeypatch):
    paper = folder.rename(folder.with_name("paper"))
    found = load_dataset(str(paper))
    assert found.name != "paper"
    assert found.description == "the genes of folder paper"
    assert found.counts_description == "training and validation genes"
    file = write_genes(GENES, folder.with_name("one") / "paper")
    assert load_dataset(str(file)).name != "paper"


@pytest.fixture
def stand_in(folder, monkeypatch):
    """A folder whose test table has the blob id of the paper's."""
    path = folder / "genes" / "test.csv"
    blob = subprocess.run(["git", "hash-object", path], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setattr(datasets, "paper", lambda: {"test_blob": blob})
    return folder


def test_the_papers_counts_are_found_beside_its_test_genes(stand_in):
    genes = stand_in / "genes"
    bare = load_dataset(str(stand_in))
    assert (bare.name, bare.counts_description) == ("paper", "training and validation genes")
    assert bare.description == "real human genes, the paper's validation and test splits and its training split"
    repeated = pd.concat([GENES[:5], GENES[:3]])
    write_genes(repeated, genes / "ngram_surrogate.csv")
    surrogate = load_dataset(str(stand_in))
    assert surrogate.counts_description.startswith("a corpus with exactly the 8-gram counts")
    assert len(surrogate.splits["counts"]) == 8, "repeated sequences of a corpus are kept"
    write_genes(GENES[:48], genes / "train_validation.csv")
    own = load_dataset(str(stand_in))
    assert own.counts_description == "the paper's training and validation genes"
    assert len(own.splits["counts"]) == 48
    (genes / "train.csv").rename(genes / "train_part.csv")
    assert "and 36 of its training genes" in load_dataset(str(stand_in)).description


def test_one_changed_byte_and_it_is_not_the_papers(stand_in):
    path = stand_in / "genes" / "test.csv"
    path.write_bytes(path.read_bytes() + b"\n")
    assert load_dataset(str(stand_in)).name == "mine"


@pytest.mark.realdata
@pytest.mark.slow
def test_the_papers_own_genes(real_data):
    found = load_dataset(str(real_data))
    assert (found.name, found.real) == ("paper", True)
    assert (len(found.validation), len(found.test), len(found.splits["counts"])) == (4577, 4578, 18308)
    assert "the paper's validation and test splits" in found.description
    for first, second in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert not set(found.splits[first]["sequence"]) & set(found.splits[second]["sequence"])
