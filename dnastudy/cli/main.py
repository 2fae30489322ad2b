"""The program: `dnastudy --help`. Results go to stdout, progress and messages to stderr."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dnastudy import __version__
from dnastudy.cli import data, jobs, models, publish, split, study, tasks
from dnastudy.core.errors import StudyError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="What do generative language models learn from the nucleotide sequences of human genes?",
)


def _print_version(value: bool) -> None:
    if value:
        print(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for group in (models, tasks, split, study, publish):
    app.add_typer(group.app)  # without a name: its commands become commands of the program
app.add_typer(data.app, name="data")
app.add_typer(jobs.app, name="job", hidden=True)


def main() -> None:
    """Run the command line; errors that a user can correct become one line on stderr and exit status 1."""
    try:
        app()
    except (StudyError, OSError) as error:
        _fail(error)


def _fail(error: Exception) -> None:
    """Print the error as one message and exit with status 1."""
    missing = isinstance(error, FileNotFoundError) and error.filename
    print(f"error: {f'{error.filename}: no such file' if missing else error}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
