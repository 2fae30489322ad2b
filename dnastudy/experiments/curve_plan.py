"""Learning curves: which runs are their points, and the curves through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dnastudy import models
from dnastudy.core.atomic import atomic_write
from dnastudy.core.errors import ModelError
from dnastudy.core.provenance import to_json
from dnastudy.data.corpora import ENGLISH, letters_of
from dnastudy.data.datasets import Dataset
from dnastudy.data.sequences import NUCLEOTIDES
from dnastudy.evaluation import bootstrap, metrics
from dnastudy.evaluation.scaling_law import PowerLaw, fit_power_law
from dnastudy.experiments import precomputed
from dnastudy.experiments.homology_cache import PARTS, split_file
from dnastudy.experiments.plan import NEURAL, Run, find_run
from dnastudy.experiments.profile import Curve, Profile
from dnastudy.experiments.store import Result, Store
from dnastudy.homology.blast import blast_programs, split_record

FAMILY_RECORD = Path("results") / "family_split.json"
"""What a second program says of the split by family."""
PREFIX = "curve-"
"""How the names of all points begin."""


def curve_runs(profile: Profile) -> list[Run]:
    """Every point of the learning curves on genes, on both splits; those of the first seed and of all genes come first.

    A network reads a part of the genes more often than all of them: by the square root of its share, so that it takes
    fewer steps, but not as few as it has genes.
    """
    rows, curves = [], profile.curves
    for seed in sorted({*curves.seeds, *(seed for curve in curves.models.values() for seed in curve.seeds or [])}):
        for name, curve in curves.models.items():
            seeds = curve.seeds or curves.seeds
            rows += [
                Run(name=f"{PREFIX}{name}-{split}-{_one_in(fraction)}-{seed}", split=split, fraction=fraction,
                    subset=seed, replicates=profile.bootstrap_replicates, **_point(curve, fraction, seed))
                for fraction in sorted(curve.fractions or curves.fractions, reverse=True)
                # without a seed of its own a model that gets all genes is the same again
                if seed in (seeds if fraction == 1 else curve.part_seeds or seeds)
                and (fraction < 1 or seed == seeds[0] or _seeded(curve))
                for split in ("own", "family")
            ]  # fmt: skip
    return rows


def text_runs(profile: Profile, dataset: Dataset) -> list[Run]:
    """Every point of the learning curves on texts and simulated sources, as far as there is a text.

    Contexts are as long as leaves no more different ones than there are of nucleotides.
    """
    rows, texts = [], profile.curves.texts
    for corpus in texts.corpora:
        if corpus in ENGLISH and dataset.text is None:
            continue
        letters = letters_of(corpus, dataset.text, texts.symbols)
        for seed in texts.seeds:
            for name in texts.models:
                if name not in profile.curves.models:
                    known = ", ".join(profile.curves.models) or "none"
                    raise ModelError(f"curves.texts.models: {name!r} is no model of the curves (known: {known})")
                curve = profile.curves.models[name]
                more = {} if letters == len(NUCLEOTIDES) else _of_letters(name, curve, letters)
                rows += [
                    Run(name=f"{PREFIX}{name}-{corpus}-{_one_in(fraction)}-{seed}", corpus=corpus,
                        symbols=texts.symbols, fraction=fraction, subset=seed,
                        replicates=profile.bootstrap_replicates, **_point(curve, fraction, seed, more))
                    for fraction in sorted(texts.fractions, reverse=True)
                    if fraction < 1 or seed == texts.seeds[0] or _seeded(curve)
                ]  # fmt: skip
    return rows


def grid(profile: Profile) -> list[Run]:
    """Every point of the learning curves."""
    return [*curve_runs(profile), *text_runs(profile, profile.dataset())]


def find_any(profile: Profile, name: str) -> Run:
    """Run of this name, of the study or of its learning curves; ModelError if there is none."""
    for run in grid(profile) if name.startswith(PREFIX) else []:
        if run.name == name:
            return run
    return find_run(profile, name)


def carry(profile: Profile, root: Path, more: Sequence[Run] = (), log: Callable[[str], None] | None = None) -> int:
    """Put all finished points, and ``more`` runs, into the repository (see `carried`); returns how many there are.

    No run is computed; BLAST+ is asked about the split by family, where it is there. ``log`` is told which runs are no
    longer carried, as they are not asked for, and which were computed by code that no commit holds.
    """
    say, dataset, store = log or (lambda message: None), profile.dataset(), Store()
    results = [store.finished(run, dataset) for run in [*grid(profile), *more]]
    there = [(result.record, result.scores()) for result in results if result is not None]
    family = store.by_family(dataset)
    parts = family.splits
    table = pd.concat([parts[name][["id"]].assign(part=name) for name in PARTS])
    try:
        blast_programs()
    except FileNotFoundError as error:
        say(f"{FAMILY_RECORD} stays as it is: {error}")
    else:
        atomic_write(root / FAMILY_RECORD, to_json(split_record(family, dataset)))
    atomic_write(root / precomputed.FOLDER / split_file(dataset), table.to_csv(index=False))
    records = {record["id"]: record for record, _ in there}
    names = {
        "are carried no longer": [
            r["name"] for r in precomputed.packed(root / precomputed.FOLDER) if r["id"] not in records
        ],
        "are by code that no commit holds": [r["name"] for r in records.values() if r["commit"].endswith("-dirty")],
    }
    for what, found in names.items():
        if found:
            say(f"runs that {what}: {', '.join(found)}")
    return precomputed.pack(root / precomputed.FOLDER, there)


def _settings(curve: Curve) -> dict[str, Any]:
    """Settings of a model that gets everything."""
    named = models.model_class(curve.model).preset(curve.preset) if curve.preset else {}
    return {**named, **curve.settings}


def _one_in(fraction: float) -> str:
    """What part of the genes a point is made from, in its name: 4 is a quarter."""
    return f"{round(1 / fraction, 3):g}"


def _of_letters(name: str, curve: Curve, letters: int) -> dict[str, int]:
    """Settings that differ where the alphabet has so many letters."""
    known = models.model_class(curve.model).Settings.parse(_settings(curve), curve.model)
    if not hasattr(known, "vocab_size"):
        raise ModelError(f"curves.texts.models: {name!r} knows A C G T alone, and cannot learn {letters} letters")
    longest = "order" if curve.model == "ngram" else "kmer_size"
    length = int(getattr(known, longest) * math.log(len(NUCLEOTIDES)) / math.log(letters) + 1e-9)
    return {"vocab_size": letters, longest: max(1, length)}


def _seeded(curve: Curve) -> bool:
    return "seed" in models.model_class(curve.model).Settings.model_fields


def _point(curve: Curve, fraction: float, seed: int, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Model and settings of one point of a curve."""
    given = _settings(curve)
    settings = {**given, **({"seed": seed} if _seeded(curve) else {}), **(more or {})}
    if curve.model in NEURAL:
        whole = models.model_class(curve.model).Settings.parse(given, curve.model).epochs
        settings["epochs"] = round(whole / fraction**0.5)
    return {"model": curve.model, "settings": settings, "carried": True}


