"""The source notebooks are thin, and nbval compares all that they show."""

import ast

import nbformat
import pytest
from helpers import ROOT

LINES_OF_A_CELL, LINES_OF_A_NOTEBOOK = 15, 120
IGNORED: set[str] = set()
"""Ids of the cells whose output nbval may ignore: those that show times or machines also in stored sources."""
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_cells(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def phrases(source):
    """Pieces of a cell's code that phrase a sentence: f-strings, and calls of ``markdown`` or ``table``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield ast.unparse(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("markdown", "table"):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_calls_analysis_and_holds_no_logic(path):
    lengths = {cell.id: len(cell.source.splitlines()) for cell in code_cells(path)}
    assert {name for name, lines in lengths.items() if lines > LINES_OF_A_CELL} == set()
    assert sum(lengths.values()) <= LINES_OF_A_NOTEBOOK
    for cell in code_cells(path):
        assert list(phrases(cell.source)) == [], cell.id
        definitions = (ast.FunctionDef, ast.For, ast.If, ast.While)
        assert not any(isinstance(node, definitions) for node in ast.walk(ast.parse(cell.source))), cell.id


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_opens_its_own_page(path):
    assert f'open_page("{path.stem}", globals())' in code_cells(path)[1].source


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_only_cells_that_show_times_or_machines_are_ignored(path):
    ignored = {cell.id for cell in code_cells(path) if "nbval-ignore-output" in cell.metadata.get("tags", [])}
    assert ignored <= IGNORED
    assert not any("NBVAL_" in cell.source for cell in code_cells(path))


@pytest.mark.parametrize(
    ("source", "phrased"),
    [
        ("chapter.figure()", False),
        ("chapter.figure(name='a')", False),
        ("markdown('Finding.')", True),
        ("shown = f'{x:.2f} bits'", True),
    ],
)
def test_a_sentence_in_a_cell_is_noticed(source, phrased):
    assert bool(list(phrases(source))) == phrased
