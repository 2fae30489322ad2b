"""Small trained models that come with the package, and their card: written by `dnastudy publish` from finished runs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.numpy

from dnastudy import models
from dnastudy.core.atomic import atomic_dir, atomic_write
from dnastudy.core.errors import ModelError
from dnastudy.evaluation import metrics, scoring
from dnastudy.experiments.store import Result
from dnastudy.models import MODELS, TRAINED
from dnastudy.models.neural import NeuralModel

LARGEST = 5_000_000
"""Bytes a shipped model may have."""
CARD = "README.md"


def ship(
    chosen: Mapping[str, Result], test: pd.DataFrame, homologs: pd.DataFrame, replicates: int, folder: Path = TRAINED
) -> None:
    """Ship neural models under the names given, and write the card of all.

    Weights are rounded to half precision, and the card has the figures of what is shipped. ``homologs`` as
    `Store.homologs` gives them. Raises ModelError if a model is too large to come with a package.
    """
    parts = [_HEAD]
    for kind, result in chosen.items():
        name = result.record["name"]
        with atomic_dir(folder / kind) as half:
            shutil.copytree(result.model_folder(), half, dirs_exist_ok=True)
            weights = half / NeuralModel.arrays_file
            arrays = safetensors.numpy.load_file(weights)
            # (its `save_file` leaves a file that only its owner can read)
            weights.write_bytes(safetensors.numpy.save({k: array.astype(np.float16) for k, array in arrays.items()}))
            size = sum(path.stat().st_size for path in half.iterdir())
            if size > LARGEST:
                raise ModelError(f"{name}: {size:,} bytes, and at most {LARGEST:,} come with the package")
        scores = scoring.score(models.load(folder / kind), test)
        parts.append(_card(kind, name, result, scores, homologs, replicates, size))
    atomic_write(folder / CARD, "\n".join([*parts, _LIMITS]))


def _card(kind, name, result: Result, scores: pd.DataFrame, homologs: pd.DataFrame, replicates, size) -> str:
    record, found = result.record, metrics.summarise(scores, replicates)
    settings, course = record["settings"], record["training"]
    low, high = found["interval"]
    has_homolog = np.where(homologs["identity"] > 0, "with", "without")
    groups = metrics.by_group(scores, has_homolog, replicates).itertuples()
    near = ", ".join(
        f"{row.nucleotide_perplexity:.3f} on the {row.genes:,} test genes {row.group} one" for row in groups
    )
    trained_on = record["device"] if course["device"] == "processor" else course["device"]
    recipe = ", ".join(f"{key}={value}" for key, value in settings.items() if key != "types")
    types = ", ".join(settings["types"]) or "none"
    return f"""## {kind}

| | |
|---|---|
| model | `{record["model"]}` (`{MODELS[record["model"]]}`), {record["parameters"]:,} weights in half precision, \
{size / 1e6:.1f} MB |
| run | `{name}`, id `{record["id"]}`, commit `{record["commit"]}`; its record is `results/runs/{name}.json` |
| data | {record["data"]["description"]}; learned from {record["data"]["train_genes"]:,} genes, \
{record["data"]["train_nucleotides"]:,} nt |
| training | {course["best_epoch"]} epochs kept of {len(course["epochs"])}, {course["seconds"] / 60:.0f} minutes, \
{trained_on} |
| settings | {recipe} |
| gene types it can be asked for | {types} |
| test genes | nucleotide perplexity {found["nucleotide_perplexity"]:.4f} ({low:.4f} to {high:.4f}), \
{found["bits_per_base"]:.4f} bits per base, {found["genes"]:,} genes |
| homologs | perplexity {near} among the training genes |
"""


_HEAD = """# Models that come with the package

`dnastudy score FILE` and `dnastudy generate` take them by name (`--model lstm`); `dnastudy.models.load("lstm")` does
the same from Python. This card is written by `dnastudy publish` from run records. The weights are under the MIT
licence; no gene is among them, though a model that was trained on genes can write passages of them.
"""
_LIMITS = """## Limits

- Trained on human genes of at most 1,000 nt of all kinds (pseudogenes, enhancers, RNA genes); few are protein-coding.
  They say nothing about long genes, other species, or the effect of a variant.
- Small networks, trained for minutes. The expert model of this package predicts genes far better; it is not shipped, as
  it would have to carry its training genes.
- The test genes have homologs among the training genes: see the last line of each table.
- What they write resembles genes in composition, not in function.
"""
