"""Transformer decoders (Vaswani et al. 2017): with the paper's post-norm blocks, and with modern pre-norm blocks.

Pre-norm: RMSNorm before each part (Zhang and Sennrich 2019), rotary positions (Su et al. 2021), SwiGLU (Shazeer 2020).
Its heads share one head of keys and values, which makes generation several times faster.
Post-norm: LayerNorm after each part, learned positions, ReLU. The paper's 3 heads do not divide its d_model of 256:
each is 256 // 3 = 85 wide, as in the Keras layer it used, so that 256 is projected to 255 and back.
The network itself is in `networks.transformer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dnastudy.display import looks
from dnastudy.models.neural import NeuralModel
from dnastudy.models.search_space import COMMON, Range, SearchSpace
from dnastudy.training.recipe import PAPER

if TYPE_CHECKING:
    from dnastudy.models.networks.base import Network

PAPER_POSITIONS = 1000
TRIALS = [
    (256, 256, 2, 3), (256, 256, 3, 3), (256, 256, 2, 4), (512, 256, 2, 3), (256, 512, 2, 3), (256, 256, 4, 3),
    (256, 256, 5, 3), (128, 256, 2, 3), (256, 128, 2, 3), (256, 256, 4, 4),
]  # fmt: skip
"""d_model, d_ff, layers and heads of the published trials, in the paper's order (their figures: `data/paper.yaml`)."""


class Transformer(NeuralModel):
    """Transformer decoder over nucleotides."""

    name = "transformer"
    family = label = "Transformer"
    look = looks.GREEN
    search_space: ClassVar[SearchSpace] = {
        **COMMON, "n_layers": Range(2, 5), "n_heads": [2, 3, 4, 6],
    }  # fmt: skip
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        f"paper-{d_model}-{d_ff}-{n_layers}-{n_heads}": {
            **PAPER, "block": "post-norm", "d_model": d_model, "d_ff": d_ff, "n_layers": n_layers, "n_heads": n_heads,
            "n_positions": PAPER_POSITIONS, "dropout": 0.0, "kmer_size": 1, "end": False,
        }
        for d_model, d_ff, n_layers, n_heads in TRIALS
    }  # fmt: skip

    class Settings(NeuralModel.Settings):
        """Settings of a Transformer."""

        # small batches and a table of k-mers need more decay, and a longer average of squared gradients
        weight_decay: float = Field(default=0.1, ge=0, description="weight decay of matrices (AdamW)")
        beta2: float = Field(default=0.99, gt=0, lt=1, description="decay of the mean squared gradient (AdamW)")
        block: Literal["pre-norm", "post-norm"] = Field(
            default="pre-norm",
            description="pre-norm: RMSNorm, rotary positions, SwiGLU; post-norm: LayerNorm, learned positions, ReLU, "
            "as in the paper",
        )
        d_model: int = Field(default=144, ge=1, description="size of the vectors between the blocks")
        n_layers: int = Field(default=4, ge=1, description="blocks")
        n_heads: int = Field(default=4, ge=1, description="attention heads; each is d_model // n_heads wide")
        n_kv_heads: int | None = Field(
            default=None,
            ge=1,
            description="heads of keys and values, each shared by a group of attention heads; None: 1 (pre-norm) or "
            "n_heads (post-norm)",
        )
        d_ff: int | None = Field(
            default=None, ge=1, description="size of the hidden layer of the feed-forward parts; None: 8/3 of d_model"
        )
        n_positions: int = Field(
            default=PAPER_POSITIONS,
            ge=1,
            description="positions with a learned embedding, nt (post-norm only; later ones share the last)",
        )
        dropout: float = Field(
            default=0.1,
            ge=0,
            lt=1,
            description="dropout of the embeddings and of what each block adds, as a probability",
        )

        @model_validator(mode="after")
        def _heads_fit(self) -> Self:
            width = self.d_model // self.n_heads
            if width < 1 or (self.block == "pre-norm" and width % 2):
                raise ValueError(
                    f"n_heads: {self.d_model} // {self.n_heads} = {width} wide; pre-norm needs an even number"
                )
            if self.n_heads % self.kv_heads:
                raise ValueError(f"n_kv_heads: {self.kv_heads} do not divide {self.n_heads} heads")
            return self

        @property
        def kv_heads(self) -> int:
            """Heads of keys and values, with the default filled in."""
            return self.n_kv_heads or (1 if self.block == "pre-norm" else self.n_heads)

        @property
        def inner_size(self) -> int:
            """Size of the hidden layer of the feed-forward parts, with the default filled in."""
            return self.d_ff or max(32, round(self.d_model / 12) * 32)

    def _build(self) -> Network:
        from dnastudy.models.networks.transformer import Decoder

        return Decoder(self.settings)
