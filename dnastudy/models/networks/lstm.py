"""The network of the LSTM (see `dnastudy.models.lstm`)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

from dnastudy.models.networks.base import KmerEmbedding, Network, position_embeddings

if TYPE_CHECKING:
    from dnastudy.models.lstm import LSTM

State = tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]
"""Hidden and cell states, each (layers, n, hidden size), codes of the last k-mers, (n,), and the position."""


class Recurrent(Network):
    """Embedding (with learned positions where there are any), LSTM layers, linear output."""

    def __init__(self, settings: LSTM.Settings):
        super().__init__()
        s = settings
        self.vocab_size, self.outputs, self.types = s.vocab_size, s.vocab_size + s.end, s.types
        self.embedding = KmerEmbedding(s.kmer_size, s.embedding_size, s.kmer_dim, len(s.types), s.vocab_size)
        self.position = nn.Embedding(s.n_positions, s.embedding_size) if s.n_positions else None
        between = s.dropout if s.n_layers > 1 else 0.0
        self.recurrent = nn.LSTM(s.embedding_size, s.hidden_size, s.n_layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(s.dropout)
        self.output = nn.Linear(s.hidden_size, self.outputs)
        self._first_weights(s.hidden_size)

    def _first_weights(self, hidden_size: int) -> None:
        """Orthogonal recurrence and open forget gates (Jozefowicz et al. 2015), which long contexts need."""
        for name, weights in self.recurrent.named_parameters():
            if "bias" in name:
                nn.init.zeros_(weights)
                if "bias_ih" in name:
                    weights.data[hidden_size : 2 * hidden_size] = 1.0
            elif "weight_hh" in name:
                for a, b in pairwise(range(0, 5 * hidden_size, hidden_size)):
                    nn.init.orthogonal_(weights.data[a:b])
            else:
                nn.init.xavier_uniform_(weights)

    def _place(self, embedded: torch.Tensor, first: int) -> torch.Tensor:
        """Add learned positions, the first at ``first``, to embeddings, shape (n, length, width)."""
        if self.position is None:
            return embedded
        positions = torch.arange(first, first + embedded.shape[1], device=embedded.device)
        return embedded + position_embeddings(positions, self.position)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """See `Network`."""
        hidden, _ = self.recurrent(self._place(self.embedding(inputs), 0))
        return self.output(self.dropout(hidden))

    def begin(self, n: int) -> State:
        """See `Network`."""
        weight = self.output.weight
        zeros = weight.new_zeros(self.recurrent.num_layers, n, self.recurrent.hidden_size)
        return zeros, zeros, torch.zeros(n, dtype=torch.int64, device=weight.device), 0

    def step(self, inputs: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """See `Network`."""
        hidden, cell, code, position = state
        embedded, code = self.embedding.step(inputs, code, position)
        out, (hidden, cell) = self.recurrent(self._place(embedded[:, None], position), (hidden, cell))
        return self.output(out[:, 0]), (hidden, cell, code, position + 1)

    def keep(self, state: State, alive: torch.Tensor) -> State:
        """See `Network`."""
        hidden, cell, code, position = state
        return hidden[:, alive], cell[:, alive], code[alive], position
