"""Tables of symbols in the notebooks: every name of the code that they give exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from helpers import ROOT

PACKAGE = ROOT / "dnastudy"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text())
    for path in sorted(PACKAGE.rglob("*.py"))
}
CLASSES = [node for tree in MODULES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def code_names(notebook: Path) -> Iterator[str]:
    """Names in backticks in the last column, headed "in the code", of a notebook's tables, and in that heading."""
    for cell in nbformat.read(notebook, 4).cells:
        inside = False
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
            last = line.strip().strip("|").split("|")[-1]
            inside = line.startswith("|") and (inside or "in the code" in last)
            if inside:
                yield from re.findall(r"(?<!})`([A-Za-z_][\w.]*)`", last)


def names_in(node: ast.AST) -> set[str]:
    """Every name, attribute, definition, argument and string in a piece of code, with those of inherited classes."""
    names = set()
    for child in ast.walk(node):
        names |= {getattr(child, field) for field in ("id", "attr", "name", "arg") if hasattr(child, field)}
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            names.add(child.value)
    for base in getattr(node, "bases", ()):
        parent = getattr(base, "id", getattr(base, "attr", ""))
        names |= set().union(*(names_in(other) for other in CLASSES if other.name == parent and other is not node))
    return names


def holds(node: ast.AST, parts: list[str]) -> bool:
    """Whether a path of names leads into a piece of code."""
    if len(parts) < 2:
        return not parts or parts[0] in names_in(node)
    inner = [child for child in ast.walk(node) if isinstance(child, ast.ClassDef) and child.name == parts[0]]
    return any(holds(child, parts[1:]) for child in inner)


def exists(name: str) -> bool:
    """Whether a name, with or without the module or class that it belongs to, is one of the package."""
    parts = name.split(".")
    if len(parts) == 1:
        return any(holds(tree, parts) for tree in MODULES.values())
    owners = [
        (tree, parts[length:])
        for module, tree in MODULES.items()
        for length in range(1, len(parts) + 1)
        if f".{module}".endswith("." + ".".join(parts[:length]))
    ]
    owners += [(node, parts[1:]) for node in CLASSES if node.name == parts[0]]
    return any(holds(node, rest) for node, rest in owners)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
@pytest.mark.slow
def test_symbols_are_mapped_to_names_that_exist(path):
    assert [name for name in code_names(path) if not exists(name)] == []


def test_the_tables_are_found():
    assert {"NGram.counts", "escape_weight"} <= set(code_names(ROOT / "notebooks" / "ngrams.ipynb"))
    assert len(set(code_names(ROOT / "notebooks" / "experts.ipynb"))) > 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dnastudy.models.ngram.NGram", True),
        ("NGram.counts", True),
        ("NGram.save", True),  # inherited
        ("index.StrandIndex", True),
        ("PAPER_VOCABULARY", False),
        ("NGram.novelty", False),
        ("dnastudy.models.expert.memory.Memory", False),
    ],
)
def test_a_name_that_does_not_exist_is_noticed(name, expected):
    assert exists(name) == expected
