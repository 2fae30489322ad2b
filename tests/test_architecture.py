"""Twelve rooms, imports that point down: the contracts in pyproject.toml hold, and book/extend.md names the rooms."""

import re
import tomllib

from helpers import ROOT
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

PACKAGE = ROOT / "dnastudy"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
ROOMS = CONTRACTS[0]["layers"]


def test_the_contracts_of_imports_hold(capsys):
    """Between and inside rooms, and what tasks, models and display must not know."""
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_every_room_is_in_the_contract_and_on_the_page():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(ROOMS) == folders
    rows = re.findall(r"^\| `(\w+)/?` \| \S", (ROOT / "book" / "extend.md").read_text(), re.MULTILINE)
    assert rows == ROOMS, "the table of rooms in book/extend.md, in this order"


def test_few_modules_are_outside_the_rooms():
    assert len(list(PACKAGE.glob("*.py"))) <= 4


def test_the_page_names_files_that_exist():
    """Every path of the project in book/extend.md; names in capitals are left for the reader to choose."""
    text = (ROOT / "book" / "extend.md").read_text()
    paths = set(re.findall(r"`((?:dnastudy|tests|workflow|data|notebooks|results)/[\w./-]+)`", text))
    assert len(paths) > 10
    assert [path for path in sorted(paths) if "NAME" not in path and not (ROOT / path).exists()] == []
