"""The workflow: complete, continued after kill -9, parallel, ready for a cluster; and the books it builds."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from browser import EACH_ONCE, VIEWS, check_book, pictures
from helpers import HANG, ROOT, SMALL, wait_for, write_small_profile

from dnastudy.chapters.run import find_chapters
from dnastudy.experiments.curve_plan import grid
from dnastudy.experiments.plan import TOGETHER, Run, all_runs, jobs
from dnastudy.experiments.profile import load_profile

pytestmark = pytest.mark.slow
DNASTUDY = Path(sys.executable).parent / "dnastudy"
PROFILE = "small"


def _environment() -> dict[str, str]:
    """Nothing that leads out of the copy, but for the package: jobs and chapters use the one that is installed.

    With the package of the copy, in whose folder they run, they would compile all kernels again.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DNASTUDY_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def _runs() -> list[Run]:
    profile = load_profile("quick", **SMALL)
    return [*all_runs(profile), *grid(profile)]


def _jobs() -> dict[str, list[str]]:
    profile = load_profile("quick", **SMALL)
    return {**jobs("", all_runs(profile)), **jobs("curve-", grid(profile))}


def _copy(folder: Path) -> Path:
    """A checkout without what was built or published in this one."""
    for name in ("_config.yml", "_toc.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__", "vendor")
    for name in ("notebooks", "dnastudy", "workflow", "book", "results"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    write_small_profile(folder / f"{PROFILE}.yaml")
    return folder


def _study(folder: Path, *words: str, **more) -> subprocess.CompletedProcess:
    command = [DNASTUDY, "study", "--profile", f"{PROFILE}.yaml", *words]
    return subprocess.run(
        command,
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANG,
        **more,
    )


def _written(folder: Path) -> dict[str, int]:
    """When the scores of each finished run in the study's store were written, by id."""
    scores = folder / "_build" / "store" / "scores"
    return {path.parent.name: path.stat().st_mtime_ns for path in scores.glob("[!.]*/facts.json")}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A study that was killed with all its jobs in the middle of its runs, and then called again.

    Gives its folder, when each run that was finished before the kill was written, and the second call.
    """
    folder = _copy(tmp_path_factory.mktemp("study"))
    process = subprocess.Popen(
        [DNASTUDY, "study", "--profile", f"{PROFILE}.yaml"], cwd=folder, env=_environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: len(_written(folder)) >= 5, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = _written(folder)
    assert not (folder / "_build" / PROFILE / "book" / "index.html").exists()
    again = _study(folder, "--cores", "2")
    return folder, before, again


def test_a_killed_study_continues(killed):
    folder, before, again = killed
    assert again.returncode == 0, again.stdout[-3000:]
    assert len(before) >= 5
    after = _written(folder)
    assert before.items() <= after.items(), "finished runs were computed again"
    records = [path.read_text() for path in (folder / "_build" / PROFILE / "runs").glob("*.jsonl")]
    written = [json.loads(line)["name"] for line in "".join(records).splitlines()]
    assert sorted(written) == sorted(run.name for run in _runs())
    assert len(after) >= len(all_runs(load_profile("quick", **SMALL)))


def test_every_run_is_in_one_job():
    assert sorted(name for names in _jobs().values() for name in names) == sorted(run.name for run in _runs())
    models = {run.name: run.model for run in _runs()}
    for job, names in _jobs().items():
        assert 1 <= len(names) <= TOGETHER
        assert names == [job] or not {models[name] for name in names} & {"lstm", "transformer", "ensemble"}


def test_the_study_prints_where_the_book_is_and_shows_progress(killed):
    folder, _, again = killed
    page = folder / "_build" / PROFILE / "book" / "index.html"
    assert page.exists()
    assert again.stdout.strip().endswith(str(page))
    assert "(100%) done" in again.stdout
    assert "Job" in again.stdout and "run " in again.stdout


def test_runs_are_computed_in_parallel(killed):
    assert "Execute 2 jobs..." in killed[2].stdout


def test_a_job_without_networks_does_not_wait_for_torch(killed):
    """Most jobs of a study count: a second and a half for each of them would be minutes."""
    folder, *_ = killed
    code = (
        "import sys; from dnastudy.cli.jobs import run as job_run; from pathlib import Path\n"
        f"job_run(Path('again.jsonl'), ['mle-1', 'witten-bell-5', 'expert'], '{PROFILE}.yaml')\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
    assert "fit" not in done.stderr, "the store has these runs"


def test_nothing_is_done_twice(killed):
    folder, *_ = killed
    third = _study(folder, "--dry-run")
    assert third.returncode == 0
    assert "Nothing to be done" in third.stdout


def test_changed_code_makes_new_jobs(killed):
    folder, *_ = killed
    source = folder / "dnastudy" / "evaluation" / "metrics.py"
    text = source.read_text()
    try:
        source.write_text(text + "\nCHANGED = True\n")
        jobs = _study(folder, "--dry-run").stdout
    finally:
        source.write_text(text)
    assert re.search(r"^run +\d+", jobs, re.MULTILINE), jobs[-2000:]


def test_the_published_chapters_are_left_alone(killed):
    folder, *_ = killed
    for path in (ROOT / "book" / "chapters").glob("*.ipynb"):
        assert (folder / "book" / "chapters" / path.name).read_bytes() == path.read_bytes()
    executed = folder / "_build" / PROFILE / "chapters"
    assert {path.stem for path in executed.glob("*.ipynb")} == set(find_chapters(ROOT))
    for path in executed.glob("*.ipynb"):
        assert "simulated genes" in path.read_text()


def test_a_failing_job_is_named(killed, tmp_path):
    folder = Path(shutil.copytree(killed[0], tmp_path / "dnastudy"))
    path = folder / "notebooks" / "rerun.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells.append(nbformat.v4.new_code_cell("raise ValueError('broken on purpose')"))
    nbformat.write(notebook, path)
    done = _study(folder, "--cores", "2")
    assert done.returncode != 0
    assert "chapter" in done.stdout and "rerun" in done.stdout
    assert "broken on purpose" in (folder / "_build" / PROFILE / "logs" / "chapter-rerun.log").read_text()
    assert not (folder / "_build" / PROFILE / "chapters" / "rerun.ipynb").exists()
    assert not re.search(r"^run +\d+", done.stdout, re.MULTILINE), "runs were computed again for a changed page"


@pytest.mark.parametrize("cluster", ["slurm", "kubernetes"])
def test_a_dry_run_for_a_cluster_lists_all_jobs(cluster, tmp_path):
    folder = _copy(tmp_path)
    done = _study(folder, "--executor-profile", f"workflow/profiles/{cluster}", "--dry-run")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "This was a dry-run" in done.stdout
    assert re.search(rf"^run +{len(_jobs())}$", done.stdout, re.MULTILINE)


@pytest.mark.browser
def test_the_quick_book_in_a_browser(killed):
    """Each width and each theme once: the published book is opened in all four ways."""
    _charts(check_book(killed[0] / "_build" / PROFILE / "book", None, pictures("quick"), EACH_ONCE), EACH_ONCE)


@pytest.mark.browser
def test_the_published_book_in_a_browser(tmp_path):
    """`make book` computes nothing and opens without a network, every chart drawn."""
    folder = _copy(tmp_path)
    done = subprocess.run(
        [DNASTUDY, "book"], cwd=folder, env=_environment(), capture_output=True, text=True, timeout=HANG
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not (folder / "_build" / "store").exists()
    _charts(check_book(folder / "_build" / "html", None, pictures("published")), VIEWS)


def _charts(reports, views: tuple[tuple[int, str], ...]) -> None:
    views, expected = sorted(views), {}
    for name, path in find_chapters(ROOT).items():
        cells = json.dumps(
            [cell.get("outputs", []) for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        )
        expected[f"book/chapters/{name}.html"] = len(re.findall(r"<chart vl-", cells))
    assert sum(expected.values()) >= 9
    for page, charts in expected.items():
        of_page = [report for report in reports if report.page == page]
        assert sorted((report.width, report.theme) for report in of_page) == views, f"{page} was not opened in each way"
        assert all(report.charts == report.drawn == charts for report in of_page), page
