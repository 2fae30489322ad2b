"""New genes from a model: of any type it knows, with the lengths of real genes or its own.

A model keeps how long its training genes were (`length_notes`), in all and of each type; genes are written with lengths
drawn from that, or end where the model ends them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from dnastudy.models.base import LanguageModel
from dnastudy.models.training_lengths import ALL, draw_lengths

Lengths = Literal["real", "own"]


def knows_end(model: LanguageModel) -> bool:
    """Whether the model gives genes an end."""
    return bool(np.isfinite(model.log_distributions(["A"])[0][:, 4]).any())


def generate(
    model: LanguageModel,
    n: int,
    *,
    seed: int = 0,
    type: str = ALL,
    lengths: Lengths = "real",
    max_length: int = 1000,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    prefix: str = "",
) -> pd.DataFrame:
    """Write new genes.

    Parameters
    ----------
    type : str
        Gene type, one of ``model.types``; "": of no type in particular.
    lengths : str
        "real": drawn from the lengths of the training genes (of the type), at most ``max_length`` and at least that of
        the prefix; "own": as the model ends them, cut at ``max_length``.

    Other parameters are those of `LanguageModel.sample`.

    Returns
    -------
    DataFrame: ``type``; ``sequence``; ``log_prob``, nats, by the model (of that type), whatever the temperature, the
    end of the gene included where the model knows one and the gene was not cut.

    Raises
    ------
    ModelError
        For a type or lengths that the model does not know.
    """
    writer = model.of_type(type) if type else model
    wanted = None
    if lengths == "real":
        drawn = draw_lengths(model, n, seed, type)
        wanted = np.clip(drawn, len(prefix), max(max_length, len(prefix)))  # `sample` refuses what does not fit
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "prefix": prefix}
    genes = writer.sample(n, seed=seed, max_length=max_length, lengths=wanted, **options)
    cut = np.array([len(gene) for gene in genes]) >= max_length if wanted is None else drawn > max_length
    rows = [row[:-1] if was_cut or not np.isfinite(row[-1]) else row
            for row, was_cut in zip(writer.log_probs(genes), cut, strict=True)]  # fmt: skip
    return pd.DataFrame({"type": type, "sequence": genes, "log_prob": [float(row.sum()) for row in rows]})
