"""Every documented command exists as it is written, and those that need no network are run as a reader would."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import typer
from helpers import ROOT
from typer.main import get_command

from dnastudy.cli import main

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


NAMED = sorted({
    (name, match[1])
    for name, text in _documents().items()
    for match in re.finditer(r"`dnastudy ((?:[a-z][a-z-]* ?)+)", BASH.sub("", text))
})  # fmt: skip
"""Commands named in prose: the words after `dnastudy` up to the first option, file or placeholder."""


@pytest.fixture(scope="module")
def program():
    return get_command(main.app)


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 20
    assert len(NAMED) > 10
    assert {"README.md", "rerun.ipynb"} <= {name for name, _ in COMMANDS}


def _parse(program, words: list[str]) -> None:
    """Parse the words of a command of the program as it would itself; an error for any that it does not know."""
    context, command, rest = program.make_context("dnastudy", list(words)), program, words
    while hasattr(command, "list_commands"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        rest = [*getattr(context, "_protected_args", []), *context.args]
        if hasattr(command, "list_commands") and not rest:
            pytest.fail(f"{' '.join(words)} names no command")


@pytest.mark.parametrize(("document", "line"), COMMANDS, ids=lambda value: value if isinstance(value, str) else None)
def test_documented_commands_parse(document, line, program, tmp_path, monkeypatch):
    words = shlex.split(line)
    while words and re.fullmatch(r"[A-Z_]+=\S+", words[0]):
        words.pop(0)
    if words[0] == "python" and "dnastudy" in words:  # a launcher: python -m torch.distributed.run ... -m dnastudy ...
        at = words.index("dnastudy")
        assert words[at - 1] == "-m"
        assert importlib.util.find_spec(words[words.index("-m") + 1]), line
        words = words[at:]
    if words[0] == "make":
        assert set(words[1:]) <= MAKE
    elif words[0] == "dnastudy":
        _parse(program, words[1:])
    elif words[0] == "python":
        script = ROOT / words[1]
        options = {word for word in words[2:] if word.startswith("--")}
        assert options <= set(re.findall(r"--[a-z][a-z-]*", script.read_text())), line
    elif words[0] == "papermill":
        assert (ROOT / words[1]).exists()
    else:
        assert words[0] in {"pip", "conda", "."}, f"{document}: what is {line!r}?"


@pytest.mark.parametrize(("document", "words"), NAMED, ids=lambda value: value if isinstance(value, str) else None)
def test_commands_named_in_prose_exist(document, words, program):
    command, context = program, typer.Context(program)
    for word in words.split():
        if not hasattr(command, "list_commands"):
            break
        assert word in command.list_commands(context), f"{document}: `dnastudy {words}`"
        command = command.get_command(context, word)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A copy of the project's run-time parts: what else the commands of the README need, they make themselves."""
    folder = tmp_path_factory.mktemp("reader")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, folder)
    for name in ("notebooks", "results"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


RUN = [line for name, line in COMMANDS if name == "README.md" and re.match(
    r"dnastudy (?!data fetch|reproduce|study)|papermill", line)]  # fmt: skip


@pytest.mark.slow
def test_readme_commands_run(reader, dnastudy, monkeypatch):
    """One after the other, as they are in the README."""
    assert len(RUN) >= 7
    monkeypatch.chdir(reader)
    for line in RUN:
        words = shlex.split(line)
        if words[0] == "dnastudy":
            done = dnastudy(*words[1:])
            assert done.code == 0, f"{line}\n{done.out[-2000:]}\n{done.err[-2000:]}"
        else:
            words[0] = str(Path(sys.executable).parent / words[0])
            done = subprocess.run(words, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.slow
def test_readme_python_runs(tmp_path, monkeypatch, capsys):
    code = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert code
    monkeypatch.chdir(tmp_path)
    for block in code:
        exec(compile(block, "README.md", "exec"), {})
        assert "nucleotide_perplexity" in capsys.readouterr().out


def test_links_between_documents_exist():
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
            assert target.startswith("http") or (ROOT / target).exists(), f"{name}: {target}"


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff(command):
    done = subprocess.run([sys.executable, "-m", "ruff", *command, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
