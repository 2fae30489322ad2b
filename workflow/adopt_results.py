"""Give the published results the ids of the present code, after a part of them was computed again and is the same.

    DNASTUDY_DATA=../shared/data python workflow/adopt_results.py [--compute] [--write]

A change of code that changes no result still changes ids. This compares one in twenty of the published runs,
precomputed scores and task runs of each kind, the cheapest, with what the store has of them by the present code.
``--compute`` computes what is missing for that (minutes to hours). The differences go to results/adopted.csv.
``--write`` then writes the new ids, unless something differs or is missing.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.core.atomic import atomic_write
from dnastudy.core.provenance import from_json, to_json
from dnastudy.data.datasets import Dataset
from dnastudy.experiments import identity, precomputed
from dnastudy.experiments.curve_plan import grid
from dnastudy.experiments.homology_plan import family_split_runs
from dnastudy.experiments.identity import digest
from dnastudy.experiments.plan import Run, all_runs
from dnastudy.experiments.profile import Profile, load_profile
from dnastudy.experiments.store import Store
from dnastudy.experiments.task_runs import REFERENCE, conditional_run, create_task, run_reference, run_task

RUNS, TASKS, TABLE = Path("results/runs"), Path("results/tasks"), Path("results/adopted.csv")
ONE_IN = 20
NATS, RELATIVE, TASK = 0.05, 1e-3, 1e-2
"""Largest differences that count as the same: nats a gene of precomputed scores, beyond their rounding; relative
ones of metrics; and of tasks, some of which train a network as a classifier, where one gene of a few hundred may go
elsewhere. What is trained or sampled depends in its last digits on the processor and on the number of threads:
compare with as many as before (OMP_NUM_THREADS=1)."""
SUMMARY = ("metrics", "by_type", "by_length", "by_position", "validation_perplexity")


@dataclass
class Published:
    """One published result: a run, precomputed scores, or a task run."""

    what: str
    name: str
    kind: str
    """What the same code computes: each kind is in the sample."""
    record: dict[str, Any]
    new: str
    """Its id by the present code."""
    new_fit: str | None

    @property
    def seconds(self) -> float:
        """What it took when it was published."""
        seconds = self.record["seconds"]
        return sum(seconds.values()) if isinstance(seconds, Mapping) else seconds


def planned_runs(profile: Profile, dataset: Dataset) -> dict[str, Run]:
    """All runs of a profile by name, networks by gene type among them."""
    runs = [*all_runs(profile), *grid(profile), *family_split_runs(profile)]
    by_type = [conditional_run(run, dataset) for run in all_runs(profile) if run.representative and run.recipe]
    return {run.name: run for run in [*runs, *by_type]}


def published_results(profile: Profile, dataset: Dataset, store: Store, runs: Mapping[str, Run]) -> list[Published]:
    """Everything that is published, with the ids it has by the present code."""

    def fit_and_scores(name: str) -> tuple[str, str]:
        genes = store.genes(runs[name], dataset)
        return digest(identity.fit_identity(runs[name], genes)), identity.run_id(runs[name], genes)

    results = []
    for path in sorted(RUNS.glob("*.json")):
        fit, scores = fit_and_scores(path.stem)
        kind = f"{runs[path.stem].model} {runs[path.stem].recipe} genes"
        results.append(Published("run", path.stem, kind, from_json(path.read_text()), scores, fit))
    for facts in precomputed.packed(precomputed.FOLDER):
        run = runs[facts["name"]]
        fit, scores = fit_and_scores(run.name)
        kind = f"{run.model} {run.recipe} {'text' if run.corpus else 'genes'}"
        results.append(Published("precomputed", run.name, kind, facts, scores, fit))
    for path in sorted(TASKS.glob("*/runs.json")):
        task = create_task(path.parent.name, profile)
        for name, record in from_json(path.read_text()).items():
            if name == REFERENCE:
                new, fit, kind = digest(identity.reference_identity(task, dataset)), None, REFERENCE
            else:
                parts = identity.task_identity(task, runs[name], dataset)
                new, fit, kind = digest(parts), parts["fit"], "model"
            results.append(Published(task.name, name, kind, record, new, fit))
    return results


def in_sample(results: list[Published]) -> set[tuple[str, str]]:
    """One in twenty of each kind, at least one: those that took least."""
    kinds: dict[tuple[str, str], list[Published]] = {}
    for result in results:
        scored = result.what in ("run", "precomputed")
        kinds.setdefault(("scores" if scored else result.what, result.kind), []).append(result)
    return {
        (result.what, result.name)
        for members in kinds.values()
        # tasks of models that are no networks first: these would have to be trained for it
        for result in sorted(members, key=lambda member: (member.record.get("training") is True, member.seconds))[
            : math.ceil(len(members) / ONE_IN)
        ]
    }


def difference_of(
    result: Published, run: Run | None, dataset: Dataset, store: Store, profile: Profile, compute: bool
) -> float | None:
    """Difference of a published result from the present code's; None where that is not computed."""
    if result.what in ("run", "precomputed"):
        run = run.model_copy(update={"precomputed": False})
        present = store.get(run, dataset, _say) if compute else store.finished(run, dataset)
        if present is None:
            return None
        if result.what == "run":
            summary = from_json(to_json({key: present.record[key] for key in SUMMARY}))
            return relative_difference(summary, {key: result.record[key] for key in SUMMARY})
        return _nats_apart(present.scores(), result.record["id"])
    if not compute and not (store.root / "tasks" / result.new / "record.json").exists():
        return None
    task = create_task(result.what, profile)
    present = run_reference(store, task, dataset, _say) if run is None else run_task(store, task, run, dataset, _say)
    tables = {name: json.loads(present.table(name).to_json(orient="records")) for name in present.record["tables"]}
    return max(relative_difference(tables[name], rows) for name, rows in _published_tables(result).items())


