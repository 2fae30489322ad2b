"""Imports point down only, as the table in book/extend.md says."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _floors() -> dict[str, int]:
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", (ROOT / "book" / "extend.md").read_text(), re.MULTILINE)
    return {name: int(floor) for floor, names in rows for name in re.findall(r"`(\w+)`", names)}


def _imports(path: Path) -> set[str]:
    """First-level modules of the package that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dnastudy":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("dnastudy.")}
    return found - {"__version__"}


def test_every_module_has_a_floor():
    modules = {path.stem for path in (ROOT / "dnastudy").glob("*.py")} - {"__init__", "__main__"}
    packages = {path.parent.name for path in (ROOT / "dnastudy").glob("*/__init__.py")}
    assert set(_floors()) == modules | packages


def test_imports_point_down():
    floors = _floors()
    for path in (ROOT / "dnastudy").rglob("*.py"):
        parts = path.relative_to(ROOT / "dnastudy").with_suffix("").parts
        if parts[0] in ("__init__", "__main__"):
            continue
        for imported in _imports(path) - {parts[0]}:
            assert floors[imported] < floors[parts[0]], f"{parts[0]} imports {imported}, which is not below it"


def test_models_know_no_file_format_and_figures_compute_nothing():
    for path in (ROOT / "dnastudy" / "models").rglob("*.py"):
        assert not _imports(path) & {"formats", "genes", "datasets", "sources"}, path
    for name in ("figures", "tables"):
        assert not _imports(ROOT / "dnastudy" / f"{name}.py") & {"evaluation", "models", "experiments"}


def test_no_module_is_too_long_for_one_sitting():
    for path in (ROOT / "dnastudy").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 350, path
