"""Names under which models are registered. A new model is one line here."""

from __future__ import annotations

MODELS: dict[str, str] = {
    "ngram": "dnastudy.models.ngram:NGram",
    "expert": "dnastudy.models.expert.model:Expert",
    "lstm": "dnastudy.models.lstm:LSTM",
    "transformer": "dnastudy.models.transformer:Transformer",
    "ensemble": "dnastudy.models.ensemble:Ensemble",
    "uniform": "dnastudy.models.uniform:Uniform",
    "conditional": "dnastudy.models.conditional:Conditional",
}
"""Registered name to ``module:class``; a model's module is imported only when the model is requested.

Their order is that of model families in legends."""
