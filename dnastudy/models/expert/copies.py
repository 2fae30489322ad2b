"""Copy experts: each follows an occurrence of the prefix in an indexed gene, through substitutions and indels.

The idea of copy experts is that of XM (Cao, Dix, Allison and Mears, 2007). Here the weight of a copy depends on more
than its last few predictions: when it starts, the last 32 nucleotides are compared at once, and how often a copy with
such a record is right was counted on genes outside the index. The probabilities depend on what is copied: C before G,
for instance, has often become T.
"""

from __future__ import annotations

import numpy as np

from dnastudy.data.sequences import END
from dnastudy.models.expert.numba_cache import helper
from dnastudy.models.expert.state import COPIES, OCCURRENCES, RESUMED, RUNS, SIMILAR, TOLERATED

_EVEN = np.uint64(0x5555555555555555)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_RUN = np.uint64(0x5555555555555555) << np.uint64(64 - 2 * RESUMED)
_ONE, _TWO, _TOP, _WORD = np.uint64(1), np.uint64(2), np.uint64(62), np.uint64(64)


@helper
def ones(word):
    """Number of bits set in 64."""
    word = word - ((word >> _ONE) & _EVEN)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> _TWO) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@helper
def shifted_in(recent, symbol):
    """Return the last 32 nucleotides after one more."""
    return (recent >> _TWO) | (np.uint64(symbol) << _TOP)


@helper
def _last32(words, position):
    """The 32 nucleotides before a position, the latest in the top two bits."""
    at = position - 32
    if at <= -32:
        return np.uint64(0)
    if at < 0:
        return words[0] << np.uint64(-2 * at)
    shift = np.uint64(2 * (at & 31))
    if shift == 0:
        return words[at >> 5]
    return (words[at >> 5] >> shift) | (words[(at >> 5) + 1] << (_WORD - shift))


@helper
def run_of(agreed):
    """Number of hits in a row, up to the last nucleotide."""
    # leading zeros of the misses, by filling all bits below the first one
    missed = ~agreed & _EVEN
    for shift in (1, 2, 4, 8, 16, 32):
        missed |= missed >> np.uint64(shift)
    return (64 - ones(missed)) >> 1


@helper
def record_class(agreed, known):
    """Class of a copy: its run of hits in 11 steps, its misses, and the number of nucleotides compared in 3 steps."""
    run = run_of(agreed)
    if run < 4:
        step = run
    elif run < 8:
        step = 4 + (run - 4) // 2
    elif run < 20:
        step = 6 + (run - 8) // 4
    else:
        step = 9 if run < 32 else 10
    valid = 0 if known < 16 else 1 if known < 32 else 2
    return (valid * RUNS + step) * 33 + known - ones(agreed)


@helper
def case_of(level, text, position, last):
    """Row of the tables of symbols: level, copied nucleotide, the one after it, last nucleotide of the sequence."""
    return ((level * 4 + text[position]) * 5 + text[position + 1]) * 4 + last


