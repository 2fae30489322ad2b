"""How a network is trained: typed settings that all neural models share. Importing this needs no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dnastudy.core.config import Settings


class Recipe(Settings):
    """Settings of a training; all but ``micro_batch_tokens`` and ``precision`` change what is learned on paper."""

    epochs: int = Field(default=12, ge=1, description="times through the training genes, at most")
    batch_tokens: int = Field(
        default=2_500, ge=2, description="nucleotides a step learns from, padding included, at most"
    )
    batch_genes: int | None = Field(
        default=None, ge=1, description="genes a step learns from, instead of batch_tokens (the paper: 64)"
    )
    bucket_size: int = Field(
        default=80, ge=1, description="batches whose genes are sorted by length together, against padding; 1: none"
    )
    micro_batch_tokens: int = Field(
        default=32_768,
        ge=2,
        description="positions computed at once, padding included; a batch is computed in as many parts as that takes: "
        "less memory, the same gradient",
    )
    learning_rate: float = Field(default=3e-3, gt=0, description="largest learning rate of AdamW")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="share of the training in which the rate rises from 0")
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine", description="rate after the warm-up: falling to a fiftieth along a cosine, or constant"
    )
    weight_decay: float = Field(default=0.01, ge=0, description="weight decay of matrices (AdamW)")
    beta2: float = Field(default=0.95, gt=0, lt=1, description="memory of squared gradients (AdamW)")
    token_corruption: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="share of the nucleotides read in training that are replaced by random ones, as substitutions "
        "between relatives do; what is to be predicted stays",
    )
    label_dropout: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of the genes whose type is hidden from a network that is told of types, so that it learns "
        "to do without as well",
    )
    grad_clip: float = Field(default=1.0, ge=0, description="largest norm of a gradient; 0: gradients are not clipped")
    patience: int | None = Field(
        default=5, ge=1, description="epochs without a better validation loss before it stops; None: never"
    )
    validation_nucleotides: int | None = Field(
        default=400_000, ge=1, description="validation nucleotides looked at after each epoch, about; None: all"
    )
    precision: Literal["32-true", "bf16-mixed"] = Field(
        default="32-true", description="of the training: float32, or products in bfloat16 (scores are always float32)"
    )
    seed: int = Field(default=1, ge=0, description="seed of the first weights, of dropout and of the order of genes")


PAPER = {
    "epochs": 40, "batch_genes": 64, "bucket_size": 1, "learning_rate": 1e-3, "warmup": 0.0, "schedule": "constant",
    "weight_decay": 0.0, "beta2": 0.999, "token_corruption": 0.0, "grad_clip": 0.0, "patience": 5, "validation_nucleotides": None,
    "micro_batch_tokens": 8192,
}  # fmt: skip
"""The recipe of Ihtiyar and Ozgur (2024): plain Adam at one rate until validation has not got better for 5 epochs."""
