"""Context experts: what follows each context in the indexed genes, for all lengths in one pass (see `index`)."""

from __future__ import annotations

import numpy as np

from dnastudy.data.sequences import END
from dnastudy.models.expert.copies import ones
from dnastudy.models.expert.numba_cache import helper
from dnastudy.models.expert.state import DEPTH

_ONE = np.uint64(1)


@helper
def _rank(blocks, block, place, out):
    """Counts of each nucleotide before a sorted place of the shard whose blocks start at ``block``."""
    row = block + (place >> 6)
    mask = (_ONE << np.uint64(place & 63)) - _ONE
    low, high, half = blocks[row, 4], blocks[row, 5], np.uint64(32)
    out[0] = np.int64(low & np.uint64(0xFFFFFFFF)) + ones(blocks[row, 0] & mask)
    out[1] = np.int64(low >> half) + ones(blocks[row, 1] & mask)
    out[2] = np.int64(high & np.uint64(0xFFFFFFFF)) + ones(blocks[row, 2] & mask)
    out[3] = np.int64(high >> half) + ones(blocks[row, 3] & mask)


@helper
def start_strand(state, row, strand, index):
    """Set the contexts before a gene: the empty one, and the end of any indexed gene."""
    for shard in range(len(index.first)):
        size = index.bounds[shard + 1] - index.bounds[shard]
        state.low[row, strand, shard, 0], state.high[row, strand, shard, 0] = 0, size
        state.low[row, strand, shard, 1], state.high[row, strand, shard, 1] = index.first[shard, END], size
        state.depth[row, strand, shard] = 1


@helper
def find_counts(state, row, strand, index):
    """Count what follows each context that occurs, in all shards."""
    for shard in range(len(index.first)):
        low, high = state.low[row, strand, shard], state.high[row, strand, shard]
        below, within = state.below[row, strand, shard], state.within[row, strand, shard]
        block = index.block_bounds[shard]
        for k in range(state.depth[row, strand, shard] + 1):
            if k and low[k] == low[k - 1] and high[k] == high[k - 1]:
                for s in range(4):
                    below[k, s], within[k, s] = below[k - 1, s], within[k - 1, s]
            else:
                _rank(index.blocks, block, low[k], below[k])
                _rank(index.blocks, block, high[k], within[k])
                for s in range(4):
                    within[k, s] -= below[k, s]


@helper
def extend_contexts(state, row, strand, index, symbol):
    """Append a nucleotide to every context: its range of sorted places follows from the counts before it."""
    for shard in range(len(index.first)):
        low, high = state.low[row, strand, shard], state.high[row, strand, shard]
        below, within = state.below[row, strand, shard], state.within[row, strand, shard]
        depth = 0
        for k in range(min(state.depth[row, strand, shard] + 1, DEPTH), 0, -1):
            low[k] = index.first[shard, symbol] + below[k - 1, symbol]
            high[k] = low[k] + within[k - 1, symbol]
            if not depth and high[k] > low[k]:
                depth = k
        state.depth[row, strand, shard] = depth


@helper
def context_counts(state, row, strand, k, out):
    """Write the counts after the context of k nt, of all shards, to ``out``; return how often a gene ended there."""
    ends = 0
    out[:] = 0
    for shard in range(state.depth.shape[2]):
        if k <= state.depth[row, strand, shard]:
            ends += state.high[row, strand, shard, k] - state.low[row, strand, shard, k]
            for s in range(4):
                out[s] += state.within[row, strand, shard, k, s]
    return ends - out.sum()
