"""A mixture of experts: counts after contexts of many lengths, and copies of training genes.

Such mixtures are the strongest compressors of DNA: XM (Cao, Dix, Allison and Mears, 2007) and GeCo2 and GeCo3
(Pratas, Silva and others, 2019, 2020); geometric mixing by learned weights is that of Mahoney's PAQ. Here the
index of training genes is fixed while a gene is scored, so that each gene is scored on its own, and everything that is
tuned (`gate`) is tuned on genes outside the index. `index` finds contexts, `contexts` and `copies` are the experts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field

from dnastudy.data.sequences import END, EncodedSequences, choose, encode, evenly_spaced
from dnastudy.display import looks
from dnastudy.models import base
from dnastudy.models.expert import gate as gating
from dnastudy.models.expert.index import GeneIndex
from dnastudy.models.expert.runner import Copied, GateInputs, Runner, Trace, copied
from dnastudy.models.expert.state import FAMILIES, MAX_INDEL, NUM_CASES, NUM_CLASSES, Gate, State  # fmt: skip

Family = Literal["context", "copy", "reverse", "own", "inverted"]
CALIBRATION = 300_000
"""Nucleotides on which the tables of copies are counted."""
SAMPLED_AT_ONCE = 256
"""Sequences that are sampled together: each needs a quarter of a megabyte."""
NO_HITS, NO_SYMBOLS = np.zeros((2, NUM_CLASSES, 2)), np.zeros((2, NUM_CASES, 4))


class Expert(base.LanguageModel):
    """Geometric mixture of context counts and copies, gated by a small network.

    For nucleotide s after a prefix, log p(s) = sum over experts e of w_e log p_e(s), normalised, with weights w_e that
    the gate computes from facts about the prefix. The end of the gene has a probability of its own, from a logistic
    regression on the position, on training genes that end after the same contexts, and on copies that end.
    """

    name = "expert"
    family = "expert"
    label = "expert mixture"
    look = looks.OCHRE

    class Settings(base.Settings):
        """Settings of an expert model."""

        experts: list[Family] = Field(
            default=["context", "copy", "reverse", "own"],
            min_length=1,
            description="families of experts: context (counts), copy, reverse (both, of the reverse complements), own "
            "(counts in the prefix of the gene itself), inverted (counts in its reverse complement)",
        )
        gating: Literal["validation", "cross-validation"] = Field(
            default="validation",
            description="genes the gate is tuned on: the validation genes (cross-validation if there are none), or the "
            "training genes in folds, each predicted from an index of the others",
        )
        folds: int = Field(default=5, ge=2, description="folds of gating=cross-validation")
        tuning_nucleotides: int = Field(
            default=600_000, ge=1000, description="about how many nucleotides the gate is tuned on"
        )
        hidden_size: int = Field(
            default=32, ge=0, description="hidden units of the gate; 0: weights that do not depend on the prefix"
        )
        gate_epochs: int = Field(default=2, ge=1, description="epochs of the training of the gate")
        max_indel: int = Field(
            default=MAX_INDEL, ge=0, description="longest insertion or deletion that a copy survives, nt"
        )
        substitutions: bool = Field(
            default=True,
            description="probabilities of a copy depend on the neighbouring nucleotides (CpG decay), not on its hits "
            "alone",
        )
        seed: int = Field(default=1, ge=0, description="seed of the first weights and of the batches of the gate")

    def __init__(self, settings: dict[str, Any] | base.Settings | None = None):
        super().__init__(settings)
        self.index = GeneIndex()
        self.tables = gating.copy_tables(NO_HITS, NO_SYMBOLS, np.full(1, 0.003))
        self.gate = gating.untrained_gate(self.settings.hidden_size)
        self.tuned_on = 0
        self._use = np.array([name in self.settings.experts for name in FAMILIES])

    @property
    def num_parameters(self) -> int:
        """Indexed symbols, and the numbers that were tuned."""
        tuned = sum(a.size for a in self.gate) + self.tables.hit.size + self.tables.symbol.size + self.tables.end.size
        return len(self.index.forward.symbols) + tuned

    @property
    def tuned(self) -> dict[str, float]:
        """Nucleotides on which the gate was tuned."""
        return {"tuning_nucleotides": self.tuned_on}

    # learning

    def prepare(self) -> None:
        """Compile the kernels."""
        genes = ["ACGTTGCA" * 8, "GATTACA" * 9]
        Expert({"tuning_nucleotides": 1000}).fit(genes, genes).log_distributions(genes)

    def fit(self, train: base.Sequences, validation: base.Sequences | None = None) -> Self:
        """Index ``train``; tune on ``validation``, or by cross-validation inside ``train``."""
        train, validation = encode(train), encode(validation if validation is not None else [])
        if not train.nucleotides:
            raise base.ModelError("expert: no nucleotides to train on")
        self.__init__(self.settings)
        settings = self.settings
        hazard = gating.end_hazard(train.lengths)
        if settings.gating == "validation" and validation.nucleotides:
            index = GeneIndex()
            index.add(train)
            parts = [(index, evenly_spaced(validation, settings.tuning_nucleotides))]
        else:
            folds = min(settings.folds, len(train))
            budget = settings.tuning_nucleotides // folds
            fold_of = np.arange(len(train)) % folds
            parts = []
            for fold in range(folds if folds > 1 else 0):
                index = GeneIndex()
                index.add(choose(train, np.flatnonzero(fold_of != fold)))
                parts.append((index, evenly_spaced(choose(train, np.flatnonzero(fold_of == fold)), budget)))
            index = GeneIndex()
            index.add(train)
        self.index = index
        self._tune([part for part in parts if part[1].nucleotides and part[0].forward.symbols.size], hazard)
        return self

    def update(self, sequences: base.Sequences) -> Self:
        """Add more genes to the index; what was tuned is kept."""
        sequences = encode(sequences)
        if len(sequences):
            self.index.add(sequences)
        return self

    def _tune(self, parts: list[tuple[GeneIndex, EncodedSequences]], hazard: np.ndarray) -> None:
        """Tune the tables of copies and the gate on parts of genes, each with an index that does not contain it."""
        settings = self.settings
        self.tables = gating.copy_tables(NO_HITS, NO_SYMBOLS, hazard)
        nucleotides = sum(genes.nucleotides for _, genes in parts)
        if not nucleotides:
            return
        counted = [
            (index, evenly_spaced(genes, CALIBRATION * genes.nucleotides // nucleotides)) for index, genes in parts
        ]
        hits = sum(self._runner(index).count_copies(genes)[0] for index, genes in counted)
        self.tables = gating.copy_tables(hits, NO_SYMBOLS, hazard)
        if settings.substitutions:
            symbols = sum(self._runner(index).count_copies(genes)[1] for index, genes in counted)
            self.tables = gating.copy_tables(hits, symbols, hazard)
        truth = np.concatenate([genes.symbols for _, genes in parts])
        inputs, at = GateInputs.empty(len(truth)), 0
        for index, genes in parts:
            end = at + len(genes.symbols)
            self._runner(index).gate_inputs(genes, GateInputs(*(array[at:end] for array in inputs)))
            at = end
        network = gating.train_gate(
            inputs.experts, inputs.facts, truth, settings.hidden_size, settings.gate_epochs, settings.seed
        )
        self.gate = Gate(*network, gating.train_end(inputs.ending, truth == END))
        self.tuned_on = nucleotides

    # the protocol

    def _runner(self, index: GeneIndex | None = None) -> Runner:
        return Runner(index or self.index, self.tables, self.gate, self._use, self.settings.max_indel)

    def log_distributions(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        encoded = encode(sequences)
        return np.split(self._runner().predict(encoded), encoded.starts[1:-1]) if len(encoded) else []

    def trace(self, sequences: base.Sequences) -> Trace:
        """Return predictions with what every expert adds, and which genes are copied (see `runner.Trace`)."""
        return self._runner().trace(encode(sequences))

    def copied(self, trace: Trace) -> Copied:
        """Return the source of the best copies of a trace in the indexed genes (see `runner.Copied`)."""
        return copied(trace, self.index)

    # sampling

    def sample(self, n: int, *, seed: int = 0, lengths: Sequence[int] | None = None, **options: Any) -> list[str]:
        """See the base class."""
        drawn: list[str] = []
        for first in range(0, max(n, 1), SAMPLED_AT_ONCE):
            more = min(n - first, SAMPLED_AT_ONCE)
            part = None if lengths is None else lengths[first : first + more]
            drawn += super().sample(more, seed=[seed, first] if first else seed, lengths=part, **options)
        return drawn

    def _start(self, prefixes: list[np.ndarray]) -> State:
        return self._runner().start(prefixes)

    def _next(self, state: State) -> np.ndarray:
        return self._runner().next(state)

    def _advance(self, state: State, symbols: np.ndarray, alive: np.ndarray) -> State:
        if len(alive) < len(state.length):
            state = State(*(array[alive] for array in state))
        self._runner().advance(state, symbols)
        return state

    # saving: the index is sorted again on loading

    def _arrays(self) -> dict[str, np.ndarray]:
        forward = self.index.forward
        return {
            "symbols": forward.symbols, "bounds": forward.arrays().bounds, "tuned_on": np.int64(self.tuned_on),
            **{f"gate_{name}": array for name, array in self.gate._asdict().items()},
            **{f"tables_{name}": getattr(self.tables, name) for name in ("hit", "symbol", "end")},
        }  # fmt: skip

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        symbols, bounds = arrays["symbols"], arrays["bounds"]
        gate = Gate(*(arrays[f"gate_{name}"] for name in Gate._fields))
        if any(a.shape != b.shape for a, b in zip(gate, self.gate, strict=True)) or bounds[-1] != len(symbols):
            raise ValueError("the arrays do not fit the settings")
        self.index = GeneIndex()
        for a, b in pairwise(bounds.tolist()):
            part = symbols[a:b]
            self.index.add(EncodedSequences(part, np.concatenate([[0], np.flatnonzero(part == END) + 1])))
        self.gate, self.tuned_on = gate, int(arrays["tuned_on"])
        self.tables = gating.tables_from(arrays["tables_hit"], arrays["tables_symbol"], arrays["tables_end"])
