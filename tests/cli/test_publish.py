"""`dnastudy publish`: what it refuses, and that genes are named to its jobs and to nobody else."""

import os

import pytest
from helpers import TEST, TRAIN, VALIDATION, gene_frame

from dnastudy.chapters import publish as publishing
from dnastudy.data.genes import write_genes


@pytest.fixture
def folder(tmp_path):
    """A folder of genes."""
    for name, rows in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        write_genes(gene_frame(rows, name), tmp_path / "genes" / f"{name}.csv")
    return tmp_path / "genes"


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """Each step that is taken, with the environment of its jobs; nothing is computed or written."""
    taken = []

    def step(name, result=None):
        def call(*words, environment=None, **_):
            taken.append((name, words[-1] if name == "workflow" else environment))
            return result

        return call

    monkeypatch.setattr(publishing, "git_commit", lambda: "0123")
    monkeypatch.setattr(publishing, "run_workflow", step("workflow", 0))
    monkeypatch.setattr(publishing, "run_chapter", step("chapter"))
    for name in ("write_records", "write_learning", "write_readme", "write_shipped"):
        monkeypatch.setattr(publishing.published, name, step(name, {"lstm": None}))
    return taken


def test_the_folder_of_genes_is_named_to_jobs_and_chapters_alone(dnastudy, folder, steps):
    before = dict(os.environ)
    done = dnastudy("publish", "--profile", "quick", "--data", folder)
    assert done.code == 0, done.err
    names = [name for name, _ in steps]
    assert names[:3] == ["workflow", "write_records", "write_learning"]
    assert names[-2:] == ["write_readme", "write_shipped"]
    assert set(names[3:-2]) == {"chapter"}
    named = {"DNASTUDY_DATA": str(folder)}
    assert all(environment == named for name, environment in steps if name in ("workflow", "chapter"))
    assert dict(os.environ) == before


def test_one_chapter_needs_no_other_records(dnastudy, folder, steps):
    assert dnastudy("publish", "--profile", "quick", "--data", folder, "--chapter", "ngrams").code == 0
    assert [name for name, _ in steps] == ["chapter", "write_readme"]


def test_what_cannot_be_published_is_refused(refused, folder, steps, monkeypatch):
    assert "no chapter ngramms" in refused("publish", "--chapter", "ngramms")
    assert "only a study of real genes" in refused("publish", "--profile", "quick", "--data", "simulated")
    monkeypatch.setattr(publishing, "run_workflow", lambda *_: 3)
    assert "exit status 3" in refused("publish", "--profile", "quick", "--data", folder)
    monkeypatch.setattr(publishing, "git_commit", lambda: "0123-dirty")
    assert "commit first" in refused("publish", "--profile", "quick", "--data", folder)
    assert steps == []
