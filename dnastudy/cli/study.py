"""Commands that run the study: `reproduce`, `run`, `study`, `book`, and the workflow's own jobs."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from dnastudy.cli.options import Greedy, Json, Set, parse_pairs
from dnastudy.display.terminal import emit, say

reproduce = typer.Typer(no_args_is_help=True, help="Print the paper's figures beside ours.")
job = typer.Typer(no_args_is_help=True, help="Single jobs of the workflow.")
ProfileName = Annotated[str, typer.Option(help="quick, cpu, gpu, or a YAML file of settings.")]
Data = Annotated[str, typer.Option(help="Genes instead of the profile's: folder, gene file, or 'simulated'.")]
Cores = Annotated[int, typer.Option(min=1, help="Independent jobs run in parallel on so many cores.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the main program."""
    app.add_typer(reproduce, name="reproduce")
    app.add_typer(job, name="job", hidden=True)
    app.command(cls=Greedy)(run)
    app.command(cls=Greedy)(sweep)
    for command in (explain, study, book):
        app.command()(command)


def chosen_profile(name: str, data: str = ""):
    """Profile of this name, on other genes if some are named."""
    from dnastudy.experiments.profile import load_profile

    return load_profile(name, **({"data": data} if data else {}))


@reproduce.command("ngrams")
def reproduce_ngrams(
    data: Annotated[str, typer.Option(help="Folder with the paper's genes; default: DNASTUDY_DATA.")] = "",
    as_json: Json = False,
) -> None:
    """N-grams: the paper's test perplexities, ours, and the like-for-like column.

    For example:

        dnastudy reproduce ngrams --data ../shared/data
    """
    from dnastudy.analysis.headline import TOLERANCE
    from dnastudy.analysis.headline import reproduce_ngrams as table_of

    profile = chosen_profile("cpu", data)
    table = table_of(profile.dataset(), profile, say)
    good = bool((table["relative_difference"] <= TOLERANCE).all())
    if as_json:
        emit({"reproduced": good, "tolerance": TOLERANCE, "rows": table.to_dict("records")}, True)
    else:
        print(f"{'':<10}  {'paper perplexity':^37}  {'equal':>6}  nucleotides only, A C G T")
        print(f"{'model':<10}  {'the paper':>18} {'ours':>18}  {'digits':>6}  perplexity (95 % interval)")
        for row in table.itertuples():
            digits = row.equal_digits if math.isfinite(row.ours) else "inf"
            print(
                f"{row.model:<10}  {row.paper:>18.15g} {row.ours:>18.15g}  {digits:>6}  "
                f"{row.nucleotide_perplexity:.4f} ({row.low:.4f} to {row.high:.4f})"
            )
        print(f"{'all' if good else 'NOT all'} within a relative {TOLERANCE:.0e} of the paper")
    if not good:
        raise typer.Exit(1)


@reproduce.command("mutations")
def reproduce_mutations(
    data: Annotated[str, typer.Option(help="Folder with the paper's genes and pairs; default: DNASTUDY_DATA.")] = "",
    as_json: Json = False,
) -> None:
    """Mutation detection: the paper's accuracies of its 8-gram on its own pairs, beside ours.

    For example:

        dnastudy reproduce mutations --data ../shared/data
    """
    from dnastudy.analysis.mutations import reproduce_mutations as table_of

    profile = chosen_profile("cpu", data)
    table = table_of(profile.dataset(), profile, say)
    good = bool(table["equal"].all())
    if as_json:
        emit({"reproduced": good, "cells": table.to_dict("records")}, True)
    else:
        print(f"{'seed':<8} {'edits':>8}  {'rule':<12} {'found':>6} {'pairs':>6}  {'ours':>6}  {'the paper':>9}")
        for row in table.itertuples():
            edits = f"1..{row.maximum}" if row.maximum > 1 else "1"
            print(
                f"{row.seed:<8} {edits:>8}  {row.rule:<12} {row.right:>6} {row.pairs:>6}  {row.ours:>6.3f}  "
                f"{row.paper:>9.3f}{'' if row.equal else '  NOT equal'}"
            )
        print(f"{int(table['equal'].sum())} of {len(table)} accuracies equal the paper's")
    if not good:
        raise typer.Exit(1)


def run(
    chapter: Annotated[str, typer.Argument(help="Name of a notebook in notebooks/, for instance ngrams.")],
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="A parameter of the chapter: -p NAME VALUE (YAML).")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Executed notebook; default: _build/runs/CHAPTER.ipynb.")] = None,
) -> None:
    """Run one chapter; unknown or ill-typed parameters are refused before anything starts.

    For example:

        dnastudy run ngrams -p data my_genes.fa -p order 6
    """
    from dnastudy.chapters.run import find_root, run_chapter

    given = parse_pairs("-p", parameter)
    print(run_chapter(chapter, output or find_root() / "_build" / "runs" / f"{chapter}.ipynb", given))


def explain(
    gene: Annotated[str, typer.Argument(help="Id or symbol of a test gene.")],
    data: Data = "",
    joined: Annotated[bool, typer.Option(help="Validation genes in the memory, too.")] = False,
    width: Annotated[int, typer.Option(min=40, help="Columns of the view.")] = 100,
    as_json: Json = False,
) -> None:
    """Show why the expert model predicts a gene as it does: surprise by base, and the genes it copies.

    For example:

        dnastudy explain SIM001814 --data simulated
    """
    from dnastudy.analysis import explain as explaining
    from dnastudy.experiments.plan import expert_runs

    profile = chosen_profile("cpu", data)
    name = "expert-joined" if joined else "expert"
    run = next(run for run in expert_runs(profile) if run.name == name)
    found = explaining.explain_gene(profile.dataset(), run, gene)
    if as_json:
        emit(explaining.as_json(found), True)
    else:
        print(explaining.as_text(found, width))


