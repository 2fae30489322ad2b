"""Ensembles: several models predict from the same prefix, and their distributions are mixed.

Linear mixing averages probabilities (opinion pool of Stone 1961). Geometric mixing sums weighted logarithms and
normalises (Genest and Zidek 1986), so that a confident member overrules uncertain ones. Its weights may have either
sign and need not sum to 1, so that it can also correct an overconfident member. Weights are fitted on the validation
genes; both problems are convex.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field

from dnastudy import models
from dnastudy.core.config import Settings
from dnastudy.data.sequences import EncodedSequences, encode, evenly_spaced
from dnastudy.display import looks
from dnastudy.models import base

if TYPE_CHECKING:
    from dnastudy.training.log import Workspace
    from dnastudy.training.report import Report

TUNING_NUCLEOTIDES = 600_000
"""Validation nucleotides on which weights are fitted, about."""
LEAST = -40.0
"""Log-probability, nats, that replaces smaller ones in a geometric mixture."""
PRIOR = 20.0
"""Strength of the penalty that holds the weights of a cell near those of all events, in events."""


class Member(Settings):
    """One member of an ensemble."""

    model: str = Field(description="registered model")
    settings: dict[str, Any] = Field(default_factory=dict, description="settings of that model")


class Ensemble(base.LanguageModel):
    """Linear or geometric mixture of other models, weights fitted on validation genes."""

    name = "ensemble"
    family = label = "ensemble"
    look = looks.PURPLE

    class Settings(base.Settings):
        """Settings of an ensemble."""

        members: list[Member] = Field(
            default=[Member(model="ngram", settings={"order": 4}), Member(model="ngram", settings={"order": 10})],
            min_length=1,
            description="models to mix: a list of {model: name, settings: {...}}",
        )
        mixing: Literal["linear", "geometric"] = Field(
            default="geometric",
            description="linear: weighted mean of probabilities; geometric: weighted sum of log-probabilities, "
            "normalised",
        )
        classes: int = Field(
            default=1,
            ge=1,
            description="classes of each member's entropy; each combination of classes has its own weights",
        )

    def __init__(self, settings: dict[str, Any] | base.Settings | None = None):
        super().__init__(settings)
        self.members = [models.create(member.model, member.settings) for member in self.settings.members]
        self.edges, self.weights = np.zeros((len(self.members), 0)), self._equal()

    @classmethod
    def label_of(cls, settings: dict[str, Any]) -> str:
        """See the base class: the labels of the members, joined by " + "."""
        labels = [models.model_class(name).label_of(of_member) for name, of_member in cls.parts(settings)]
        return " + ".join(labels) if len(labels) > 1 else f"{labels[0]}, recalibrated"

    def _equal(self) -> np.ndarray:
        count = len(self.members)
        return np.full((self.settings.classes**count, count), 1 / count)

    @classmethod
    def parts(cls, settings: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """See the base class."""
        return [(member.model, member.settings) for member in cls.Settings.parse(settings, cls.name).members]

    @property
    def num_parameters(self) -> int:
        """Parameters of the members, and the weights."""
        return sum(member.num_parameters for member in self.members) + self.weights.size

    @property
    def tuned(self) -> dict[str, float]:
        """Mean weight of each member."""
        names = [f"{number}-{member.name}" for number, member in enumerate(self.members, 1)]
        return dict(zip(names, self.weights.mean(axis=0).tolist(), strict=True))

    # learning

    def fit(self, train: base.Sequences, validation: base.Sequences | None = None) -> Self:
        """Fit each member, then their weights on ``validation`` (without any: equal weights)."""
        return self.fit_long(train, validation)

    def fit_long(
        self,
        train: base.Sequences,
        validation: base.Sequences | None = None,
        workspace: Workspace | None = None,
        report: Report | None = None,
    ) -> Self:
        """See the base class; each member has a folder of its own in the workspace."""
        train, fitted = encode(train), []
        for number, member in enumerate(self.members, 1):
            inside = workspace and replace(workspace, folder=workspace.folder / f"member-{number}")
            fitted.append(member.fit_long(train, validation, inside, report))
        return self.combine(fitted, validation)

    def combine(self, parts: Sequence[base.LanguageModel], validation: base.Sequences | None = None) -> Self:
        """See the base class."""
        self.members = list(parts)
        self.edges, self.weights = np.zeros((len(self.members), 0)), self._equal()
        tuning = evenly_spaced(encode(validation if validation is not None else []), TUNING_NUCLEOTIDES)
        if not tuning.nucleotides:
            return self
        rows, truth = self._rows(tuning), tuning.symbols
        # events that no member gives any probability (ends, for networks without END) cannot be weighted
        possible = np.isfinite(rows[:, np.arange(len(truth)), truth]).any(axis=0)
        if not possible.any():
            return self
        rows, truth = rows[:, possible], truth[possible]
        entropies = _entropies(rows)
        cuts = np.arange(1, self.settings.classes) / self.settings.classes
        self.edges = np.quantile(entropies, cuts, axis=1).T  # (members, classes - 1)
        cells, fitted = self._cells(entropies), _linear if self.settings.mixing == "linear" else _geometric
        equal = np.full(len(self.members), 1 / len(self.members))
        # weights of all events first: those of a cell with few events stay near them
        overall = fitted(rows, truth, equal)
        self.weights = np.stack(
            [
                fitted(rows[:, cells == cell], truth[cells == cell], overall) if (cells == cell).any() else overall
                for cell in range(len(self.weights))
            ]
        )
        return self

    @classmethod
    def with_types(cls, settings: dict[str, Any], types: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """See the base class: each member by type."""
        typed = [models.model_class(model).with_types(of_member, types) for model, of_member in cls.parts(settings)]
        return cls.name, {**settings, "members": [{"model": model, "settings": of} for model, of in typed]}

    @classmethod
    def uses_types(cls, settings: dict[str, Any]) -> bool:
        """See the base class."""
        return any(models.model_class(model).uses_types(of_member) for model, of_member in cls.parts(settings))

    @property
    def types(self) -> tuple[str, ...]:
        """Gene types that all members can be conditioned on."""
        first, *others = (member.types for member in self.members)
        return tuple(name for name in first if all(name in known for known in others))

    def of_type(self, name: str) -> Self:
        """See the base class; the weights are those of all genes."""
        self._check_type(name)
        conditioned = copy.copy(self)
        conditioned.members = [member.of_type(name) for member in self.members]
        return conditioned

    def update(self, sequences: base.Sequences) -> Self:
        """Add more genes to each member; the weights are kept."""
        for member in self.members:
            member.update(sequences)
        return self

    # the protocol

    def _rows(self, encoded: EncodedSequences) -> np.ndarray:
        """Log-probabilities of all members, shape (members, symbols, 5)."""
        return np.stack([np.concatenate(member.log_distributions(encoded)) for member in self.members])

    def _cells(self, entropies: np.ndarray) -> np.ndarray:
        """Cell of weights at each position: the classes of all members' entropies together."""
        cells = np.zeros(entropies.shape[1], dtype=np.int64)
        for values, edges in zip(entropies, self.edges, strict=True):
            cells = cells * self.settings.classes + np.searchsorted(edges, values)
        return cells

    def _mixed(self, rows: np.ndarray) -> np.ndarray:
        """Mixture of the members' rows, (members, positions, 5): shape (positions, 5)."""
        weights = self.weights[self._cells(_entropies(rows))].T[:, :, None]  # (members, positions, 1)
        with np.errstate(divide="ignore"):
            if self.settings.mixing == "linear":
                return np.log((weights * np.exp(rows)).sum(axis=0))
            mixed = (weights * np.maximum(rows, LEAST)).sum(axis=0)
            mixed[np.isneginf(rows).all(axis=0)] = -np.inf
            return mixed - np.log(np.exp(mixed).sum(axis=1, keepdims=True))

    def log_distributions(self, sequences: base.Sequences) -> list[np.ndarray]:
        """See the base class."""
        encoded = encode(sequences)
        return np.split(self._mixed(self._rows(encoded)), encoded.starts[1:-1]) if len(encoded) else []

    # sampling

    def _start(self, prefixes: list[np.ndarray]) -> list[Any]:
        return [member._start(prefixes) for member in self.members]

    def _next(self, state: list[Any]) -> np.ndarray:
        return self._mixed(np.stack([member._next(s) for member, s in zip(self.members, state, strict=True)]))

    def _advance(self, state: list[Any], symbols: np.ndarray, alive: np.ndarray) -> list[Any]:
        return [member._advance(s, symbols, alive) for member, s in zip(self.members, state, strict=True)]

    # saving: each member as the model it is

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"edges": self.edges, "weights": self.weights}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        if arrays["weights"].shape != self.weights.shape:
            raise ValueError("the weights do not fit the settings")
        self.edges, self.weights = arrays["edges"], arrays["weights"]

    def _write_arrays(self, folder: Path, arrays: dict[str, np.ndarray]) -> None:
        super()._write_arrays(folder, arrays)
        for number, member in enumerate(self.members, 1):
            member.save(folder / f"member-{number}")

    def _read_arrays(self, folder: Path) -> dict[str, np.ndarray]:
        self.members = [models.load(folder / f"member-{number}") for number in range(1, len(self.members) + 1)]
        return super()._read_arrays(folder)


