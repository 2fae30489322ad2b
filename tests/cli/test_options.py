"""How commands declare their options: shared groups stand for single options."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from dnastudy.cli.options import command


@dataclass(frozen=True)
class Pair:
    first: Annotated[list[str], typer.Option(help="Required.")]
    second: Annotated[int, typer.Option(min=1, help="Optional.")] = 2


@pytest.fixture
def program():
    app = typer.Typer()

    @command(app)
    def show(name: str, pair: Pair, last: bool = False) -> None:
        """Show what was given."""
        print(name, pair, last)

    @command(app, "other")
    def with_another_name(pair: Pair) -> None:
        print(pair.second)

    return app


def test_a_dataclass_stands_for_one_option_a_field(program):
    done = CliRunner().invoke(program, ["show", "x", "--first", "a", "b", "--second", "5", "--last"])
    assert done.output == "x Pair(first=['a', 'b'], second=5) True\n"
    assert CliRunner().invoke(program, ["other", "--first", "a"]).output == "2\n"


def test_its_fields_are_checked_and_described_like_any_option(program):
    assert CliRunner().invoke(program, ["show", "x"]).exit_code == 2
    assert CliRunner().invoke(program, ["other", "--first", "a", "--second", "0"]).exit_code == 2
    text = CliRunner().invoke(program, ["show", "--help"]).output
    assert "Show what was given." in text
    assert "Required." in text and "Optional." in text and "--pair" not in text
