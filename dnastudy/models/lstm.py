"""Long short-term memory (Hochreiter and Schmidhuber 1997): the paper's networks, and one trained as one would today.

Expected on the paper's test split, from `train_part.csv` alone: see the chapter "Recurrent models" and
``results/runs/lstm*.json``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import nn

from dnastudy.models.networks import Contexts, Network, table_rows
from dnastudy.models.neural import NeuralModel
from dnastudy.training.recipe import PAPER

PAPER_POSITIONS = 1000
TRIALS = [
    (256, 256, 2), (256, 256, 1), (256, 256, 3), (128, 256, 2), (256, 128, 2), (512, 256, 2), (256, 512, 2),
    (256, 256, 4), (128, 512, 4), (256, 512, 4), (256, 512, 5), (256, 1024, 4),
]  # fmt: skip
"""Embedding, units and layers of the paper's trials, in its order."""

State = tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]
"""Hidden and cell states, each (layers, n, units), the code of the last nucleotides, (n,), and the position."""


class Recurrent(Network):
    """Embedding (and learned position), LSTM layers, linear."""

    def __init__(self, settings: LSTM.Settings):
        super().__init__()
        embedding, units, layers, positions = (
            getattr(settings, name) for name in ("embedding_size", "hidden_size", "n_layers", "n_positions")
        )
        dropout, self.types, self.vocab_size = settings.dropout, settings.types, settings.vocab_size
        self.outputs = self.vocab_size + settings.end
        words = settings.kmer_size, embedding, settings.kmer_dim
        self.embedding = Contexts(*words, len(self.types), self.vocab_size)
        self.position = nn.Embedding(positions, embedding) if positions else None
        self.recurrent = nn.LSTM(embedding, units, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(units, self.outputs)
        self._first_weights(units)

    def _first_weights(self, units: int) -> None:
        """Orthogonal recurrence and open forget gates (Jozefowicz et al. 2015), which long memories need."""
        for name, weights in self.recurrent.named_parameters():
            if "bias" in name:
                nn.init.zeros_(weights)
                if "bias_ih" in name:
                    weights.data[units : 2 * units] = 1.0
            elif "weight_hh" in name:
                for a, b in pairwise(range(0, 5 * units, units)):
                    nn.init.orthogonal_(weights.data[a:b])
            else:
                nn.init.xavier_uniform_(weights)

    def _place(self, embedded: torch.Tensor, first: int) -> torch.Tensor:
        """Add what is learned of positions to embeddings, shape (n, length, width), the first at ``first``."""
        if self.position is None:
            return embedded
        places = torch.arange(first, first + embedded.shape[1], device=embedded.device)
        return embedded + table_rows(places, self.position)

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
        hidden, cell, recent, position = state
        embedded, recent = self.embedding.step(inputs, recent, position)
        out, (hidden, cell) = self.recurrent(self._place(embedded[:, None], position), (hidden, cell))
        return self.output(out[:, 0]), (hidden, cell, recent, position + 1)

    def keep(self, state: State, alive: torch.Tensor) -> State:
        """See `Network`."""
        hidden, cell, recent, position = state
        return hidden[:, alive], cell[:, alive], recent[alive], position


class LSTM(NeuralModel):
    """Stacked LSTM layers over nucleotides."""

    name = "lstm"
    family = "LSTM"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        f"paper-{embedding}-{units}-{layers}": {
            **PAPER, "embedding_size": embedding, "hidden_size": units, "n_layers": layers, "n_positions": PAPER_POSITIONS,
            "dropout": 0.0, "kmer_size": 1, "end": False,
        }
        for embedding, units, layers in TRIALS
    }  # fmt: skip

    class Settings(NeuralModel.Settings):
        """Settings of an LSTM."""

        embedding_size: int = Field(default=64, ge=1, description="width of a nucleotide's embedding")
        hidden_size: int = Field(default=256, ge=1, description="units of each layer")
        n_layers: int = Field(default=2, ge=1, description="layers")
        n_positions: int = Field(
            default=0, ge=0, description="positions with a learned embedding (later ones share the last); 0: none"
        )
        dropout: float = Field(default=0.2, ge=0, lt=1, description="dropout between layers and before the output")

    def _build(self) -> Recurrent:
        return Recurrent(self.settings)
