"""How a network is trained: typed settings that all neural models share. Needs no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dnastudy.core.config import Settings


class Recipe(Settings):
    """Settings of a training. ``micro_batch_tokens`` and ``precision`` change results by rounding only."""

    epochs: int = Field(default=12, ge=1, description="largest number of epochs")
    batch_tokens: int = Field(
        default=2_500, ge=2, description="largest number of nucleotides in the batch of a step, padding included"
    )
    batch_genes: int | None = Field(
        default=None, ge=1, description="genes in the batch of a step, instead of batch_tokens (published: 64)"
    )
    bucket_size: int = Field(
        default=80, ge=1, description="batches whose genes are sorted by length together, to reduce padding; 1: none"
    )
    micro_batch_tokens: int = Field(
        default=32_768,
        ge=2,
        description="positions computed at once, padding included; larger batches are computed in parts, with less "
        "memory and the same gradient",
    )
    learning_rate: float = Field(default=3e-3, gt=0, description="peak learning rate of AdamW")
    warmup: float = Field(
        default=0.05, ge=0, lt=1, description="share of the training during which the learning rate rises from 0"
    )
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine", description="learning rate after the warm-up: a cosine down to a fiftieth, or constant"
    )
    weight_decay: float = Field(default=0.01, ge=0, description="weight decay of matrices (AdamW)")
    beta2: float = Field(default=0.95, gt=0, lt=1, description="decay of the mean squared gradient (AdamW)")
    token_corruption: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="share of the input nucleotides that are replaced by random ones in training, similar to "
        "substitutions between homologs; targets are not changed",
    )
    label_dropout: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of the genes whose type is hidden in training from a network that is conditioned on types, "
        "so that it learns to predict without a type as well",
    )
    grad_clip: float = Field(default=1.0, ge=0, description="largest norm of the gradient; 0: not clipped")
    patience: int | None = Field(
        default=5,
        ge=1,
        description="epochs without a lower validation loss before training stops; None: it never stops early",
    )
    validation_nucleotides: int | None = Field(
        default=400_000,
        ge=1,
        description="about how many validation nucleotides are scored after each epoch; None: all",
    )
    precision: Literal["32-true", "bf16-mixed"] = Field(
        default="32-true",
        description="precision of the training: float32, or matrix products in bfloat16 (scores are always float32)",
    )
    seed: int = Field(default=1, ge=0, description="seed of the first weights, of dropout and of the order of genes")


PAPER = {
    "epochs": 40, "batch_genes": 64, "bucket_size": 1, "learning_rate": 1e-3, "warmup": 0.0, "schedule": "constant",
    "weight_decay": 0.0, "beta2": 0.999, "token_corruption": 0.0, "grad_clip": 0.0, "patience": 5,
    "validation_nucleotides": None, "micro_batch_tokens": 8192,
}  # fmt: skip
"""The recipe of Ihtiyar and Ozgur (2024): Adam at a constant rate; 5 epochs without a lower validation loss end it."""
