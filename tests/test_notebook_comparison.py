"""The comparison of notebooks fails on what matters and on nothing else."""

import os
import subprocess
import sys

import nbformat
import pytest
from helpers import ROOT
from nbformat.v4 import new_code_cell, new_notebook, new_output
from notebook_comparison import APPROXIMATE, RELATIVE, TAG, Number, compare, difference, tokens

TABLE = """Accuracy (95 % over genes)
          model perplexity    1 edit: accuracy
4-gram, Laplace      3.851 0.588 (0.49 – 0.68)
           LSTM      3.854 0.600 (0.53 – 0.72)"""
CHART = "<chart vl-dec43c9f209e: rule, point; 26 rows; edits, low, high>"


def test_numbers_are_apart_from_words_and_names():
    assert tokens("The 8-gram has −0.5 (1,234 to 71%), x.") == [
        "The", "8-gram", "has", Number("−0.5", -0.5, 0.1), "(", Number("1,234", 1234, 0), "to",
        Number("71%", 0.71, 0.01), ")", ",", "x.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stored", "computed"),
    [
        (TABLE, TABLE),
        ("0.588 of the pairs", "0.589 of the pairs"),
        ("a share of 71%.", "a share of 70%."),
        (f"{1000.0:.2f} nats", f"{1000 * (1 + 0.9 * RELATIVE):.2f} nats"),
        ("(0.49 – 0.68)", "( 0.49  –  0.68 )"),
    ],
)
def test_within_the_tolerance_outputs_are_equal(stored, computed):
    assert difference(computed, stored) is None


@pytest.mark.parametrize(
    ("stored", "computed", "said"),
    [
        ("the best is LSTM", "the best is Transformer", "'Transformer' is not 'LSTM'"),
        ("the 8-gram", "the 9-gram", "'9-gram' is not '8-gram'"),
        ("0.588 of the pairs", "0.595 of the pairs", "0.595 is not 0.588"),
        ("a share of 71%", "a share of 73%", "73% is not 71%"),
        ("in 4 of 5 models", "in 3 of 5 models", "3 is not 4"),
        ("a difference of +0.02", "a difference of -0.02", "-0.02 is not"),
        ("71%", "0.71", None),
        ("0.5 of them", "0.5", "less than is stored"),
        ("0.5", "0.5 of them", "more than is stored"),
        (CHART, CHART.replace("dec4", "dec5"), "vl-dec5"),
    ],
)
def test_a_changed_word_or_number_is_a_difference(stored, computed, said):
    found = difference(computed, stored)
    if said is None:  # a share and its percentage are the same number
        assert found is None
    else:
        assert said in found


def swapped(table):
    lines = table.splitlines()
    return "\n".join([*lines[:2], lines[3], lines[2]])


@pytest.mark.parametrize(
    ("stored", "computed"),
    [
        (TABLE, swapped(TABLE)),
        (TABLE, TABLE.replace("0.600", "0.585")),
        (CHART, CHART.replace("dec43c9f209e", "0123456789ab").replace("26", "27")),
        (
            "The best detector of all models is LSTM with 0.60.",
            "The best detector of all models is Transformer with 0.61.",
        ),
        ("in 4 of 5 models", "in 3 of 5 models"),
    ],
)
def test_numbers_of_networks_may_differ_more(stored, computed):
    assert difference(computed, stored) is not None
    assert difference(computed, stored, approximate=True) is None


@pytest.mark.parametrize(
    ("stored", "computed"),
    [
        (TABLE, TABLE.replace("3.851", "6.851")),
        (TABLE, TABLE.replace("0.600", f"{0.6 + 1.1 * APPROXIMATE.absolute:.3f}")),
        (TABLE, "\n".join(TABLE.splitlines()[:3])),
        (CHART, CHART.replace("edits, low, high", "edits")),
        ("The best detector is LSTM with 0.60.", "No model is better than guessing."),
        ("in 4 of 5 models", "in 8 of 9 models"),
    ],
)
def test_but_not_by_any_amount(stored, computed):
    assert difference(computed, stored, approximate=True) is not None


def test_outputs_are_compared_by_their_type():
    def shown(text):
        return new_output("execute_result", {"text/markdown": text, "text/plain": "<Markdown>", "text/html": text * 2})

    printed = new_output("stream", name="stdout", text="3 runs")
    assert compare([shown("a 0.500")], [shown("a 0.501")], False) == []
    assert compare([], [shown("a")], False) == [
        "text/markdown: not in the computed output",
        "text/plain: not in the computed output",
    ]
    assert compare([shown("a"), printed], [shown("a")], False) == ["stdout: not in the stored output"]
    assert "text/plain: 2 outputs, stored are 1" in compare([shown("a"), shown("a")], [shown("a")], False)
    assert "'b' is not 'a'" in compare([shown("b")], [shown("a")], False)[0]


@pytest.mark.slow
@pytest.mark.slow
def test_nbval_compares_so(tmp_path):
    """Of five cells those with a changed word, a number beyond the tolerance and a missing output fail."""
    cells = [
        ("1.004", "print(1.005)"),
        ("a b", "print('a c')"),
        ("1.0", "print(2.0)"),
        ("1.0", ""),
        ("1.000", "print(1.015)"),
    ]
    notebook = new_notebook()
    for number, (stored, source) in enumerate(cells, 1):
        output = new_output("stream", name="stdout", text=f"{stored}\n")
        notebook.cells.append(new_code_cell(source, execution_count=number, outputs=[output]))
    notebook.cells[-1].metadata["tags"] = [TAG]
    nbformat.write(notebook, tmp_path / "demo.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider", "-p",
               "notebook_comparison", str(tmp_path / "demo.ipynb")]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
    )  # fmt: skip
    failed = {line.split("::")[1].split(" ")[1] for line in done.stdout.splitlines() if line.startswith("FAILED")}
    assert failed == {"1", "2", "3"}, done.stdout
