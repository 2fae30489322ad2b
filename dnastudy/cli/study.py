"""Commands that run the study: `reproduce`, `chapter`, `explain`, `sweep`, `study`, `book`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from dnastudy.cli.options import (
    Cores,
    Data,
    Json,
    PaperData,
    ProfileName,
    Set,
    command,
    load_profile,
    parse_pairs,
)
from dnastudy.display.terminal import emit, say

app = typer.Typer()
reproduce = typer.Typer(no_args_is_help=True, help="Print the paper's figures beside ours.")
app.add_typer(reproduce, name="reproduce")


@command(reproduce, "ngrams")
def reproduce_ngrams(
    data: PaperData = "",
    as_json: Json = False,
) -> None:
    """N-grams: the paper's test perplexities, ours, and the like-for-like column.

    For example:

        dnastudy reproduce ngrams --data data/raw/paper
    """
    from dnastudy.analysis.headline import TOLERANCE
    from dnastudy.analysis.headline import reproduce_ngrams as table_of

    profile = load_profile("cpu", data)
    table = table_of(profile.dataset(), profile, say)
    good = bool((table["relative_difference"] <= TOLERANCE).all())
    if as_json:
        emit({"reproduced": good, "tolerance": TOLERANCE, "rows": table.to_dict("records")}, True)
    else:
        width = table["model"].str.len().max()
        print(f"{'':<{width}}  {'paper perplexity':^37}  {'equal':>6}  nucleotides only, A C G T")
        print(f"{'model':<{width}}  {'the paper':>18} {'ours':>18}  {'digits':>6}  perplexity (95 % interval)")
        for row in table.itertuples():
            digits = row.equal_digits if math.isfinite(row.ours) else "inf"
            print(
                f"{row.model:<{width}}  {row.paper:>18.15g} {row.ours:>18.15g}  {digits:>6}  "
                f"{row.nucleotide_perplexity:.4f} ({row.low:.4f} to {row.high:.4f})"
            )
        print(f"{'all' if good else 'NOT all'} within a relative {TOLERANCE:.0e} of the paper")
    if not good:
        raise typer.Exit(1)


@command(reproduce, "mutations")
def reproduce_mutations(
    data: PaperData = "",
    as_json: Json = False,
) -> None:
    """Mutation detection: the paper's accuracies of its 8-gram on its own pairs, beside ours.

    For example:

        dnastudy reproduce mutations --data data/raw/paper
    """
    from dnastudy.analysis.mutations import reproduce_mutations as table_of

    profile = load_profile("cpu", data)
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


@command(app)
def chapter(
    name: Annotated[
        str, typer.Argument(help="Name of a notebook in notebooks/, for instance ngrams; a wrong name lists all.")
    ],
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", help="-p NAME VALUE, the value in YAML; a wrong name lists them all."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Executed notebook; default: _build/runs/NAME.ipynb.")] = None,
) -> None:
    """Run one chapter; parameters are checked before anything starts.

    For example:

        dnastudy chapter ngrams -p data my_genes.fa -p order 6
    """
    from dnastudy.chapters.run import find_root, run_chapter

    parameters = parse_pairs("-p", parameter)
    print(run_chapter(name, output or find_root() / "_build" / "runs" / f"{name}.ipynb", parameters))


@command(app)
def explain(
    gene: Annotated[str, typer.Argument(help="Id or symbol of a test gene.")],
    data: Data = "",
    add_validation: Annotated[
        bool, typer.Option("--add-validation", help="Copy from validation genes as well as training genes.")
    ] = False,
    width: Annotated[int, typer.Option(min=40, help="Width of the view, columns.")] = 100,
    as_json: Json = False,
) -> None:
    """Show how the expert mixture predicts a gene: surprisal per base, and the training genes it copies from.

    For example:

        dnastudy explain SIM001814 --data simulated
    """
    from dnastudy.analysis import explain as explaining

    profile = load_profile("cpu", data)
    run = explaining.expert_run(profile, add_validation)
    explanation = explaining.explain_gene(profile.dataset(), run, gene)
    if as_json:
        emit(explaining.as_json(explanation), True)
    else:
        print(explaining.as_text(explanation, width))


@command(app)
def sweep(
    model: Annotated[str, typer.Argument(help="Model with a search space, for instance lstm or transformer.")],
    data: Data = "",
    profile: ProfileName = "cpu",
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, including those of earlier calls.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 1,
    folder: Annotated[Path, typer.Option(help="Folder that keeps the search.")] = Path("_build") / "sweeps",
    set: Set = None,
    as_json: Json = False,
) -> None:
    """Search for the settings of a neural model that predict the validation genes best; test genes are not used.

    The search is kept on disk: the same command continues where it was stopped, even within a training.

    For example:

        dnastudy sweep lstm --trials 20 --set epochs=5 precision=bf16-mixed
    """
    from dnastudy.experiments.sweep import sweep as search
    from dnastudy.experiments.sweep import trial_table

    searched = search(
        model, load_profile(profile, data).dataset(), folder, trials, seed, parse_pairs("--set", set), say
    )
    table = trial_table(searched)
    if as_json:
        emit({"model": model, "seed": seed, "best": searched.best_params, "trials": table.to_dict("records")}, True)
    else:
        print(table.to_string(index=False))


@command(app)
def study(
    profile: ProfileName = "quick",
    cores: Cores = 2,
    curves: Annotated[bool, typer.Option("--curves", help="Only the points of the learning curves, no book.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the jobs.")] = False,
    executor_profile: Annotated[str, typer.Option(help="Snakemake profile of a cluster, a folder.")] = "",
) -> None:
    """Run the whole study of a profile and build its book; continues where an earlier call was stopped.

    For example:

        dnastudy study --profile quick --cores 2
    """
    from dnastudy.chapters.run import find_root
    from dnastudy.chapters.workflow import run_workflow

    root = find_root()
    load_profile(profile).dataset()  # no genes: one clear error here rather than a failed job
    words = (["--dry-run"] if dry_run else []) + (["--profile", executor_profile] if executor_profile else [])
    if status := run_workflow(root, profile, cores, [*words, *(["--", "curves"] if curves else [])]):
        raise typer.Exit(status)
    if not dry_run and not curves:
        page = root / "_build" / Path(profile).stem / "book" / "index.html"
        say(f"\nThe study is complete. Open {page} in a browser; it needs no network.")
        print(page)


@command(app)
def book(
    output: Annotated[Path | None, typer.Option(help="Folder for the pages; default: _build/html.")] = None,
    quiet: Annotated[bool, typer.Option(help="Write the builder's messages to its log file only.")] = True,
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
