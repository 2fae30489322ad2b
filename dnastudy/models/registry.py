"""Names under which models are registered. A new model is one line here."""

from __future__ import annotations

MODELS: dict[str, str] = {
    "uniform": "dnastudy.models.uniform:Uniform",
    "ngram": "dnastudy.models.ngram:NGram",
    "expert": "dnastudy.models.expert.model:Expert",
    "lstm": "dnastudy.models.lstm:LSTM",
    "transformer": "dnastudy.models.transformer:Transformer",
    "ensemble": "dnastudy.models.ensemble:Ensemble",
    "conditional": "dnastudy.models.conditional:Conditional",
}
"""Registered name to ``module:class``; a model's module is imported only when the model is asked for."""
