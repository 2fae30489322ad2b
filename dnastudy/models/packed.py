"""Networks as a processor multiplies them fastest: weights in oneDNN's own layout, packed once for many products.

PyTorch's own linear layers go through MKL, which does not use all of processors that are not Intel's, and its LSTM
packs its weights anew at every call. How fast networks write and read like this: speed table of the chapter "Which
family predicts genes best".
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from dnastudy.models.networks import Contexts

ROWS = 64
"""Rows for which the layout is chosen; it serves any other number as well."""
WORTH = 16_384
"""Weights of the smallest layer that is worth it: below, calling oneDNN costs more than the product."""

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
    """The same module, without dropout, and what takes long in it replaced."""
    if type(module) is nn.Dropout:
        return nn.Identity()
    twin = copy.copy(module)
    for kind in (_Linear, _Contexts, _LSTM):
        if type(module) is kind.__base__ and kind.fits(module):
            twin.__class__ = kind
            twin.pack()
            return twin
    twin._modules = {name: child and _twin(child) for name, child in module._modules.items()}
    return twin


class _Linear(nn.Linear):
    @staticmethod
    def fits(plain: nn.Linear) -> bool:
        return plain.weight.numel() >= WORTH

    def pack(self) -> None:
        self.packed = torch.ops.mkldnn._reorder_linear_weight(self.weight, ROWS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


class _Contexts(Contexts):
    """Fewer operations a step once words are whole."""

    @staticmethod
    def fits(plain: Contexts) -> bool:
        return plain.words is not None and plain.size == 4

    def pack(self) -> None:
        self.whole = self.words.weight[-(4**self.context) :]

    def step(self, inputs: torch.Tensor, recent: torch.Tensor, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        if position < self.context:
            return super().step(inputs, recent, position)
        recent = torch.add(inputs, recent, alpha=4) & (len(self.whole) - 1)
        letters, words = self.letters.weight.index_select(0, inputs), self.whole.index_select(0, recent)
        return torch.addmm(letters, words, self.widened.weight.T), recent


class _LSTM(nn.LSTM):
    """The kernel that `nn.LSTM` itself uses, which packs its weights anew at every call."""

    @staticmethod
    def fits(plain: nn.LSTM) -> bool:
        return plain.batch_first and plain.bias and not plain.bidirectional and not plain.proj_size

    def pack(self) -> None:
        self.packed = []
        for of_input, of_hidden, *biases in self.all_weights:
            weights = torch.ops.mkldnn._reorder_mkldnn_rnn_layer_weight(
                of_input, of_hidden, self.hidden_size, reverse=False, has_biases=True, batch_first=False
            )
            self.packed.append((*weights, *biases))

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        x = x.transpose(0, 1).contiguous()  # the kernel takes its layout for granted
        hidden, cell = state or 2 * (x.new_zeros(self.num_layers, x.shape[1], self.hidden_size),)
        states = []
        for layer, arrays in enumerate(self.packed):
            now = slice(layer, layer + 1)
            x, *state, _ = torch.mkldnn_rnn_layer(
                x, *arrays, hidden[now], cell[now], reverse=False, batch_sizes=[], mode=2, hidden_size=self.hidden_size,
                num_layers=1, has_biases=True, bidirectional=False, batch_first=False, train=False,
            )  # fmt: skip
            states.append(state)
        hidden, cell = (torch.cat(parts) for parts in zip(*states, strict=True))
        return x.transpose(0, 1), (hidden, cell)
