"""The compiled loop over the symbols of sequences: what every expert predicts next, and the mixture of that.

`predict_experts` and `advance` alternate. They share a row of `State` for each sequence, so that scoring, with one
sequence at a time, and sampling, with many, run the same code.
"""

from __future__ import annotations

import numpy as np

from dnastudy.data.sequences import END
from dnastudy.models.expert.contexts import context_counts, extend_contexts, find_counts, start_strand
from dnastudy.models.expert.copies import follow, predict_from_copies, propose, shifted_in, tally
from dnastudy.models.expert.numba_cache import fast_helper, helper, kernel_compiler
from dnastudy.models.expert.state import (
    CONTEXT_ORDERS,
    COPY_AT,
    COPY_FACTS,
    DECAYS,
    DEPTH,
    DEPTH_FACT,
    END_ORDERS,
    INVERTED_AT,
    INVERTED_ORDER,
    LARGE,
    NUM_EXPERTS,
    OWN_AT,
    OWN_OFFSETS,
    OWN_ORDERS,
    PROPOSED_EVERY,
    RECORD_AT,
    REVERSE_AT,
    REVERSE_COPY_AT,
    REVERSE_ORDERS,
    end_bin,
)  # fmt: skip

kernel = kernel_compiler(__file__)

_CONTEXTS = np.array(CONTEXT_ORDERS)
_REVERSE = np.array(REVERSE_ORDERS)
_OWN = np.array(OWN_ORDERS)
_OFFSETS = np.array(OWN_OFFSETS)
_FIRST_END = len(CONTEXT_ORDERS) - len(END_ORDERS)
_RATES = np.array(DECAYS, dtype=np.float32)
_ONE = np.uint64(1)
_LOGS = 4096
_LOG_HALF = np.log(np.arange(_LOGS) + 1 / 2)
_LOG_SIXTEENTH = np.log(np.arange(_LOGS) + 1 / 16)
_LOG_ONE = np.log(np.arange(_LOGS) + 1.0)
_BINS = end_bin(np.arange(_LOGS))


@helper
def _log_count(count, order):
    if count < _LOGS:
        return _LOG_HALF[count] if order < LARGE else _LOG_SIXTEENTH[count]
    return np.log(count + (1 / 2 if order < LARGE else 1 / 16))


@helper
def _log_one(count):
    return _LOG_ONE[count] if count < _LOGS else np.log(count + 1.0)


@helper
def _bin(position):
    """See `state.end_bin`."""
    return np.int64(8 * np.log2(1 + position / 8))


@helper
def _predict_counts(counts, order, out):
    """Write centred logarithms of smoothed counts; return log(1 + all counts), a fact for the gate."""
    a, c = _log_count(counts[0], order), _log_count(counts[1], order)
    g, t = _log_count(counts[2], order), _log_count(counts[3], order)
    mean = (a + c + g + t) / 4
    out[0], out[1], out[2], out[3] = a - mean, c - mean, g - mean, t - mean
    seen = np.int64(counts[0]) + np.int64(counts[1]) + np.int64(counts[2]) + np.int64(counts[3])
    return _log_one(seen)


@helper
def start(state, row, forward, reverse):
    """Reset a row for a new sequence: the context is the end of any gene before it."""
    state.length[row], state.recent[row], state.copies[row] = 0, 0, 0
    state.own[row], state.record[row] = 0, 0
    start_strand(state, row, 0, forward)
    start_strand(state, row, 1, reverse)


@helper
def _predict_copies(state, row, strand, index, tables, max_indel, out, facts):
    """Predict from the copies of one strand; return their weight, and the weight of those that predict the end."""
    for shard in range(len(index.first) if state.length[row] % PROPOSED_EVERY == 0 else 0):
        propose(state, row, strand, shard, index, max_indel)
    return predict_from_copies(state, row, strand, index, tables, out, facts)


