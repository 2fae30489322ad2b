"""Simulated genes: a deterministic stand-in for the real set, and plain sources of known entropy.

Genes of each kind descend from ancestors written by a Markov source of order 2, some with the structure of a reading
frame or a hairpin. Families grow along a random tree by copying with substitutions (CpG decays faster), insertions and
deletions, truncation, and now and then onto the other strand; the rest are single genes. All numbers stand in
``simulated.yaml`` and were fitted to aggregated figures of the real genes. Nothing here is a real sequence, and no
model of evolution is claimed: the point is a set on which every chapter runs and whose make-up is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd
import yaml

from dnastudy.data.genes import COLUMNS
from dnastudy.data.sequences import decode
from dnastudy.data.splits import random_split

MAX_LENGTH = 1000
"""Longest simulated gene, in nt."""
TRANSITIONS = 0.67
"""Share of substitutions that are transitions (A with G, C with T)."""
CPG_RATE = 4.0
"""How many times more often than other nucleotides those of a CpG are substituted."""
CPG_MADE = 0.55
"""Share of the substitutions making a new CpG that are kept, so that copying leaves CpG about as rare as it was."""
INDELS = 0.06
"""Insertions and deletions for each substitution; their lengths are 1 to 8 nt, short ones more often."""
INDEL_LENGTHS = np.array([1, 1, 1, 1, 2, 2, 3, 4, 5, 8])
CANDIDATES = 15
"""Ancestors drawn for a large family, of which the one of median GC is taken: no single draw tips the whole set."""
LARGE = 12
BURN_IN = 8
LOOP = 14
"""Unpaired nucleotides at the tip of a hairpin."""
STOPS = np.array([[3, 0, 0], [3, 0, 2], [3, 2, 0]], dtype=np.uint8)  # TAA TAG TGA


@dataclass(frozen=True)
class Kind:
    """One kind of gene as ``simulated.yaml`` describes it; see there for the meaning of each field."""

    name: str
    type: str
    share: float
    form: str
    length: list[int]
    sizes: list[list[float]]
    divergence: list[float]
    chain: float
    truncated: float
    kept: float
    reverse: float
    transitions: np.ndarray  # (components, 16, 4), per thousand


@lru_cache(maxsize=1)
def _parameters() -> tuple[list[Kind], np.ndarray]:
    """All kinds, and the codon usage of shape (64,)."""
    raw = yaml.safe_load(files("dnastudy.data").joinpath("simulated.yaml").read_text(encoding="utf-8"))
    kinds = []
    for name, fields in raw["kinds"].items():
        table = np.array(fields.pop("transitions"), dtype=np.int64).reshape(-1, 16, 4)
        kinds.append(Kind(name=name, transitions=table, **fields))
    return kinds, np.array(raw["codons"], dtype=np.int64).reshape(64)


def simulate_genes(n: int = 4000, seed: int = 1) -> pd.DataFrame:
    """Simulate a gene table.

    The same ``n`` and ``seed`` give the same table on every machine: only integers and uniform floats of PCG64 are
    drawn, and no function of the mathematics library is used.

    Parameters
    ----------
    n : int
        Number of genes. Lengths, composition, type shares and the share of relatives were fitted at 4,000 and change
        little with it: most families keep their size, so more genes mean more families.
    seed : int
        Seed of the random generator.

    Returns
    -------
    Gene table (`dnastudy.genes.COLUMNS`) in random order: ids "SIM000001" ..., symbols "FAM12-3" (family, copy) or
    "SINGLE7", no sequence twice, 1 to `MAX_LENGTH` nt.

    Raises
    ------
    ValueError
        For n < 1.
    """
    if n < 1:
        raise ValueError(f"n={n}: at least 1 gene")
    random = np.random.Generator(np.random.PCG64(seed))
    kinds, codons = _parameters()
    rows, seen, families, singles = [], set(), 0, 0
    for kind, count in zip(kinds, _shares([kind.share for kind in kinds], n), strict=True):
        sizes = _family_sizes(kind, count, random)
        label = kind.name.replace("_", " ")
        for size, ancestor in zip(sizes, _ancestors(kind, sizes, codons, random), strict=True):
            families, singles = families + (size > 1), singles + (size == 1)
            for copy, codes in enumerate(_grow(kind, ancestor, size, random), 1):
                sequence = decode(codes)
                while sequence in seen:
                    codes = codes.copy() if len(codes) < MAX_LENGTH else codes[1:].copy()
                    codes = np.append(codes, np.uint8(random.integers(4)))
                    sequence = decode(codes)
                seen.add(sequence)
                symbol = f"FAM{families}-{copy}" if size > 1 else f"SINGLE{singles}"
                member = f"copy {copy} of family {families} ({size} genes)" if size > 1 else "single gene"
                rows.append((symbol, f"simulated {label}, {member}", kind.type, sequence))
    order = np.argsort(random.random(len(rows)), kind="stable")
    rows = [(f"SIM{i:06d}", *rows[j]) for i, j in enumerate(order, 1)]
    return pd.DataFrame(rows, columns=COLUMNS, dtype="str")


def simulate_study(seed: int = 1, n: int = 4000) -> dict[str, pd.DataFrame]:
    """Simulated genes split 60/20/20 at random like the paper's: tables train, validation, test."""
    parts = random_split(simulate_genes(n, seed), seed=seed)
    return dict(zip(("train", "validation", "test"), parts, strict=True))


