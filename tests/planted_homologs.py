"""Targets and queries with known homologs, for the tests of aligners; and a mark for tests that need MMseqs2."""

import numpy as np
import pytest
from helpers import gene_frame

from dnastudy.data.sequences import reverse_complement
from dnastudy.homology.mmseqs import mmseqs_binary

try:
    mmseqs_binary()
    has_mmseqs = True
except FileNotFoundError:
    has_mmseqs = False
needs_mmseqs = pytest.mark.skipif(not has_mmseqs, reason="no MMseqs2 (extra 'homology')")


def letters(random, n):
    return "".join(random.choice(list("ACGT"), size=n))


def substitute(random, text, share):
    """``text`` with exactly this share of its letters changed, spread evenly."""
    places = np.linspace(2, len(text) - 3, round(share * len(text))).astype(int)
    codes = list(text)
    for place in places:
        codes[place] = "ACGT"[("ACGT".index(codes[place]) + 1 + int(random.integers(3))) % 4]
    return "".join(codes)


def plant(random, change):
    """Thirty targets and, by name, queries whose nearest one is told in `PLANTED`; ``change`` as `substitute`."""
    targets = [letters(random, 300) for _ in range(30)]
    return targets, {
        "copy": targets[0],
        "tenth": change(random, targets[1], 0.1),
        "other strand": reverse_complement(change(random, targets[2], 0.05)),
        "two fifths changed": change(random, targets[3], 0.4),
        "60 % of it": targets[4][:120] + letters(random, 80),
        "40 % of it": targets[5][:80] + letters(random, 120),
        "nobody": letters(random, 250),
        "30 nt": targets[9][10:40],
        "too short": targets[8][:12],
    }


PLANTED = [
    ("copy", "target 0", 1, 1, "+"),
    ("tenth", "target 1", 0.9, 1, "+"),
    ("other strand", "target 2", 0.95, 1, "-"),
    ("two fifths changed", "", 0, 0, ""),
    ("60 % of it", "target 4", 1, 0.6, "+"),
    ("40 % of it", "", 0, 0, ""),
    ("nobody", "", 0, 0, ""),
    ("30 nt", "target 9", 1, 1, "+"),
    ("too short", "", 0, 0, ""),
]
"""Query, its nearest target, identity, coverage and strand."""


def frames(targets, queries):
    return gene_frame(list(queries.values())).assign(id=list(queries)), gene_frame(targets, "target ")
