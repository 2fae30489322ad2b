"""Test genes with and without a homologous training gene: what several chapters compare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dnastudy.experiments.study import Study

WITH, WITHOUT = "with a homolog", "without"


def homology_groups(study: Study, splits: Sequence[str] = ("train",)) -> np.ndarray:
    """For each test gene, in their order, whether it has a homolog in these splits: `WITH` or `WITHOUT`."""
    return np.where(study.store.homologs(study.dataset, list(splits))["identity"] > 0, WITH, WITHOUT)