def sweep(
    model: Annotated[str, typer.Argument(help="lstm or transformer.")],
    data: Data = "",
    profile: ProfileName = "cpu",
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, those of earlier calls among them.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 1,
    folder: Annotated[Path, typer.Option(help="Where the search is kept.")] = Path("_build") / "sweeps",
    set: Set = None,
    as_json: Json = False,
) -> None:
    """Search for the settings of a neural model that predict the validation genes best; no test gene is looked at.

    The search lies on disk: the same command goes on where it was stopped, inside the training that was under way.

    For example:

        dnastudy sweep lstm --trials 20 --set epochs=5 precision=bf16-mixed
    """
    from dnastudy.experiments.sweep import sweep as search
    from dnastudy.experiments.sweep import trial_table

    found = search(model, chosen_profile(profile, data).dataset(), folder, trials, seed, parse_pairs("--set", set), say)
    table = trial_table(found)
    if as_json:
        emit({"model": model, "seed": seed, "best": found.best_params, "trials": table.to_dict("records")}, True)
    else:
        print(table.to_string(index=False))


def study(
    profile: ProfileName = "quick",
    cores: Cores = 2,
    curves: Annotated[bool, typer.Option("--curves", help="Only the points of the learning curves, no book.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be done.")] = False,
    executor_profile: Annotated[str, typer.Option(help="Snakemake profile of a cluster, a folder.")] = "",
) -> None:
    """Run the whole study of a profile and build its book; goes on where an earlier call was stopped.

    For example:

        dnastudy study --profile quick --cores 2
    """
    from dnastudy.chapters.run import find_root

    root = find_root()
    chosen_profile(profile).dataset()  # no genes: one clear error here rather than a failed job
    more = (["--dry-run"] if dry_run else []) + (["--profile", executor_profile] if executor_profile else [])
    workflow(root, profile, cores, [*more, *(["--", "curves"] if curves else [])])
    if not dry_run and not curves:
        page = root / "_build" / Path(profile).stem / "book" / "index.html"
        say(f"\nThe study is done. Open {page} in a browser; it needs no network.")
        print(page)


def workflow(root: Path, profile: str, cores: int, words: list[str]) -> None:
    """Run jobs of the workflow."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", root / "workflow" / "Snakefile", "--directory", root]
    # the store and all outputs appear whole or not at all, so a lock or a mark left by a killed run is no danger
    command += ["--cores", str(cores), "--nolock", "--rerun-incomplete", "--quiet", "host", "reason"]
    command += ["--config", f"profile={profile}", *words]
    # the jobs call `dnastudy`: let them find the one of this environment first
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(list(map(str, command)), cwd=root, env={**os.environ, "PATH": path})
    if done.returncode:
        raise typer.Exit(done.returncode)


def book(
    output: Annotated[Path | None, typer.Option(help="Folder for the pages; default: _build/html.")] = None,
    quiet: Annotated[bool, typer.Option(help="Keep the builder's messages to its log file.")] = True,
) -> None:
    """Build the published book from the committed chapters; nothing is computed.

    For example:

        dnastudy book
    """
    from dnastudy.chapters.build import build
    from dnastudy.chapters.run import find_root

    root = find_root()
    say("build the book from book/chapters")
    print(build(root, output, quiet))


@job.command("data")
def job_data(out: Path, profile: ProfileName = "quick") -> None:
    """Make or find the genes of a profile and note what they are."""
    from dnastudy.core.atomic import atomic_write
    from dnastudy.core.provenance import to_json

    dataset = chosen_profile(profile).dataset()
    atomic_write(out, to_json({"name": dataset.name, "description": dataset.description, "sha256": dataset.hashes}))


@job.command("run")
def job_run(name: str, out: Path, profile: ProfileName = "quick") -> None:
    """Compute one run of a profile, put its model to the tasks, and write its record."""
    from dnastudy.core.atomic import atomic_write
    from dnastudy.core.provenance import to_json
    from dnastudy.experiments.curve_plan import PREFIX, find_any
    from dnastudy.experiments.store import Store
    from dnastudy.experiments.task_runs import assess_all

    settings = chosen_profile(profile)
    run, dataset, store = find_any(settings, name), settings.dataset(), Store()
    record = store.get(run, dataset, say).record
    # tasks are of the study's own models, not of every point of a curve
    outcomes = assess_all(store, settings, [] if name.startswith(PREFIX) else [run], dataset, say)
    tasks = {task: found[name].record["id"] for task, found in outcomes.items() if name in found}
    atomic_write(out, to_json({**record, "tasks": tasks}))


@job.command("chapter")
def job_chapter(name: str, out: Path, profile: ProfileName = "quick") -> None:
    """Execute one chapter for the book of a profile."""
    from dnastudy.chapters.run import run_chapter

    run_chapter(name, out, {"profile": profile})


@job.command("book")
def job_book(chapters: Path, copy: Path, out: Path) -> None:
    """Build the book of a profile from its executed chapters."""
    from dnastudy.chapters.build import assemble, build
    from dnastudy.chapters.run import find_root

    build(assemble(find_root(), copy, chapters), out)
