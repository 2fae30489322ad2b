"""Transformer decoders (Vaswani et al. 2017): the paper's post-norm blocks, and the blocks of today.

Today's: RMSNorm before each part (Zhang and Sennrich 2019), rotary positions (Su et al. 2021), SwiGLU (Shazeer 2020).
The paper's: LayerNorm after each part, learned positions, ReLU. Its 3 heads do not divide its width of 256: each is
256 // 3 = 85 wide, as in the Keras layer it used, so that 256 is projected to 255 and back.
Today's heads share one head of keys and values, which makes writing genes several times faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional

from dnastudy.models.networks import Contexts, Network, table_rows
from dnastudy.models.neural import NeuralModel
from dnastudy.training.recipe import PAPER

PAPER_POSITIONS = 1000
TRIALS = [
    (256, 256, 2, 3), (256, 256, 3, 3), (256, 256, 2, 4), (512, 256, 2, 3), (256, 512, 2, 3), (256, 256, 4, 3),
    (256, 256, 5, 3), (128, 256, 2, 3), (256, 128, 2, 3), (256, 256, 4, 4),
]  # fmt: skip
"""Width, feed-forward width, layers and heads of the paper's trials, in its order."""
ROTARY_BASE = 10_000.0


@dataclass
class Cache:
    """Keys and values of what has been read; ended sequences stay until half of the rows are theirs."""

    keys: list[torch.Tensor]
    """A layer each: (rows, shared heads, capacity, head width)."""
    values: list[torch.Tensor]
    length: int
    recent: torch.Tensor
    """Code of the last nucleotides, shape (rows,)."""
    rows: torch.Tensor
    """Row of each living sequence, shape (n,)."""


