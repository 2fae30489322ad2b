"""Shared fixtures. Tests never depend on what lies on the machine: real genes and a browser are marked."""

import os
from pathlib import Path

import pytest
from helpers import ROOT

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


def pytest_collection_modifyitems(items):
    """Files that take minutes first, so that no core waits for one of them at the end (order within a file stays)."""
    items.sort(key=lambda item: 0 if item.path.name == "test_workflow.py" else 1 if item.path.suffix == ".ipynb" else 2)
