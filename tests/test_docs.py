"""Every documented command exists as it is written, and those that need no network are run as a reader would."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from typer.main import get_command

from dnastudy.cli import main
from dnastudy.data.genes import write_genes
from dnastudy.data.simulation import simulate_study

ROOT = Path(__file__).parents[1]
BASH = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
MAKE = {line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if re.match(r"[a-z]+:", line)}


def _documents() -> dict[str, str]:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data" / "README.md", *(ROOT / "book").glob("*.md")]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in pages}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(path, 4).cells
        texts[path.name] = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return texts


COMMANDS = [
    (name, line.split("#")[0].strip())
    for name, text in _documents().items()
    for block in BASH.findall(text)
    for line in block.splitlines()
    if line.split("#")[0].strip()
]


@pytest.fixture(scope="module")
def program():
    return get_command(main.app)


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 20
    assert {"README.md", "rerun.ipynb"} <= {name for name, _ in COMMANDS}


@pytest.mark.parametrize(("document", "line"), COMMANDS, ids=lambda value: value if isinstance(value, str) else None)
def test_documented_commands_parse(document, line, program, tmp_path, monkeypatch):
    words = shlex.split(line)
    while words and re.fullmatch(r"[A-Z_]+=\S+", words[0]):
        words.pop(0)
    if words[0] == "make":
        assert set(words[1:]) <= MAKE
    elif words[0] == "dnastudy":
        for name in re.findall(r"[\w./]+\.(?:fa|csv|zip)", line):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        context, rest = program.make_context("dnastudy", words[1:], resilient_parsing=False), words[1:]
        command = program
        while hasattr(command, "commands"):
            name, command, rest = command.resolve_command(context, rest)
            context = command.make_context(name, rest, parent=context)
            rest = [*getattr(context, "_protected_args", getattr(context, "protected_args", [])), *context.args]
            if hasattr(command, "commands") and not rest:
                pytest.fail(f"{document}: {line} names no command")
    elif words[0] == "papermill":
        assert (ROOT / words[1]).exists()
    else:
        assert words[0] in {"pip", "conda", "python", "."}, f"{document}: what is {line!r}?"


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A copy of the project's run-time parts with a reader's own files in it."""
    folder = tmp_path_factory.mktemp("reader")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, folder)
    for name in ("notebooks", "results"):
        shutil.copytree(ROOT / name, folder / name)
    splits = simulate_study(seed=5, n=300)
    for name, frame in splits.items():
        write_genes(frame, folder / f"{name}.csv")
    write_genes(splits["train"], folder / "my_genes.fa")
    return folder


RUN = [line for name, line in COMMANDS if name == "README.md" and re.match(
    r"dnastudy (?!data fetch|reproduce|study)|papermill", line)]  # fmt: skip


def test_readme_commands_run(reader):
    """One after the other, as they stand in the README."""
    assert len(RUN) >= 7
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([bin_folder, os.environ["PATH"]])}
    for line in RUN:
        done = subprocess.run(
            shlex.split(line), cwd=reader, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_readme_python_runs(tmp_path):
    code = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert code
    for block in code:
        done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "nucleotide_perplexity" in done.stdout


def test_links_between_documents_exist():
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
            assert target.startswith("http") or (ROOT / target).exists(), f"{name}: {target}"


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff(command):
    done = subprocess.run([sys.executable, "-m", "ruff", *command, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
