"""Any model, conditioned on the gene type: beside the model of all genes one of each type, mixed with it.

Genes of one type are few, and genes of other types resemble them. So the probabilities of a type's own model are
averaged with those of the model of all genes, as in interpolated language models (Jelinek and Mercer 1980), with the
weight that makes the validation genes of the type most probable. Any model that keeps the protocol can be wrapped.
Networks do not need it: they are conditioned by a token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field

from dnastudy import models
from dnastudy.data.sequences import EncodedSequences, choose, encode
from dnastudy.models import base
from dnastudy.models.ensemble import Ensemble

if TYPE_CHECKING:
    from dnastudy.training.log import Workspace
    from dnastudy.training.report import Report

ENOUGH = 20
"""Fewest training genes of a type that gets a model of its own by default."""
WHOLE = "all-genes"
"""Folder of the model of all genes."""


class Conditional(base.LanguageModel):
    """Another model, of all genes, that can be conditioned on the gene type."""

    name = "conditional"
    family = "ensemble"
    of_others = True

    class Settings(base.Settings):
        """Settings of a model that is conditioned on the gene type."""

        model: str = Field(default="ngram", description="registered model that is wrapped")
        settings: dict[str, Any] = Field(default_factory=dict, description="settings of that model")
        types: list[str] | None = Field(
            default=None,
            description=f"gene types that have a model of their own; None: all with at least {ENOUGH} training genes",
        )

    def __init__(self, settings: dict[str, Any] | base.Settings | None = None):
        super().__init__(settings)
        self.whole = self._new()
        self.by_type: dict[str, Ensemble] = {}
        self.family = self.whole.family

    @classmethod
    def label_of(cls, settings: dict[str, Any]) -> str:
        """See the base class."""
        ((name, wrapped),) = cls.built_on(settings)
        return f"{models.model_class(name).label_of(wrapped)}, by gene type"

    def _new(self) -> base.LanguageModel:
        return models.create(self.settings.model, self.settings.settings)

    def _mixture(self, own: base.LanguageModel) -> Ensemble:
        """Model of one type, weights not fitted yet."""
        member = {"model": self.settings.model, "settings": self.settings.settings}
        return Ensemble({"members": [member, member], "mixing": "linear"}).combine([own, self.whole])

    @property
    def num_parameters(self) -> int:
        """Parameters of all models, and a weight for each type."""
        return self.whole.num_parameters + sum(
            mixture.members[0].num_parameters + 1 for mixture in self.by_type.values()
        )

    @property
    def paper_events(self) -> Any:
        """Events of the model of all genes."""
        return self.whole.paper_events

    @property
    def tuned(self) -> dict[str, float]:
        """Weight of each type's own model."""
        return {name: float(mixture.weights[0, 0]) for name, mixture in self.by_type.items()}

    # learning

    def fit(self, train: base.Sequences, validation: base.Sequences | None = None) -> Self:
        """Train on ``train``, encoded with gene types (`sequences.encode`); tune weights on ``validation``."""
        return self.fit_long(train, validation)

    def fit_long(
        self,
        train: base.Sequences,
        validation: base.Sequences | None = None,
        workspace: Workspace | None = None,
        report: Report | None = None,
    ) -> Self:
        """See the base class; each model has a folder of its own in the workspace."""
        train, validation = encode(train), encode(validation if validation is not None else [])
        frequent = [] if train.types is None else frequent_types(train.types)
        names = frequent if self.settings.types is None else self.settings.types
        parts = {name: _of_type(train, name) for name in names}
        if missing := [name for name, genes in parts.items() if not genes.nucleotides]:
            raise base.ModelError(f"conditional: no training gene of type {missing[0]!r}")

        def fit_part(folder: str, genes: EncodedSequences, held_out: EncodedSequences) -> base.LanguageModel:
            inside = workspace and replace(workspace, folder=workspace.folder / folder)
            return self._new().fit_long(genes, held_out, inside, report)

        self.whole, self.by_type = fit_part(WHOLE, train, validation), {}
        for number, (name, genes) in enumerate(parts.items(), 1):
            held_out = _of_type(validation, name)
            mixture = self._mixture(fit_part(f"type-{number}", genes, held_out))
            self.by_type[name] = mixture.combine(mixture.members, held_out)
        return self

    @classmethod
    def built_on(cls, settings: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """See the base class."""
        parsed = cls.Settings.parse(settings, cls.name)
        return [(parsed.model, parsed.settings)]

    @classmethod
    def uses_types(cls, settings: dict[str, Any]) -> bool:
        """See the base class."""
        return True

    @property
    def types(self) -> tuple[str, ...]:
        """See the base class."""
        return tuple(self.by_type)

    def of_type(self, name: str) -> base.LanguageModel:
        """See the base class."""
        self._check_type(name)
        return self.by_type[name]

    # the protocol: the model of all genes

    def log_distributions(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        return self.whole.log_distributions(sequences)

    def log_probs(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        return self.whole.log_probs(sequences)

    def nucleotide_log_probs(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        return self.whole.nucleotide_log_probs(sequences)

    def all_log_probs(self, sequences: base.Sequences) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """See the base class."""
        return self.whole.all_log_probs(sequences)

    def _start(self, prefixes: list[np.ndarray]) -> Any:
        return self.whole._start(prefixes)

    def _next(self, state: Any) -> np.ndarray:
        return self.whole._next(state)

    def _advance(self, state: Any, symbols: np.ndarray, alive: np.ndarray) -> Any:
        return self.whole._advance(state, symbols, alive)

    # saving: each model as it is

    def _arrays(self) -> dict[str, np.ndarray]:
        weights = [mixture.weights[0] for mixture in self.by_type.values()]
        return {"types": np.array(list(self.by_type), dtype=str), "weights": np.reshape(weights, (len(weights), 2))}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        for mixture, weights in zip(self.by_type.values(), arrays["weights"], strict=True):
            mixture.weights = weights[None]

    def _write_arrays(self, folder: Path, arrays: dict[str, np.ndarray]) -> None:
        super()._write_arrays(folder, arrays)
        self.whole.save(folder / WHOLE)
        for number, mixture in enumerate(self.by_type.values(), 1):
            mixture.members[0].save(folder / f"type-{number}")

    def _read_arrays(self, folder: Path) -> dict[str, np.ndarray]:
        arrays = super()._read_arrays(folder)
        self.whole = models.load(folder / WHOLE)
        self.by_type = {
            name: self._mixture(models.load(folder / f"type-{number}"))
            for number, name in enumerate(arrays["types"].tolist(), 1)
        }
        return arrays


def _of_type(genes: EncodedSequences, name: str) -> EncodedSequences:
    return choose(genes, np.flatnonzero(genes.types == name) if genes.types is not None else [])


def frequent_types(types: Iterable[str]) -> list[str]:
    """Return the gene types that occur at least `ENOUGH` times, the most frequent first."""
    counts = Counter(map(str, types))
    counts.pop("", None)
    return sorted((name for name in counts if counts[name] >= ENOUGH), key=lambda name: (-counts[name], name))
