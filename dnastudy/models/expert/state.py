"""The experts, and the state of a sequence while it is scored or generated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CONTEXT_ORDERS = (1, 2, 3, 4, 6, 8, 10, 11, 12, 14, 18)
REVERSE_ORDERS = (11, 14, 18)
OWN_ORDERS = (0, 1, 2, 3, 4, 7)
INVERTED_ORDER = 7
DEPTH = 18
"""Longest context, nt."""
LARGE = 12
"""From this order on, 1/16 is added to counts; below, 1/2."""

FAMILIES = {
    "context": [f"context {k}" for k in CONTEXT_ORDERS],
    "copy": ["copies: mean", "copies: best", "copies: votes"],
    "reverse": [
        *(f"reverse {k}" for k in REVERSE_ORDERS),
        *(f"reverse copies: {x}" for x in ("mean", "best", "votes")),
    ],
    "own": [f"own {k}" for k in OWN_ORDERS],
    "inverted": [f"inverted {INVERTED_ORDER}"],
}
"""Families of experts and the experts of each."""
EXPERTS = [name for names in FAMILIES.values() for name in names]
NUM_EXPERTS = len(EXPERTS)
COPY_AT = EXPERTS.index("copies: mean")
REVERSE_AT = COPY_AT + 3
REVERSE_COPY_AT = REVERSE_AT + len(REVERSE_ORDERS)
OWN_AT = REVERSE_COPY_AT + 3
INVERTED_AT = OWN_AT + len(OWN_ORDERS)

DECAYS = (0.8, 0.97)
"""A nucleotide t steps back has weight decay ** t in the recent record of an expert."""
COPY_FACTS = 4
"""Highest probability of a hit, number of copies, and hits and run of the best copy."""
DEPTH_FACT = NUM_EXPERTS + 2 * COPY_FACTS
RECORD_AT = DEPTH_FACT + 2
NUM_FACTS = RECORD_AT + len(DECAYS) * NUM_EXPERTS
"""Facts: nucleotides counted by each context expert (0 for copies), those of copies, depth, position; records."""
END_ORDERS = CONTEXT_ORDERS[2:]
NUM_END = 2 + len(END_ORDERS) + 1
"""Features of the end of the gene: a constant, the position, contexts, copies."""

COPIES = 24
"""Copies that are followed at the same time, on each strand."""
OCCURRENCES = 64
"""Copies start where the context occurs at most this often."""
PROPOSED_EVERY = 1
"""Steps, in nt, at which copies may start."""
SIMILAR = 20
"""Nucleotides of the last 32 that must agree for a copy to start."""
RESUMED = 8
"""Nucleotides in a row that must agree for a copy to resume after an insertion or deletion."""
TOLERATED = 20
"""Misses in the last 32 nucleotides beyond which a copy is dropped."""
MAX_INDEL = 16
"""Longest insertion or deletion that a copy survives, nt."""
RUNS, KNOWN = 11, 3
NUM_CLASSES = KNOWN * RUNS * 33
LEVELS = 16
NUM_CASES = LEVELS * 4 * 5 * 4


class Tables(NamedTuple):
    """What was tuned: tables of copies on each strand, and the probability of the end.

    Attributes
    ----------
    weight, hit : float64 (2, NUM_CLASSES)
        Weight of a copy with a record of this class, and how often such a copy is right.
    level : int64 (2, NUM_CLASSES)
        ``hit`` in LEVELS steps.
    symbol, log_symbol : float64 (2, NUM_CASES, 4)
        Next nucleotide given level, copied nucleotide, the one after that, and the sequence's last; its logarithm.
    end : float64 (bins,)
        Probability of the end by bin of the position.
    """

    weight: np.ndarray
    hit: np.ndarray
    level: np.ndarray
    symbol: np.ndarray
    log_symbol: np.ndarray
    end: np.ndarray


class Gate(NamedTuple):
    """Network from facts to the weights of the experts, and the weights of the end.

    Attributes
    ----------
    inputs : float32 (NUM_FACTS, hidden)
    hidden : float32 (hidden,)
    outputs : float32 (hidden, NUM_EXPERTS)
    bias : float32 (NUM_EXPERTS,)
    end : float64 (NUM_END,)
    """

    inputs: np.ndarray
    hidden: np.ndarray
    outputs: np.ndarray
    bias: np.ndarray
    end: np.ndarray


class State(NamedTuple):
    """State of each sequence so far, one row each.

    Attributes
    ----------
    length : int64 (rows,)
    recent : uint64 (rows,)
        Last 32 nucleotides, the latest in the top two bits.
    depth : int64 (rows, 2, shards)
        Longest context that occurs, on each strand, nt.
    low, high : int64 (rows, 2, shards, DEPTH + 1)
        Sorted places of each context, from ``low`` to before ``high``.
    below, within : int64 (rows, 2, shards, DEPTH + 1, 4)
        Nucleotides before ``low``, and from ``low`` to ``high``.
    copies : int64 (rows, 2)
        Copies followed, on each strand.
    pointer : int64 (rows, 2, COPIES)
        Position in the index of the nucleotide that each copy predicts.
    agreed : uint64 (rows, 2, COPIES)
        Two bits a nucleotide, 01 where the copy was right, the latest on top.
    known : int64 (rows, 2, COPIES)
        Nucleotides compared, at most 32.
    own : uint16 (rows, contexts, 4)
        Counts in the sequence itself.
    record : float32 (rows, NUM_EXPERTS, 2)
        Recent gain of each expert over 1/4, for both decays.
    experts : float32 (rows, NUM_EXPERTS, 4)
        What they predict: centred log-probabilities.
    facts : float32 (rows, NUM_FACTS)
    ending : float64 (rows, NUM_END)
    best : int64 (rows, 2)
        Position that the best copy of each strand predicts from, or -1.
    weights : float32 (rows, NUM_EXPERTS)
        Weights the gate gave the experts last.
    hidden : float32 (rows, hidden)
    counts : int64 (rows, 4)
    scratch : float64 (rows, 8)
        Working space.
    """

    length: np.ndarray
    recent: np.ndarray
    depth: np.ndarray
    low: np.ndarray
    high: np.ndarray
    below: np.ndarray
    within: np.ndarray
    copies: np.ndarray
    pointer: np.ndarray
    agreed: np.ndarray
    known: np.ndarray
    own: np.ndarray
    record: np.ndarray
    experts: np.ndarray
    facts: np.ndarray
    ending: np.ndarray
    best: np.ndarray
    weights: np.ndarray
    hidden: np.ndarray
    counts: np.ndarray
    scratch: np.ndarray


OWN_OFFSETS = tuple(int(x) for x in np.cumsum([0, *(4**k for k in OWN_ORDERS)]))
"""First row of ``own`` for each order, then for the inverted repeats."""


def new_state(rows: int, shards: int, hidden: int) -> State:
    """Return rows for sequences that are not started yet."""
    deep, slots = (rows, 2, shards, DEPTH + 1), (rows, 2, COPIES)
    shapes = {
        "length": ((rows,), np.int64), "recent": ((rows,), np.uint64), "depth": (deep[:3], np.int64),
        "low": (deep, np.int64), "high": (deep, np.int64), "below": ((*deep, 4), np.int64),
        "within": ((*deep, 4), np.int64), "copies": ((rows, 2), np.int64), "pointer": (slots, np.int64),
        "agreed": (slots, np.uint64), "known": (slots, np.int64),
        "own": ((rows, OWN_OFFSETS[-1] + 4**INVERTED_ORDER, 4), np.uint16),
        "record": ((rows, NUM_EXPERTS, len(DECAYS)), np.float32), "experts": ((rows, NUM_EXPERTS, 4), np.float32),
        "facts": ((rows, NUM_FACTS), np.float32), "ending": ((rows, NUM_END), np.float64),
        "best": ((rows, 2), np.int64), "weights": ((rows, NUM_EXPERTS), np.float32),
        "hidden": ((rows, hidden), np.float32), "counts": ((rows, 4), np.int64), "scratch": ((rows, 8), np.float64),
    }  # fmt: skip
    return State(**{name: np.zeros(shape, kind) for name, (shape, kind) in shapes.items()})


def end_bin(position):
    """Bin of a position (nt before it) for the hazard of the end: about eight a doubling."""
    return (8 * np.log2(1 + np.asarray(position) / 8)).astype(np.int64)
