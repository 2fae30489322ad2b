"""Fixtures of the tests of the command line."""

import pytest
from helpers import TEST, TRAIN, VALIDATION, gene_frame

from dnastudy.data.genes import write_genes


@pytest.fixture
def files(tmp_path):
    """Gene files: a and b for training, validation, test."""
    made = {"a": TRAIN[:30], "b": TRAIN[30:], "validation": VALIDATION, "test": TEST}
    return {name: write_genes(gene_frame(rows, name), tmp_path / f"{name}.csv") for name, rows in made.items()}