# from finished runs to points and curves


@dataclass(frozen=True)
class Point:
    """One model after so many training symbols: mean bits a symbol of its seeds, and resamples of them.

    Attributes
    ----------
    symbols : float
        Training nucleotides or letters, mean over seeds.
    bits : array, shape (replicates + 1,)
        Held-out bits a symbol: first of all test genes and seeds, then of resamples of both.
    """

    symbols: float
    bits: np.ndarray
    parameters: float
    seeds: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % over test genes and seeds."""
        return bootstrap.interval(self.bits[1:])


def points(results: Sequence[Result], replicates: int, chosen: np.ndarray | None = None) -> list[Point]:
    """Points of one curve, from the fewest training symbols to the most.

    Parameters
    ----------
    results : Results of one model on parts of the same training genes; several seeds of a part are one point.
    chosen : array of bool, optional
        Test genes that count. The same resamples are taken for all points of the same genes, so that curves of
        different models are paired.
    """
    shares: dict[float, list[Result]] = {}
    for result in results:
        shares.setdefault(result.record["data"]["fraction"], []).append(result)
    found = []
    for fraction, runs in sorted(shares.items()):
        each = []
        for run in runs:
            scores = run.scores()
            scores = scores if chosen is None else scores[chosen].reset_index(drop=True)
            each.append(np.append(metrics.bits_per_base(scores), metrics.resampled_bits(scores, replicates)))
        bits = np.stack(each)  # (seeds, replicates + 1)
        # resamples of the seeds as well, where there are several
        random = np.random.default_rng(round(1 / fraction))
        drawn = random.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), size=replicates).T / len(runs)
        mean = np.append(bits[:, 0].mean(), (drawn * bits[:, 1:]).sum(axis=0))
        records = [run.record for run in runs]
        symbols = float(np.mean([record["data"]["train_nucleotides"] for record in records]))
        parameters = float(np.mean([record["parameters"] for record in records]))
        found.append(Point(symbols, mean, parameters, len(runs)))
    return found


def curve_of(found: Sequence[Point]) -> PowerLaw:
    """Saturating power law through points: first of all test genes and seeds, then of their resamples."""
    return fit_power_law(np.array([point.symbols for point in found]), np.stack([p.bits for p in found], axis=1))
