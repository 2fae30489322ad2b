"""Running the kernels: over many sequences in threads, or step by step for sampling."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dnastudy.data.sequences import NUM_SYMBOLS, EncodedSequences, map_parts
from dnastudy.models.expert import kernels
from dnastudy.models.expert.index import GeneIndex, StrandArrays
from dnastudy.models.expert.state import (
    NUM_CASES,
    NUM_CLASSES,
    NUM_END,
    NUM_EXPERTS,
    NUM_FACTS,
    Gate,
    State,
    Tables,
    new_state,
)

PART = 20_000
"""Fewest symbols that a thread computes."""


class GateInputs(NamedTuple):
    """What the experts predict and the facts that the gate gets, one row for each symbol of a stream.

    Attributes
    ----------
    experts : float32 (symbols, NUM_EXPERTS, 4)
        Centred log-probabilities of the nucleotides.
    facts : float32 (symbols, NUM_FACTS)
    ending : float64 (symbols, NUM_END)
        Features of the logistic regression of the end.
    """

    experts: np.ndarray
    facts: np.ndarray
    ending: np.ndarray

    @classmethod
    def empty(cls, n: int) -> GateInputs:
        """Return arrays for ``n`` symbols."""
        experts, facts = np.empty((n, NUM_EXPERTS, 4), np.float32), np.empty((n, NUM_FACTS), np.float32)
        return cls(experts, facts, np.empty((n, NUM_END)))


class Trace(NamedTuple):
    """A prediction and where it comes from, one row for each symbol of a stream.

    Attributes
    ----------
    log_probs : float64 (symbols, 5)
    shares : float64 (symbols, NUM_EXPERTS)
        What each expert adds to the logit of the true nucleotide, nats; 0 for the end.
    best : int64 (symbols, 2)
        Position in the index of each strand of the nucleotide that the best copy predicts; -1: no copy.
    chances : float64 (symbols, 2)
        Probability that such a copy is right.
    """

    log_probs: np.ndarray
    shares: np.ndarray
    best: np.ndarray
    chances: np.ndarray


@dataclass(frozen=True)
class Runner:
    """An index, what was tuned, the families of experts in use (bools, as `state.FAMILIES`), and the longest indel."""

    index: GeneIndex
    tables: Tables
    gate: Gate
    use: np.ndarray
    max_indel: int

    def _state(self, rows: int = 1) -> State:
        return new_state(rows, self.index.shards, len(self.gate.hidden))

    @property
    def _strands(self) -> tuple[StrandArrays, StrandArrays]:
        return self.index.forward.arrays(), self.index.reverse.arrays()

    def _run(self, encoded: EncodedSequences, kernel: Callable[[tuple, slice, State], Any]) -> list[Any]:
        """Call ``kernel(arguments, slice of the stream, state)`` for runs of whole sequences, in threads."""
        strands = self._strands

        def run(part: EncodedSequences, here: slice):
            # one type of array for the compiler, whether or not the caller's arrays are writable
            symbols, starts = part.symbols.view(), part.starts.view()
            symbols.flags.writeable = starts.flags.writeable = False
            return kernel((symbols, starts, *strands, self.tables), here, self._state())

        size = max(PART, len(encoded.symbols) // (4 * (os.cpu_count() or 1)))
        return map_parts(run, encoded, size)

    def predict(self, encoded: EncodedSequences) -> np.ndarray:
        """Return log-probabilities before every symbol, shape (symbols, 5)."""
        out = np.empty((len(encoded.symbols), NUM_SYMBOLS))
        self._run(
            encoded,
            lambda arguments, here, state: kernels.predict(
                *arguments, self.gate, self.use, self.max_indel, state, out[here]
            ),
        )
        return out

    def trace(self, encoded: EncodedSequences) -> Trace:
        """Return what `predict` returns, and where it comes from."""
        n = len(encoded.symbols)
        trace = Trace(
            np.empty((n, NUM_SYMBOLS)), np.empty((n, NUM_EXPERTS)), np.empty((n, 2), np.int64), np.empty((n, 2))
        )
        self._run(
            encoded,
            lambda arguments, here, state: kernels.trace(
                *arguments, self.gate, self.use, self.max_indel, state, *(array[here] for array in trace)
            ),
        )
        return trace

    def gate_inputs(self, encoded: EncodedSequences, out: GateInputs | None = None) -> GateInputs:
        """Return what the gate is trained on, in new arrays or written to ``out``."""
        inputs = out or GateInputs.empty(len(encoded.symbols))
        self._run(
            encoded,
            lambda arguments, here, state: kernels.gate_inputs(
                *arguments, self.use, self.max_indel, state, *(array[here] for array in inputs)
            ),
        )
        return inputs

    def count_copies(self, encoded: EncodedSequences) -> tuple[np.ndarray, np.ndarray]:
        """Return misses and hits of copies by class (2, NUM_CLASSES, 2), and true symbols by case (2, NUM_CASES, 4)."""

        def count(arguments, here, state):
            hits, cases = np.zeros((2, NUM_CLASSES, 2), np.int64), np.zeros((2, NUM_CASES, 4), np.int64)
            kernels.count_copies(*arguments, self.use, self.max_indel, state, hits, cases)
            return hits, cases

        hits, cases = zip(*self._run(encoded, count), strict=True)
        return sum(hits), sum(cases)

    # step by step

    def start(self, prefixes: list[np.ndarray]) -> State:
        """Return the state of sequences that all begin with the same prefix (codes)."""
        state = self._state(len(prefixes))
        if prefixes:
            kernels.start_rows(
                prefixes[0].astype(np.int64), *self._strands, self.tables, self.use, self.max_indel, state
            )
        return state

    def next(self, state: State) -> np.ndarray:
        """Return log-probabilities of the next symbol, shape (rows, 5)."""
        out = np.empty((len(state.length), NUM_SYMBOLS))
        kernels.next_rows(*self._strands, self.tables, self.gate, self.use, self.max_indel, state, out)
        return out

    def advance(self, state: State, symbols: np.ndarray) -> None:
        """Append one nucleotide to each sequence."""
        kernels.advance_rows(symbols.astype(np.int64), *self._strands, self.use, state)


class Copied(NamedTuple):
    """Source of the more probable of the two strands' best copies, one row for each symbol.

    Attributes
    ----------
    gene : int64
        Index of the copied gene in the order in which genes were added; -1: nothing is copied.
    position : int64
        Position (0-based) of the copied nucleotide in that gene, on the strand that was added.
    symbol : uint8
        Symbol that the copy predicts.
    reverse : bool
        Copied from the other strand.
    chance : float64
        Probability that such a copy is right.
    """

    gene: np.ndarray
    position: np.ndarray
    symbol: np.ndarray
    reverse: np.ndarray
    chance: np.ndarray


def copied(trace: Trace, index: GeneIndex) -> Copied:
    """Return the source of the best copies of a trace in the index it was made with."""
    rows = np.arange(len(trace.best))
    strand = trace.chances.argmax(axis=1)
    pointer, chance = trace.best[rows, strand], trace.chances[rows, strand]
    starts = index.sequences().starts
    gene = np.where(pointer < 0, -1, np.searchsorted(starts, pointer, side="right") - 1)
    offset = pointer - starts[gene]
    position = np.where(strand == 0, offset, starts[gene + 1] - starts[gene] - 2 - offset)
    symbol = np.where(strand == 0, index.forward.symbols[pointer], index.reverse.symbols[pointer])
    return Copied(gene, position, symbol, strand == 1, chance)
