"""An index of genes: the counts after every context and all its occurrences, from one sorted array.

Positions of the text are sorted by the symbols before them, the latest first, so that all occurrences of a context of
any length are neighbours. Appending a symbol to a context maps its range of places to a new one by counting
symbols only (the FM-index of Ferragina and Manzini, 2000, for the reversed text), and the same counts say what follows
the context. That takes 12 bytes a nucleotide for both strands, and no table an order.

New genes form a shard of their own; shards of like size are merged (the logarithmic method of Bentley and Saxe, 1980),
so that adding genes one by one costs little more than sorting all at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from dnastudy.data.sequences import END, EncodedSequences
from dnastudy.models.expert.numba_cache import kernel_compiler

kernel = kernel_compiler(__file__)
SORTED_BY = 27
"""Symbols before a position by which it is sorted: as many as fit 64 bits in base 5."""
DIGIT = 11
"""Bits sorted by at a time: as many buckets as fit the caches of a processor."""
BLOCK = 64
"""Sorted places a row of `StrandArrays.blocks` counts; the kernels use a shift by 6."""


class StrandArrays(NamedTuple):
    """Genes of one strand as the kernels read them. Positions are those in ``text``, whichever shard they are in.

    Attributes
    ----------
    text : uint8 (n,)
        Symbols 0..3, and END after each gene.
    order : int32 (n,)
        Positions sorted by the symbols before them; one shard after the other.
    blocks : uint64 (blocks, 6)
        For 64 sorted places: one bit word a nucleotide, and the four counts before them, 32 bits each.
    words : uint64
        The text, 32 nucleotides a word, the earliest lowest.
    bounds, block_bounds : int64 (shards + 1,)
        Where each shard starts in the text, and in ``blocks``.
    first : int64 (shards, 5)
        Sorted places whose latest symbol is smaller than this one.
    """

    text: np.ndarray
    order: np.ndarray
    blocks: np.ndarray
    words: np.ndarray
    bounds: np.ndarray
    block_bounds: np.ndarray
    first: np.ndarray


@kernel
def _context_keys(text, out):
    """Last 27 symbols before each position as one number in base 5, the latest in the highest digit."""
    top = np.int64(5) ** 26
    key = np.int64(0)
    for i in range(max(0, len(text) - 27), len(text)):
        key = text[i] * top + key // 5
    for i in range(len(text)):
        out[i] = key
        key = text[i] * top + key // 5


@kernel
def _sort_by_digit(keys, order, shift, ends, sorted_keys, sorted_order):
    """One pass of a radix sort, stable: by the DIGIT bits of the keys from ``shift`` on (``ends``: working space)."""
    ends[:] = 0
    mask = len(ends) - 1
    for key in keys:
        ends[(key >> shift) & mask] += 1
    for digit in range(1, len(ends)):
        ends[digit] += ends[digit - 1]
    for i in range(len(keys) - 1, -1, -1):
        digit = (keys[i] >> shift) & mask
        ends[digit] -= 1
        sorted_keys[ends[digit]], sorted_order[ends[digit]] = keys[i], order[i]


def _sorted_places(text: np.ndarray) -> np.ndarray:
    """Positions of a stream sorted by the symbols before them, in time that is linear in its length; int32 (n,)."""
    keys = np.empty(len(text), np.int64)
    _context_keys(text, keys)
    order = np.arange(len(text), dtype=np.int32)
    other_keys, other_order = np.empty_like(keys), np.empty_like(order)
    ends = np.empty(1 << DIGIT, np.int64)
    for shift in range(0, int(5**SORTED_BY).bit_length(), DIGIT):
        _sort_by_digit(keys, order, shift, ends, other_keys, other_order)
        keys, order, other_keys, other_order = other_keys, other_order, keys, order
    return order


@kernel
def _fill_blocks(text, order, blocks, seen):
    """Bit words and running counts of the symbols of one shard in sorted order (``seen``: four zeros)."""
    one, half = np.uint64(1), np.uint64(32)
    for b in range(len(blocks)):
        blocks[b, :4] = 0
        blocks[b, 4] = seen[0] | (seen[1] << half)
        blocks[b, 5] = seen[2] | (seen[3] << half)
        for j in range(b * BLOCK, min(len(order), b * BLOCK + BLOCK)):
            symbol = text[order[j]]
            if symbol < END:
                blocks[b, symbol] |= one << np.uint64(j & 63)
                seen[symbol] += one


@kernel
def _pack(text, words, start):
    """Write the words from position ``start`` on."""
    for i in range(start, len(text)):
        shift = np.uint64(2 * (i & 31))
        words[i >> 5] = (words[i >> 5] & ~(np.uint64(3) << shift)) | (np.uint64(text[i] & 3) << shift)


class StrandIndex:
    """Index of one strand, to which genes can be added."""

    def __init__(self):
        self._text = np.zeros(0, np.uint8)
        self._order = np.zeros(0, np.int32)
        self._blocks = np.zeros((0, 6), np.uint64)
        self._words = np.zeros(2, np.uint64)
        self._bounds, self._block_bounds, self._first = [0], [0], []

    def add(self, symbols: np.ndarray) -> None:
        """Append a stream of genes as a new shard, and merge shards of similar size."""
        start, end = self._bounds[-1], self._bounds[-1] + len(symbols)
        if end >= 2**31:
            raise ValueError("an index holds at most 2,147,483,647 symbols a strand")
        self._text, self._order = _grown(self._text, end), _grown(self._order, end)
        self._words = _grown(self._words, end // 32 + 2)
        self._text[start:end] = symbols
        _pack(self._text[:end], self._words, start)
        while len(self._first) and start - self._bounds[-2] <= 2 * (end - start):
            start = self._bounds[-2]
            for ends in (self._bounds, self._block_bounds, self._first):
                ends.pop()
        self._sort(start, end)

    def _sort(self, start: int, end: int) -> None:
        text = self._text[start:end]
        order = _sorted_places(text)
        at = self._block_bounds[-1]
        blocks = len(text) // BLOCK + 1
        self._blocks = _grown(self._blocks, at + blocks)
        _fill_blocks(text, order, self._blocks[at : at + blocks], np.zeros(4, np.uint64))
        order += start
        self._order[start:end] = order
        self._bounds.append(end)
        self._block_bounds.append(at + blocks)
        self._first.append(np.concatenate([[0], np.cumsum(np.bincount(text, minlength=END + 1))[:-1]]))

    def arrays(self) -> StrandArrays:
        """Return what the kernels read; valid until genes are added."""
        return StrandArrays(
            self._text, self._order, self._blocks, self._words, np.array(self._bounds),
            np.array(self._block_bounds), np.array(self._first, np.int64).reshape(-1, END + 1),
        )  # fmt: skip

    @property
    def symbols(self) -> np.ndarray:
        """The stream of indexed genes."""
        return self._text[: self._bounds[-1]]


class GeneIndex:
    """Index of both strands of the same genes: the sequences as given, and their reverse complements."""

    def __init__(self):
        self.forward, self.reverse = StrandIndex(), StrandIndex()

    def add(self, sequences: EncodedSequences) -> None:
        """Add genes to the index of both strands."""
        jobs = [(self.forward, sequences.symbols), (self.reverse, _reverse_complements(sequences))]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda job: job[0].add(job[1]), jobs))

    @property
    def shards(self) -> int:
        """Number of shards, each sorted on its own."""
        return len(self.forward.arrays().first)

    def sequences(self) -> EncodedSequences:
        """Return the genes in the order in which they were added."""
        symbols = self.forward.symbols
        return EncodedSequences(symbols, np.concatenate([[0], np.flatnonzero(symbols == END) + 1]))


def _reverse_complements(sequences: EncodedSequences) -> np.ndarray:
    """Stream of the genes' reverse complements, in the same order."""
    symbols = np.array(sequences.symbols)
    symbols[symbols < END] ^= 3
    starts = sequences.starts
    # place i of a gene takes the symbol of place (length - 1 - i); the end stays
    mirror = np.repeat(starts[:-1] + starts[1:] - 2, np.diff(starts)) - np.arange(len(symbols))
    mirror[starts[1:] - 1] = starts[1:] - 1
    return symbols[mirror]


def _grown(array: np.ndarray, size: int) -> np.ndarray:
    """Return the array, or a copy with room for ``size`` rows and some more."""
    if len(array) >= size:
        return array
    new = np.zeros((size if not len(array) else max(size, len(array) * 3 // 2), *array.shape[1:]), array.dtype)
    new[: len(array)] = array
    return new
