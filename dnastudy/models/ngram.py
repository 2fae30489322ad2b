"""N-gram models: maximum likelihood, Laplace (both as in Ihtiyar and Ozgur, arXiv 2307.10634), Witten-Bell.

A state is the context that predicts the next symbol: the last N-1 nucleotides, or, nearer to the start of a gene, all
nucleotides so far (what the paper writes as N-1 start symbols). States are numbered by context length j and then by
the context's code (base 4, latest nucleotide in the lowest digit): state = (4^j - 1) / 3 + code. One table of counts,
shape (states, 5), holds the whole model, and every smoothing is a function from it to probabilities. Of another
alphabet of k letters the base is k and the table k + 1 wide.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dnastudy.data.sequences import EncodedSequences, encode_for, map_parts
from dnastudy.display import looks
from dnastudy.models import base

PAPER_EXTRA = 3
"""Symbols over which the paper's Laplace spreads its additions beside A C G T: start, end and unknown."""
LARGEST_TABLE = 20_000_000
"""Cells of the largest table of counts."""
PART_EVENTS = 400_000
"""Events that are counted or looked up at a time."""
ESCAPE_WEIGHTS = [1.0, 2.0, 4.0, 8.0, 11.3, 16.0, 22.6, 32.0, 64.0, 128.0]
"""Escape weights tried on the validation genes."""


