"""What a task is, what it is given and what it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from dnastudy.core.config import Settings
from dnastudy.data.datasets import Dataset
from dnastudy.models.base import LanguageModel


@dataclass(frozen=True)
class TaskInput:
    """A fitted model, and the genes it is to be useful for."""

    model: LanguageModel
    dataset: Dataset
    held_out: pd.DataFrame
    """Validation genes, to tune on; none where the model has learned from them."""
    homologs: Callable[[], pd.DataFrame]
    """Nearest relative of each test gene among the training genes (see `relatives.nearest_homologs`)."""
    conditional: Callable[[], LanguageModel]
    """The same model, fitted so that it can be asked for genes of one type (`LanguageModel.with_types`)."""


@dataclass(frozen=True)
class TaskResult:
    """What a model did at a task."""

    tables: dict[str, pd.DataFrame]
    """Results with intervals, a row each, by name: what is published."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Single values beside them."""
    details: dict[str, pd.DataFrame] = field(default_factory=dict)
    """A row a sequence or pair, from which models can be compared with one another; not published."""


class Task(ABC):
    """A question that is put to any model, through the protocol of all models alone.

    Attributes
    ----------
    name : str
        Under which it is registered.
    everything : bool
        Every run of the study is put to it; else one run of each kind of model (`runs.representatives`).
    code : tuple of str
        Files of the package, beside its own, that change what comes out: part of an outcome's identity.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[Settings]] = Settings
    everything: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: dict[str, Any] | None = None):
        self.settings = type(self).Settings.parse(settings or {}, self.name)

    @abstractmethod
    def run(self, task_input: TaskInput) -> TaskResult:
        """Put the question to a model."""

    def reference(self, dataset: Dataset) -> TaskResult | None:
        """What needs no model, in the same tables: real genes in the place of a model's, say."""
        return None

    def given(self, dataset: Dataset) -> dict[str, str]:
        """Hashes of what it reads of a data set beside its splits: part of an outcome's identity."""
        return {}
