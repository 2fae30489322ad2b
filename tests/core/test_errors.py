"""Errors that a user can correct: all in one module, and printed by the command line as one message."""

import ast
import inspect

import pytest
from helpers import ROOT

from dnastudy.cli import main
from dnastudy.core import errors
from dnastudy.core.config import Settings

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


def test_all_public_errors_are_in_one_module():
    for path in sorted((ROOT / "dnastudy").rglob("*.py")):
        classes = {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)}
        public = {name for name in classes if name.endswith("Error") and not name.startswith("_")}
        assert not public or path.name == "errors.py", path
    assert all(issubclass(kind, errors.StudyError) for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_line_prints_each_as_one_message(kind, monkeypatch, capsys):
    def fail():
        raise kind("genes.csv: no such file; name another one")

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 1
    assert capsys.readouterr() == ("", "error: genes.csv: no such file; name another one\n")


def test_wrong_settings_are_named_with_those_that_exist():
    class Example(Settings):
        order: int = 3
        smoothing: str = "laplace"

    with pytest.raises(errors.SettingsError) as caught:
        Example.parse({"ordr": 3, "smoothing": 2}, "ngram")
    message = str(caught.value)
    assert message.startswith("ngram: ")
    assert "unknown setting 'ordr' (did you mean 'order'?)" in message
    assert "setting 'smoothing' should be a valid string, not 2" in message
    assert message.endswith("Known settings: order, smoothing")
