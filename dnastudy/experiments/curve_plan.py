"""Which runs are the points of the learning curves: each model on growing parts of the training data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dnastudy import models
from dnastudy.core.errors import SettingsError
from dnastudy.data.corpora import ENGLISH, vocab_size_of
from dnastudy.data.datasets import Dataset
from dnastudy.data.sequences import NUCLEOTIDES
from dnastudy.experiments.labels import model_label
from dnastudy.experiments.plan import Run, find_run, is_seeded, recipe_of
from dnastudy.experiments.profile import Curve, Profile


def curve_runs(profile: Profile) -> list[Run]:
    """Every point of the learning curves on genes, on both splits; those of the first seed and of all genes come first.

    A model that trains for epochs sees a part of the genes more often than all of them: by the square root of its
    share, so that it takes fewer steps, but not as few as it has genes.
    """
    runs, curves = [], profile.curves
    for seed in sorted({*curves.seeds, *(seed for curve in curves.models.values() for seed in curve.seeds or [])}):
        for group, curve in curves.models.items():
            seeds = curve.seeds or curves.seeds
            runs += [
                _point(profile, group, curve, f"{split}-{_one_in(fraction)}", seed, split=split, fraction=fraction)
                for fraction in sorted(curve.fractions or curves.fractions, reverse=True)
                # without a seed of its own a model that gets all genes is the same again
                if seed in (seeds if fraction == 1 else curve.part_seeds or seeds)
                and (fraction < 1 or seed == seeds[0] or is_seeded(curve.model))
                for split in ("own", "family")
            ]
    return runs


def text_runs(profile: Profile, dataset: Dataset) -> list[Run]:
    """Every point of the learning curves on texts and simulated sources, as far as there is a text.

    Contexts are as long as leaves no more different ones than there are of nucleotides.
    """
    runs, texts = [], profile.curves.texts
    for corpus in texts.corpora:
        if corpus in ENGLISH and dataset.text is None:
            continue
        vocab_size = vocab_size_of(corpus, dataset.text, texts.symbols)
        for seed in texts.seeds:
            for group in texts.models:
                if group not in profile.curves.models:
                    known = ", ".join(profile.curves.models) or "none"
                    raise SettingsError(f"curves.texts.models: {group!r} is no model of the curves (known: {known})")
                curve = profile.curves.models[group]
                alphabet = {} if vocab_size == len(NUCLEOTIDES) else _of_alphabet(group, curve, vocab_size)
                runs += [
                    _point(profile, group, curve, f"{corpus}-{_one_in(fraction)}", seed, alphabet, corpus=corpus,
                           symbols=texts.symbols, fraction=fraction)
                    for fraction in sorted(texts.fractions, reverse=True)
                    if fraction < 1 or seed == texts.seeds[0] or is_seeded(curve.model)
                ]  # fmt: skip
    return runs


def grid(profile: Profile) -> list[Run]:
    """Every point of the learning curves."""
    return [*curve_runs(profile), *text_runs(profile, profile.dataset())]


def find_any(profile: Profile, name: str) -> Run:
    """Run of this name, of the study or of its learning curves; SettingsError if there is none."""
    try:
        return find_run(profile, name)
    except SettingsError:
        for run in grid(profile):
            if run.name == name:
                return run
        raise


def _point(
    profile: Profile, group: str, curve: Curve, where: str, seed: int, alphabet: Mapping[str, int] | None = None,
    **data: Any,
) -> Run:  # fmt: skip
    """One point of a curve; ``where`` is what its name says of corpus, split and fraction."""
    settings = {**_settings(curve), **({"seed": seed} if is_seeded(curve.model) else {}), **(alphabet or {})}
    parsed = models.model_class(curve.model).Settings.parse(settings, curve.model)
    if hasattr(parsed, "epochs"):
        settings["epochs"] = round(parsed.epochs / data["fraction"] ** 0.5)
    recipe = recipe_of(curve.model, curve.preset)
    return Run(
        name=f"curve-{group}-{where}-{seed}",
        label=model_label(curve.model, settings, recipe),
        group=group,
        recipe=recipe,
        order=getattr(parsed, "order", None),
        seed=seed if is_seeded(curve.model) else None,
        model=curve.model,
        settings=settings,
        subset=seed,
        replicates=profile.bootstrap_replicates,
        precomputed=True,
        on_tasks=False,
        **data,
    )


def _settings(curve: Curve) -> dict[str, Any]:
    """Settings of a model that gets all of the training data."""
    preset = models.model_class(curve.model).preset(curve.preset) if curve.preset else {}
    return {**preset, **curve.settings}


def _one_in(fraction: float) -> str:
    """Which part of the training data a point is made from, in its name: 4 is a quarter."""
    return f"{round(1 / fraction, 3):g}"


def _of_alphabet(group: str, curve: Curve, vocab_size: int) -> dict[str, int]:
    """Settings that differ where the alphabet has so many letters."""
    parsed = models.model_class(curve.model).Settings.parse(_settings(curve), curve.model)
    if not hasattr(parsed, "vocab_size"):
        raise SettingsError(f"curves.texts.models: {group!r} takes A C G T alone, and not {vocab_size} letters")
    longest = "order" if hasattr(parsed, "order") else "kmer_size"
    length = int(getattr(parsed, longest) * math.log(len(NUCLEOTIDES)) / math.log(vocab_size) + 1e-9)
    return {"vocab_size": vocab_size, longest: max(1, length)}