@helper
def predict_experts(state, row, forward, reverse, tables, use, max_indel):
    """Compute what each expert of the families in ``use`` (context, copy, reverse, own, inverted) predicts next."""
    experts, facts, ending = state.experts[row], state.facts[row], state.ending[row]
    length = state.length[row]
    facts[:RECORD_AT] = 0
    ending[:] = 0
    hazard = tables.end[min(_BINS[length] if length < _LOGS else _bin(length), len(tables.end) - 1)]
    ending[0], ending[1] = 1, np.log(hazard / (1 - hazard))
    counts = state.counts[row]
    if use[0] or use[1]:
        find_counts(state, row, 0, forward)
    if use[0]:
        for e in range(len(_CONTEXTS)):
            ends = context_counts(state, row, 0, _CONTEXTS[e], counts)
            facts[e] = _predict_counts(counts, _CONTEXTS[e], experts[e])
            if e >= _FIRST_END:
                ending[2 + e - _FIRST_END] = (
                    np.log((ends + hazard) / (ends + counts.sum() + 1) / hazard) if ends else -facts[e]
                )
    if use[1]:
        at = NUM_EXPERTS
        weight, ends_here = _predict_copies(
            state, row, 0, forward, tables, max_indel, experts[COPY_AT : COPY_AT + 3], facts[at : at + COPY_FACTS]
        )
        if weight > 0:
            ending[-1] = np.log((ends_here + hazard) / (weight + 1) / hazard)
    if use[2]:
        find_counts(state, row, 1, reverse)
        for e in range(len(_REVERSE)):
            context_counts(state, row, 1, _REVERSE[e], counts)
            facts[REVERSE_AT + e] = _predict_counts(counts, _REVERSE[e], experts[REVERSE_AT + e])
        at = NUM_EXPERTS + COPY_FACTS
        copies = experts[REVERSE_COPY_AT : REVERSE_COPY_AT + 3]
        _predict_copies(state, row, 1, reverse, tables, max_indel, copies, facts[at : at + COPY_FACTS])
    if use[3]:
        for e in range(len(_OWN)):
            k = _OWN[e]
            if k <= length:
                seen = state.own[row, _OFFSETS[e] + (np.int64(state.recent[row] >> np.uint64(64 - 2 * k)) if k else 0)]
                facts[OWN_AT + e] = _predict_counts(seen, k, experts[OWN_AT + e])
            else:
                experts[OWN_AT + e] = 0
    if use[4] and length >= INVERTED_ORDER:
        seen = state.own[row, _OFFSETS[-1] + np.int64(state.recent[row] >> np.uint64(64 - 2 * INVERTED_ORDER))]
        facts[INVERTED_AT] = _predict_counts(seen, INVERTED_ORDER, experts[INVERTED_AT])
    else:
        experts[INVERTED_AT] = 0
    longest = 0
    for shard in range(state.depth.shape[2]):
        longest = max(longest, state.depth[row, 0, shard])
    facts[DEPTH_FACT], facts[DEPTH_FACT + 1] = longest / DEPTH, _log_one(length)
    for e in range(NUM_EXPERTS):
        for d in range(len(_RATES)):
            facts[RECORD_AT + d * NUM_EXPERTS + e] = state.record[row, e, d]


@helper
def advance(state, row, symbol, forward, reverse, use):
    """Update every expert with the nucleotide that came."""
    length = state.length[row]
    for e in range(NUM_EXPERTS):
        for d in range(len(_RATES)):
            gain = state.experts[row, e, symbol]
            state.record[row, e, d] = _RATES[d] * state.record[row, e, d] + (1 - _RATES[d]) * gain
    for e in range(len(_OWN)):
        k = _OWN[e]
        if k <= length:
            at = _OFFSETS[e] + (np.int64(state.recent[row] >> np.uint64(64 - 2 * k)) if k else 0)
            state.own[row, at, symbol] = min(np.int64(state.own[row, at, symbol]) + 1, 65535)
    state.recent[row] = shifted_in(state.recent[row], symbol)
    state.length[row] = length + 1
    if length >= INVERTED_ORDER:
        # on the other strand the complement of the nucleotide k back follows the reverse complement of the last k
        code = 0
        for back in range(INVERTED_ORDER - 1, -1, -1):
            code = code * 4 + 3 - np.int64((state.recent[row] >> np.uint64(62 - 2 * back)) & np.uint64(3))
        before = 3 - np.int64((state.recent[row] >> np.uint64(62 - 2 * INVERTED_ORDER)) & np.uint64(3))
        at = _OFFSETS[-1] + code
        state.own[row, at, before] = min(np.int64(state.own[row, at, before]) + 1, 65535)
    if use[1]:
        follow(state, row, 0, forward.text, symbol)
    if use[0] or use[1]:
        extend_contexts(state, row, 0, forward, symbol)
    if use[2]:
        follow(state, row, 1, reverse.text, symbol)
        extend_contexts(state, row, 1, reverse, symbol)


@helper
def _copy(source, target):
    for i in range(len(source)):
        target[i] = source[i]


@fast_helper
def _add_product(vector, matrix, out):
    """Add vector @ matrix to ``out``; four rows at a time, as one after the other would wait for each sum."""
    whole = len(vector) // 4 * 4
    for i in range(0, whole, 4):
        a, b, c, d = vector[i], vector[i + 1], vector[i + 2], vector[i + 3]
        for j in range(len(out)):
            out[j] += a * matrix[i, j] + b * matrix[i + 1, j] + c * matrix[i + 2, j] + d * matrix[i + 3, j]
    for i in range(whole, len(vector)):
        for j in range(len(out)):
            out[j] += vector[i] * matrix[i, j]


