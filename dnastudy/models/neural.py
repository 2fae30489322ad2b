"""What the neural models share: settings, training, the protocol, saving.

Importing this needs no torch: so settings, presets and looks of all models can be read without it. The networks are in
`networks`, which is imported when a model is created.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dnastudy.core.errors import TrainingError
from dnastudy.data.sequences import EncodedSequences, choose, encode_for
from dnastudy.models import base
from dnastudy.training.recipe import Recipe

if TYPE_CHECKING:
    from dnastudy.models.networks.base import Network
    from dnastudy.training.log import Workspace
    from dnastudy.training.report import Report

LARGEST_TABLE = 4**10
"""K-mers that are embedded at most."""
_REMEDY = "lower learning_rate, lengthen warmup or clip gradients"


class NeuralModel(base.LanguageModel):
    """A network behind the protocol of all models; a subclass gives `Settings` and `_build`."""

    arrays_file = "weights.safetensors"

    class Settings(Recipe):
        """Settings of a neural model."""

        kmer_size: int = Field(
            default=8,
            ge=1,
            le=10,
            description="nucleotides whose k-mer is embedded beside the last one, nt; 1: the last nucleotide alone",
        )
        kmer_dim: int = Field(default=16, ge=1, description="size of a k-mer's row before it is projected")
        end: bool = Field(
            default=True, description="predict the end of the gene as well (the published networks do not)"
        )
        types: list[str] = Field(
            default=[], description="gene types the network is conditioned on, by a token before the first nucleotide"
        )
        vocab_size: int = Field(
            default=4, ge=2, le=255, description="letters of the alphabet: 4, except for text that is not DNA"
        )

        @model_validator(mode="after")
        def _alphabet(self) -> Self:
            if self.vocab_size != 4 and self.types:
                raise ValueError("types are those of genes, and genes have 4 letters")
            if self.vocab_size**self.kmer_size > LARGEST_TABLE:
                kmers = f"{LARGEST_TABLE:,} k-mers of {self.kmer_size}"
                raise ValueError(f"kmer_size: {self.vocab_size} letters make more than {kmers}; lower it")
            return self

    def __init__(self, settings: dict[str, Any] | base.Settings | None = None):
        super().__init__(settings)
        from dnastudy.models.networks.base import seeded

        self._start_code = self.settings.vocab_size  # input before a gene of no type; then come those of the types
        with seeded(self.settings.seed):
            self.network = self._build()
        self.network.eval()

    @abstractmethod
    def _build(self) -> Network:
        """Return a new network with random weights."""

    @property
    def num_parameters(self) -> int:
        """Weights of the network."""
        return sum(weights.numel() for weights in self.network.parameters())

    @property
    def paper_events(self) -> Literal["nucleotides"]:
        """The paper scores its neural models on nucleotides only."""
        return "nucleotides"

    @property
    def tuned(self) -> dict[str, float]:
        """Epoch with the lowest loss on the validation genes."""
        course = self.notes.get("training", {})
        return {"epoch": course["best_epoch"]} if course else {}

    # training

    def fit(self, train: base.Sequences, validation: base.Sequences | None = None) -> Self:
        """Train from new random weights; keep those of the epoch that is best on ``validation``."""
        return self.fit_long(train, validation)

    def fit_long(
        self,
        train: base.Sequences,
        validation: base.Sequences | None = None,
        workspace: Workspace | None = None,
        report: Report | None = None,
    ) -> Self:
        """See the base class."""
        from dnastudy.training import hardware
        from dnastudy.training.loop import train as train_network

        self.__init__(self.settings)
        train, validation = (
            self._with_symbols(encode_for(self.settings.vocab_size, genes if genes is not None else []))
            for genes in (train, validation)
        )
        try:
            with workspace.alone() if workspace else nullcontext():
                course = train_network(self.network, self.settings, train, validation, workspace, report)
        except OverflowError:
            raise TrainingError(f"the validation genes have no finite perplexity: {_REMEDY}") from None
        if not all(weights.isfinite().all() for weights in self.network.parameters()):
            raise TrainingError(f"the last steps made weights that are not finite: {_REMEDY}")
        self.network.to(hardware.device()).eval()
        hardware.read_exactly()
        self.notes = {"training": asdict(course)}
        return self

    def _with_symbols(self, genes: EncodedSequences) -> EncodedSequences:
        """Leave out genes without anything to predict: empty ones, where the end is not predicted either."""
        if self.settings.end or (genes.lengths > 0).all():
            return genes
        return choose(genes, np.flatnonzero(genes.lengths))

    # gene types

    @classmethod
    def with_types(cls, settings: dict[str, Any], types: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """See the base class: one network for all types, conditioned by a token."""
        return cls.name, {**settings, "types": list(types)}

    @classmethod
    def uses_types(cls, settings: dict[str, Any]) -> bool:
        """See the base class."""
        return bool(settings.get("types"))

    @property
    def types(self) -> tuple[str, ...]:
        """See the base class."""
        return tuple(self.settings.types)

    def of_type(self, name: str) -> Self:
        """See the base class; the weights are shared."""
        self._check_type(name)
        conditioned = copy.copy(self)
        conditioned._start_code = self.settings.vocab_size + 1 + self.types.index(name)
        return conditioned

    # the protocol

    def log_distributions(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        from dnastudy.models.networks import inference

        encoded = encode_for(self.settings.vocab_size, sequences)
        rows = inference.log_probabilities(self.network, encoded, self._start_code)
        return np.split(rows, encoded.starts[1:-1]) if len(encoded) else []

    def embed(self, sequences: base.Sequences) -> np.ndarray:
        """Mean of the last hidden states over the positions of each sequence: see the base class."""
        from dnastudy.models.networks import inference

        encoded = encode_for(self.settings.vocab_size, sequences)
        return inference.mean_hidden_states(self.network, encoded, self._start_code)

    # sampling

    def _start(self, prefixes: list[np.ndarray]) -> Any:
        from dnastudy.models.networks import inference

        return inference.begin(self.network, prefixes, self._start_code)

    def _next(self, state: Any) -> np.ndarray:
        from dnastudy.models.networks import inference

        return inference.next_log_probabilities(self.network, state)

    def _advance(self, state: Any, symbols: np.ndarray, alive: np.ndarray) -> Any:
        from dnastudy.models.networks import inference

        return inference.advance(self.network, state, symbols, alive)

    # saving

    def _arrays(self) -> dict[str, np.ndarray]:
        return {name: weights.detach().cpu().numpy() for name, weights in self.network.state_dict().items()}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        import torch

        from dnastudy.training import hardware

        try:
            self.network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        except RuntimeError as error:
            raise ValueError(f"the weights do not fit the settings: {error}") from error
        self.network.to(hardware.device()).eval()

    def _write_arrays(self, folder: Path, arrays: dict[str, np.ndarray]) -> None:
        import safetensors.numpy

        # not `save_file`, whose files only their owner can read
        (folder / self.arrays_file).write_bytes(safetensors.numpy.save(arrays))

    def _read_arrays(self, folder: Path) -> dict[str, np.ndarray]:
        import safetensors
        import safetensors.numpy

        try:
            return safetensors.numpy.load_file(folder / self.arrays_file)
        except safetensors.SafetensorError as error:
            raise ValueError(str(error)) from error
