"""Chapters: notebooks with checked parameters, run by papermill from a shell, by a command or by a test.

The parameters of a chapter are the plain typed literals of its one cell tagged ``parameters``; from them comes a strict
schema, so a misspelt name or an ill-typed value is refused, with the same words, however the chapter is run.
"""

import ast
import difflib
import io
import os
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

HEADER = "# Parameters of this chapter"
INJECTED = "# Parameters"  # how papermill begins the cell it adds
_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}


class ParameterError(ValueError):
    """A chapter was given a parameter it does not have, or a value of another type."""


class ChapterError(RuntimeError):
    """A chapter cannot be found, opened or run to its end."""


@dataclass(frozen=True)
class Chapter:
    """An opened chapter: its checked parameters and the project's root."""

    parameters: BaseModel
    root: Path


def find_root(start: Path | str | None = None) -> Path:
    """Return the project's root: the nearest folder upward with ``_config.yml`` and ``notebooks/``.

    Without a ``start`` the environment variable DNASTUDY_ROOT, where it is set, names the root.

    Raises
    ------
    ChapterError
        If there is none.
    """
    start = Path(start or os.environ.get("DNASTUDY_ROOT") or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "_config.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise ChapterError(f"{start} is not inside the project: no folder above it holds _config.yml and notebooks/")


def find_chapters(root: Path | str) -> dict[str, Path]:
    """Return name → path of the chapters' source notebooks, in alphabetical order."""
    return {path.stem: path for path in sorted((Path(root) / "notebooks").glob("*.ipynb"))}


def parameters_model(source: str) -> type[BaseModel]:
    """Return the strict schema of a parameters cell such as ``seed: int = 1  # of the random numbers``.

    The comment behind a parameter becomes its description. Nothing of the cell is executed.

    Raises
    ------
    ParameterError
        If the cell holds anything but typed literals, or a default does not fit its type.
    """
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(f"the parameters cell is not Python: {error}") from None
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    fields: dict[str, Any] = {}
    for statement in statements:
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value):
            line = source.splitlines()[statement.lineno - 1]
            raise ParameterError(f"parameters are typed literals such as 'seed: int = 1', not {line.strip()!r}")
        try:
            default = ast.literal_eval(statement.value)
        except ValueError:
            raise ParameterError(
                f"the default of parameter '{statement.target.id}' must be a plain literal, "
                f"not {ast.unparse(statement.value)!r}"
            ) from None
        kind = _type(statement.annotation, statement.target.id)
        fields[statement.target.id] = (kind, Field(default, description=comments.get(statement.end_lineno)))
    model = _model(fields)
    check_parameters(model, {})
    return model


def check_parameters(model: type[BaseModel], given: Mapping[str, Any]) -> BaseModel:
    """Return the chapter's parameters with the given values in place of the defaults.

    Raises
    ------
    ParameterError
        Naming every unknown parameter, the known and the nearest ones, and every ill-typed value.
    """
    try:
        return model(**given)
    except ValidationError as error:
        known = list(model.model_fields)
        raise ParameterError("\n".join(_complaint(item, known) for item in error.errors())) from None


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
    given = {}
    if start is not None:
        model = parameters_model(history[start])
        for source in history[start + 1 :]:
            if source.splitlines()[:1] == [INJECTED]:
                given |= {name: namespace[name] for name in _assigned(source)}
    elif types := namespace.get("__annotations__"):  # nbval keeps no history, and injects nothing
        model = _model({name: (kind, ...) for name, kind in types.items()})
    else:
        raise ChapterError(f"run the parameters cell first: the one that begins with '{HEADER}'")
    given |= {name: namespace[name] for name in model.model_fields if name in namespace}
    parameters = check_parameters(model, given)
    root = find_root()
    os.chdir(root)

    from dnastudy import figures

    figures.setup()
    return Chapter(parameters, root)


