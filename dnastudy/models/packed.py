"""Networks as a processor multiplies them fastest: weights in oneDNN's own layout, packed once for many products.

For few rows this is about three times as fast as PyTorch's own linear layers, which on processors that are not
Intel's leave half of the vector unit idle; for many rows still about twice (``benchmarks/neural_speed.py``).
"""

from __future__ import annotations

import copy

import torch
from torch import nn

ROWS = 64
"""Rows for which the layout is chosen; it serves any other number as well, but for one chosen for a single row."""

State = tuple[torch.Tensor, torch.Tensor]


def packed(network: nn.Module) -> nn.Module:
    """A network that gives what `network` gives, to rounding, faster; for inference alone, weights as they are now.

    `network` itself where PyTorch was built without oneDNN, or where the weights are not float32 on a processor.
    """
    weights = next(network.parameters())
    fits = weights.device.type == "cpu" and weights.dtype == torch.float32
    if not fits or not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return network
    with torch.inference_mode():
        return _twin(network)


def _twin(module: nn.Module) -> nn.Module:
    """The same module with every linear and LSTM layer in it replaced."""
    for kind, replacement in ((nn.Linear, _Linear), (nn.LSTM, _LSTM)):
        if isinstance(module, kind):
            return replacement(module)
    twin = copy.copy(module)
    twin._modules = {name: child and _twin(child) for name, child in module._modules.items()}
    return twin


def _pack(weights: torch.Tensor) -> torch.Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weights.contiguous(), ROWS)


def _product(x: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor | None, then: str = "none") -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weights, bias, then, [], "")


class _Linear(nn.Module):
    def __init__(self, plain: nn.Linear):
        super().__init__()
        self.packed, self.weight, self.bias = _pack(plain.weight), plain.weight, plain.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _product(x, self.packed, self.bias)


class _LSTM(nn.Module):
    """LSTM layers that make single steps by one product a layer, and read whole sequences as PyTorch's do."""

    def __init__(self, plain: nn.LSTM):
        super().__init__()
        self.plain, self.num_layers, self.hidden_size = plain, plain.num_layers, plain.hidden_size
        # tanh(z) = 2 sigmoid(2 z) - 1: the third gate's rows doubled, one sigmoid serves all four
        double = torch.ones(4, 1, 1)
        double[2] = 2
        self.layers = []
        for layer in range(plain.num_layers):
            of_input, of_hidden, bias, more = (getattr(plain, f"{name}_l{layer}")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))  # fmt: skip
            weights, bias = torch.cat([of_input, of_hidden], 1), bias + more
            weights = (weights.view(4, plain.hidden_size, -1) * double).flatten(0, 1)
            bias = (bias.view(4, -1) * double[..., 0]).flatten()
            self.layers.append((_pack(weights), bias))

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        if state is None or x.shape[1] != 1:
            return self.plain(x, state)
        x = x[:, 0]
        hidden, cell = (list(part.unbind()) for part in state)
        for layer, (weights, bias) in enumerate(self.layers):
            taken, kept, new, shown = _product(torch.cat([x, hidden[layer]], 1), weights, bias, "sigmoid").chunk(4, 1)
            cell[layer] = torch.addcmul(kept * cell[layer], taken, 2 * new - 1)
            x = hidden[layer] = shown * cell[layer].tanh()
        return x[:, None], (torch.stack(hidden), torch.stack(cell))
