"""`dnastudy publish`: refresh what is published."""

from __future__ import annotations

from typing import Annotated

import typer

from dnastudy.cli.options import Cores, Data, ProfileName, command
from dnastudy.display.terminal import say

app = typer.Typer()


@command(app)
def publish(
    profile: ProfileName = "cpu",
    data: Data = "",
    cores: Cores = 2,
    chapter: Annotated[
        list[str] | None,
        typer.Option(help="Only these chapters, and the records that they alone need."),
    ] = None,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Publish although the code differs from the commit.")
    ] = False,
) -> None:
    """Refresh what is published: run records, executed chapters, the README's table.

    For example:

        DNASTUDY_DATA=data/raw/paper dnastudy publish
    """
    from dnastudy.chapters import publish as publishing
    from dnastudy.chapters.run import find_root

    names = publishing.publish(find_root(), profile, data, cores, chapter or (), allow_dirty=allow_dirty, log=say)
    say(f"published: {', '.join(names)}; `make book` builds the pages")