def read_parameters(notebook: Path | str) -> type[BaseModel]:
    """Return the schema of a source notebook's parameters; see `parameters_model`.

    Raises
    ------
    ChapterError
        If the notebook does not have exactly one cell tagged ``parameters`` that begins with the agreed comment.
    """
    import nbformat

    cells = [cell for cell in nbformat.read(notebook, 4).cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1 or not cells[0].source.startswith(HEADER):
        raise ChapterError(f"{notebook}: one cell must be tagged 'parameters' and begin with '{HEADER}'")
    return parameters_model(cells[0].source)


def run_chapter(
    name: str,
    output: Path | str,
    given: Mapping[str, Any] | None = None,
    *,
    title: str | None = None,
    timeout: float | None = None,
    log: TextIO | None = None,
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
    root
        The project's root; found upward from the current folder by default.

    Raises
    ------
    ParameterError
        For a parameter the chapter cannot take, before anything runs.
    ChapterError
        For an unknown chapter or a failing cell; what ran is then kept in ``_build/failed/``.
    """
    root = Path(root).resolve() if root else find_root()
    chapters = find_chapters(root)
    if name not in chapters:
        raise ChapterError(f"there is no chapter {name!r}; the chapters are {', '.join(chapters)}")
    parameters = check_parameters(read_parameters(chapters[name]), given or {})

    from dnastudy import _notebooks

    changed = {key: getattr(parameters, key) for key in given or {}}
    notebook = _notebooks.execute(chapters[name], changed, root, timeout, log or sys.stderr)
    return _notebooks.write(_notebooks.published(notebook, chapters[name], changed, title), Path(output))


def refresh_sources(paths: Iterable[Path | str]) -> None:
    """Execute source notebooks in place, as nbval does: charts as digests, no clocks.

    Raises
    ------
    ChapterError
        For a failing cell; the notebook is then left as it was.
    """
    from dnastudy import _notebooks

    for path in map(Path, paths):
        read_parameters(path)
        _notebooks.write(_notebooks.refreshed(path), path)


@contextmanager
def kernel_environment(charts: str) -> Iterator[None]:
    """Set what kernels started meanwhile inherit: the chart renderer, a fixed hash seed and no progress bars."""
    settings = {"DNASTUDY_CHARTS": charts, "PYTHONHASHSEED": "0", "TQDM_DISABLE": "1"}
    before = {key: os.environ.get(key) for key in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def _model(fields: Mapping[str, Any]) -> type[BaseModel]:
    config = ConfigDict(
        extra="forbid", strict=True, validate_default=True, allow_inf_nan=False, frozen=True, protected_namespaces=()
    )
    return create_model("Parameters", __config__=config, **fields)


def _type(node: ast.expr, name: str) -> Any:
    """Return the type an annotation names; only str, int, float, bool, and lists and dicts of them."""
    if isinstance(node, ast.Name) and node.id in _TYPES:
        return _TYPES[node.id]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in ("list", "dict"):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if len(inner) == (1 if node.value.id == "list" else 2):
            kinds = tuple(_type(item, name) for item in inner)
            return list[kinds] if len(kinds) == 1 else dict[kinds]
    raise ParameterError(
        f"parameter '{name}': the type must be one of {', '.join(_TYPES)}, list[...] or dict[..., ...], "
        f"not {ast.unparse(node)!r}"
    )


def _assigned(source: str) -> list[str]:
    """Return the names a cell assigns on its top level."""
    return [
        target.id
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]


def _complaint(item: Mapping[str, Any], known: Sequence[str]) -> str:
    """Return one sentence for one finding of the schema."""
    name, value = ".".join(map(str, item["loc"])), item["input"]
    if item["type"] == "extra_forbidden":
        nearest = difflib.get_close_matches(name, known, 1)
        guess = f"; did you mean '{nearest[0]}'?" if nearest else ""
        return f"unknown parameter '{name}'{guess} (known: {', '.join(known)})"
    hint = ""
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value):
        hint = " (YAML reads 1e-3 as text; write 1.0e-3)"
    return f"parameter '{name}': {item['msg'][0].lower()}{item['msg'][1:]}, got {value!r}{hint}"
