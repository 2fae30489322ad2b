"""Where the chapters are, and what parameters each of them takes.

The parameters of a chapter are the plain typed literals of its one cell tagged ``parameters``; from them comes a strict
schema, so a misspelt name or an ill-typed value is refused, with the same words, however the chapter is run.
"""

import ast
import difflib
import io
import os
import re
import tokenize
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from dnastudy.core.errors import ChapterError, ParameterError

HEADER = "# Parameters of this chapter"
INJECTED = "# Parameters"  # how papermill begins the cell it adds
_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}


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
    model = schema(fields)
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


def all_parameters(root: Path | str = ".") -> dict[str, type[BaseModel]]:
    """Return name → schema of the parameters of every chapter."""
    return {name: read_parameters(path) for name, path in find_chapters(root).items()}


def schema(fields: Mapping[str, Any]) -> type[BaseModel]:
    """Strict pydantic model of these fields: nothing unknown, nothing converted."""
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


def assigned_names(source: str) -> list[str]:
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
    message = item["msg"].replace("Input should be", "should be")
    return f"parameter '{name}' {message}, not {value!r}{hint}"
