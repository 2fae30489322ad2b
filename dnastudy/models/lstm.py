"""Long short-term memory (Hochreiter and Schmidhuber 1997): the paper's networks, and one by a modern recipe.

The network itself is in `networks.lstm`. Expected on the paper's test split, from its training split alone: see the
chapter "Recurrent models" and the run records under ``results/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from dnastudy.display import looks
from dnastudy.models.neural import NeuralModel
from dnastudy.models.search_space import COMMON, Range, SearchSpace
from dnastudy.training.recipe import PAPER

if TYPE_CHECKING:
    from dnastudy.models.networks.base import Network

PAPER_POSITIONS = 1000
TRIALS = [
    (256, 256, 2), (256, 256, 1), (256, 256, 3), (128, 256, 2), (256, 128, 2), (512, 256, 2), (256, 512, 2),
    (256, 256, 4), (128, 512, 4), (256, 512, 4), (256, 512, 5), (256, 1024, 4),
]  # fmt: skip
"""Embedding size, hidden size and layers of the published trials, in the paper's order (figures: `data/paper.yaml`)."""


class LSTM(NeuralModel):
    """Stacked LSTM layers over nucleotides."""

    name = "lstm"
    family = label = "LSTM"
    look = looks.RED
    search_space: ClassVar[SearchSpace] = {
        **COMMON, "n_layers": Range(1, 3), "embedding_size": [32, 64, 128],
    }  # fmt: skip
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        f"paper-{embedding_size}-{hidden_size}-{n_layers}": {
            **PAPER, "embedding_size": embedding_size, "hidden_size": hidden_size, "n_layers": n_layers,
            "n_positions": PAPER_POSITIONS, "dropout": 0.0, "kmer_size": 1, "end": False,
        }
        for embedding_size, hidden_size, n_layers in TRIALS
    }  # fmt: skip

    class Settings(NeuralModel.Settings):
        """Settings of an LSTM."""

        embedding_size: int = Field(default=64, ge=1, description="size of the embedding of a nucleotide")
        hidden_size: int = Field(default=256, ge=1, description="units in each LSTM layer")
        n_layers: int = Field(default=2, ge=1, description="LSTM layers")
        n_positions: int = Field(
            default=0, ge=0, description="positions with a learned embedding, nt (later ones share the last); 0: none"
        )
        dropout: float = Field(
            default=0.2, ge=0, lt=1, description="dropout between the layers and before the output, as a probability"
        )

    def _build(self) -> Network:
        from dnastudy.models.networks.lstm import Recurrent

        return Recurrent(self.settings)
