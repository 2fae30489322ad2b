"""Chapters: notebooks with checked parameters, run by papermill from a shell, by a command or by a test."""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel

from dnastudy.chapters.parameters import (
    HEADER,
    INJECTED,
    assigned_names,
    check_parameters,
    find_chapters,
    find_root,
    parameters_model,
    read_parameters,
    schema,
)
from dnastudy.core.errors import ChapterError

__all__ = [
    "Chapter",
    "check_parameters",
    "find_chapters",
    "find_root",
    "open_chapter",
    "parameters_model",
    "read_parameters",
    "refresh_sources",
    "run_chapter",
]


@dataclass(frozen=True)
class Chapter:
    """An opened chapter: its checked parameters and the project's root."""

    parameters: BaseModel
    root: Path


def open_chapter(namespace: Mapping[str, Any]) -> Chapter:
    """Check a running chapter's parameters, go to the project's root and set up its charts.

    Call it as ``open_chapter(globals())`` in the cell after the parameters. It works wherever a kernel keeps its input
    history: Jupyter, papermill, nbval.

    Raises
    ------
    ParameterError
        If papermill injected a parameter that the chapter does not have, or a value has another type.
    ChapterError
        If no parameters cell has run, or the notebook lies outside the project.
    """
    history = [str(source).strip() for source in namespace.get("In", [])]
    start = max((position for position, source in enumerate(history) if source.startswith(HEADER)), default=None)
    values = {}
    if start is not None:
        model = parameters_model(history[start])
        for source in history[start + 1 :]:
            if source.splitlines()[:1] == [INJECTED]:
                values |= {name: namespace[name] for name in assigned_names(source)}
    elif types := _annotations(namespace):  # nbval keeps no history, and injects nothing
        model = schema({name: (kind, ...) for name, kind in types.items()})
    else:
        raise ChapterError(f"run the parameters cell first: the one that begins with '{HEADER}'")
    values |= {name: namespace[name] for name in model.model_fields if name in namespace}
    parameters = check_parameters(model, values)
    root = find_root()
    os.chdir(root)

    from dnastudy.display import charts

    charts.setup()
    return Chapter(parameters, root)


def _annotations(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Types of the annotated names; from Python 3.14 on a namespace holds a function that gives them."""
    annotations = namespace.get("__annotations__")
    if not annotations and callable(annotate := namespace.get("__annotate__")):
        annotations = annotate(1)
    return dict(annotations or {})


def run_chapter(
    name: str,
    output: Path | str,
    given: Mapping[str, Any] | None = None,
    *,
    title: str | None = None,
    timeout: float | None = None,
    log: TextIO | None = None,
    environment: Mapping[str, str] | None = None,
    root: Path | str | None = None,
) -> Path:
    """Run a chapter for the book and write the executed notebook; equal inputs give an equal file.

    Parameters
    ----------
    name
        The chapter: its file's name in ``notebooks/`` without the ending.
    output
        The notebook to write. It appears whole or not at all.
    given
        Parameters that differ from the chapter's defaults.
    title
        Replaces the first heading: two runs of one chapter in a book need two titles.
    timeout
        Longest time for one cell, in seconds.
    log
        Where the progress goes, cell by cell; standard error by default.
    environment
        Environment variables of the chapter's kernel that differ from this process's.
    root
        The project's root; found upward from the current folder by default.

    Raises
    ------
    ParameterError
        For a parameter the chapter cannot take, before anything runs.
    SettingsError
        For an unknown or faulty profile, before anything runs.
    DataError
        If its parameter ``data`` names no file or folder, before anything runs.
    ChapterError
        For an unknown chapter or a failing cell; what ran is then kept in ``_build/failed/``.
    """
    root = Path(root).resolve() if root else find_root()
    chapters = find_chapters(root)
    if name not in chapters:
        raise ChapterError(f"there is no chapter {name!r}; the chapters are {', '.join(chapters)}")
    parameters = check_parameters(read_parameters(chapters[name]), given or {})

    from dnastudy.chapters import execute
    from dnastudy.data.datasets import data_path
    from dnastudy.experiments.profile import load_profile

    if profile := getattr(parameters, "profile", ""):
        load_profile(profile if Path(profile).suffix == "" else root / profile)  # files lie where chapters run
    if data := getattr(parameters, "data", ""):
        data_path(data, root)
    changed = {key: getattr(parameters, key) for key in given or {}}
    notebook = execute.execute(chapters[name], changed, root, timeout, log or sys.stderr, environment)
    return execute.write(execute.published(notebook, chapters[name], changed, title), Path(output))


def refresh_sources(paths: Iterable[Path | str]) -> None:
    """Execute source notebooks in place, as nbval does: charts as digests, no clocks.

    Raises
    ------
    ChapterError
        For a failing cell; the notebook is then left as it was.
    """
    from dnastudy.chapters import execute

    for path in map(Path, paths):
        read_parameters(path)
        execute.write(execute.refreshed(path), path)
