"""What models and runs are called on pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnastudy.experiments.plan import NEURAL


def run_label(record: Mapping[str, Any]) -> str:
    """What the model of a run is called in tables."""
    settings = record["settings"]
    if record["model"] in NEURAL:
        return f"{record['family']}, today's recipe" if settings["end"] else f"{record['family']}, the paper's recipe"
    if record["model"] == "ensemble":
        names = {"expert": "expert mixture", "lstm": "LSTM", "transformer": "Transformer"}
        return " + ".join(names.get(member["model"], member["model"]) for member in settings["members"])
    if record["model"] == "expert":
        return "expert mixture" + (" (+ val.)" if record["data"]["update"] else "")
    if record["model"] != "ngram":
        return {"uniform": "knows nothing"}.get(record["model"], record["model"])
    smoothing = {"mle": "MLE", "laplace": "Laplace"}.get(settings["smoothing"])
    if smoothing is None:
        smoothing = "Witten-Bell" if settings["novelty"] else "Witten-Bell tuned"
    more = " (train + val.)" if record["data"]["train"] == ["counts"] else ""
    return f"{settings['order']}-gram, {smoothing}{more}"