def _shares(shares: list[float], n: int) -> list[int]:
    """Cut ``n`` into whole numbers in these proportions (largest remainders get what is left)."""
    total = sum(shares)
    exact = [n * share / total for share in shares]
    counts = [int(value) for value in exact]
    order = sorted(range(len(shares)), key=lambda i: (counts[i] - exact[i], i))
    for i in order[: n - sum(counts)]:
        counts[i] += 1
    return counts


def _family_sizes(kind: Kind, count: int, random: np.random.Generator) -> list[int]:
    """Family sizes that sum to ``count``, in random order; size 0 in the table stands for the whole kind."""
    sizes = []
    shares = _shares([share for _, share in kind.sizes], count)
    for (size, _), genes in zip(kind.sizes, shares, strict=True):
        size = int(size) or max(genes, 1)
        sizes += [size] * (genes // size) + ([genes % size] if genes % size else [])
    return [sizes[i] for i in np.argsort(random.random(len(sizes)), kind="stable")]


def _ancestors(kind: Kind, sizes: list[int], codons: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    """One ancestor for each family, lengths spread evenly (over genes) along the kind's length quantiles."""
    if not sizes:
        return []
    knots = np.array(kind.length)
    # place of each family's middle along the quantiles, in whole numbers: rounding is the same on every machine
    whole = 2 * sum(sizes)
    low, part = np.divmod((2 * np.cumsum(sizes) - np.array(sizes)) * (len(knots) - 1), whole)
    lengths = knots[low] + ((knots[low + 1] - knots[low]) * part + whole // 2) // whole
    lengths = np.minimum(lengths, MAX_LENGTH)
    copies = np.where(np.array(sizes) >= LARGE, CANDIDATES, 1)
    family = np.repeat(np.arange(len(sizes)), copies)
    component = family % len(kind.transitions)
    thresholds = np.cumsum(kind.transitions, axis=-1).reshape(-1, 4)[:, :3]
    draws = random.integers(0, 1000, size=(BURN_IN + int(lengths.max()), len(family)))
    starts = random.integers(0, 16, size=len(family))
    written = _walk(thresholds, starts, draws, 16, component)[BURN_IN:]
    ancestors = []
    for index, length in enumerate(lengths):
        mine = written[:length, family == index]
        gc = ((mine == 1) | (mine == 2)).sum(axis=0)
        chosen = mine[:, np.argsort(gc, kind="stable")[len(gc) // 2]].copy()
        if kind.form == "coding":
            _reading_frame(chosen, codons, random)
        elif kind.form == "hairpin":
            _hairpin(chosen, random)
        ancestors.append(chosen)
    return ancestors


def _walk(
    thresholds: np.ndarray, contexts: np.ndarray, draws: np.ndarray, size: int, tables: np.ndarray | int = 0
) -> np.ndarray:
    """Walk Markov chains side by side: codes of shape ``draws.shape`` (length, chains).

    ``thresholds`` are cumulative probabilities, shape (tables * size, 3), on the scale of ``draws``.
    """
    out = np.empty(draws.shape, dtype=np.uint8)
    for position, draw in enumerate(draws):
        symbol = (draw[:, None] >= thresholds[tables * size + contexts]).sum(axis=1)
        out[position] = symbol
        contexts = (contexts * 4 + symbol) % size
    return out


def _reading_frame(codes: np.ndarray, codons: np.ndarray, random: np.random.Generator) -> None:
    """Write ATG, codons and a stop over the middle of ``codes``; what is left on both sides are untranslated ends."""
    inner = min(len(codes) * 4 // 5 // 3, 300) - 2
    if inner < 1:
        return
    start = int(random.integers(0, len(codes) - 3 * (inner + 2) + 1))
    cumulative = np.cumsum(codons)
    drawn = np.searchsorted(cumulative, random.integers(0, cumulative[-1], size=inner), side="right")
    body = np.stack([drawn // 16, drawn // 4 % 4, drawn % 4], axis=1).astype(np.uint8)
    # CpG between codons is rare: half of the C in third place before G become T, which codes for the same amino acid
    between = (body[:-1, 2] == 1) & (body[1:, 0] == 2) & (random.random(inner - 1) < 0.5)
    body[:-1, 2][between] = 3
    frame = np.concatenate([[[0, 3, 2]], body, STOPS[random.integers(0, 3, size=1)]]).ravel()
    codes[start : start + len(frame)] = frame


def _hairpin(codes: np.ndarray, random: np.random.Generator) -> None:
    """Make the second arm pair with the first, apart from about one nucleotide in eight and the loop."""
    arm = (len(codes) - LOOP) // 2
    if arm > 0:
        codes[-arm:] = np.where(random.random(arm) < 0.125, codes[-arm:], 3 - codes[:arm][::-1])


def _grow(kind: Kind, ancestor: np.ndarray, size: int, random: np.random.Generator) -> list[np.ndarray]:
    """Genes of one family: copies of the ancestor or of earlier copies; an ancestor alone is a single gene."""
    if size == 1:
        return [ancestor]
    copies: list[np.ndarray] = []
    knots = kind.divergence
    for _ in range(size):
        from_copy = random.random() < kind.chain and copies
        parent = copies[int(random.integers(len(copies)))] if from_copy else ancestor
        place = random.random() * (len(knots) - 1)
        low = int(place)
        copy = _mutate(parent, knots[low] + (place - low) * (knots[low + 1] - knots[low]), random)
        if random.random() < kind.truncated:
            length = max(int(len(copy) * (kind.kept + (1 - kind.kept) * random.random())), 1)
            copy = copy[-length:] if random.random() < 0.7 else copy[:length]  # copies mostly lose their 5' end
        if random.random() < kind.reverse:
            copy = 3 - copy[::-1]
        copies.append(copy[:MAX_LENGTH])
    return copies


def _mutate(codes: np.ndarray, divergence: float, random: np.random.Generator) -> np.ndarray:
    """A copy with about ``divergence`` substitutions a nucleotide, and `INDELS` for each of them."""
    pair = (codes[:-1] == 1) & (codes[1:] == 2)
    rate = np.full(len(codes), divergence)
    rate[:-1][pair] = rate[1:][pair] = divergence * CPG_RATE
    hit = random.random(len(codes)) < rate
    which = random.random(len(codes))
    # with A C G T = 0 1 2 3 a transition flips bit 1; the two transversions flip bit 0 or both
    change = np.where(which < TRANSITIONS, 2, np.where(which < (1 + TRANSITIONS) / 2, 1, 3))
    new = np.where(hit, codes ^ change, codes).astype(np.uint8)
    made = (new[:-1] == 1) & (new[1:] == 2) & ~pair & (random.random(len(pair)) >= CPG_MADE)
    undone = np.zeros(len(codes), dtype=bool)
    undone[:-1] |= made
    undone[1:] |= made
    codes = np.where(undone, codes, new)
    places = np.flatnonzero(random.random(len(codes)) < divergence * INDELS)
    for place in places[::-1]:
        length = int(INDEL_LENGTHS[random.integers(len(INDEL_LENGTHS))])
        if random.random() < 0.5:
            codes = np.insert(codes, place, random.integers(0, 4, size=length).astype(np.uint8))
        elif len(codes) > length:
            codes = np.delete(codes, slice(place, place + length))
    return codes


class MarkovSource:
    """A stationary Markov source over A C G T whose entropy rate is known exactly.

    Parameters
    ----------
    order : int
        Number of letters a letter depends on, 0 to 5.
    transition : array, shape (4**order, 4)
        Probability of A, C, G, T after each context, contexts in alphabetical order (AA, AC, ...). Every context must
        be reachable from every other.
    seed : int
        Seed of `sample`.

    Raises
    ------
    ValueError
        For an order outside 0..5, a wrong shape, rows that are no probabilities, or a chain without a unique
        stationary distribution.
    """

    def __init__(self, order: int, transition, seed: int = 0):
        if not 0 <= order <= 5:
            raise ValueError(f"order={order}: 0 to 5")
        self.order, self.seed = order, seed
        self.transition = np.array(transition, dtype=float)
        contexts = 4**order
        if self.transition.shape != (contexts, 4):
            raise ValueError(f"transition has shape {self.transition.shape}, order {order} wants ({contexts}, 4)")
        if not ((self.transition >= 0).all() and np.allclose(self.transition.sum(axis=1), 1, rtol=0, atol=1e-9)):
            raise ValueError("each row of transition must be probabilities that sum to 1")
        step = np.zeros((contexts, contexts))
        for symbol in range(4):
            np.add.at(
                step, (np.arange(contexts), (np.arange(contexts) * 4 + symbol) % contexts), self.transition[:, symbol]
            )
        equations = np.vstack([step.T - np.eye(contexts), np.ones(contexts)])
        if np.linalg.matrix_rank(equations[:-1], tol=1e-10) != contexts - 1:
            raise ValueError("the chain falls apart: it has no unique stationary distribution")
        solution = np.linalg.lstsq(equations, np.append(np.zeros(contexts), 1.0), rcond=None)[0]
        self.stationary = np.clip(solution, 0, None) / np.clip(solution, 0, None).sum()
        """Long-run probability of each context, shape (4**order,)."""

    @property
    def entropy_rate(self) -> float:
        """Bits per nucleotide no model can go below in the long run."""
        p = self.transition
        logs = np.log2(p, out=np.zeros_like(p), where=p > 0)
        return float(-(self.stationary[:, None] * p * logs).sum())

    def sample(self, n_sequences: int, length: int) -> list[str]:
        """Sequences of ``length`` nt, each started in the stationary distribution; equal calls give equal sequences."""
        random = np.random.Generator(np.random.PCG64(self.seed))
        cumulative = np.cumsum(self.stationary)
        contexts = np.searchsorted(cumulative, random.random(n_sequences) * cumulative[-1], side="right")
        thresholds = np.cumsum(self.transition, axis=1)[:, :3]
        codes = _walk(thresholds, contexts, random.random((length, n_sequences)), 4**self.order)
        return [decode(row) for row in codes.T]


def iid_source(probabilities: Sequence[float] = (0.25, 0.25, 0.25, 0.25), seed: int = 0) -> MarkovSource:
    """Source of independent letters with these probabilities of A, C, G, T."""
    return MarkovSource(0, [list(probabilities)], seed)