class NGram(base.LanguageModel):
    """Counts of n-grams, smoothed or not.

    Witten and Bell weight the shorter context by (distinct symbols seen) / (distinct symbols seen + times seen). With
    four letters the shorter context of one seen once gets a weight of one half, far too little for long contexts;
    ``escape_weight`` multiplies the number of distinct symbols.
    """

    name = "ngram"
    family = label = "n-gram"
    look = looks.BLUE

    class Settings(base.Settings):
        """Settings of n-gram models."""

        order: int = Field(default=8, ge=1, le=12, description="N, length of an n-gram in nt")
        smoothing: Literal["mle", "laplace", "witten-bell"] = Field(
            default="witten-bell", description="mle (none), laplace (add one) or witten-bell (interpolated)"
        )
        escape_weight: float | None = Field(
            default=None,
            gt=0,
            description="witten-bell: factor of the weight of shorter contexts, 1 as published; None: tuned on the "
            "validation genes (1 without any)",
        )
        vocab_size: int = Field(
            default=4, ge=2, le=255, description="letters of the alphabet: 4, except for text that is not DNA"
        )
        protocol: Literal["paper", "proper"] | None = Field(
            default=None,
            description="paper: seven-symbol vocabulary for Laplace, no end symbol at order 1 (default for mle and "
            "laplace); proper: five symbols, an end at every order (default for witten-bell)",
        )

        @model_validator(mode="after")
        def _contradictions(self) -> Self:
            if self.protocol == "paper" and self.smoothing == "witten-bell":
                raise ValueError("the paper has no witten-bell model: use protocol=proper, or smoothing=mle or laplace")
            if self.escape_weight is not None and self.smoothing != "witten-bell":
                raise ValueError(f"escape_weight is for smoothing=witten-bell, not {self.smoothing}")
            if self.vocab_size**self.order > LARGEST_TABLE:
                ngrams = f"{LARGEST_TABLE:,} n-grams of {self.order}"
                raise ValueError(f"order: {self.vocab_size} letters make more than {ngrams}; lower it")
            return self

    @classmethod
    def label_of(cls, settings: dict[str, Any]) -> str:
        """See the base class."""
        parsed = cls.Settings.parse(settings, cls.name)
        smoothing = {"mle": "MLE", "laplace": "Laplace", "witten-bell": "Witten-Bell"}[parsed.smoothing]
        tuned = parsed.smoothing == "witten-bell" and parsed.escape_weight is None
        return f"{parsed.order}-gram, {'tuned ' if tuned else ''}{smoothing}"

    def __init__(self, settings: dict[str, Any] | base.Settings | None = None):
        super().__init__(settings)
        self.order: int = self.settings.order
        self.vocab_size = self.settings.vocab_size
        default = "proper" if self.settings.smoothing == "witten-bell" else "paper"
        self.paper: bool = (self.settings.protocol or default) == "paper"
        self.ends: bool = self.order > 1 or not self.paper
        self.escape_weight: float = self.settings.escape_weight or 1.0
        states = _states_below(self.order, self.vocab_size)
        self.counts = np.zeros((states, self.vocab_size + 1), dtype=np.int64)

    @property
    def paper_events(self) -> Literal["nucleotides", "nucleotides and end"] | None:
        """The paper counts one end event a sequence, but none at order 1."""
        if not self.paper:
            return None
        return "nucleotides and end" if self.ends else "nucleotides"

    @property
    def num_parameters(self) -> int:
        """Distinct n-grams seen in training."""
        return int(np.count_nonzero(self.counts))

    @property
    def tuned(self) -> dict[str, float]:
        """The escape weight, where it was tuned on the validation genes."""
        smoothing, fixed = self.settings.smoothing, self.settings.escape_weight
        return {"escape_weight": self.escape_weight} if smoothing == "witten-bell" and fixed is None else {}

    def fit(self, train: base.Sequences, validation: base.Sequences | None = None) -> Self:
        """Count ``train``; the escape weight is tuned on ``validation``, unless it is set."""
        self.counts = self._count(train)
        self._forget()
        if self.settings.smoothing == "witten-bell" and self.settings.escape_weight is None and validation is not None:
            encoded = encode_for(self.vocab_size, validation)
            if encoded.nucleotides:
                self._tune(encoded)
        return self

    def _tune(self, validation: EncodedSequences) -> None:
        """Choose the escape weight that predicts the nucleotides of ``validation`` best."""
        log_likelihood = {}
        for self.escape_weight in ESCAPE_WEIGHTS:
            self._forget()
            log_likelihood[self.escape_weight] = sum(row.sum() for row in self.nucleotide_log_probs(validation))
        self.escape_weight = max(log_likelihood, key=log_likelihood.get)
        self._forget()

    def update(self, sequences: base.Sequences) -> Self:
        """Add the counts of more genes."""
        self.counts = self.counts + self._count(sequences)
        self._forget()
        return self

    def _count(self, sequences: base.Sequences) -> np.ndarray:
        encoded = encode_for(self.vocab_size, sequences)
        if not encoded.nucleotides:
            raise base.ModelError("ngram: no nucleotides to count")
        size = self.counts.size
        part = max(PART_EVENTS, 4 * size)
        parts = map_parts(lambda part, _: np.bincount(self._events(part), minlength=size), encoded, part)
        counts = sum(parts).reshape(self.counts.shape)
        if not self.ends:
            counts[:, -1] = 0
        return counts

    def _forget(self) -> None:
        for name in ("_log_table", "_nucleotide_log_table"):
            self.__dict__.pop(name, None)

    # probabilities of all five symbols in all states

    @cached_property
    def _log_table(self) -> np.ndarray:
        """Log-probabilities, shape (states, 5)."""
        with np.errstate(divide="ignore"):
            return np.log(self._probabilities())

    @cached_property
    def _nucleotide_log_table(self) -> np.ndarray:
        """Log-probabilities renormalised over A C G T, shape (states, 5); the last column is not used."""
        return np.hstack([base._renormalised(self._log_table[:, :-1]), np.zeros((len(self._log_table), 1))])

    def _probabilities(self) -> np.ndarray:
        smoothing = self.settings.smoothing
        if smoothing == "witten-bell":
            return self._witten_bell()
        seen = self.counts.sum(axis=1, keepdims=True)
        if smoothing == "laplace":
            vocabulary = self.vocab_size + (PAPER_EXTRA if self.paper else 1)
            p = (self.counts + 1) / (seen + vocabulary)
            if not self.ends:
                p[:, -1] = 0
            return p
        # a context that was never seen predicts nothing, as in the paper: probability 0 for every symbol
        return self.counts / np.maximum(seen, 1)

    def _witten_bell(self) -> np.ndarray:
        """Witten and Bell (1991), method C, interpolated: mix counts with the next shorter context."""
        longest, k = self.order - 1, self.vocab_size
        starts = [self.counts[_states_below(j, k) : _states_below(j + 1, k)] for j in range(longest + 1)]
        # anywhere[j]: events after each context of length j, wherever it occurs, shape (k^j, k + 1)
        anywhere = [starts[longest]]
        for j in range(longest - 1, -1, -1):
            anywhere.insert(0, starts[j] + anywhere[0].reshape(k, k**j, k + 1).sum(axis=0))
        levels = []
        p = np.full((1, k + 1), 1 / (k + 1))
        for j in range(longest + 1):
            p = _interpolate(anywhere[j], p if j == 0 else np.tile(p, (k, 1)), self.escape_weight)
            # at the start of a gene the same context is known to be the whole prefix: one level more
            levels.append(_interpolate(starts[j], p, self.escape_weight) if j < longest else p)
        return np.concatenate(levels)

    # the protocol: table look-ups

    def log_distributions(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        encoded = encode_for(self.vocab_size, sequences)
        return _by_sequence(self._log_table[_states(encoded, self.order)], encoded.starts)

    def nucleotide_log_distributions(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        encoded = encode_for(self.vocab_size, sequences)
        rows = self._nucleotide_log_table[_states(encoded, self.order), :-1]
        return _by_sequence(rows, encoded.starts, last=1)

    def log_probs(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        return self._look_up(self._log_table, sequences)

    def nucleotide_log_probs(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        return self._look_up(self._nucleotide_log_table, sequences, last=1)

    def all_log_probs(self, sequences: base.Sequences) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """See the base class."""
        encoded = encode_for(self.vocab_size, sequences)
        return self.log_probs(encoded), self.nucleotide_log_probs(encoded)

    def _look_up(self, table: np.ndarray, sequences: base.Sequences, last: int = 0) -> list[np.ndarray]:
        flat = table.ravel()
        parts = map_parts(
            lambda part, _: _by_sequence(flat[self._events(part)], part.starts, last),
            encode_for(self.vocab_size, sequences),
            PART_EVENTS,
        )
        return [row for part in parts for row in part]

    def _events(self, encoded: EncodedSequences) -> np.ndarray:
        """Index into the raveled table of each event of the stream, shape (nucleotides + sequences,), intp."""
        events = _states(encoded, self.order)
        events *= self.vocab_size + 1
        events += encoded.symbols
        return events

    # sampling: the state is the pair (nucleotides so far, code of the context)

    def _start(self, prefixes: list[np.ndarray]) -> tuple[int, np.ndarray]:
        codes = np.zeros(len(prefixes), dtype=np.int64)
        length = len(prefixes[0]) if prefixes else 0
        for row in np.array(prefixes, dtype=np.int64).reshape(len(prefixes), length).T[-max(self.order - 1, 1) :]:
            codes = codes * self.vocab_size + row
        return length, codes % self.vocab_size ** min(length, self.order - 1)

    def _next(self, state: tuple[int, np.ndarray]) -> np.ndarray:
        length, codes = state
        return self._log_table[_states_below(min(length, self.order - 1), self.vocab_size) + codes]

    def _advance(self, state: tuple[int, np.ndarray], symbols: np.ndarray, alive: np.ndarray) -> tuple[int, np.ndarray]:
        length, codes = state
        return length + 1, (codes[alive] * self.vocab_size + symbols) % self.vocab_size ** min(
            length + 1, self.order - 1
        )

    def _arrays(self) -> dict[str, np.ndarray]:
        where = np.flatnonzero(self.counts)
        counts = {"events": where.astype(np.uint32), "counts": self.counts.ravel()[where]}
        return {**counts, "escape_weight": np.float64(self.escape_weight)}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        events, counts = arrays["events"], arrays["counts"]
        if events.shape != counts.shape or (len(events) and int(events.max()) >= self.counts.size):
            raise ValueError(f"the counts do not fit order {self.order}")
        self.counts = np.zeros_like(self.counts)
        self.counts.ravel()[events] = counts
        self.escape_weight = float(arrays["escape_weight"])
        self._forget()


def _states_below(length: int, vocab_size: int = 4) -> int:
    """Number of states whose context is shorter than ``length`` letters."""
    return (vocab_size**length - 1) // (vocab_size - 1)


def _states(encoded: EncodedSequences, order: int) -> np.ndarray:
    """State before each event of the stream, shape (nucleotides + sequences,), intp."""
    symbols, starts = encoded.symbols, encoded.starts
    longest = order - 1
    if longest == 0:
        return np.zeros(len(symbols), dtype=np.intp)
    if encoded.vocab_size != 4:
        return _states_of_any(encoded, longest)
    # code of the ``longest`` symbols before each event, by doubling; what reaches into the gene before is cut below
    bases = symbols & 3
    code = np.zeros(len(symbols), dtype=np.intp)
    window, width, done = bases, 1, 0
    while True:
        if longest & width:
            _add_shifted(code, window, done)
            done += width
        if 2 * width > longest:
            break
        wider = window.astype(np.uint8 if width < 4 else np.uint16 if width < 8 else np.uint32)
        wide = wider.copy()
        wide[width:] += wider[:-width] << np.asarray(2 * width, dtype=wider.dtype)
        window, width = wide, 2 * width
    state = code
    # rows 0..longest-1 of a gene have a shorter context: keep its digits only
    offset = np.array([_states_below(j) for j in range(longest + 1)], dtype=np.intp)
    for j in range(longest):
        rows = starts[:-1] + j
        rows = rows[rows < starts[1:]]
        state[rows] = (state[rows] & (4**j - 1)) + (offset[j] - offset[longest])
    state += offset[longest]
    return state


def _states_of_any(encoded: EncodedSequences, longest: int) -> np.ndarray:
    """`_states` of any alphabet."""
    vocab_size, starts = encoded.vocab_size, encoded.starts
    place = np.arange(len(encoded.symbols)) - np.repeat(starts[:-1], np.diff(starts))  # symbols before it in its text
    state = np.zeros(len(place), dtype=np.intp)
    for back in range(longest, 0, -1):
        # a symbol that far back counts only if it is in the same text; shorter contexts are numbered first
        inside = place >= back
        state[inside] = state[inside] * vocab_size + encoded.symbols[np.flatnonzero(inside) - back]
    shorter = np.array([_states_below(j, vocab_size) for j in range(longest + 1)])
    return state + shorter[np.minimum(place, longest)]


def _add_shifted(code: np.ndarray, window: np.ndarray, done: int) -> None:
    """Add the window that ends ``done`` + 1 symbols before each event, above the ``done`` digits there already."""
    shift = done + 1
    if shift < len(code):
        code[shift:] += window[:-shift].astype(np.intp) << (2 * done)


def _by_sequence(rows: np.ndarray, starts: np.ndarray, last: int = 0) -> list[np.ndarray]:
    """Cut a stream at the sequences' starts, leaving out the ``last`` rows of each."""
    bounds = starts.tolist()
    return [rows[a : b - last] for a, b in pairwise(bounds)]


def _interpolate(counts: np.ndarray, lower: np.ndarray, escape_weight: float) -> np.ndarray:
    """(counts + k * lower) / (seen + k) with k = escape_weight * distinct symbols; ``lower`` where seen is 0."""
    kinds = escape_weight * np.count_nonzero(counts, axis=1)[:, None]
    seen = counts.sum(axis=1)[:, None]
    return np.where(seen > 0, (counts + kinds * lower) / np.maximum(seen + kinds, 1), lower)
