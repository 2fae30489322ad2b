"""Putting finished runs where they come with the repository (see `precomputed`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from dnastudy.core.atomic import atomic_write
from dnastudy.core.provenance import to_json
from dnastudy.experiments import precomputed
from dnastudy.experiments.homology_cache import PARTS, split_file
from dnastudy.experiments.plan import Run
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.store import Store
from dnastudy.homology.blast import blast_programs, split_record

FAMILY_RECORD = Path("results") / "family_split.json"
"""What a second aligner finds between the parts of the family split."""


def pack_finished(profile: Profile, root: Path, runs: Sequence[Run], log: Callable[[str], None] = print) -> int:
    """Put those of these runs that are finished into the repository; returns how many there are.

    No run is computed. The family split comes along, and BLAST+ is asked about it, where it is installed. ``log``
    gets which runs are dropped, as they are not among ``runs``, and which were computed by code that no commit holds.
    """
    dataset, store = profile.dataset(), Store()
    results = [result for run in runs if (result := store.finished(run, dataset)) is not None]
    family = store.by_family(dataset)
    try:
        blast_programs()
    except FileNotFoundError as error:
        log(f"{FAMILY_RECORD} stays as it is: {error}")
    else:
        atomic_write(root / FAMILY_RECORD, to_json(split_record(family, dataset)))
    folder = root / precomputed.FOLDER
    table = pd.concat([family.splits[name][["id"]].assign(part=name) for name in PARTS])
    atomic_write(folder / split_file(dataset), table.to_csv(index=False))
    records = {result.record["id"]: result.record for result in results}
    problems = {
        "are dropped": [facts["name"] for facts in precomputed.packed(folder) if facts["id"] not in records],
        "are by code that no commit holds": [r["name"] for r in records.values() if r["commit"].endswith("-dirty")],
    }
    for problem, names in problems.items():
        if names:
            log(f"runs that {problem}: {', '.join(names)}")
    return precomputed.pack(folder, [(result.record, result.scores()) for result in results])
