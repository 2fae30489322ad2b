"""One fit of one model, what it is given, and the code that it depends on."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from dnastudy import models
from dnastudy.core.provenance import code_hash, reset_peak_memory, surroundings
from dnastudy.data.sequences import NUCLEOTIDES, EncodedSequences, encode, encode_symbols
from dnastudy.models.base import LanguageModel, Sequences
from dnastudy.models.generation import NOTE, length_notes
from dnastudy.training.log import Workspace
from dnastudy.training.report import Report


def digest(parts: dict[str, Any]) -> str:
    """Sixteen hex digits of plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def code_of(cls: type[LanguageModel]) -> tuple[str, str]:
    """Hash of the code a model's fit depends on, and of the code its scores depend on."""
    package, _, rest = cls.__module__.partition(".")
    # a model from outside the package is code as well (none can be seen of one typed into a notebook)
    outside = getattr(sys.modules[cls.__module__], "__file__", None)
    file = f"{rest.replace('.', '/')}.py" if package == "dnastudy" else outside
    own = [file] if file else []
    everything = ["sequences.py", "models/base.py", *cls.further_code, *own]
    return code_hash(*(everything if cls.learning_code is None else [*cls.learning_code, *own])), code_hash(*everything)


def learnable(name: str, settings: dict[str, Any], genes: pd.DataFrame) -> Sequences:
    """What a model is given of a gene table: the sequences, with their types only where it learns those."""
    sequences = list(genes["sequence"])
    if (letters := settings.get("vocab_size", len(NUCLEOTIDES))) != len(NUCLEOTIDES):
        return encode_symbols(sequences, letters)
    return encode(sequences, genes["type"]) if models.model_class(name).uses_types(settings) else sequences


def check_update(model: LanguageModel) -> None:
    """ModelError if the model cannot take more genes after training: to be known before hours of it."""
    for part in getattr(model, "members", [model]):
        if type(part).update is LanguageModel.update:
            part.update([])


def _plain_genes(genes: Sequences) -> list:
    if not isinstance(genes, EncodedSequences):
        return list(genes)
    return [hashlib.sha256(genes.symbols.tobytes()).hexdigest(), [] if genes.types is None else genes.types.tolist()]


def fit_model(
    name: str,
    settings: dict[str, Any],
    train: Sequences,
    validation: Sequences | None,
    join: Sequences | None = None,
    workspace: Workspace | None = None,
    report: Report | None = None,
    members: Sequence[LanguageModel] = (),
) -> tuple[LanguageModel, float]:
    """Return a model fitted on ``train``, joined by ``join``, and the seconds that took, encoding included.

    ``workspace`` keeps the checkpoints of a long training, whose ``report`` tells its progress; one without a
    fingerprint gets that of the genes, settings and code, so that none goes on from the checkpoint of another.
    ``members`` are the fitted parts of a model made of others.
    """
    surroundings()  # the commit of what is trained here, not of what is there when it ends
    model = models.create(name, settings)
    if join is not None and len(join):
        check_update(model)
    if workspace and not workspace.fingerprint:
        parts = {"model": name, "settings": model.settings.model_dump(mode="json"), "code": code_of(type(model))[0]}
        given = {"train": train, "validation": validation, "update": join}
        fingerprint = digest({**parts, **{key: genes and _plain_genes(genes) for key, genes in given.items()}})
        workspace = replace(workspace, fingerprint=fingerprint)
    model.prepare()
    reset_peak_memory()
    start = time.perf_counter()
    if members:
        model.combine(members, validation)
    else:
        model.fit_long(train, validation, workspace, report)
    if join is not None and len(join):
        model.update(join)
    # a training that went on after a kill took longer than this call
    seconds = max(time.perf_counter() - start, model.notes.get("training", {}).get("seconds", 0.0))
    model.notes = {**model.notes, NOTE: length_notes(encode(train))}
    return model, seconds