@helper
def propose(state, row, strand, shard, index, max_indel):
    """Start copies at the occurrences of the shortest context that is rare enough, where the last 32 nt are similar."""
    low, high = state.low[row, strand, shard], state.high[row, strand, shard]
    k = 1
    while k < state.depth[row, strand, shard] and high[k] - low[k] > OCCURRENCES:
        k += 1
    pointer, agreed, known = state.pointer[row, strand], state.agreed[row, strand], state.known[row, strand]
    count, compared = state.copies[row, strand], min(32, state.length[row])
    if compared == 0:
        return
    mask = _ALL << np.uint64(64 - 2 * compared) & _EVEN
    enough = SIMILAR if compared == 32 else max(SIMILAR - (32 - compared) // 2, min(10, compared))
    for place in range(low[k], min(high[k], low[k] + OCCURRENCES)):
        position = np.int64(index.order[index.bounds[shard] + place])
        differ = state.recent[row] ^ _last32(index.words, position)
        right = ~(differ | (differ >> _ONE)) & mask
        hits, new, near = ones(right), True, False
        if hits < enough and right & _RUN != _RUN:
            continue
        for j in range(count):
            distance = abs(pointer[j] - position)
            new &= distance != 0
            near |= distance <= max_indel
        if not new or (hits < enough and not near) or index.text[position] == END:
            continue
        since = compared
        if near and hits < compared:
            # past an insertion or deletion: before the last run of hits a near diagonal agreed
            before = _ALL >> np.uint64(2 * run_of(right))
            here = right & ~before
            for j in range(count):
                joined = here | (agreed[j] & before)
                if abs(pointer[j] - position) <= max_indel and ones(joined) > hits:
                    right, hits, since = joined, ones(joined), max(since, known[j])
        if hits < enough:
            continue
        slot = count
        if count < COPIES:
            count += 1
        else:
            for j in range(COPIES):
                if ones(agreed[j]) < hits:
                    hits, slot = ones(agreed[j]), j
            if slot == COPIES:
                continue
        pointer[slot], agreed[slot], known[slot] = position, right, since
    state.copies[row, strand] = count


@helper
def predict_from_copies(state, row, strand, index, tables, out, facts):
    """Write what the copies of a strand predict: their weighted mean, the best one, their votes; centred logarithms.

    Return their total weight, and the weight of those that predict the end of the gene.
    """
    text = index.text
    last = np.int64(state.recent[row] >> _TOP) if state.length[row] else 0
    mean, votes = state.scratch[row, :4], state.scratch[row, 4:8]
    mean[:], votes[:] = 0, 0
    total = ending = top = 0.0
    best, voters = -1, 0
    for j in range(state.copies[row, strand]):
        position = state.pointer[row, strand, j]
        kind = record_class(state.agreed[row, strand, j], state.known[row, strand, j])
        weight = tables.weight[strand, kind]
        if text[position] == END:
            ending += weight
            continue
        total += weight
        voters += 1
        case = case_of(tables.level[strand, kind], text, position, last)
        for s in range(4):
            mean[s] += weight * tables.symbol[strand, case, s]
            votes[s] += tables.log_symbol[strand, case, s]
        if tables.hit[strand, kind] > top:
            top, best = tables.hit[strand, kind], j
            for s in range(4):
                out[1, s] = tables.log_symbol[strand, case, s]
    state.best[row, strand] = -1
    facts[:] = 0
    if voters:
        scale = 1 / np.sqrt(1.0 + voters)
        for s in range(4):
            out[0, s], out[2, s] = np.log(mean[s]), votes[s] * scale
        for e in range(3):
            centre = (out[e, 0] + out[e, 1] + out[e, 2] + out[e, 3]) / 4
            for s in range(4):
                out[e, s] -= centre
        state.best[row, strand] = state.pointer[row, strand, best]
        agreed = state.agreed[row, strand, best]
        facts[0], facts[1] = top, np.log(1.0 + voters)
        facts[2], facts[3] = ones(agreed) / 32, run_of(agreed) / 32
    else:
        out[:3] = 0
    return total + ending, ending


@helper
def follow(state, row, strand, text, symbol):
    """Advance all copies of a strand by one nucleotide, and drop those with too many misses."""
    kept = 0
    pointer, agreed, known = state.pointer[row, strand], state.agreed[row, strand], state.known[row, strand]
    for j in range(state.copies[row, strand]):
        copied = text[pointer[j]]
        if copied == END:
            continue
        right = shifted_in(agreed[j], copied == symbol)
        compared = min(32, known[j] + 1)
        if compared - ones(right) > TOLERATED or (compared >= 16 and ones(right >> np.uint64(32)) < 6):
            continue
        pointer[kept], agreed[kept], known[kept] = pointer[j] + 1, right, compared
        kept += 1
    state.copies[row, strand] = kept


@helper
def tally(state, row, strand, index, tables, symbol, hits, symbols):
    """Count hits and misses of each class of copies, and the true symbol of each case, from which tables are made."""
    last = np.int64(state.recent[row] >> _TOP) if state.length[row] else 0
    for j in range(state.copies[row, strand]):
        position = state.pointer[row, strand, j]
        copied = index.text[position]
        if copied == END:
            continue
        kind = record_class(state.agreed[row, strand, j], state.known[row, strand, j])
        hits[kind, 1 if copied == symbol else 0] += 1
        symbols[case_of(tables.level[strand, kind], index.text, position, last), symbol] += 1
