"""Refreshing what is published: run records, executed chapters, the README's table, shipped models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dnastudy.analysis import publish as published
from dnastudy.chapters.run import find_chapters, run_chapter
from dnastudy.chapters.workflow import run_workflow
from dnastudy.core.errors import ChapterError, PublicationError
from dnastudy.core.provenance import git_commit
from dnastudy.data.datasets import DATA_VARIABLE
from dnastudy.experiments.profile import load_profile

LEARNING_CHAPTERS = {"homology", "learning_curves"}
"""Chapters whose figures and precomputed runs are published with them."""


def publish(
    root: Path,
    profile: str,
    data: str = "",
    cores: int = 2,
    chapters: Sequence[str] = (),
    *,
    allow_dirty: bool = False,
    log: Callable[[str], None],
) -> list[str]:
    """Compute, execute and write what is published; return the names of the chapters.

    Parameters
    ----------
    profile, data : str
        The profile, and the folder of its genes where it is not DNASTUDY_DATA.
    cores : int
        Jobs that run in parallel.
    chapters : sequence of str
        Only these, with the records they alone need; default: everything.
    allow_dirty : bool
        Also when the code differs from the last commit.
    log
        Receives a line for each step.

    Raises
    ------
    ChapterError
        For an unknown chapter.
    PublicationError
        For code that differs from the commit, genes that are simulated, or a failed job.
    """
    known = list(find_chapters(root))
    if unknown := set(chapters) - set(known):
        raise ChapterError(f"no chapter {', '.join(sorted(unknown))}; the chapters are {', '.join(known)}")
    if git_commit().endswith("-dirty") and not allow_dirty:
        raise PublicationError("the code differs from the last commit, which the pages would name: commit first")
    settings = load_profile(profile, **({"data": data} if data else {}))
    if not settings.dataset().real:
        raise PublicationError("only a study of real genes is published; name a folder with --data or DNASTUDY_DATA")
    # jobs and pages name the profile; where the genes are on this machine stays out of them
    environment = {DATA_VARIABLE: str(Path(data).resolve())} if data else {}
    names, shipped = list(chapters) or known, {}
    if not chapters:
        if status := run_workflow(root, profile, cores, ["--until", "run"], environment):
            raise PublicationError(f"a job of the workflow failed (exit status {status}); its log is in _build")
        shipped = published.write_records(root, settings, log)
    if LEARNING_CHAPTERS & set(names):
        published.write_learning(root, settings, log)
    for name in names:
        log(f"chapter {name}")
        output = root / "book" / "chapters" / f"{name}.ipynb"
        run_chapter(name, output, {"profile": profile}, environment=environment)
    published.write_readme(root)
    if shipped:
        published.write_shipped(shipped, settings, log)  # last: a changed package is a changed commit
    return names
