"""How chapters are executed and tidied; `dnastudy.chapters` is the way in.

Apart from it because notebook tools are slow to import and not needed to check parameters.
"""

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import nbformat
import papermill
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from dnastudy.core.atomic import atomic_write
from dnastudy.core.errors import ChapterError

KERNEL = "python3"
QUIET = ["--log-level=ERROR"]  # of the kernel itself; what a chapter prints is not touched


def execute(
    source: Path,
    given: dict[str, Any],
    root: Path,
    timeout: float | None,
    log: TextIO,
    environment: Mapping[str, str] | None = None,
) -> NotebookNode:
    """Execute a chapter at the project's root and return the notebook.

    ``environment`` holds environment variables of the kernel that differ from this process's.

    Raises
    ------
    ChapterError
        If a cell fails, takes too long or kills its kernel.
    """
    notebook = _read(source)
    position = {cell.id: number for number, cell in enumerate(notebook.cells, 1)}
    partial = root / "_build" / "running" / f"{source.stem}-{os.getpid()}.ipynb"
    partial.parent.mkdir(parents=True, exist_ok=True)
    progress = _Progress(source.stem, position, log)

    class Engine(NBClientEngine):
        """Reports each cell as it starts, and gives the kernel an environment of its own."""

        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, execution_timeout=None, **options):
            start = nb_man.cell_start

            def cell_start(cell, cell_index=None, **more):
                progress.cell(cell)
                start(cell, cell_index, **more)

            nb_man.cell_start = cell_start
            client = PapermillNotebookClient(
                nb_man, kernel_name=kernel_name, timeout=execution_timeout, extra_arguments=QUIET
            )
            client.execute(env=kernel_environment("book", environment))

    papermill_engines.register("dnastudy", Engine)
    try:
        executed = papermill.execute_notebook(
            copy.deepcopy(notebook),
            str(partial),
            parameters=given,
            engine_name="dnastudy",
            kernel_name=KERNEL,
            progress_bar=False,
            cwd=str(root),
            execution_timeout=timeout,
        )
        partial.unlink()
        return executed
    except PapermillExecutionError as error:
        reason = f"{error.ename}: {error.evalue}"
    except CellTimeoutError:
        reason = f"a cell took longer than {timeout:g} s"
    except DeadKernelError:
        reason = "the kernel died (often: out of memory)"
    finally:
        progress.end()
    failed = root / "_build" / "failed" / source.name
    failed.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(failed)
    raise ChapterError(f"{source.stem}, cell {progress.number} of {len(position)}: {_line(reason)} (see {failed})")


class _Progress:
    """One line that counts cells on a terminal, one line per cell elsewhere."""

    def __init__(self, name: str, position: dict[str, int], log: TextIO):
        self.name, self.position, self.log, self.number = name, position, log, 0
        self.ends = ("\r", "") if log.isatty() else ("", "\n")

    def cell(self, cell: NotebookNode) -> None:
        number = self.position.get(cell.id)  # papermill's own cell has no number
        if number and cell.cell_type == "code":
            self.number = number
            before, after = self.ends
            print(f"{before}{self.name}: cell {number}/{len(self.position)}", end=after, file=self.log, flush=True)

    def end(self) -> None:
        if self.ends[0] and self.number:
            print(file=self.log, flush=True)


def published(notebook: NotebookNode, source: Path, given: dict[str, Any], title: str | None) -> NotebookNode:
    """Return the executed notebook as the book shows it: no clocks or machine names, parameters out of sight."""
    _tidy(notebook)
    notebook.metadata["dnastudy"] = {"chapter": source.stem, "parameters": given}
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if {"parameters", "injected-parameters"} & set(tags):
            cell.metadata["tags"] = [*tags, "remove-cell"] if "remove-cell" not in tags else tags
        if "injected-parameters" in tags:
            cell["id"] = "injected-parameters"
    if title:
        _retitle(notebook, title, source)
    return notebook


def refreshed(path: Path) -> NotebookNode:
    """Return a source notebook executed in its own folder, with charts as digests.

    Raises
    ------
    ChapterError
        If a cell fails.
    """
    notebook = _read(path)
    folder = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(
        notebook, timeout=None, record_timing=False, kernel_name=KERNEL, extra_arguments=QUIET, resources=folder
    )
    try:
        client.execute(env=kernel_environment("digest"))
    except (CellExecutionError, DeadKernelError) as error:
        raise ChapterError(f"{path}: {_line(str(error).strip().splitlines()[-1])}") from None
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":  # an error while showing a result does not stop a notebook
                raise ChapterError(f"{path}, cell {number}: {output.ename}: {_line(output.evalue)}")
    return _tidy(notebook)


def kernel_environment(charts: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of a chapter's kernel: this process's, a chart renderer, a fixed hash seed and no progress bars."""
    return {
        **os.environ,
        "DNASTUDY_CHARTS": charts,
        "PYTHONHASHSEED": "0",
        "TQDM_DISABLE": "1",
        **(environment or {}),
    }


def write(notebook: NotebookNode, path: Path) -> Path:
    """Write a valid notebook, whole or not at all."""
    nbformat.validate(notebook)
    return atomic_write(path, nbformat.writes(notebook) + "\n")


def _read(path: Path) -> NotebookNode:
    """Read a notebook; cells without a name are named by their position, not at random."""
    notebook = nbformat.read(path, 4)
    notebook.nbformat_minor = 5
    notebook.metadata.setdefault("kernelspec", {"name": KERNEL, "display_name": "Python 3", "language": "python"})
    for number, cell in enumerate(notebook.cells, 1):
        cell.setdefault("id", f"cell-{number}")
    return notebook


def _tidy(notebook: NotebookNode) -> NotebookNode:
    """Remove what differs between two equal runs."""
    for key in ("papermill", "widgets"):
        notebook.metadata.pop(key, None)
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    notebook.metadata["kernelspec"] = {"name": KERNEL, "display_name": "Python 3", "language": "python"}
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
    return notebook


def _retitle(notebook: NotebookNode, title: str, source: Path) -> None:
    for cell in notebook.cells:
        lines = cell.source.split("\n")
        heading = next((number for number, line in enumerate(lines) if line.startswith("# ")), None)
        if cell.cell_type == "markdown" and heading is not None:
            lines[heading] = f"# {title}"
            cell.source = "\n".join(lines)
            return
    raise ChapterError(f"{source}: no first-level heading that a title could replace")


def _line(text: str) -> str:
    return " ".join(text.split())
