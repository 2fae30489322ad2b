import io
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

pytest.importorskip("papermill")

from dnastudy.chapters.run import (
    HEADER,
    check_parameters,
    find_chapters,
    find_root,
    open_chapter,
    parameters_model,
    refresh_sources,
    run_chapter,
)
from dnastudy.core.errors import ChapterError, DataError, ParameterError

PARAMETERS = f"""{HEADER}
threshold: float = 0.5  # counts from here on
names: list[str] = ["a", "b"]  # what to show
repeats: int = 2"""
OPEN = "from dnastudy.chapters.run import open_chapter\n\nchapter = open_chapter(globals())\np = chapter.parameters"


def notebook(*cells: str):
    """A notebook; a cell that begins with '# ' and a capital letter, but not with HEADER, is prose."""
    made = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    for number, source in enumerate(cells):
        prose = source.startswith("# ") and not source.startswith(HEADER)
        cell = new_markdown_cell(source) if prose else new_code_cell(source)
        cell["id"] = f"cell-{number}"
        if source.startswith(HEADER):
            cell.metadata["tags"] = ["parameters"]
        made.cells.append(cell)
    return made


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one chapter, entered."""
    (tmp_path / "_config.yml").write_text("title: Test\n")
    (tmp_path / "notebooks").mkdir()
    show = "print(p.threshold, p.names, p.repeats)"
    nbformat.write(notebook("# A chapter", PARAMETERS, OPEN, show), tmp_path / "notebooks" / "demo.ipynb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def add(project: Path, name: str, *cells: str) -> None:
    nbformat.write(notebook("# A chapter", PARAMETERS, OPEN, *cells), project / "notebooks" / f"{name}.ipynb")


def printed(path: Path) -> str:
    cells = nbformat.read(path, 4).cells
    return "".join(output.text for cell in cells for output in cell.get("outputs", []) if "text" in output)


# --- the schema of parameters -------------------------------------------------------------------------------------


def test_schema_has_types_defaults_and_descriptions():
    model = parameters_model(PARAMETERS)
    assert model().model_dump() == {"threshold": 0.5, "names": ["a", "b"], "repeats": 2}
    assert model.model_fields["threshold"].description == "counts from here on"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1", "typed literals"),
        ("import os", "typed literals"),
        ("x: int = 'one'", "valid integer"),
        ("x: int = print(1)", "plain literal"),
        ("x: __import__('os').system('true') = 1", "the type must be one of"),
        ("x: set = 1", "the type must be one of"),
        ("x: list[int, int] = [1]", "the type must be one of"),
        ("x: int =", "not Python"),
    ],
)
def test_schema_refuses_all_but_typed_literals(source, words):
    with pytest.raises(ParameterError, match=words):
        parameters_model(source)


BAD = [
    ({"treshold": 3}, "unknown parameter 'treshold'; did you mean 'threshold'? (known: threshold, names, repeats)"),
    ({"threshold": "1e-3"}, "not '1e-3' (YAML reads 1e-3 as text; write 1.0e-3)"),
    ({"repeats": "4"}, "parameter 'repeats' should be a valid integer, not '4'"),
    ({"repeats": 2.5}, "parameter 'repeats'"),
    ({"names": [1]}, "parameter 'names.0' should be a valid string, not 1"),
]


@pytest.mark.parametrize(("given", "words"), BAD)
def test_bad_parameters_start_no_kernel(project, given, words):
    with pytest.raises(ParameterError) as caught:
        run_chapter("demo", "out.ipynb", given)
    assert words in str(caught.value)
    assert not Path("out.ipynb").exists()
    assert not Path("_build").exists()


def test_every_mistake_is_named_at_once():
    with pytest.raises(ParameterError) as caught:
        check_parameters(parameters_model(PARAMETERS), {"treshold": 3, "repeats": "x"})
    assert "treshold" in str(caught.value)
    assert "repeats" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-p", "treshold", "3"], BAD[0][1]),
        (["-y", "threshold: 1e-3"], BAD[1][1]),
    ],
)
@pytest.mark.slow
def test_plain_papermill_refuses_bad_parameters(project, options, words):
    command = [sys.executable, "-m", "papermill", "notebooks/demo.ipynb", "out.ipynb", "--no-progress-bar", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"ParameterError: {words}" in done.stderr or words in done.stderr


@pytest.mark.slow
def test_plain_papermill_runs_with_good_parameters_from_below_the_root(project):
    command = [
        sys.executable,
        "-m",
        "papermill",
        "demo.ipynb",
        "../out.ipynb",
        "--no-progress-bar",
        "-p",
        "threshold",
        "3",
    ]
    subprocess.run(command, check=True, cwd="notebooks", capture_output=True)
    assert printed(Path("out.ipynb")) == "3.0 ['a', 'b'] 2\n"


# --- opening a chapter --------------------------------------------------------------------------------------------


def test_edited_parameters_win_over_an_older_injection(project):
    edited = PARAMETERS.replace("0.5", "0.9")
    namespace = {"In": ["", PARAMETERS, "# Parameters\nunknown = 3\n", edited], "threshold": 0.9, "unknown": 3}
    assert open_chapter(namespace).parameters.threshold == 0.9


def test_opening_goes_to_the_root_or_says_why_not(project, monkeypatch):
    monkeypatch.chdir("notebooks")
    assert open_chapter({"In": [PARAMETERS]}).root == project == Path.cwd()
    assert find_root() == project
    with pytest.raises(ChapterError, match="parameters cell first"):
        open_chapter({"In": [""]})
    with pytest.raises(ChapterError, match="not inside the project"):
        find_root("/")


# --- running a chapter --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_run_chapter_is_repeatable_and_says_where_it_is(project):
    log = io.StringIO()
    given = {"threshold": 2, "names": ["c"]}
    first = run_chapter("demo", "one.ipynb", given, title="Another title", log=log)
    second = run_chapter("demo", "deep/two.ipynb", given, title="Another title", log=io.StringIO())
    assert first.read_bytes() == second.read_bytes()
    assert printed(first) == "2.0 ['c'] 2\n"
    assert log.getvalue().splitlines() == ["demo: cell 2/4", "demo: cell 3/4", "demo: cell 4/4"]
    made = nbformat.read(first, 4)
    assert made.cells[0].source == "# Another title"
    assert made.metadata.dnastudy == {"chapter": "demo", "parameters": {"threshold": 2.0, "names": ["c"]}}
    tagged = [cell.source for cell in made.cells if "remove-cell" in cell.metadata.get("tags", [])]
    assert [source.splitlines()[0] for source in tagged] == [HEADER, "# Parameters"]
    text = first.read_text()
    assert "start_time" not in text
    assert str(project) not in text
    assert os.environ.get("DNASTUDY_CHARTS") != "book"
    assert sorted(path.name for path in project.iterdir()) == [
        "_build",
        "_config.yml",
        "deep",
        "notebooks",
        "one.ipynb",
    ]
    assert not list(Path("_build").rglob("*.ipynb"))


@pytest.mark.slow
def test_environment_variables_reach_the_kernel_alone(project):
    add(project, "variables", "import os\nprint(os.environ['DNASTUDY_DATA'], os.environ['DNASTUDY_CHARTS'])")
    before = dict(os.environ)
    made = run_chapter("variables", "out.ipynb", environment={"DNASTUDY_DATA": "genes"}, log=io.StringIO())
    assert printed(made) == "genes book\n"
    assert dict(os.environ) == before


@pytest.mark.slow
def test_a_failing_cell_leaves_the_output_untouched(project):
    add(project, "broken", "raise RuntimeError('first line\\nsecond line')", "1 + 1")
    Path("out.ipynb").write_text("before")
    with pytest.raises(ChapterError) as caught:
        run_chapter("broken", "out.ipynb", log=io.StringIO())
    kept = project / "_build" / "failed" / "broken.ipynb"
    assert str(caught.value) == f"broken, cell 4 of 5: RuntimeError: first line second line (see {kept})"
    assert "second line" in kept.read_text()
    assert Path("out.ipynb").read_text() == "before"


@pytest.mark.slow
def test_a_slow_cell_and_a_dead_kernel_are_named(project):
    add(project, "slow", "import time; time.sleep(30)")
    with pytest.raises(ChapterError, match="slow, cell 4 of 4: a cell took longer than 4 s"):
        run_chapter("slow", "out.ipynb", timeout=4, log=io.StringIO())
    add(project, "dead", "import os; os._exit(3)")
    with pytest.raises(ChapterError, match="dead, cell 4 of 4: the kernel died"):
        run_chapter("dead", "out.ipynb", log=io.StringIO())


def test_unknown_chapter(project):
    assert list(find_chapters(project)) == ["demo"]
    with pytest.raises(ChapterError, match="no chapter 'damo'; the chapters are demo"):
        run_chapter("damo", "out.ipynb")


def test_missing_genes_start_no_kernel(project):
    source = Path("notebooks/demo.ipynb").read_text()
    Path("notebooks/demo.ipynb").write_text(source.replace("repeats: int = 2", "data: str = ''"))
    with pytest.raises(DataError, match=r"nowhere.fa: no such file or folder of genes \(looked for "):
        run_chapter("demo", "out.ipynb", {"data": "nowhere.fa"})
    assert not Path("out.ipynb").exists()
    assert not Path("_build").exists()


# --- charts in chapters -------------------------------------------------------------------------------------------

CHART = """import altair as alt
import pandas as pd