@fast_helper
def mix(state, row, gate, out):
    """Write log-probabilities of A C G T and END: the geometric mean of the experts with the weights of the gate."""
    facts, experts, weights = state.facts[row], state.experts[row], state.weights[row]
    hidden = state.hidden[row]
    _copy(gate.hidden, hidden)
    _add_product(facts, gate.inputs, hidden)
    for h in range(len(hidden)):
        hidden[h] = max(hidden[h], 0)
    _copy(gate.bias, weights)
    _add_product(hidden, gate.outputs, weights)
    a = c = g = t = 0.0
    for e in range(NUM_EXPERTS):
        weight = np.float64(weights[e])
        a += weight * experts[e, 0]
        c += weight * experts[e, 1]
        g += weight * experts[e, 2]
        t += weight * experts[e, 3]
    ending = 0.0
    for i in range(len(gate.end)):
        ending += gate.end[i] * state.ending[row, i]
    top = max(max(a, c), max(g, t))
    total = np.log(np.exp(a - top) + np.exp(c - top) + np.exp(g - top) + np.exp(t - top)) + top
    going_on = -np.log1p(np.exp(ending)) if ending < 30 else -ending
    out[0], out[1], out[2], out[3] = (
        a - total + going_on,
        c - total + going_on,
        g - total + going_on,
        t - total + going_on,
    )
    out[4] = ending + going_on


# whole sequences


@kernel
def predict(symbols, starts, forward, reverse, tables, gate, use, max_indel, state, out):
    """Write log-probabilities before every symbol of a stream, shape (symbols, 5)."""
    for gene in range(len(starts) - 1):
        start(state, 0, forward, reverse)
        for i in range(starts[gene], starts[gene + 1]):
            predict_experts(state, 0, forward, reverse, tables, use, max_indel)
            mix(state, 0, gate, out[i])
            if symbols[i] != END:
                advance(state, 0, symbols[i], forward, reverse, use)


@kernel
def trace(symbols, starts, forward, reverse, tables, gate, use, max_indel, state, out, shares, best, chances):
    """Write what `predict` writes, the share of each expert, and the best copies with their chances: `runner.Trace`."""
    for gene in range(len(starts) - 1):
        start(state, 0, forward, reverse)
        for i in range(starts[gene], starts[gene + 1]):
            predict_experts(state, 0, forward, reverse, tables, use, max_indel)
            mix(state, 0, gate, out[i])
            for strand in range(2):
                best[i, strand] = state.best[0, strand]
                chances[i, strand] = state.facts[0, NUM_EXPERTS + strand * COPY_FACTS]
            for e in range(NUM_EXPERTS):
                shares[i, e] = 0 if symbols[i] == END else state.weights[0, e] * state.experts[0, e, symbols[i]]
            if symbols[i] != END:
                advance(state, 0, symbols[i], forward, reverse, use)


@kernel
def gate_inputs(symbols, starts, forward, reverse, tables, use, max_indel, state, experts, facts, ending):
    """Write the inputs of the gate: experts (symbols, NUM_EXPERTS, 4), facts (symbols, NUM_FACTS), ending."""
    for gene in range(len(starts) - 1):
        start(state, 0, forward, reverse)
        for i in range(starts[gene], starts[gene + 1]):
            predict_experts(state, 0, forward, reverse, tables, use, max_indel)
            for e in range(NUM_EXPERTS):
                _copy(state.experts[0, e], experts[i, e])
            _copy(state.facts[0], facts[i])
            _copy(state.ending[0], ending[i])
            if symbols[i] != END:
                advance(state, 0, symbols[i], forward, reverse, use)


@kernel
def count_copies(symbols, starts, forward, reverse, tables, use, max_indel, state, hits, cases):
    """Count misses and hits of copies by class (2, NUM_CLASSES, 2), and true symbols by case (2, NUM_CASES, 4)."""
    for gene in range(len(starts) - 1):
        start(state, 0, forward, reverse)
        for i in range(starts[gene], starts[gene + 1]):
            predict_experts(state, 0, forward, reverse, tables, use, max_indel)
            if symbols[i] != END:
                tally(state, 0, 0, forward, tables, symbols[i], hits[0], cases[0])
                tally(state, 0, 1, reverse, tables, symbols[i], hits[1], cases[1])
                advance(state, 0, symbols[i], forward, reverse, use)


@kernel
def next_rows(forward, reverse, tables, gate, use, max_indel, state, out):
    """Write log-probabilities of the next symbol of each of many sequences, shape (rows, 5)."""
    for row in range(len(state.length)):
        predict_experts(state, row, forward, reverse, tables, use, max_indel)
        mix(state, row, gate, out[row])


@kernel
def advance_rows(symbols, forward, reverse, use, state):
    """Append one nucleotide to each of many sequences."""
    for row in range(len(symbols)):
        advance(state, row, symbols[row], forward, reverse, use)


@kernel
def start_rows(prefix, forward, reverse, tables, use, max_indel, state):
    """Start many sequences with the same prefix (codes)."""
    for row in range(len(state.length)):
        start(state, row, forward, reverse)
        for i in range(len(prefix)):
            predict_experts(state, row, forward, reverse, tables, use, max_indel)
            advance(state, row, prefix[i], forward, reverse, use)
