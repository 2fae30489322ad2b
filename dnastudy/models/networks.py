"""What the networks of the neural models share: what each must offer, and how symbols and positions are embedded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class Network(nn.Module):
    """What a network must offer: the whole of many sequences at once, and one symbol after the other.

    Attributes
    ----------
    vocab_size : int
        Size of the alphabet: 4 for nucleotides.
    outputs : int
        One more than that with the end of the gene, else as many.
    types : sequence of str
        Gene types it can be told of: by an input of `START` + 1, + 2, ... in the place of the start.
    """

    vocab_size: int = 4
    outputs: int
    types: Sequence[str] = ()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits, shape (genes, length, outputs), of what follows each input, int64, shape (genes, length)."""
        raise NotImplementedError

    def begin(self, n: int) -> Any:
        """State of n sequences before any input."""
        raise NotImplementedError

    def step(self, inputs: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        """Logits, shape (n, outputs), after one more input each, shape (n,), and the state then."""
        raise NotImplementedError

    def keep(self, state: Any, alive: torch.Tensor) -> Any:
        """State of the sequences ``alive`` (indices) alone."""
        raise NotImplementedError


class Contexts(nn.Module):
    """Embedding of each nucleotide, and of the last ones together as a word where the context is longer than 1.

    Words have narrow rows, widened by one matrix; they are added to letters and begin at zero, so that one which is
    rarely seen says little. Those at the start of a gene are shorter and have rows of their own: 1 + 4 + ... + 4 **
    context in all (of four letters), the first for the start itself, of whatever type the gene is.
    """

    def __init__(self, context: int, width: int, kmer_dim: int, types: int = 0, size: int = 4):
        super().__init__()
        self.context, self.size = context, size
        # A, C, G, T, the start, and the start of a gene of each type
        self.letters = nn.Embedding(size + 1 + types, width)
        self.words = nn.Embedding(self._shorter(context + 1), kmer_dim) if context > 1 else None
        if self.words is not None:
            nn.init.zeros_(self.words.weight)
            self.widened = nn.Linear(kmer_dim, width, bias=False)

    def _shorter(self, length):
        """Number of words of fewer letters than these, by which those of a length are numbered."""
        return (self.size**length - 1) // (self.size - 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Embeddings, shape (n, length, width), of inputs that begin with the start, shape (n, length)."""
        if self.words is None:
            return self.letters(inputs)
        recent = new = torch.where(inputs < self.size, inputs, 0)
        for back in range(1, self.context):
            recent = recent + self.size**back * nn.functional.pad(new, (back, 0))[:, : inputs.shape[1]]
        seen = torch.arange(inputs.shape[1], device=inputs.device).clamp(max=self.context)
        return self.letters(inputs) + self.widened(self.words(recent + self._shorter(seen)))

    def step(self, inputs: torch.Tensor, recent: torch.Tensor, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Embedding of one more input each, (n, width), and its context's code; before the start that is 0."""
        recent = (self.size * recent + torch.where(inputs < self.size, inputs, 0)) % self.size**self.context
        embedded = self.letters(inputs)
        if self.words is not None:
            embedded = embedded + self.widened(self.words(recent + self._shorter(min(position, self.context))))
        return embedded, recent


def table_rows(places: torch.Tensor, table: nn.Embedding) -> torch.Tensor:
    """Learned embeddings of positions; all behind the table's end share its last row."""
    return table(places.clamp(max=table.num_embeddings - 1))