class Attention(nn.Module):
    """Causal attention of several heads; groups of them may share one head of keys and values (Shazeer 2019)."""

    def __init__(self, width: int, heads: int, shared: int, bias: bool, rotary: bool):
        super().__init__()
        self.heads, self.shared, self.head_width, self.rotary = heads, shared, width // heads, rotary
        self.inputs = nn.Linear(width, (heads + 2 * shared) * self.head_width, bias=bias)
        self.output = nn.Linear(heads * self.head_width, width, bias=bias)

    def _heads(self, x: torch.Tensor, turn: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """Queries, keys and values of x, (n, length, width): each (n, heads or shared, length, head width)."""
        n, length, _ = x.shape
        heads = self.inputs(x).view(n, length, self.heads + 2 * self.shared, self.head_width)
        both, value = heads.split([self.heads + self.shared, self.shared], dim=2)
        if self.rotary:
            both = _turned(both, turn)
        query, key = both.split([self.heads, self.shared], dim=2)
        return query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)

    def forward(self, x: torch.Tensor, turn: torch.Tensor | None) -> torch.Tensor:
        """Of whole sequences, shape (n, length, width), which is kept."""
        query, *others = self._heads(x, turn)
        n, _, length, width = query.shape
        group = self.heads // self.shared
        key, value = (  # (n, heads, length, head width), without a copy where all share one
            other[:, :, None].expand(n, self.shared, group, length, width).flatten(1, 2) for other in others
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.output(mixed.transpose(1, 2).flatten(2))  # (n, length, heads * head width)

    def step(self, x: torch.Tensor, turn: torch.Tensor | None, cache: Cache, layer: int) -> torch.Tensor:
        """Of one more symbol each, shape (n, 1, width)."""
        query, key, value = self._heads(x, turn)
        now = cache.length
        keys, values = cache.keys[layer], cache.values[layer]
        keys[:, :, now], values[:, :, now] = key[:, :, 0], value[:, :, 0]
        # heads that share keys ask them together: (n, shared, heads / shared, head width)
        query = query.reshape(len(x), self.shared, self.heads // self.shared, self.head_width)
        mixed = functional.scaled_dot_product_attention(query, keys[:, :, : now + 1], values[:, :, : now + 1])
        return self.output(mixed.reshape(len(x), 1, self.heads * self.head_width))


class Modern(nn.Module):
    """Pre-norm block with RMSNorm, rotary positions and SwiGLU."""

    def __init__(self, width: int, heads: int, shared: int, d_ff: int, dropout: float):
        super().__init__()
        self.norm, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.attention = Attention(width, heads, shared, bias=False, rotary=True)
        self.up = nn.Linear(width, 2 * d_ff, bias=False)
        self.down = nn.Linear(d_ff, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, attend) -> torch.Tensor:
        """Shape (n, length, width), kept; ``attend`` applies the attention."""
        x = x + self.dropout(attend(self.attention, self.norm(x)))
        gate, up = self.up(self.norm2(x)).chunk(2, -1)
        return x + self.dropout(self.down(functional.silu(gate) * up))


class Paper(nn.Module):
    """Post-norm block with LayerNorm and ReLU."""

    def __init__(self, width: int, heads: int, shared: int, d_ff: int, dropout: float):
        super().__init__()
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, shared, bias=True, rotary=False)
        self.up, self.down = nn.Linear(width, d_ff), nn.Linear(d_ff, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, attend) -> torch.Tensor:
        """Shape (n, length, width), kept; ``attend`` applies the attention."""
        x = self.norm(x + self.dropout(attend(self.attention, x)))
        return self.norm2(x + self.dropout(self.down(functional.relu(self.up(x)))))


class Decoder(Network):
    """Embedding, blocks, linear."""

    def __init__(self, settings: Transformer.Settings):
        super().__init__()
        s = settings
        self.vocab_size, self.outputs, self.types = s.vocab_size, s.vocab_size + s.end, s.types
        modern = s.block == "pre-norm"
        self.embedding = Contexts(s.kmer_size, s.d_model, s.kmer_dim, len(s.types), s.vocab_size)
        self.position = None if modern else nn.Embedding(s.n_positions, s.d_model)
        block = Modern if modern else Paper
        self.blocks = nn.ModuleList(
            block(s.d_model, s.n_heads, s.shared, s.inner_width, s.dropout) for _ in range(s.n_layers)
        )
        self.norm = nn.RMSNorm(s.d_model) if modern else nn.Identity()
        self.dropout = nn.Dropout(s.dropout)
        self.output = nn.Linear(s.d_model, self.outputs)
        self._first_weights(modern)

    def _first_weights(self, modern: bool) -> None:
        if not modern:  # those of Keras
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.xavier_uniform_(module.weight)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)
                elif isinstance(module, nn.Embedding):
                    nn.init.uniform_(module.weight, -0.05, 0.05)
            return
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
        for block in self.blocks:  # the sum over blocks keeps its size (Radford et al. 2019)
            for layer in (block.attention.output, block.down):
                nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * len(self.blocks)))
        if self.embedding.words is not None:
            nn.init.normal_(self.embedding.widened.weight, std=self.embedding.widened.in_features**-0.5)
        nn.init.zeros_(self.output.bias)

    def _place(self, embedded: torch.Tensor, first: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Embeddings, (n, length, width), placed from ``first`` on, and what turns their queries and keys."""
        places = torch.arange(first, first + embedded.shape[1], device=embedded.device)
        if self.position is not None:
            return embedded + table_rows(places, self.position), None
        return embedded, _rotation(places, self.blocks[0].attention.head_width)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """See `Network`."""
        x, turn = self._place(self.dropout(self.embedding(inputs)), 0)
        for block in self.blocks:
            x = block(x, lambda attention, x: attention(x, turn))
        return self.output(self.norm(x))

    def begin(self, n: int) -> Cache:
        """See `Network`."""
        attention = self.blocks[0].attention
        weight = self.output.weight
        empty = [weight.new_empty(n, attention.shared, 64, attention.head_width) for _ in range(2 * len(self.blocks))]
        half = len(self.blocks)
        rows = torch.arange(n, device=weight.device)
        return Cache(empty[:half], empty[half:], 0, torch.zeros_like(rows), rows)

    def step(self, inputs: torch.Tensor, state: Cache) -> tuple[torch.Tensor, Cache]:
        """See `Network`."""
        n, _, capacity, _ = state.keys[0].shape
        if state.length == capacity:
            for tensors in (state.keys, state.values):
                tensors[:] = [functional.pad(tensor, (0, 0, 0, capacity)) for tensor in tensors]
        whole = inputs
        if len(inputs) < n:  # ended sequences go on reading A until they are dropped
            whole = inputs.new_zeros(n).index_copy_(0, state.rows, inputs)
        embedded, state.recent = self.embedding.step(whole, state.recent, state.length)
        x, turn = self._place(embedded[:, None], state.length)
        for layer, block in enumerate(self.blocks):
            x = block(x, lambda attention, x, layer=layer: attention.step(x, turn, state, layer))
        state.length += 1
        logits = self.output(self.norm(x))[:, 0]
        return (logits if len(inputs) == n else logits[state.rows]), state

    def keep(self, state: Cache, alive: torch.Tensor) -> Cache:
        """See `Network`."""
        rows = state.rows[alive]
        if 2 * len(rows) > len(state.keys[0]):
            return Cache(state.keys, state.values, state.length, state.recent, rows)
        keys, values = ([tensor[rows] for tensor in tensors] for tensors in (state.keys, state.values))
        return Cache(keys, values, state.length, state.recent[rows], torch.arange(len(rows), device=rows.device))


def _rotation(places: torch.Tensor, width: int) -> torch.Tensor:
    """Cosines and sines that turn a head of this width at these places, shape (2, places, 1, width / 2)."""
    frequencies = ROTARY_BASE ** (-torch.arange(0, width, 2, device=places.device) / width)
    angles = places[:, None, None] * frequencies
    return torch.stack([angles.cos(), angles.sin()])


def _turned(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Halves of each head turned against each other, shape (n, length, heads, head width), kept."""
    first, second = x.chunk(2, -1)
    cos, sin = turn
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1).to(x.dtype)


