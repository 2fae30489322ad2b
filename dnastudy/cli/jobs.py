"""`dnastudy job`: single jobs of the workflow, not meant to be called by hand."""

from __future__ import annotations

from pathlib import Path

import typer

from dnastudy.cli.options import ProfileName, command, load_profile
from dnastudy.display.terminal import say

app = typer.Typer(no_args_is_help=True, help="Single jobs of the workflow.")


@command(app)
def data(out: Path, profile: ProfileName = "quick") -> None:
    """Make or find the genes of a profile and write down what they are."""
    from dnastudy.core.atomic import atomic_write
    from dnastudy.core.provenance import to_json

    dataset = load_profile(profile).dataset()
    atomic_write(out, to_json({"name": dataset.name, "description": dataset.description, "sha256": dataset.hashes}))


@command(app)
def run(out: Path, names: list[str], profile: ProfileName = "quick") -> None:
    """Compute runs of a profile, evaluate their models on the tasks, and write their records, one a line."""
    from dnastudy.core.atomic import atomic_write
    from dnastudy.core.provenance import json_line
    from dnastudy.experiments.curve_plan import find_any
    from dnastudy.experiments.store import Store
    from dnastudy.experiments.task_runs import run_tasks

    settings, store = load_profile(profile), Store()
    dataset, records = settings.dataset(), []
    for name in names:
        planned = find_any(settings, name)
        record = store.get(planned, dataset, say).record
        task_runs = run_tasks(store, settings, [planned], dataset, say)
        tasks = {task: runs[name].record["id"] for task, runs in task_runs.items() if name in runs}
        records.append({**record, "tasks": tasks})
    atomic_write(out, "".join(f"{json_line(record)}\n" for record in records))


@command(app)
def chapter(name: str, out: Path, profile: ProfileName = "quick") -> None:
    """Execute one chapter for the book of a profile."""
    from dnastudy.chapters.run import run_chapter

    run_chapter(name, out, {"profile": profile})


@command(app)
def book(chapters: Path, copy: Path, out: Path) -> None:
    """Build the book of a profile from its executed chapters."""
    from dnastudy.chapters.build import assemble, build
    from dnastudy.chapters.run import find_root

    build(assemble(find_root(), copy, chapters), out)


@command(app)
def precomputed(profile: ProfileName = "cpu") -> None:
    """Copy finished runs of learning curves and of the family split to where they come with the repository."""
    from dnastudy.analysis.publish import write_precomputed
    from dnastudy.chapters.run import find_root

    write_precomputed(find_root(), load_profile(profile), say)