def _nats_apart(scores: pd.DataFrame, old: str) -> float:
    """Largest difference of a gene from its precomputed score, nats, beyond the rounding of that."""
    with np.load(precomputed.FOLDER / precomputed.SCORES, allow_pickle=False) as arrays:
        published = arrays[old] / precomputed.STEPS - scores["nucleotides"].to_numpy() * math.log(4)
    apart = np.abs(scores["nucleotide_log_prob"].to_numpy() - published).max()
    return max(0.0, float(apart) - 0.5 / precomputed.STEPS)


def _published_tables(result: Published) -> dict[str, list[dict[str, Any]]]:
    tables = {path.stem: pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"group": str})
              for path in (TASKS / result.what).glob("*.csv")}  # fmt: skip
    rows = {name: table[table["run"] == result.name].drop(columns="run") for name, table in tables.items()}
    return {name: json.loads(part.to_json(orient="records")) for name, part in rows.items() if len(part)}


def relative_difference(present: Any, published: Any) -> float:
    """Largest relative difference of the numbers in two plain values; infinite where anything else differs.

    A key that is missing on one side must be empty on the other: tables of several runs share their columns.
    """
    if isinstance(present, Mapping) and isinstance(published, Mapping):
        keys = present.keys() | published.keys()
        return max((relative_difference(present.get(key), published.get(key)) for key in keys), default=0.0)
    if isinstance(present, list) and isinstance(published, list) and len(present) == len(published):
        return max((relative_difference(*pair) for pair in zip(present, published, strict=True)), default=0.0)
    if present == published:
        return 0.0
    if not all(isinstance(value, int | float) for value in (present, published)):
        return math.inf
    return abs(present - published) / max(abs(present), abs(published), 0.1)


def write_ids(results: list[Published], runs: Mapping[str, Run]) -> None:
    """Write the new ids, and what the runs are called, into the published results."""
    old_ids = {result.name: result.record["id"] for result in results if result.what == "precomputed"}
    for result in results:
        result.record["id"] = result.new
        if result.new_fit:
            result.record["fit"] = result.new_fit
        if run := runs.get(result.name):
            names = ("label",) if "task" in result.record else ("label", "group", "recipe", "order", "seed")
            result.record |= {name: getattr(run, name) for name in names}
    for result in results:
        if result.what == "run":
            atomic_write(RUNS / f"{result.name}.json", to_json(result.record))
    of_scores = [result for result in results if result.what == "precomputed"]
    precomputed.rename(precomputed.FOLDER, {old_ids[result.name]: result.record for result in of_scores})
    for task in {result.what for result in results} - {"run", "precomputed"}:
        records = {result.name: result.record for result in results if result.what == task}
        atomic_write(TASKS / task / "runs.json", to_json(records))


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> None:
    """Compare, write the table of differences, and the new ids where nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("--compute", action="store_true", help="compute what the comparison lacks")
    parser.add_argument("--write", action="store_true", help="write the new ids")
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="WHAT/NAME", help="take these out of the sample")
    options = parser.parse_args()
    profile, store = load_profile(options.profile), Store()
    dataset = profile.dataset()
    runs = planned_runs(profile, dataset)
    results = published_results(profile, dataset, store, runs)
    sample = in_sample(results) - {tuple(name.split("/", 1)) for name in options.leave_out}
    rows, failed = [], []
    for result in results:
        wanted = (result.what, result.name) in sample
        difference = None
        if wanted or result.what != "precomputed":  # of all others whatever is there is compared
            difference = difference_of(
                result, runs.get(result.name), dataset, store, profile, options.compute and wanted
            )
        largest = {"precomputed": NATS, "run": RELATIVE}.get(result.what, TASK)
        if (wanted and difference is None) or (difference is not None and difference > largest):
            failed.append(f"{result.what} {result.name}: {'not computed' if difference is None else difference}")
        rows.append({"what": result.what, "name": result.name, "kind": result.kind.strip(), "sample": wanted,
                     "difference": difference, "unit": "nats" if result.what == "precomputed" else "relative",
                     "old": result.record["id"], "new": result.new})  # fmt: skip
        if difference is not None:
            _say(f"{result.what} {result.name}: {difference:.2g}")
    atomic_write(TABLE, pd.DataFrame(rows).to_csv(index=False, float_format="%.3g"))
    changed = sum(row["old"] != row["new"] for row in rows)
    compared = [row["difference"] for row in rows if row["difference"] is not None]
    _say(f"{len(rows)} published results, {changed} with another id, {len(compared)} compared: see {TABLE}")
    if failed:
        sys.exit("\n".join(["no id is written:", *failed]))
    if options.write:
        write_ids(results, runs)


if __name__ == "__main__":
    main()
