"""The network of the Transformer (see `dnastudy.models.transformer`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from dnastudy.models.networks.base import KmerEmbedding, Network, position_embeddings

if TYPE_CHECKING:
    from dnastudy.models.transformer import Transformer

ROTARY_BASE = 10_000.0


@dataclass
class Cache:
    """Keys and values of all symbols so far; rows of ended sequences are dropped once they are half of all."""

    keys: list[torch.Tensor]
    """One tensor a layer, shape (rows, key and value heads, capacity, head width)."""
    values: list[torch.Tensor]
    length: int
    code: torch.Tensor
    """Code of the last k-mer, shape (rows,)."""
    rows: torch.Tensor
    """Row of each sequence that has not ended, shape (n,)."""


class Attention(nn.Module):
    """Causal attention; groups of query heads may share one head of keys and values (Shazeer 2019)."""

    def __init__(self, d_model: int, n_heads: int, n_kv_heads: int, bias: bool, rotary: bool):
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_width, self.rotary = n_heads, n_kv_heads, d_model // n_heads, rotary
        self.inputs = nn.Linear(d_model, (n_heads + 2 * n_kv_heads) * self.head_width, bias=bias)
        self.output = nn.Linear(n_heads * self.head_width, d_model, bias=bias)

    def _heads(self, x: torch.Tensor, rotation: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """Queries, keys and values of x, (n, length, d_model): each (n, their heads, length, head width)."""
        n, length, _ = x.shape
        heads = self.inputs(x).view(n, length, self.n_heads + 2 * self.n_kv_heads, self.head_width)
        both, value = heads.split([self.n_heads + self.n_kv_heads, self.n_kv_heads], dim=2)
        if self.rotary:
            both = _rotated(both, rotation)
        query, key = both.split([self.n_heads, self.n_kv_heads], dim=2)
        return query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)

    def forward(self, x: torch.Tensor, rotation: torch.Tensor | None) -> torch.Tensor:
        """Return the attention in whole sequences, shape (n, length, d_model), kept."""
        query, *others = self._heads(x, rotation)
        n, _, length, width = query.shape
        group = self.n_heads // self.n_kv_heads
        key, value = (  # (n, n_heads, length, head width), without a copy where all share one
            other[:, :, None].expand(n, self.n_kv_heads, group, length, width).flatten(1, 2) for other in others
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.output(mixed.transpose(1, 2).flatten(2))  # (n, length, n_heads * head width)

    def step(self, x: torch.Tensor, rotation: torch.Tensor | None, cache: Cache, layer: int) -> torch.Tensor:
        """Return the attention of one more symbol each, shape (n, 1, d_model), kept."""
        query, key, value = self._heads(x, rotation)
        now = cache.length
        keys, values = cache.keys[layer], cache.values[layer]
        keys[:, :, now], values[:, :, now] = key[:, :, 0], value[:, :, 0]
        # query heads that share keys go together: (n, n_kv_heads, n_heads / n_kv_heads, head width)
        query = query.reshape(len(x), self.n_kv_heads, self.n_heads // self.n_kv_heads, self.head_width)
        mixed = functional.scaled_dot_product_attention(query, keys[:, :, : now + 1], values[:, :, : now + 1])
        return self.output(mixed.reshape(len(x), 1, self.n_heads * self.head_width))


class PreNormBlock(nn.Module):
    """Pre-norm block with RMSNorm, rotary positions and SwiGLU."""

    def __init__(self, d_model: int, n_heads: int, n_kv_heads: int, d_ff: int, dropout: float):
        super().__init__()
        self.norm, self.norm2 = nn.RMSNorm(d_model), nn.RMSNorm(d_model)
        self.attention = Attention(d_model, n_heads, n_kv_heads, bias=False, rotary=True)
        self.up = nn.Linear(d_model, 2 * d_ff, bias=False)
        self.down = nn.Linear(d_ff, d_model, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, attend) -> torch.Tensor:
        """Return x after the block, shape (n, length, d_model), kept; ``attend`` applies the attention."""
        x = x + self.dropout(attend(self.attention, self.norm(x)))
        gate, up = self.up(self.norm2(x)).chunk(2, -1)
        return x + self.dropout(self.down(functional.silu(gate) * up))


class PostNormBlock(nn.Module):
    """Post-norm block with LayerNorm and ReLU."""

    def __init__(self, d_model: int, n_heads: int, n_kv_heads: int, d_ff: int, dropout: float):
        super().__init__()
        self.norm, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attention = Attention(d_model, n_heads, n_kv_heads, bias=True, rotary=False)
        self.up, self.down = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, attend) -> torch.Tensor:
        """Return x after the block, shape (n, length, d_model), kept; ``attend`` applies the attention."""
        x = self.norm(x + self.dropout(attend(self.attention, x)))
        return self.norm2(x + self.dropout(self.down(functional.relu(self.up(x)))))


class Decoder(Network):
    """Embedding, blocks, linear output."""

    def __init__(self, settings: Transformer.Settings):
        super().__init__()
        s = settings
        self.vocab_size, self.outputs, self.types = s.vocab_size, s.vocab_size + s.end, s.types
        modern = s.block == "pre-norm"
        self.embedding = KmerEmbedding(s.kmer_size, s.d_model, s.kmer_dim, len(s.types), s.vocab_size)
        self.position = None if modern else nn.Embedding(s.n_positions, s.d_model)
        block = PreNormBlock if modern else PostNormBlock
        self.blocks = nn.ModuleList(
            block(s.d_model, s.n_heads, s.kv_heads, s.inner_size, s.dropout) for _ in range(s.n_layers)
        )
        self.norm = nn.RMSNorm(s.d_model) if modern else nn.Identity()
        self.dropout = nn.Dropout(s.dropout)
        self.output = nn.Linear(s.d_model, self.outputs)
        self._first_weights(modern)

    def _first_weights(self, modern: bool) -> None:
        if not modern:  # as in Keras
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
        for block in self.blocks:  # so that the sum over blocks keeps its scale (Radford et al. 2019)
            for layer in (block.attention.output, block.down):
                nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * len(self.blocks)))
        if self.embedding.words is not None:
            nn.init.normal_(self.embedding.widened.weight, std=self.embedding.widened.in_features**-0.5)
        nn.init.zeros_(self.output.bias)

    def _place(self, embedded: torch.Tensor, first: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Embeddings, (n, length, d_model), at positions from ``first`` on, and the rotation of queries and keys."""
        positions = torch.arange(first, first + embedded.shape[1], device=embedded.device)
        if self.position is not None:
            return embedded + position_embeddings(positions, self.position), None
        return embedded, _rotation(positions, self.blocks[0].attention.head_width)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """See `Network`."""
        x, rotation = self._place(self.dropout(self.embedding(inputs)), 0)
        for block in self.blocks:
            x = block(x, lambda attention, x: attention(x, rotation))
        return self.output(self.norm(x))

    def begin(self, n: int) -> Cache:
        """See `Network`."""
        attention = self.blocks[0].attention
        weight = self.output.weight
        empty = [
            weight.new_empty(n, attention.n_kv_heads, 64, attention.head_width) for _ in range(2 * len(self.blocks))
        ]
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
        if len(inputs) < n:  # ended sequences get A as input until they are dropped
            whole = inputs.new_zeros(n).index_copy_(0, state.rows, inputs)
        embedded, state.code = self.embedding.step(whole, state.code, state.length)
        x, rotation = self._place(embedded[:, None], state.length)
        for layer, block in enumerate(self.blocks):
            x = block(x, lambda attention, x, layer=layer: attention.step(x, rotation, state, layer))
        state.length += 1
        logits = self.output(self.norm(x))[:, 0]
        return (logits if len(inputs) == n else logits[state.rows]), state

    def keep(self, state: Cache, alive: torch.Tensor) -> Cache:
        """See `Network`."""
        rows = state.rows[alive]
        if 2 * len(rows) > len(state.keys[0]):
            return Cache(state.keys, state.values, state.length, state.code, rows)
        keys, values = ([tensor[rows] for tensor in tensors] for tensors in (state.keys, state.values))
        return Cache(keys, values, state.length, state.code[rows], torch.arange(len(rows), device=rows.device))


def _rotation(positions: torch.Tensor, width: int) -> torch.Tensor:
    """Cosines and sines that rotate a head of this width at these positions, shape (2, positions, 1, width / 2)."""
    frequencies = ROTARY_BASE ** (-torch.arange(0, width, 2, device=positions.device) / width)
    angles = positions[:, None, None] * frequencies
    return torch.stack([angles.cos(), angles.sin()])


def _rotated(x: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
    """The two halves of each head rotated against each other, shape (n, length, heads, head width), kept."""
    first, second = x.chunk(2, -1)
    cos, sin = rotation
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1).to(x.dtype)
