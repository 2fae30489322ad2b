"""Which code a result depends on: found by following imports, and hashed without what cannot change a result.

The *closure* of a module is the module and every module of the package that it imports, directly or through others,
inside functions too. Comments, blank lines, docstrings, descriptions of settings, the text of errors, and how a class
is shown do not count, nor does what is imported for type checking alone. Names of modules are relative to the package:
"models.lstm".
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import cache, cached_property
from itertools import accumulate
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
SILENT = (
    "core.atomic",
    "core.code",
    "core.errors",
    "core.provenance",
    "display.looks",
    "display.terminal",
    "models.registry",
    "models.search_space",
    "tasks.registry",
    "training.log",
    "training.report",
)
"""Modules that cannot change a result: how files appear, what is said of errors, progress and origin, how models look
in charts, what a search tries, and the names under which models and tasks are registered (the module of the model or
task itself is part of the closure)."""
_DESCRIPTIONS = {"description", "help"}
"""Keywords that describe a setting or an option."""
_PRESENTATION = {"label", "label_of", "look", "presets", "search_space"}
"""Attributes of a class that say how it is shown or searched, or that name settings, which are identity already."""
_SAYS = {"log", "say", "warn"}
"""Functions that only tell a person something."""


class Sources:
    """The source files of the package as they are when they are first read.

    Parameters
    ----------
    root : Path
        Folder of the package.
    """

    def __init__(self, root: Path = PACKAGE):
        self.root = root
        self._hashes: dict[str, str] = {}
        self._imports: dict[str, frozenset[str]] = {}

    @cached_property
    def modules(self) -> frozenset[str]:
        """Names of all modules; a package stands for its ``__init__``."""
        names = (path.relative_to(self.root).with_suffix("") for path in self.root.rglob("*.py"))
        return frozenset(".".join(name.parts).removesuffix("__init__").rstrip(".") for name in names)

    def path(self, module: str) -> Path:
        """File of a module of the package, or of any other module that has been imported."""
        folder = self.root.joinpath(*module.split(".")) if module else self.root
        if module in self.modules:
            return folder / "__init__.py" if (folder / "__init__.py").exists() else folder.with_suffix(".py")
        return Path(getattr(sys.modules.get(module), "__file__", None) or "")

    def closure(self, roots: Iterable[str], without: Collection[str] = SILENT) -> frozenset[str]:
        """The modules ``roots`` and all that they import; ``without`` and what these alone import is left out."""
        waiting, closure = list(roots), set()
        while waiting:
            module = waiting.pop()
            if module not in closure and module not in without:
                closure.add(module)
                waiting += self.imports(module)
        return frozenset(closure)

    def hash(self, roots: Iterable[str], without: Collection[str] = SILENT) -> str:
        """SHA-256 of the code in the closure of ``roots``, 64 hexadecimal digits."""
        lines = [f"{module} {self._hash(module)}" for module in sorted(self.closure(roots, without))]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def imports(self, module: str) -> frozenset[str]:
        """Modules of the package that a module imports itself, and the packages that it lies in."""
        if module not in self._imports:
            self._imports[module] = frozenset(self._imported(module))
        return self._imports[module]

    def _imported(self, module: str) -> set[str]:
        source = self._source(module)
        names: set[str] = set()
        for node in _executed(ast.parse(source)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                names |= {name if name.removeprefix(f"{PACKAGE.name}.") in self.modules else node.module or ""
                          for name in whole}  # fmt: skip
        imported = {name.removeprefix(f"{PACKAGE.name}.") for name in names if name.startswith(f"{PACKAGE.name}.")}
        parts = module.split(".")
        packages = {".".join(parts[:length]) for length in range(1, len(parts))}
        return (imported | packages) & self.modules - {module, ""}

    def _source(self, module: str) -> str:
        path = self.path(module)
        # nothing can be seen of a module that was typed into a notebook
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def _hash(self, module: str) -> str:
        if module not in self._hashes:
            self._hashes[module] = hashlib.sha256(semantic_text(self._source(module)).encode()).hexdigest()
        return self._hashes[module]


@cache
def sources() -> Sources:
    """The package's own sources, read once a process."""
    return Sources()


def module_name(cls: type) -> str:
    """Name of the module that a class is defined in, relative to the package."""
    return cls.__module__.removeprefix(f"{PACKAGE.name}.")


def _executed(tree: ast.AST) -> Iterable[ast.AST]:
    """All nodes, those under ``if TYPE_CHECKING`` left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield from [other, *_executed(other)]
            continue
        yield node
        yield from _executed(node)


def semantic_text(source: str) -> str:
    """The source without comments, blank lines, docstrings, messages, descriptions of settings, and presentation.

    It is cut from the text and not printed from the syntax tree, so that it is the same in every version of Python.
    """
    starts = [0, *accumulate(len(line.encode()) for line in source.splitlines(keepends=True))]
    text = source.encode()
    strings, silent = [], []
    for node, replacement in _texts(ast.parse(source)):
        first = (getattr(node, "decorator_list", None) or [node])[0]  # whose column is that behind the "@"
        span = (
            starts[first.lineno - 1] + first.col_offset - (first is not node),
            starts[node.end_lineno - 1] + node.end_col_offset,
        )
        if replacement is None:
            strings.append(span)
        else:
            silent.append((*span, replacement))
    pieces, at = [], 0
    for start, end, replacement in _outermost(silent):
        if start < at:
            continue
        before = _without_comments(text, at, start, strings)
        at = end
        if replacement:  # where a message is broken into lines is layout
            before = before.rstrip()
            at += len(text[at:]) - len(text[at:].lstrip(b", \n"))
        pieces += [before, replacement]
    lines = b"".join([*pieces, _without_comments(text, at, len(text), strings)]).decode().splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _texts(tree: ast.AST) -> Iterator[tuple[ast.AST, bytes | None]]:
    """String literals (None), and nodes that cannot change a result with what stands for them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from ((part, b"") for part in node.body if _names(part) & _PRESENTATION)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node, b""
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for value in [*node.exc.args, *(keyword.value for keyword in node.exc.keywords)]:
                yield value, b'""'
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in _SAYS:
            for value in node.args:
                if isinstance(value, ast.Constant | ast.JoinedStr):
                    yield value, b'""'
        if isinstance(node, ast.keyword) and node.arg in _DESCRIPTIONS:
            yield node.value, b'""'
        elif isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        ):
            yield node, None


def _names(node: ast.AST) -> set[str]:
    """Names that a statement of a class gives a value."""
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _outermost(spans: Iterable[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Spans in their order, without those that lie inside another."""
    outermost: list[tuple[int, int, bytes]] = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not outermost or span[0] >= outermost[-1][1]:
            outermost.append(span)
    return outermost


def _without_comments(text: bytes, start: int, end: int, strings: list[tuple[int, int]]) -> bytes:
    """A piece of the source from which comments are cut: from a "#" outside string literals to the end of its line."""
    pieces, at, sign = [], start, text.find(b"#", start, end)
    while sign >= 0:
        inside = next((b for a, b in strings if a <= sign < b), None)
        if inside is None:
            pieces.append(text[at:sign])
            at = text.find(b"\n", sign, end)
            at = end if at < 0 else at
        sign = text.find(b"#", max(at, inside or at), end)
    return b"".join([*pieces, text[at:end]])
