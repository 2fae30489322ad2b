"""One fit of one model: what it is given, and what is kept of how long it took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pandas as pd

from dnastudy import models
from dnastudy.core.provenance import reset_peak_memory, surroundings
from dnastudy.data.sequences import NUCLEOTIDES, encode, encode_symbols
from dnastudy.models.base import LanguageModel, Sequences
from dnastudy.models.training_lengths import NOTE, length_notes
from dnastudy.training.log import Workspace
from dnastudy.training.report import Report


def model_input(name: str, settings: dict[str, Any], genes: pd.DataFrame) -> Sequences:
    """What a model gets of a gene table: the sequences, with their types only where it is trained on types."""
    sequences = list(genes["sequence"])
    if (vocab_size := settings.get("vocab_size", len(NUCLEOTIDES))) != len(NUCLEOTIDES):
        return encode_symbols(sequences, vocab_size)
    return encode(sequences, genes["type"]) if models.model_class(name).uses_types(settings) else sequences


def check_update(model: LanguageModel) -> None:
    """Raise ModelError if the model cannot take more genes after training: to be known before hours of it."""
    for part in getattr(model, "members", [model]):
        if type(part).update is LanguageModel.update:
            part.update([])


def fit_model(
    name: str,
    settings: dict[str, Any],
    train: Sequences,
    validation: Sequences | None,
    update: Sequences | None = None,
    workspace: Workspace | None = None,
    report: Report | None = None,
    members: Sequence[LanguageModel] = (),
) -> tuple[LanguageModel, float]:
    """Return a model fitted on ``train`` and updated with ``update``, and the seconds that took, encoding included.

    ``workspace`` keeps the checkpoints of a long training, whose ``report`` is given its progress; its fingerprint
    keeps a training from going on from the checkpoint of another. ``members`` are the
    fitted parts of a model made of others.
    """
    surroundings()  # the commit of what is trained here, not of what is there when it ends
    model = models.create(name, settings)
    if update is not None and len(update):
        check_update(model)
    model.prepare()
    reset_peak_memory()
    start = time.perf_counter()
    if members:
        model.combine(members, validation)
    else:
        model.fit_long(train, validation, workspace, report)
    if update is not None and len(update):
        model.update(update)
    # a training that went on after a kill took longer than this call
    seconds = max(time.perf_counter() - start, model.notes.get("training", {}).get("seconds", 0.0))
    model.notes = {**model.notes, NOTE: length_notes(encode(train))}
    return model, seconds
