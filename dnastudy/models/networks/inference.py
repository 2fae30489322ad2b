"""What a trained network is used for: log-probabilities of whole sequences, embeddings, and generation.

No training runs any of this. ``start`` is the input before the first nucleotide: that of no type, or of a gene type.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from dnastudy.data.sequences import EncodedSequences
from dnastudy.models.networks.base import Network
from dnastudy.training.batches import Symbols, sorted_runs

POSITIONS_AT_ONCE = {"cpu": 8192, "cuda": 65_536}
"""Positions computed at once, padding included: few enough for the caches of a processor, enough to fill a GPU."""

State = tuple[torch.Tensor, Any]
"""While generating: the last logits, and the network's own state."""


def device_of(network: Network) -> torch.device:
    """Return the device that the weights are on."""
    return next(network.parameters()).device


def log_probabilities(network: Network, encoded: EncodedSequences, start: int) -> np.ndarray:
    """Return natural-log probabilities before every symbol of a stream, float64, shape (symbols, vocab_size + 1)."""
    device, vocab_size = device_of(network), network.vocab_size
    genes = Symbols(encoded, True, device, np.full(len(encoded), start))
    rows = np.empty((len(encoded.symbols), vocab_size + 1))
    for run in sorted_runs(genes.events, POSITIONS_AT_ONCE[device.type]):
        with torch.inference_mode():
            log_p = _log_softmax(network(genes.batch(run)[0]), vocab_size)
        for gene, of_gene in zip(run, log_p, strict=True):
            rows[encoded.starts[gene] : encoded.starts[gene + 1]] = of_gene[: genes.events[gene]]
    return rows


def mean_hidden_states(network: Network, encoded: EncodedSequences, start: int) -> np.ndarray:
    """Return the mean input of the output layer over each sequence, float64, shape (sequences, hidden size)."""
    device = device_of(network)
    genes = Symbols(encoded, True, device, np.full(len(encoded), start))
    runs = list(sorted_runs(genes.events, POSITIONS_AT_ONCE[device.type]))
    if not runs:
        return np.zeros((0, 0))
    means, inputs_seen = [], []
    hook = network.output.register_forward_pre_hook(lambda _, inputs: inputs_seen.append(inputs[0]))
    try:
        for run in runs:
            with torch.inference_mode():
                network(genes.batch(run)[0])
            events = torch.from_numpy(genes.events[run]).to(device)
            hidden = inputs_seen.pop()  # (genes, length, hidden size)
            real = torch.arange(hidden.shape[1], device=hidden.device) < events[:, None]
            means.append(((hidden * real[:, :, None]).sum(1) / events[:, None]).double().cpu().numpy())
    finally:
        hook.remove()
    return np.concatenate(means)[np.argsort(np.concatenate(runs))]


@torch.inference_mode()
def begin(network: Network, prefixes: list[np.ndarray], start: int) -> State:
    """Return the state after prefixes of equal length (arrays of codes)."""
    state = network.begin(len(prefixes))
    length = len(prefixes[0]) if prefixes else 0
    inputs = np.array([[start, *prefix] for prefix in prefixes]).reshape(len(prefixes), 1 + length)
    for symbols in torch.from_numpy(inputs.astype(np.int64)).to(device_of(network)).T:
        logits, state = network.step(symbols, state)
    return logits, state


def next_log_probabilities(network: Network, state: State) -> np.ndarray:
    """Return natural-log probabilities of the next symbol, float64, shape (n, vocab_size + 1)."""
    return _log_softmax(state[0], network.vocab_size)


@torch.inference_mode()
def advance(network: Network, state: State, symbols: np.ndarray, alive: np.ndarray) -> State:
    """Return the state of the sequences ``alive`` (indices) after one more symbol each."""
    logits, inner = state
    if not len(alive):
        return logits[:0], inner
    device = device_of(network)
    if len(alive) < len(logits):
        inner = network.keep(inner, torch.from_numpy(alive).to(device))
    return network.step(torch.from_numpy(symbols).to(device), inner)


def _log_softmax(logits: torch.Tensor, vocab_size: int) -> np.ndarray:
    """Natural-log probabilities of the letters and END, float64, shape (..., vocab_size + 1).

    From as many logits, or from one less where the network predicts no end: END then has -inf.
    """
    log_p = logits.double().log_softmax(-1)
    if log_p.shape[-1] == vocab_size:
        log_p = nn.functional.pad(log_p, (0, 1), value=-torch.inf)
    return log_p.cpu().numpy()
