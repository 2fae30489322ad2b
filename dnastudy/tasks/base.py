"""The protocol of all tasks: a fitted model and genes in, tidy tables out."""

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
    """A fitted model, and the genes that it is evaluated on."""

    model: LanguageModel
    dataset: Dataset
    held_out: pd.DataFrame
    """Validation genes, to tune on; an empty table where the model was trained on them."""
    homologs: Callable[[], pd.DataFrame]
    """Returns the nearest homolog of each test gene among the training genes (see `mmseqs.nearest_homologs`)."""
    conditional: Callable[[], LanguageModel]
    """Returns the same model fitted with gene types, which generates genes of one type (`LanguageModel.with_types`)."""


@dataclass(frozen=True)
class TaskResult:
    """What the evaluation of a model on a task gives."""

    tables: dict[str, pd.DataFrame]
    """Results with 95 % intervals by name, one row a result; these are published."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Single values, published beside the tables."""
    details: dict[str, pd.DataFrame] = field(default_factory=dict)
    """Tables with one row a sequence or pair, from which models are compared with one another; not published."""


class Task(ABC):
    """A task on which any model is evaluated, through the common protocol of all models alone.

    Attributes
    ----------
    name : str
        The name under which the task is registered.
    all_runs : bool
        Whether every run of the study is evaluated on it, or one run of each kind of model (`plan.representatives`).
    """

    name: ClassVar[str]
    Settings: ClassVar[type[Settings]] = Settings
    all_runs: ClassVar[bool] = True

    def __init__(self, settings: dict[str, Any] | None = None):
        self.settings = type(self).Settings.parse(settings or {}, self.name)

    @abstractmethod
    def run(self, task_input: TaskInput) -> TaskResult:
        """Evaluate a model."""

    def reference(self, dataset: Dataset) -> TaskResult | None:
        """Return results in the same tables that need no model, for instance of real genes; None if there are none."""
        return None

    def input_hashes(self, dataset: Dataset) -> dict[str, str]:
        """Return hashes of the files of a data set that the task reads beside its splits; they identify a result."""
        return {}
