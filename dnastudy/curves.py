"""Learning curves: which runs are their points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dnastudy import models
from dnastudy.datasets import Dataset
from dnastudy.runs import NEURAL, Curve, Profile, Run
from dnastudy.texts import ENGLISH, letters_of


def curve_runs(profile: Profile) -> list[Run]:
    """Every point of the learning curves on genes, on both splits; those of the first seed and of all genes come first.

    A network reads a part of the genes more often than all of them: by the square root of its share, so that it takes
    fewer steps, but not as few as it has genes.
    """
    rows, curves = [], profile.curves
    for seed in curves.seeds:
        for name, curve in curves.models.items():
            rows += [
                Run(name=f"curve-{name}-{split}-{round(1 / fraction)}-{seed}", split=split, fraction=fraction,
                    subset=seed, replicates=profile.bootstrap_replicates, **_point(curve, fraction, seed))
                for fraction in sorted(curve.fractions or curves.fractions, reverse=True)
                # without a seed of its own a model that gets all genes is the same again
                if fraction < 1 or seed == curves.seeds[0] or _seeded(curve)
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
        letters = letters_of(corpus, dataset.text)
        for seed in texts.seeds:
            for name in texts.models:
                curve = profile.curves.models[name]
                known = models.model_class(curve.model).Settings.parse(curve.settings, curve.model)
                longest = "order" if curve.model == "ngram" else "context"
                length = int(getattr(known, longest) * math.log(4) / math.log(letters) + 1e-9)
                more = {} if letters == 4 else {"letters": letters, longest: max(1, length)}
                rows += [
                    Run(name=f"curve-{name}-{corpus}-{round(1 / fraction)}-{seed}", corpus=corpus, fraction=fraction,
                        subset=seed, replicates=profile.bootstrap_replicates, **_point(curve, fraction, seed, more))
                    for fraction in sorted(texts.fractions, reverse=True)
                    if fraction < 1 or seed == texts.seeds[0] or _seeded(curve)
                ]  # fmt: skip
    return rows


def _seeded(curve: Curve) -> bool:
    return "seed" in models.model_class(curve.model).Settings.model_fields


def _point(curve: Curve, fraction: float, seed: int, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Model and settings of one point of a curve."""
    settings = {**curve.settings, **({"seed": seed} if _seeded(curve) else {}), **(more or {})}
    if curve.model in NEURAL:
        whole = models.model_class(curve.model).Settings.parse(curve.settings, curve.model).epochs
        settings["epochs"] = round(whole / fraction**0.5)
    return {"model": curve.model, "settings": settings}
