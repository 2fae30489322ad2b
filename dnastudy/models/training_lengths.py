"""Lengths of the training genes of a model: saved with the model, and drawn from when it generates genes."""

from __future__ import annotations

import zlib
from collections import Counter

import numpy as np

from dnastudy.core.errors import ModelError
from dnastudy.data.sequences import EncodedSequences
from dnastudy.models.base import LanguageModel

NOTE = "lengths"
"""Key under which a model keeps them in its notes."""
ALL = ""
"""Name of the lengths of all genes, whatever their type."""


def length_notes(genes: EncodedSequences) -> dict[str, str]:
    """Return the number of genes of each length, of all genes (under "") and by type, as text such as "72:14 73:20"."""
    lengths = genes.lengths
    parts = {ALL: lengths}
    if genes.types is not None:
        parts |= {name: lengths[genes.types == name] for name in sorted(set(genes.types.tolist()) - {ALL})}
    return {
        name: " ".join(f"{length}:{count}" for length, count in sorted(Counter(part.tolist()).items()))
        for name, part in parts.items()
    }


def draw_lengths(model: LanguageModel, n: int, seed: int, type: str = ALL) -> np.ndarray:
    """Return lengths in nt drawn from those of the training genes (of one type), shape (n,).

    ModelError where the model was saved without them.
    """
    text = model.notes.get(NOTE, {}).get(type)
    if not text:
        what = f"its training genes of type {type}" if type else "its training genes"
        raise ModelError(f"{model.name}: was saved without the lengths of {what}; train it again, or use lengths 'own'")
    pairs = np.array([[int(number) for number in pair.split(":")] for pair in text.split()])
    random = np.random.default_rng([seed, zlib.crc32(type.encode())])
    return random.choice(pairs[:, 0], size=n, p=pairs[:, 1] / pairs[:, 1].sum())