class Transformer(NeuralModel):
    """Transformer decoder over nucleotides."""

    name = "transformer"
    family = "Transformer"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        f"paper-{width}-{d_ff}-{layers}-{heads}": {
            **PAPER, "block": "post-norm", "d_model": width, "d_ff": d_ff,
            "n_layers": layers, "n_heads": heads, "n_positions": PAPER_POSITIONS, "dropout": 0.0, "kmer_size": 1, "end": False,
        }
        for width, d_ff, layers, heads in TRIALS
    }  # fmt: skip

    class Settings(NeuralModel.Settings):
        """Settings of a Transformer."""

        # small batches and a table of words: more decay, and a longer memory of how large gradients are
        weight_decay: float = Field(default=0.1, ge=0, description="weight decay of matrices (AdamW)")
        beta2: float = Field(default=0.99, gt=0, lt=1, description="memory of squared gradients (AdamW)")
        block: Literal["pre-norm", "post-norm"] = Field(
            default="pre-norm",
            description="pre-norm: RMSNorm, rotary positions, SwiGLU; post-norm: the paper's LayerNorm, learned "
            "positions, ReLU",
        )
        d_model: int = Field(default=144, ge=1, description="width of the stream between the blocks")
        n_layers: int = Field(default=4, ge=1, description="blocks")
        n_heads: int = Field(default=4, ge=1, description="attention heads; each is width // heads wide")
        n_kv_heads: int | None = Field(
            default=None,
            ge=1,
            description="heads of keys and values, shared by groups of heads; None: one (pre-norm), "
            "or one a head (post-norm)",
        )
        d_ff: int | None = Field(
            default=None, ge=1, description="width inside the feed-forward parts; None: 8/3 of the width"
        )
        n_positions: int = Field(
            default=PAPER_POSITIONS,
            ge=1,
            description="positions with a learned embedding (post-norm only; later ones share the last)",
        )
        dropout: float = Field(
            default=0.1, ge=0, lt=1, description="dropout of the embeddings and of what each block adds"
        )

        @model_validator(mode="after")
        def _fits(self) -> Self:
            width = self.d_model // self.n_heads
            if width < 1 or (self.block == "pre-norm" and width % 2):
                raise ValueError(
                    f"n_heads: {self.d_model} // {self.n_heads} = {width} wide; pre-norm needs an even number"
                )
            if self.n_heads % self.shared:
                raise ValueError(f"n_kv_heads: {self.shared} do not divide {self.n_heads} heads")
            return self

        @property
        def shared(self) -> int:
            """Heads of keys and values."""
            return self.n_kv_heads or (1 if self.block == "pre-norm" else self.n_heads)

        @property
        def inner_width(self) -> int:
            """Width inside the feed-forward parts."""
            return self.d_ff or max(32, round(self.d_model / 12) * 32)

    def _build(self) -> Decoder:
        return Decoder(self.settings)
