"""The command that refreshes what is published."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dnastudy.cli.study import Cores, Data, ProfileName, chosen_profile, job, workflow
from dnastudy.display.terminal import say


def register(app: typer.Typer) -> None:
    """Add this command to the main program."""
    app.command()(publish)


def publish(
    profile: ProfileName = "cpu",
    data: Data = "",
    cores: Cores = 2,
    chapter: Annotated[
        list[str] | None,
        typer.Option(help="Only this page, and what it alone is made of; may be given several times."),
    ] = None,
    allow_dirty: Annotated[bool, typer.Option(help="Publish although the code differs from the commit.")] = False,
) -> None:
    """Refresh what is published: run records, executed chapters, the README's table.

    For example:

        DNASTUDY_DATA=../shared/data dnastudy publish
    """
    from dnastudy.analysis.claims import readme_block
    from dnastudy.analysis.findings import write_readme_part
    from dnastudy.analysis.model_card import ship
    from dnastudy.chapters.run import find_chapters, find_root, run_chapter
    from dnastudy.core.errors import ModelError
    from dnastudy.core.provenance import git_commit
    from dnastudy.experiments.store import Store

    root = find_root()
    known = list(find_chapters(root))
    if unknown := set(chapter or []) - set(known):
        raise ModelError(f"no chapter {', '.join(sorted(unknown))}; the chapters are {', '.join(known)}")
    if git_commit().endswith("-dirty") and not allow_dirty:
        raise ModelError("the code differs from the last commit, which the pages would name: commit first")
    settings = chosen_profile(profile, data)
    if not settings.dataset().real:
        raise ModelError("the published study is of real genes; name a folder with --data or DNASTUDY_DATA")
    # jobs and pages name the profile; where the genes lie on this machine stays out of them
    if data:
        os.environ["DNASTUDY_DATA"] = str(Path(data).resolve())
    pages = chapter or known
    chosen = {}
    if not chapter:
        workflow(root, profile, cores, ["--until", "run"])
        chosen = _records(root, settings)
    if set(pages) & {"relatives", "curves"}:
        _learning(root, settings)
    for name in pages:
        say(f"chapter {name}")
        run_chapter(name, root / "book" / "chapters" / f"{name}.ipynb", {"profile": profile})
    write_readme_part(root, "headline", readme_block(root))
    if chosen:
        # last: a changed package is a changed commit, and the pages name theirs
        say(f"models: {', '.join(chosen)}")
        dataset = settings.dataset()
        ship(chosen, dataset.test, Store().relatives(dataset), settings.bootstrap_replicates)
    say(f"published: {', '.join(pages)}; `make book` builds the pages")


def _records(root: Path, settings) -> dict:
    """Compute and write the records of all runs and tasks; return the runs whose models come with the package."""
    from dnastudy.analysis.findings import finding_values
    from dnastudy.analysis.headline import compute, genes_record, homologs_record, publish_records
    from dnastudy.experiments.plan import NEURAL, all_runs, find_run
    from dnastudy.experiments.replicates import over_seeds
    from dnastudy.experiments.store import Store
    from dnastudy.experiments.task_runs import REFERENCE, assess_all, assess_reference, conditional_run, create_task

    results = compute(settings, say)
    dataset = settings.dataset()
    outcomes = assess_all(Store(), settings, all_runs(settings), dataset, say)
    for task, found in outcomes.items():
        if reference := assess_reference(Store(), create_task(task, settings), dataset, say):
            found[REFERENCE] = reference
    # what comes with the package can be asked for gene types; it predicts as well without one (see its card)
    chosen = {
        kind: Store().get(conditional_run(find_run(settings, f"{kind}-{settings.seeds[0]}"), dataset), dataset, say)
        for kind in NEURAL
    }
    answer = finding_values(dataset, results, Store().relatives(dataset), settings.bootstrap_replicates)
    publish_records(
        root,
        {**results, **{result.record["name"]: result for result in chosen.values()}},
        over_seeds(results, settings.bootstrap_replicates),
        answer,
        genes_record(dataset),
        homologs_record(dataset, Store()),
        outcomes,
    )
    return chosen


def _learning(root: Path, settings) -> None:
    """Compute and write the figures on relatives and learning curves, and carry their points."""
    from dnastudy.analysis.claims import LEARNING, learning_values
    from dnastudy.core.atomic import atomic_write
    from dnastudy.core.provenance import to_json
    from dnastudy.experiments.store import Store

    say("figures on relatives and learning curves")
    atomic_write(root / LEARNING, to_json(learning_values(settings, settings.dataset(), Store())))
    _carry(root, settings)


@job.command("carry")
def job_carry(profile: ProfileName = "cpu") -> None:
    """Put finished runs of the chapters on relatives and curves where they come with the repository."""
    from dnastudy.chapters.run import find_root

    _carry(find_root(), chosen_profile(profile))


def _carry(root: Path, settings) -> None:
    from dnastudy.analysis.homology import alone_runs
    from dnastudy.experiments.curve_plan import carry

    say(f"{carry(settings, root, alone_runs(settings), log=say)} finished runs are carried")
