"""A mixture of experts: counts of contexts of many lengths, and copies of genes seen before.

Such mixtures are the strongest compressors of DNA: XM (Cao, Dix, Allison and Mears, 2007) and GeCo2 and GeCo3
(Pratas, Silva and others, 2019, 2020); geometric mixing by learned weights is that of Mahoney's PAQ. Here the memory
is fixed while a gene is scored, so that each gene is scored on its own, and everything that is tuned (`gate`) is
tuned on genes outside the memory. `memory` finds contexts, `copies` and `reading` are the experts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field

from dnastudy.data.sequences import END, EncodedSequences, choose, encode, evenly_spaced
from dnastudy.models import base
from dnastudy.models.expert import gate as gating
from dnastudy.models.expert.index import GeneIndex
from dnastudy.models.expert.runner import Copied, Observed, Runner, Trace, copied
from dnastudy.models.expert.state import FAMILIES, NUM_CASES, NUM_CLASSES, SHIFT, Gate, State  # fmt: skip

Family = Literal["context", "copy", "reverse", "own", "inverted"]
CALIBRATION = 300_000
"""Nucleotides on which copies are counted."""
SAMPLED_AT_ONCE = 256
NO_HITS, NO_SYMBOLS = np.zeros((2, NUM_CLASSES, 2)), np.zeros((2, NUM_CASES, 4))


class Expert(base.LanguageModel):
    """Geometric mixture of context counts and copies, gated by a small network.

    For nucleotide s after a prefix, log p(s) = sum over experts e of w_e log p_e(s), normalised, with weights w_e that
    the gate derives from facts about the prefix. The end of the gene has a probability of its own, by a logistic
    regression on the position, on what ended after the same contexts, and on copies that end.
    """

    name = "expert"
    family = "expert"
    further_code = (
        "compiled.py",
        *(
            f"models/expert/{part}.py"
            for part in ("state", "memory", "contexts", "copies", "reading", "reader", "gate")
        ),
    )

    class Settings(base.Settings):
        """Settings of an expert model."""

        experts: list[Family] = Field(
            default=["context", "copy", "reverse", "own"],
            min_length=1,
            description="families of experts: context (counts), copy, reverse (both on the other strand), own "
            "(the gene's own prefix), inverted (its reverse complement)",
        )
        gating: Literal["validation", "cross-validation"] = Field(
            default="validation",
            description="genes to tune the gate on: those given for validation (without any: as the other), or the "
            "training genes, each part of them with the others as memory",
        )
        folds: int = Field(default=5, ge=2, description="parts for gating=cross-validation")
        tuning_nucleotides: int = Field(default=600_000, ge=1000, description="nucleotides to tune the gate on, about")
        hidden_size: int = Field(
            default=32, ge=0, description="hidden units of the gate; 0: the same weights everywhere"
        )
        gate_epochs: int = Field(default=2, ge=1, description="times through the genes the gate is tuned on")
        max_indel: int = Field(default=SHIFT, ge=0, description="longest insertion or deletion a copy survives, nt")
        substitutions: bool = Field(
            default=True,
            description="a copy's expectation depends on the copied neighbours (CpG decay), not only on its hits",
        )
        seed: int = Field(default=1, ge=0, description="seed of the gate's first weights and of its batches")

    def __init__(self, settings: dict[str, Any] | base.Settings | None = None):
        super().__init__(settings)
        self.memories = GeneIndex()
        self.tables = gating.copy_tables(NO_HITS, NO_SYMBOLS, np.full(1, 0.003))
        self.gate = gating.untrained_gate(self.settings.hidden_size)
        self.tuned_on = 0
        self._use = np.array([name in self.settings.experts for name in FAMILIES])

    @property
    def num_parameters(self) -> int:
        """Nucleotides remembered, and the numbers that were tuned."""
        tuned = sum(a.size for a in self.gate) + self.tables.hit.size + self.tables.symbol.size + self.tables.end.size
        return len(self.memories.forward.symbols) + tuned

    @property
    def tuned(self) -> dict[str, float]:
        """On how many nucleotides the gate was tuned."""
        return {"tuning_nucleotides": self.tuned_on}

    # learning

    def prepare(self) -> None:
        """Compile the kernels."""
        genes = ["ACGTTGCA" * 8, "GATTACA" * 9]
        Expert({"tuning_nucleotides": 1000}).fit(genes, genes).log_distributions(genes)

    def fit(self, train: base.Sequences, validation: base.Sequences | None = None) -> Self:
        """Remember ``train``; tune on ``validation``, or by cross-validation inside ``train``."""
        train, validation = encode(train), encode(validation if validation is not None else [])
        if not train.nucleotides:
            raise base.ModelError("expert: no nucleotides to remember")
        self.__init__(self.settings)
        settings = self.settings
        hazard = gating.end_hazard(train.lengths)
        if settings.gating == "validation" and validation.nucleotides:
            memories = GeneIndex()
            memories.add(train)
            parts = [(memories, evenly_spaced(validation, settings.tuning_nucleotides))]
        else:
            folds = min(settings.folds, len(train))
            budget = settings.tuning_nucleotides // folds
            fold_of = np.arange(len(train)) % folds
            parts = []
            for fold in range(folds if folds > 1 else 0):
                memories = GeneIndex()
                memories.add(choose(train, np.flatnonzero(fold_of != fold)))
                parts.append((memories, evenly_spaced(choose(train, np.flatnonzero(fold_of == fold)), budget)))
            memories = GeneIndex()
            memories.add(train)
        self.memories = memories
        self._tune([part for part in parts if part[1].nucleotides and part[0].forward.symbols.size], hazard)
        return self

    def update(self, sequences: base.Sequences) -> Self:
        """Remember more genes; what was tuned is kept."""
        sequences = encode(sequences)
        if len(sequences):
            self.memories.add(sequences)
        return self

    def _tune(self, parts: list[tuple[GeneIndex, EncodedSequences]], hazard: np.ndarray) -> None:
        """Learn the tables of copies and the gate from genes, each part read beside the memory it is not in."""
        settings = self.settings
        self.tables = gating.copy_tables(NO_HITS, NO_SYMBOLS, hazard)
        nucleotides = sum(genes.nucleotides for _, genes in parts)
        if not nucleotides:
            return
        counted = [(m, evenly_spaced(genes, CALIBRATION * genes.nucleotides // nucleotides)) for m, genes in parts]
        hits = sum(self._reader(m).count_copies(genes)[0] for m, genes in counted)
        self.tables = gating.copy_tables(hits, NO_SYMBOLS, hazard)
        if settings.substitutions:
            symbols = sum(self._reader(m).count_copies(genes)[1] for m, genes in counted)
            self.tables = gating.copy_tables(hits, symbols, hazard)
        truth = np.concatenate([genes.symbols for _, genes in parts])
        seen, at = Observed.empty(len(truth)), 0
        for memories, genes in parts:
            end = at + len(genes.symbols)
            self._reader(memories).observe(genes, Observed(*(array[at:end] for array in seen)))
            at = end
        network = gating.train_gate(
            seen.experts, seen.facts, truth, settings.hidden_size, settings.gate_epochs, settings.seed
        )
        self.gate = Gate(*network, gating.train_end(seen.ending, truth == END))
        self.tuned_on = nucleotides

    # the protocol

    def _reader(self, memories: GeneIndex | None = None) -> Runner:
        return Runner(memories or self.memories, self.tables, self.gate, self._use, self.settings.max_indel)

    def log_distributions(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        encoded = encode(sequences)
        return np.split(self._reader().read(encoded), encoded.starts[1:-1]) if len(encoded) else []

    def trace(self, sequences: base.Sequences) -> Trace:
        """Predictions taken apart: what every expert adds, and which genes are copied (see `reader.Trace`)."""
        return self._reader().trace(encode(sequences))

    def copied(self, trace: Trace) -> Copied:
        """Where the best copies of a trace are in the genes of the memory (see `reader.Copied`)."""
        return copied(trace, self.memories)

    # sampling

    def sample(self, n: int, *, seed: int = 0, lengths: Sequence[int] | None = None, **options: Any) -> list[str]:
        """See the base class; drawn 256 sequences at a time, as each takes a quarter of a megabyte."""
        drawn: list[str] = []
        for first in range(0, max(n, 1), SAMPLED_AT_ONCE):
            more = min(n - first, SAMPLED_AT_ONCE)
            part = None if lengths is None else lengths[first : first + more]
            drawn += super().sample(more, seed=[seed, first] if first else seed, lengths=part, **options)
        return drawn

    def _start(self, prefixes: list[np.ndarray]) -> State:
        return self._reader().start(prefixes)

    def _next(self, state: State) -> np.ndarray:
        return self._reader().next(state)

    def _advance(self, state: State, symbols: np.ndarray, alive: np.ndarray) -> State:
        if len(alive) < len(state.length):
            state = State(*(array[alive] for array in state))
        self._reader().advance(state, symbols)
        return state

    # saving: the index is sorted again on loading

    def _arrays(self) -> dict[str, np.ndarray]:
        forward = self.memories.forward
        return {
            "symbols": forward.symbols, "bounds": forward.memory().bounds, "tuned_on": np.int64(self.tuned_on),
            **{f"gate_{name}": array for name, array in self.gate._asdict().items()},
            **{f"tables_{name}": getattr(self.tables, name) for name in ("hit", "symbol", "end")},
        }  # fmt: skip

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        symbols, bounds = arrays["symbols"], arrays["bounds"]
        gate = Gate(*(arrays[f"gate_{name}"] for name in Gate._fields))
        if any(a.shape != b.shape for a, b in zip(gate, self.gate, strict=True)) or bounds[-1] != len(symbols):
            raise ValueError("the arrays do not fit the settings")
        self.memories = GeneIndex()
        for a, b in pairwise(bounds.tolist()):
            part = symbols[a:b]
            self.memories.add(EncodedSequences(part, np.concatenate([[0], np.flatnonzero(part == END) + 1])))
        self.gate, self.tuned_on = gate, int(arrays["tuned_on"])
        self.tables = gating.tables_from(arrays["tables_hit"], arrays["tables_symbol"], arrays["tables_end"])
