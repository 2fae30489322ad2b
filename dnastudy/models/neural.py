"""What the neural models share: training, reading in batches, sampling step by step, saving."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import safetensors
import safetensors.numpy
import torch
from pydantic import Field, model_validator
from torch import nn

from dnastudy.core.errors import TrainingError
from dnastudy.data.sequences import EncodedSequences, choose, encode_for
from dnastudy.models import base
from dnastudy.models.networks import Network
from dnastudy.models.packed import packed
from dnastudy.training import hardware
from dnastudy.training.batches import START, Symbols, sorted_runs
from dnastudy.training.log import Workspace
from dnastudy.training.loop import train as train_network
from dnastudy.training.recipe import Recipe
from dnastudy.training.report import Report

READ_AT_ONCE = {"cpu": 8192, "cuda": 65_536}
"""Positions read at once, padding included: few enough for a processor's caches, enough to fill a GPU."""
LARGEST_TABLE = 4**10
"""Words that are embedded at most."""
_State = tuple[Network, torch.Tensor, Any]
"""While writing: the network, its last logits, and its own state."""
_LOWER = "lower learning_rate, lengthen warmup or clip gradients"


class NeuralModel(base.LanguageModel):
    """A network behind the protocol of all models; one that is derived from this has `Settings` and `_build`."""

    arrays_file = "weights.safetensors"
    learning_code = (
        "sequences.py",
        "models/networks.py",
        *(f"training/{part}.py" for part in ("loop", "batches", "recipe")),
    )
    further_code = ("models/neural.py", "models/packed.py", *learning_code[1:])

    class Settings(Recipe):
        """Settings of a neural model."""

        kmer_size: int = Field(
            default=8, ge=1, le=10, description="last nucleotides embedded together, as one word; 1: letters alone"
        )
        kmer_dim: int = Field(default=16, ge=1, description="width of a word's row in the table of words")
        end: bool = Field(default=True, description="predict the end of the gene too (the paper's networks do not)")
        types: list[str] = Field(
            default=[], description="gene types it is told of, by a token before the first nucleotide; none: of no type"
        )
        vocab_size: int = Field(
            default=4, ge=2, le=255, description="letters of the alphabet: 4, but for text that is no gene"
        )

        @model_validator(mode="after")
        def _alphabet(self) -> Self:
            if self.vocab_size != 4 and self.types:
                raise ValueError("types are those of genes, and genes have 4 letters")
            if self.vocab_size**self.kmer_size > LARGEST_TABLE:
                words = f"{LARGEST_TABLE:,} words of {self.kmer_size}"
                raise ValueError(f"kmer_size: {self.vocab_size} letters make more than {words}; lower it")
            return self

    def __init__(self, settings: dict[str, Any] | base.Settings | None = None):
        super().__init__(settings)
        self._of = self.settings.vocab_size  # the start of a gene of no type
        with torch.random.fork_rng([]):
            torch.manual_seed(self.settings.seed)
            self.network = self._build()
        self.network.eval()

    @abstractmethod
    def _build(self) -> Network:
        """A new network with random weights."""

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
        """Epoch that was best on the validation genes."""
        course = self.notes.get("training", {})
        return {"epoch": course["best_epoch"]} if course else {}

    # learning

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
        self.__init__(self.settings)
        train, validation = (
            self._with_symbols(encode_for(self.settings.vocab_size, genes if genes is not None else []))
            for genes in (train, validation)
        )
        try:
            with workspace.alone() if workspace else nullcontext():
                course = train_network(self.network, self.settings, train, validation, workspace, report)
        except OverflowError:
            raise TrainingError(f"the validation genes have no finite perplexity: {_LOWER}") from None
        if not all(weights.isfinite().all() for weights in self.network.parameters()):
            raise TrainingError(f"the last steps made weights that are no numbers: {_LOWER}")
        self.network.to(hardware.device()).eval()
        hardware.read_exactly()
        self.notes = {"training": asdict(course)}
        return self

    # gene types

    @classmethod
    def with_types(cls, settings: dict[str, Any], types: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """See the base class: one network for all types, told of them by a token."""
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
        told = copy.copy(self)
        told._of = START + 1 + self.types.index(name)
        return told

    def _with_symbols(self, genes: EncodedSequences) -> EncodedSequences:
        """Leave out genes without anything to predict: empty ones, of which not even the end is learned."""
        if self.settings.end or (genes.lengths > 0).all():
            return genes
        return choose(genes, np.flatnonzero(genes.lengths))

    # the protocol

    def log_distributions(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        encoded = encode_for(self.settings.vocab_size, sequences)
        genes = Symbols(encoded, True, self._device, np.full(len(encoded), self._of))
        network, rows = packed(self.network), np.empty((len(encoded.symbols), self.settings.vocab_size + 1))
        for run in sorted_runs(genes.events, READ_AT_ONCE[self._device.type]):
            with torch.inference_mode():
                found = _log_probabilities(network(genes.batch(run)[0]), self.settings.vocab_size)
            for gene, of_gene in zip(run, found, strict=True):
                rows[encoded.starts[gene] : encoded.starts[gene + 1]] = of_gene[: genes.events[gene]]
        return np.split(rows, encoded.starts[1:-1]) if len(encoded) else []

    def embed(self, sequences: base.Sequences) -> np.ndarray:
        """Mean of the last hidden states over the places of each sequence: see the base class."""
        encoded = encode_for(self.settings.vocab_size, sequences)
        genes = Symbols(encoded, True, self._device, np.full(len(encoded), self._of))
        rows, seen = [], []
        watch = self.network.output.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            for run in sorted_runs(genes.events, READ_AT_ONCE[self._device.type]):
                with torch.inference_mode():
                    self.network(genes.batch(run)[0])
                events = torch.from_numpy(genes.events[run]).to(self._device)
                hidden = seen.pop()  # (genes, length, width)
                real = torch.arange(hidden.shape[1], device=hidden.device) < events[:, None]
                rows.append(((hidden * real[:, :, None]).sum(1) / events[:, None]).double().cpu().numpy())
        finally:
            watch.remove()
        order = np.concatenate([*sorted_runs(genes.events, READ_AT_ONCE[self._device.type])]) if rows else []
        return np.concatenate(rows)[np.argsort(order)] if rows else np.zeros((0, 0))

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    # sampling

    @torch.inference_mode()
    def _start(self, prefixes: list[np.ndarray]) -> _State:
        network = packed(self.network)
        inner = network.begin(len(prefixes))
        length = len(prefixes[0]) if prefixes else 0  # all of one
        inputs = np.array([[self._of, *prefix] for prefix in prefixes]).reshape(len(prefixes), 1 + length)
        for symbols in torch.from_numpy(inputs.astype(np.int64)).to(self._device).T:
            logits, inner = network.step(symbols, inner)
        return network, logits, inner

    def _next(self, state: _State) -> np.ndarray:
        return _log_probabilities(state[1], self.settings.vocab_size)

    @torch.inference_mode()
    def _advance(self, state: _State, symbols: np.ndarray, alive: np.ndarray) -> _State:
        network, logits, inner = state
        if not len(alive):
            return network, logits[:0], inner
        if len(alive) < len(logits):
            inner = network.keep(inner, torch.from_numpy(alive).to(self._device))
        return network, *network.step(torch.from_numpy(symbols).to(self._device), inner)

    # saving

    def _arrays(self) -> dict[str, np.ndarray]:
        return {name: weights.detach().cpu().numpy() for name, weights in self.network.state_dict().items()}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        try:
            self.network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        except RuntimeError as error:
            raise ValueError(f"the weights do not fit the settings: {error}") from error
        self.network.to(hardware.device()).eval()

    def _write_arrays(self, folder: Path, arrays: dict[str, np.ndarray]) -> None:
        # not `save_file`, whose files only their owner can read
        (folder / self.arrays_file).write_bytes(safetensors.numpy.save(arrays))

    def _read_arrays(self, folder: Path) -> dict[str, np.ndarray]:
        try:
            return safetensors.numpy.load_file(folder / self.arrays_file)
        except safetensors.SafetensorError as error:
            raise ValueError(str(error)) from error


def _log_probabilities(logits: torch.Tensor, vocab_size: int) -> np.ndarray:
    """Natural-log probabilities of the letters and END, float64, shape (..., vocab_size + 1), from logits of as many.

    Or of one less, where the network knows no end.
    """
    rows = logits.double().log_softmax(-1)
    if rows.shape[-1] == vocab_size:
        rows = nn.functional.pad(rows, (0, 1), value=-torch.inf)
    return rows.cpu().numpy()