chart = alt.Chart(pd.DataFrame({{"x": [1, 2], "y": [0.1, 0.2]}})).mark_line().encode(x="x", y="y")
chart{description}"""


@pytest.mark.slow
def test_a_chart_without_description_stops_the_book(project):
    add(project, "mute", CHART.format(description=""))
    with pytest.raises(ChapterError, match=r"mute, cell 4 of 4: ValueError: .*alternative text"):
        run_chapter("mute", "out.ipynb", log=io.StringIO())


@pytest.mark.slow
def test_charts_are_pictures_in_the_book_and_digests_in_sources(project):
    add(project, "chart", CHART.format(description=".properties(description='A <rising> line')"))
    book = run_chapter("chart", "out.ipynb", log=io.StringIO())
    shown = nbformat.read(book, 4).cells[-1].outputs[0].data
    assert 'alt="A &lt;rising&gt; line" src="data:image/svg+xml;base64,' in shown["text/html"]
    source = project / "notebooks" / "chart.ipynb"
    refresh_sources([source])
    once = source.read_bytes()
    stored = nbformat.read(source, 4).cells[-1].outputs[0].data
    assert stored == {"text/plain": shown["text/plain"]}
    refresh_sources([source])
    assert source.read_bytes() == once
    assert "timestamp" not in once.decode()
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", "notebooks/chart.ipynb"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    source.write_text(source.read_text().replace("0.2]", "0.3]"))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


@pytest.mark.slow
def test_a_failing_source_is_left_as_it_was(project):
    add(project, "broken", "1 / 0")
    source = project / "notebooks" / "broken.ipynb"
    before = source.read_bytes()
    with pytest.raises(ChapterError, match="ZeroDivisionError"):
        refresh_sources([source])
    assert source.read_bytes() == before


def test_importing_the_package_stays_light():
    code = "import sys, dnastudy, dnastudy.chapters.run; print({'altair', 'papermill', 'nbformat'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_types_are_found_where_a_namespace_keeps_a_function_for_them(tmp_path, monkeypatch):
    """As from Python 3.14 on, and without a history as under nbval."""
    (tmp_path / "_config.yml").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    namespace = {"__annotate__": lambda form: {"repeats": int}, "repeats": 2}
    assert open_chapter(namespace).parameters.repeats == 2
    with pytest.raises(ParameterError, match="repeats"):
        open_chapter({**namespace, "repeats": "two"})
