"""What is published beside the pages: run records, task results, figures on homologs and learning curves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dnastudy.analysis.claims import LEARNING, learning_values, readme_block
from dnastudy.analysis.findings import finding_values, write_readme_part
from dnastudy.analysis.headline import compute, genes_record, homologs_record, publish_records
from dnastudy.analysis.model_card import ship
from dnastudy.core.atomic import atomic_write
from dnastudy.core.provenance import to_json
from dnastudy.experiments.curve_plan import grid
from dnastudy.experiments.homology_plan import family_split_runs
from dnastudy.experiments.plan import MODERN, all_runs, group_runs
from dnastudy.experiments.precompute import pack_finished
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.replicates import over_seeds
from dnastudy.experiments.store import Result, Store
from dnastudy.experiments.task_runs import REFERENCE, conditional_run, create_task, run_reference, run_tasks

Log = Callable[[str], None]


def write_records(root: Path, profile: Profile, log: Log) -> dict[str, Result]:
    """Compute and write the records of all runs and tasks.

    Returns
    -------
    The runs whose models come with the package, by the name of the model.
    """
    results = compute(profile, log)
    dataset, store = profile.dataset(), Store()
    task_runs = run_tasks(store, profile, all_runs(profile), dataset, log)
    for task, runs in task_runs.items():
        if reference := run_reference(store, create_task(task, profile), dataset, log):
            runs[REFERENCE] = reference
    # shipped models also generate genes by type; they predict as well without one (see their card)
    first = [group_runs(profile, group)[0] for group in profile.models]
    shipped = {
        run.model: store.get(conditional_run(run, dataset), dataset, log) for run in first if run.recipe == MODERN
    }
    answer = finding_values(dataset, results, store.homologs(dataset), profile.bootstrap_replicates)
    publish_records(
        root,
        {**results, **{result.record["name"]: result for result in shipped.values()}},
        over_seeds(results, profile.bootstrap_replicates),
        answer,
        genes_record(dataset),
        homologs_record(dataset, store),
        task_runs,
    )
    return shipped


def write_learning(root: Path, profile: Profile, log: Log) -> None:
    """Compute and write the figures on homologs and learning curves, and the precomputed runs behind them."""
    log("figures on homologs and learning curves")
    atomic_write(root / LEARNING, to_json(learning_values(profile, profile.dataset(), Store())))
    write_precomputed(root, profile, log)


def write_precomputed(root: Path, profile: Profile, log: Log) -> None:
    """Copy finished runs of the chapters on homologs and learning curves to where they come with the repository."""
    runs = [*grid(profile), *family_split_runs(profile)]
    log(f"{pack_finished(profile, root, runs, log=log)} finished runs are precomputed")


def write_readme(root: Path) -> None:
    """Write the README's findings and table from the published records."""
    write_readme_part(root, "headline", readme_block(root))


def write_shipped(shipped: dict[str, Result], profile: Profile, log: Log) -> None:
    """Put the models that come with the package into it, with their card."""
    log(f"models: {', '.join(shipped)}")
    dataset = profile.dataset()
    ship(shipped, dataset.test, Store().homologs(dataset), profile.bootstrap_replicates)
