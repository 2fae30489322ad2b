"""What all networks share: what each must offer, its first weights, and how symbols and positions are embedded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class Network(nn.Module):
    """What a network must offer: logits of whole sequences at once, and of one symbol after the other.

    Attributes
    ----------
    vocab_size : int
        Letters of the alphabet: 4 for nucleotides.
    outputs : int
        ``vocab_size`` + 1 where the network predicts the end of the gene, else ``vocab_size``.
    types : sequence of str
        Gene types that it can be conditioned on: by an input of ``vocab_size`` + 1, + 2, ... instead of the start.
    """

    vocab_size: int = 4
    outputs: int
    types: Sequence[str] = ()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits of what follows each input, shape (genes, length, outputs); inputs int64, (genes, length)."""
        raise NotImplementedError

    def begin(self, n: int) -> Any:
        """Return the state of n sequences before any input."""
        raise NotImplementedError

    def step(self, inputs: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        """Return logits, shape (n, outputs), after one more input each, shape (n,), and the new state."""
        raise NotImplementedError

    def keep(self, state: Any, alive: torch.Tensor) -> Any:
        """Return the state of the sequences ``alive`` (indices) alone."""
        raise NotImplementedError


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw random weights from this seed inside the block, and leave the random state of the processor as it was."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        yield


class KmerEmbedding(nn.Module):
    """Embedding of each nucleotide plus, where ``kmer_size`` is above 1, of the k-mer that ends with it.

    K-mers have short rows, ``kmer_dim`` wide, that one matrix projects to ``width``. They begin at zero, so that a
    k-mer which is rarely seen changes little. The shorter k-mers at the start of a gene have rows of their own:
    1 + 4 + ... + 4 ** kmer_size rows in all (with four letters), the first for the start itself, whatever the type of
    the gene is. (Saved weights name the parts: ``letters``, ``words`` for k-mers, ``widened`` for the projection.)
    """

    def __init__(self, kmer_size: int, width: int, kmer_dim: int, types: int = 0, vocab_size: int = 4):
        super().__init__()
        self.kmer_size, self.vocab_size = kmer_size, vocab_size
        # the letters, the start, and the start of a gene of each type
        self.letters = nn.Embedding(vocab_size + 1 + types, width)
        self.words = nn.Embedding(self._shorter(kmer_size + 1), kmer_dim) if kmer_size > 1 else None
        if self.words is not None:
            nn.init.zeros_(self.words.weight)
            self.widened = nn.Linear(kmer_dim, width, bias=False)

    def _shorter(self, length):
        """Number of k-mers shorter than this: row of the first one of this length."""
        return (self.vocab_size**length - 1) // (self.vocab_size - 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return embeddings, shape (n, length, width), of inputs that begin with the start, shape (n, length)."""
        if self.words is None:
            return self.letters(inputs)
        code = new = torch.where(inputs < self.vocab_size, inputs, 0)
        for back in range(1, self.kmer_size):
            code = code + self.vocab_size**back * nn.functional.pad(new, (back, 0))[:, : inputs.shape[1]]
        length = torch.arange(inputs.shape[1], device=inputs.device).clamp(max=self.kmer_size)
        return self.letters(inputs) + self.widened(self.words(code + self._shorter(length)))

    def step(self, inputs: torch.Tensor, code: torch.Tensor, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embeddings of one more input each, (n, width), and the code of its k-mer, 0 before the start."""
        code = (self.vocab_size * code + torch.where(inputs < self.vocab_size, inputs, 0)) % (
            self.vocab_size**self.kmer_size
        )
        embedded = self.letters(inputs)
        if self.words is not None:
            embedded = embedded + self.widened(self.words(code + self._shorter(min(position, self.kmer_size))))
        return embedded, code


def position_embeddings(positions: torch.Tensor, table: nn.Embedding) -> torch.Tensor:
    """Return learned embeddings of positions; all beyond the table share its last row."""
    return table(positions.clamp(max=table.num_embeddings - 1))
