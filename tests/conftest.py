"""Shared fixtures. Tests never depend on what lies on the machine: real genes and a browser are marked."""

import os
import sys
from pathlib import Path

import pytest
from helpers import ROOT, Done

if "PYTEST_XDIST_WORKER" in os.environ:
    # workers share the cores: threads that wait for each other there take several times as long as one
    os.environ.setdefault("OMP_NUM_THREADS", "1")

REAL_DATA = Path(os.environ.get("DNASTUDY_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real genes, or a skip with the reason."""
    if not (REAL_DATA / "genes" / "test.csv").exists():
        pytest.skip(f"no real genes at {REAL_DATA} (name a folder in DNASTUDY_DATA)")
    return REAL_DATA


LONGEST = ["test_workflow.py", "*.ipynb", "test_own_genes.py", "test_loop.py", "test_docs.py", "test_expert.py",
           "test_build.py", "test_training_commands.py"]  # fmt: skip


def pytest_collection_modifyitems(items):
    """Files that take minutes first, so that no core waits for one of them at the end (order within a file stays)."""
    place = {pattern: number for number, pattern in enumerate(LONGEST)}
    items.sort(key=lambda item: next((place[name] for name in place if item.path.match(name)), len(place)))


@pytest.fixture
def dnastudy(monkeypatch, capsys, tmp_path):
    """The program, called in this process: `dnastudy("models", "--json")`."""
    from dnastudy.cli import main

    monkeypatch.setenv("DNASTUDY_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("DNASTUDY_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words) -> Done:
        monkeypatch.setattr(sys, "argv", ["dnastudy", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main.main()
        return Done(int(caught.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def refused(dnastudy):
    """Call the program, which must leave with status 1, one short message and an empty stdout."""

    def call(*words, status: int = 1) -> str:
        done = dnastudy(*words)
        assert done.code == status, done
        assert done.out == ""
        assert "Traceback" not in done.err
        if status == 1:
            assert done.err.splitlines()[-1].startswith("error: ")
        return done.err

    return call
