"""Sampling of sequences from a model, one symbol of all of them at a time."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from dnastudy.core.errors import ModelError
from dnastudy.data.sequences import END, NUCLEOTIDES, decode, encode

if TYPE_CHECKING:
    from dnastudy.models.base import LanguageModel


def draw(
    model: LanguageModel,
    n: int,
    *,
    seed: int,
    max_length: int,
    temperature: float,
    top_k: int | None,
    top_p: float,
    prefix: str,
    lengths: Sequence[int] | None,
) -> list[str]:
    """Return ``n`` sampled sequences; see `LanguageModel.sample`."""
    if (letters := getattr(model.settings, "vocab_size", len(NUCLEOTIDES))) != len(NUCLEOTIDES):
        raise ModelError(
            f"sample: sequences over A C G T only, and this {model.name} model has an alphabet of {letters} letters"
        )
    if n < 0 or max_length < len(prefix):
        raise ModelError(f"sample: n={n}, max_length={max_length}, prefix of {len(prefix)} nt do not fit together")
    if not 0 < temperature < inf or not 0 < top_p <= 1 or (top_k is not None and top_k < 1):
        raise ModelError("sample: temperature must be above 0 and finite, top_p in (0, 1], top_k at least 1")
    try:
        start = encode([prefix])[0]
    except ValueError as error:
        raise ModelError(f"sample: the prefix{str(error).removeprefix('sequence 0')}") from None
    ends = None if lengths is None else np.asarray(lengths, dtype=np.int64)
    if ends is not None:
        if ends.shape != (n,) or (ends < len(prefix)).any():
            raise ModelError(f"sample: {n} lengths are needed, each at least that of the prefix ({len(prefix)} nt)")
        max_length = int(ends.max(initial=len(prefix)))
    random = np.random.default_rng(seed)
    out = np.full((n, max_length + 1), END, dtype=np.uint8)
    out[:, : len(start)] = start
    live = np.arange(n) if ends is None else np.flatnonzero(ends > len(start))
    state = model._start([start] * len(live)) if len(live) else None
    filtered = top_k is not None or top_p < 1
    with np.errstate(invalid="ignore"):  # -inf minus -inf, which is an error below
        for position in range(len(start), max_length):
            if not len(live):
                break
            log_p = model._next(state)
            if temperature != 1:
                log_p = (log_p - log_p.max(axis=1, keepdims=True)) / temperature
            p = np.exp(log_p)
            if ends is not None:
                p[:, END] = 0
            if filtered:
                p = _filtered(p, top_k, top_p)
            total = p.cumsum(axis=1)
            # not a number, or 0, where no symbol has any probability
            if not (total[:, -1] > 0).all():
                raise ModelError("sample: no symbol has any probability after some prefix (unsmoothed counts?)")
            # below the last sum, so that rounding never draws a symbol of probability 0
            drawn = (total <= random.random((len(live), 1)) * total[:, -1:]).sum(axis=1)
            out[live, position] = drawn
            alive = np.flatnonzero(drawn != END if ends is None else ends[live] > position + 1)
            state = model._advance(state, drawn[alive], alive)
            live = live[alive]
    return [decode(row[: np.argmax(row == END)]) for row in out]


def _filtered(p: np.ndarray, top_k: int | None, top_p: float) -> np.ndarray:
    """Probabilities on any scale, shape (n, 5), with 0 for all but the ``top_k`` largest or the ``top_p`` nucleus."""
    order = np.argsort(-p, axis=1, kind="stable")
    kept = np.take_along_axis(p, order, axis=1)
    if top_k is not None:
        kept[:, top_k:] = 0
    # a symbol is kept while the more probable ones sum to less than top_p
    before = kept.cumsum(axis=1) - kept
    kept[before >= top_p * p.sum(axis=1, keepdims=True)] = 0
    filtered = np.empty_like(p)
    np.put_along_axis(filtered, order, kept, axis=1)
    return filtered
