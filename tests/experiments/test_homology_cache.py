"""Searches for homologs are made once for the same genes, by the same code."""

import numpy as np
import pytest
from helpers import small_dataset

from dnastudy.core.code import sources
from dnastudy.data.splits import random_split
from dnastudy.experiments import homology_cache
from dnastudy.experiments.store import Store
from dnastudy.homology import mmseqs

DATASET = small_dataset()


@pytest.fixture
def searches(monkeypatch):
    """What is searched, in place of MMseqs2: kind of search and number of genes."""
    calls = []

    def nearest(queries, targets):
        calls.append(("homologs", len(targets)))
        table = queries[["id"]].assign(nearest="", identity=0.0, coverage=0.0, strand="")
        table.loc[table.index[0], ["nearest", "identity", "coverage", "strand"]] = ["007", 0.9, 1.0, "-"]
        return table

    def share(queries, targets):
        calls.append(("aligned", len(targets)))
        return np.linspace(0, 1, len(queries))

    def split(genes, *words):
        calls.append(("families", len(genes)))
        return random_split(genes, *words)

    for name, replacement in (("nearest_homologs", nearest), ("aligned_share", share), ("split_by_family", split)):
        monkeypatch.setattr(mmseqs, name, replacement)
    return calls


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", precomputed_folder=None)


def test_homologs_are_searched_once_for_the_same_genes(store, searches):
    first = store.homologs(DATASET)
    assert first.equals(store.homologs(small_dataset())) and first.equals(Store(store.root).homologs(DATASET))
    assert searches == [("homologs", 20)]
    assert first.loc[0, ["nearest", "strand"]].tolist() == ["007", "-"] and set(first["nearest"][1:]) == {""}
    store.homologs(DATASET, ["train", "validation"])
    store.homologs(small_dataset(test=DATASET.test[:5]))
    assert searches == [("homologs", 20), ("homologs", 30), ("homologs", 20)]


def test_aligned_shares_are_searched_once(store, searches):
    shares = store.aligned(DATASET)
    assert shares.dtype == float and (shares == np.linspace(0, 1, 10)).all()
    assert (store.aligned(DATASET) == shares).all() and searches == [("aligned", 20)]


def test_genes_are_split_by_family_once_for_each_seed(store, searches):
    first = store.by_family(DATASET)
    assert store.by_family(small_dataset()).hashes == first.hashes and len(searches) == 1
    other = store.by_family(DATASET, seed=2)
    assert other.hashes != first.hashes and searches == [("families", 40)] * 2
    assert [len(first.splits[name]) for name in ("train", "validation", "test")] == [20, 10, 10]


def test_changed_code_of_the_search_searches_again(store, searches, monkeypatch):
    store.homologs(DATASET)

    class Edited:
        def hash(self, roots):
            return "edited " + sources().hash(roots)

    monkeypatch.setattr(homology_cache, "sources", Edited)
    store.homologs(DATASET)
    assert len(searches) == 2


def test_a_failed_search_leaves_nothing(store, searches, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(mmseqs, "nearest_homologs", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.homologs(DATASET)
    assert not (store.root / "homologs").exists()
    assert len(store.homologs(DATASET)) == len(DATASET.test)