def _entropies(rows: np.ndarray) -> np.ndarray:
    """Entropy of each distribution, nats, END included: from shape (members, positions, 5) to (members, positions)."""
    p = np.exp(rows)
    return -(p * np.where(p > 0, rows, 0.0)).sum(axis=2)


def _linear(rows: np.ndarray, truth: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Weights, summing to 1, that make the true symbols most probable in the average."""
    from scipy.optimize import minimize  # imported late: it takes long

    p = np.exp(rows[:, np.arange(len(truth)), truth])  # (members, positions)

    def nats(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = np.maximum(weights @ p, 1e-300)
        shift = weights - prior
        loss = -np.log(mixed).sum() + PRIOR / 2 * shift @ shift
        return loss / len(truth), (PRIOR * shift - (p / mixed).sum(axis=1)) / len(truth)

    total = {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like}
    result = minimize(
        nats, prior, jac=True, method="SLSQP", bounds=[(0, 1)] * len(prior), constraints=[total],
        options={"ftol": 1e-12, "maxiter": 200},
    )  # fmt: skip
    weights = np.clip(result.x, 0, None)
    return weights / weights.sum()


def _geometric(rows: np.ndarray, truth: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Weights that make the true symbols most probable in the normalised sum of logarithms."""
    from scipy.optimize import minimize

    features = np.maximum(rows, LEAST).transpose(1, 2, 0)  # (positions, 5, members)
    right = features[np.arange(len(truth)), truth].sum(axis=0)

    def nats(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = features @ weights
        top = scores.max(axis=1, keepdims=True)
        p = np.exp(scores - top)
        sums = p.sum(axis=1, keepdims=True)
        shift = weights - prior
        loss = (top + np.log(sums)).sum() - right @ weights + PRIOR / 2 * shift @ shift
        slope = np.einsum("ns,nsm->m", p / sums, features) - right + PRIOR * shift
        return loss / len(truth), slope / len(truth)

    return minimize(nats, prior, jac=True, method="BFGS", options={"gtol": 1e-7}).x
