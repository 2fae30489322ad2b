"""Running the kernels: over many sequences in threads, or step by step for sampling."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dnastudy.data.sequences import NUM_SYMBOLS, EncodedSequences, map_parts
from dnastudy.models.expert import kernels
from dnastudy.models.expert.index import GeneIndex
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
"""Symbols a thread takes at least."""


class Observed(NamedTuple):
    """What the experts say and the gate is told, a row a symbol of the stream.

    Attributes
    ----------
    experts : float32 (symbols, NUM_EXPERTS, 4)
        Centred log-probabilities of the nucleotides.
    facts : float32 (symbols, NUM_FACTS)
    ending : float64 (symbols, NUM_END)
        What speaks for the end.
    """

    experts: np.ndarray
    facts: np.ndarray
    ending: np.ndarray

    @classmethod
    def empty(cls, n: int) -> Observed:
        """Room for ``n`` symbols."""
        experts, facts = np.empty((n, NUM_EXPERTS, 4), np.float32), np.empty((n, NUM_FACTS), np.float32)
        return cls(experts, facts, np.empty((n, NUM_END)))


class Trace(NamedTuple):
    """A prediction taken apart, a row a symbol of the stream.

    Attributes
    ----------
    log_probs : float64 (symbols, 5)
    shares : float64 (symbols, NUM_EXPERTS)
        What each expert adds to the logit of the nucleotide that came, nats; 0 for the end.
    best : int64 (symbols, 2)
        Position in the memory of each strand that the best copy says is next; -1: no copy.
    chances : float64 (symbols, 2)
        How often such a copy is right.
    """

    log_probs: np.ndarray
    shares: np.ndarray
    best: np.ndarray
    chances: np.ndarray


@dataclass(frozen=True)
class Runner:
    """A memory, what was tuned, the families of experts in use (bools, as `state.FAMILIES`), and the longest shift."""

    memories: GeneIndex
    tables: Tables
    gate: Gate
    use: np.ndarray
    shift: int

    def _state(self, rows: int = 1) -> State:
        return new_state(rows, self.memories.shards, len(self.gate.hidden))

    @property
    def _strands(self):
        return self.memories.forward.memory(), self.memories.reverse.memory()

    def _run(self, encoded: EncodedSequences, kernel: Callable[[tuple, slice, State], Any]) -> list[Any]:
        """Call ``kernel(arguments, place in the stream, state)`` for runs of whole sequences, in threads."""
        strands = self._strands

        def run(part: EncodedSequences, here: slice):
            # one kind of array for the compiler, whether or not the caller's can be written to
            symbols, starts = part.symbols.view(), part.starts.view()
            symbols.flags.writeable = starts.flags.writeable = False
            return kernel((symbols, starts, *strands, self.tables), here, self._state())

        size = max(PART, len(encoded.symbols) // (4 * (os.cpu_count() or 1)))
        return map_parts(run, encoded, size)

    def read(self, encoded: EncodedSequences) -> np.ndarray:
        """Log-probabilities before every symbol, shape (symbols, 5)."""
        out = np.empty((len(encoded.symbols), NUM_SYMBOLS))
        self._run(
            encoded,
            lambda given, here, state: kernels.read(*given, self.gate, self.use, self.shift, state, out[here]),
        )
        return out

    def trace(self, encoded: EncodedSequences) -> Trace:
        """What `read` gives, and where it comes from."""
        n = len(encoded.symbols)
        found = Trace(
            np.empty((n, NUM_SYMBOLS)), np.empty((n, NUM_EXPERTS)), np.empty((n, 2), np.int64), np.empty((n, 2))
        )
        self._run(
            encoded,
            lambda given, here, state: kernels.trace(
                *given, self.gate, self.use, self.shift, state, *(array[here] for array in found)
            ),
        )
        return found

    def observe(self, encoded: EncodedSequences, into: Observed | None = None) -> Observed:
        """What the gate learns from, in new arrays or written ``into`` those given."""
        found = into or Observed.empty(len(encoded.symbols))
        self._run(
            encoded,
            lambda given, here, state: kernels.observe(
                *given, self.use, self.shift, state, *(array[here] for array in found)
            ),
        )
        return found

    def count_copies(self, encoded: EncodedSequences) -> tuple[np.ndarray, np.ndarray]:
        """Misses and hits of copies of each class (2, NUM_CLASSES, 2); what came in each case (2, NUM_CASES, 4)."""

        def count(given, here, state):
            hits, cases = np.zeros((2, NUM_CLASSES, 2), np.int64), np.zeros((2, NUM_CASES, 4), np.int64)
            kernels.count_copies(*given, self.use, self.shift, state, hits, cases)
            return hits, cases

        hits, cases = zip(*self._run(encoded, count), strict=True)
        return sum(hits), sum(cases)

    # step by step

    def start(self, prefixes: list[np.ndarray]) -> State:
        """State of sequences that all begin with the same prefix (codes)."""
        state = self._state(len(prefixes))
        if prefixes:
            kernels.start_rows(prefixes[0].astype(np.int64), *self._strands, self.tables, self.use, self.shift, state)
        return state

    def next(self, state: State) -> np.ndarray:
        """Log-probabilities of the next symbol, shape (rows, 5)."""
        out = np.empty((len(state.length), NUM_SYMBOLS))
        kernels.next_rows(*self._strands, self.tables, self.gate, self.use, self.shift, state, out)
        return out

    def advance(self, state: State, symbols: np.ndarray) -> None:
        """Append one nucleotide to each sequence."""
        kernels.advance_rows(symbols.astype(np.int64), *self._strands, self.use, state)


class Copied(NamedTuple):
    """Where the likelier of the two strands' best copies is, a row a symbol.

    Attributes
    ----------
    gene : int64
        Number of the copied gene in the order they were remembered; -1: nothing is copied.
    position : int64
        Position (0-based) in that gene, as it was read, of the nucleotide that is copied.
    symbol : uint8
        What the copy says is next.
    reverse : bool
        Copied from the other strand.
    chance : float64
        How often such a copy is right.
    """

    gene: np.ndarray
    position: np.ndarray
    symbol: np.ndarray
    reverse: np.ndarray
    chance: np.ndarray


def copied(trace: Trace, memories: GeneIndex) -> Copied:
    """Look up the best copies of a trace in the memory it was made with."""
    rows = np.arange(len(trace.best))
    strand = trace.chances.argmax(axis=1)
    pointer, chance = trace.best[rows, strand], trace.chances[rows, strand]
    starts = memories.sequences().starts
    gene = np.where(pointer < 0, -1, np.searchsorted(starts, pointer, side="right") - 1)
    offset = pointer - starts[gene]
    position = np.where(strand == 0, offset, starts[gene + 1] - starts[gene] - 2 - offset)
    symbol = np.where(strand == 0, memories.forward.symbols[pointer], memories.reverse.symbols[pointer])
    return Copied(gene, position, symbol, strand == 1, chance)
