"""Generated genes: of any type that a model is conditioned on, with lengths of training genes or of the model.

A model keeps the lengths of its training genes, of all and of each type (`training_lengths`). Generated genes have
lengths drawn from these, or end where the model draws END.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from dnastudy.models.base import LanguageModel
from dnastudy.models.training_lengths import ALL, draw_lengths

Lengths = Literal["real", "own"]


def predicts_end(model: LanguageModel) -> bool:
    """Return whether the model predicts the end of genes."""
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
    """Generate genes.

    Parameters
    ----------
    type : str
        Gene type, one of ``model.types``; "": of no type in particular.
    lengths : str
        "real": drawn from the lengths of the training genes (of the type), at most ``max_length`` and at least that of
        the prefix; "own": up to where the model draws END, cut at ``max_length``.

    Other parameters are those of `LanguageModel.sample`.

    Returns
    -------
    DataFrame: ``type``; ``sequence``; ``log_prob``, nats, of the model (of that type) at temperature 1, with the end of
    the gene where the model predicts one and the gene was not cut.

    Raises
    ------
    ModelError
        For a type or lengths that are unknown to the model.
    """
    conditioned = model.of_type(type) if type else model
    real_lengths = None
    if lengths == "real":
        drawn = draw_lengths(model, n, seed, type)
        real_lengths = np.clip(drawn, len(prefix), max(max_length, len(prefix)))  # `sample` refuses what does not fit
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "prefix": prefix}
    genes = conditioned.sample(n, seed=seed, max_length=max_length, lengths=real_lengths, **options)
    cut = np.array([len(gene) for gene in genes]) >= max_length if real_lengths is None else drawn > max_length
    rows = [row[:-1] if was_cut or not np.isfinite(row[-1]) else row
            for row, was_cut in zip(conditioned.log_probs(genes), cut, strict=True)]  # fmt: skip
    return pd.DataFrame({"type": type, "sequence": genes, "log_prob": [float(row.sum()) for row in rows]})
