"""Single fits and task results on somebody's own gene tables, outside the study's profiles and store.

The commands `evaluate`, `train`, `task`, `mutations` and `quality` are words around these functions.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from dnastudy import models
from dnastudy.core.errors import DataError, TrainingError
from dnastudy.data.datasets import Dataset
from dnastudy.data.mutation_pairs import describe_edit
from dnastudy.evaluation import metrics, scoring
from dnastudy.evaluation.bootstrap import by_group
from dnastudy.experiments.fitting import check_update, fit_model, model_input
from dnastudy.experiments.identity import digest, fit_code
from dnastudy.models.base import LanguageModel
from dnastudy.tasks.base import Task, TaskInput
from dnastudy.training.log import Workspace
from dnastudy.training.report import Report

if TYPE_CHECKING:
    from dnastudy.tasks.generation_quality import GenerationQuality

# one fit


def checked_settings(
    model: str, changes: Mapping[str, Any], preset: str = "", *, takes_more_genes: bool = False
) -> dict[str, Any]:
    """Settings of a registered model: those of a preset, with changes.

    ``takes_more_genes``: the model must be able to take genes after training.

    Raises
    ------
    SettingsError, ModelError
        For an unknown model, preset or setting, a bad value, or a model that cannot take more genes.
    """
    cls = models.model_class(model)
    settings = {**(cls.preset(preset) if preset else {}), **changes}
    cls.Settings.parse(settings, model)
    if takes_more_genes:
        check_update(models.create(model, settings))
    return settings


@dataclass(frozen=True)
class Overlaps:
    """How many sequences of one gene table also occur in another: figures on them are too good."""

    validation_in_train: int
    """Distinct validation sequences among the training genes."""
    test_in_validation: int
    """Test genes among the validation genes."""
    test_in_fitted: int
    """Test genes among all genes that the model is fitted on, added validation genes included."""


def overlaps(
    train: pd.DataFrame, validation: pd.DataFrame | None, test: pd.DataFrame | None, add_validation: bool = False
) -> Overlaps:
    """Count the sequences that the gene tables of one fit have in common."""
    trained, tuned = set(train["sequence"]), set() if validation is None else set(validation["sequence"])
    fitted = trained | tuned if add_validation else trained
    tested = pd.Series(dtype=str) if test is None else test["sequence"]
    return Overlaps(len(tuned & trained), int(tested.isin(tuned).sum()), int(tested.isin(fitted).sum()))


def fit(
    model: str,
    settings: dict[str, Any],
    train: pd.DataFrame,
    validation: pd.DataFrame | None = None,
    *,
    add_validation: bool = False,
    by_type: bool = False,
    workspace: Workspace | None = None,
    report: Report | None = None,
) -> tuple[LanguageModel, float]:
    """Fit a registered model on a gene table, and return it with the seconds that took.

    Parameters
    ----------
    validation : DataFrame, optional
        Genes to tune on.
    add_validation : bool
        Add them to the training genes once everything is tuned.
    by_type : bool
        Make a model that also generates and scores genes of each frequent gene type.
    workspace, report
        Where the checkpoints of a long training are kept; receives its progress.

    Raises
    ------
    DataError
        With ``by_type``, where no gene type has enough training genes.
    TrainingError
        For a training that cannot go on, naming the genes of its batch.
    """
    if by_type:
        from dnastudy.models.conditional import ENOUGH, frequent_types  # imported late: it brings half of scipy

        types = frequent_types(train["type"])
        if not types:
            raise DataError(
                f"no gene type has {ENOUGH} training genes; types are read from the column GeneType of CSV and from "
                "[type=tRNA] in FASTA headers"
            )
        model, settings = models.model_class(model).with_types(settings, types)
    added = list(validation["sequence"]) if add_validation and validation is not None else None
    tables = [None if table is None else model_input(model, settings, table) for table in (train, validation)]
    if workspace:
        workspace = replace(workspace, fingerprint=_fingerprint(model, settings, train, validation, add_validation))
    try:
        return fit_model(model, settings, *tables, added, workspace, report)
    except TrainingError as error:
        raise error.named(list(train["id"])) from error


def _fingerprint(
    model: str, settings: dict[str, Any], train: pd.DataFrame, validation: pd.DataFrame | None, add_validation: bool
) -> str:
    """Digest of all that a fit depends on, so that no training continues from the checkpoint of another."""
    tables = [None if table is None else table[["sequence", "type"]].to_csv() for table in (train, validation)]
    return digest(
        {
            "model": model,
            "settings": models.create(model, settings).settings.model_dump(mode="json"),
            "code": fit_code(model, settings),
            "genes": tables,
            "add_validation": add_validation,
        }
    )


def evaluate(
    model: LanguageModel,
    test: pd.DataFrame,
    *,
    prequential: bool = False,
    progress: Callable[[int], None] | None = None,
) -> tuple[dict[str, Any], float]:
    """Metrics of a fitted model on test genes (see `metrics.summarise`), and the seconds that scoring took.

    ``prequential``: each test gene is added to the training genes once it is scored.
    """
    start = time.perf_counter()
    scores = scoring.score(model, test, progress, prequential)
    return metrics.summarise(scores), time.perf_counter() - start


def score_table(
    model: LanguageModel, genes: pd.DataFrame, progress: Callable[[int], None] | None = None
) -> pd.DataFrame:
    """Score of each sequence: ``id``, ``nucleotides``, ``log_prob`` (nats, over A C G T) and ``bits_per_base``."""
    scores = scoring.score(model, genes, progress)
    nats = scores["nucleotide_log_prob"]
    table = scores[["id", "nucleotides"]].assign(log_prob=nats)
    return table.assign(bits_per_base=-nats / scores["nucleotides"] / metrics.NATS_PER_BIT)


# tasks


def own_dataset(train: pd.DataFrame, validation: pd.DataFrame | None, test: pd.DataFrame) -> Dataset:
    """A data set of somebody's own gene tables; without validation genes that table is empty."""
    splits = {"train": train, "validation": train[:0] if validation is None else validation, "test": test}
    splits["counts"] = pd.concat([splits["train"], splits["validation"]], ignore_index=True)
    return Dataset(
        name="own genes",
        description="the gene tables given",
        splits=splits,
        counts_description="training and validation genes",
    )


def task_input(model: LanguageModel, dataset: Dataset) -> TaskInput:
    """What a task gets for a fitted model; the model itself generates genes by type, where it was trained to."""
    from dnastudy.homology.mmseqs import nearest_homologs

    return TaskInput(
        model=model,
        dataset=dataset,
        held_out=dataset.validation,
        homologs=functools.cache(lambda: nearest_homologs(dataset.test, dataset.train)),
        conditional=lambda: model,
    )


def run_task(task: Task, model: LanguageModel, dataset: Dataset, *, reference: bool = False) -> dict[str, Any]:
    """Evaluate a fitted model on a task.

    Returns
    -------
    dict: ``facts`` and ``tables`` of the task's result; with ``reference`` also the tables that need no model under
    that key, where the task has some.
    """
    result = task.run(task_input(model, dataset))
    extra = task.reference(dataset) if reference else None
    return {"facts": result.facts, "tables": result.tables, **({"reference": extra.tables} if extra else {})}


@dataclass(frozen=True)
class PairAccuracy:
    """How often each rule of mutation detection finds the real sequence of a pair."""

    pairs: int
    genes: int
    weights: dict[str, float] | None
    """Of the calibrated rule; None without it."""
    table: pd.DataFrame
    """``rule``, ``kind`` of edit ("all" first), ``n`` pairs, ``accuracy`` and its 95 % interval ``low``, ``high``."""


def pair_accuracy(
    model: LanguageModel, pairs: pd.DataFrame, calibration: pd.DataFrame | None = None, replicates: int = 1000
) -> PairAccuracy:
    """Accuracy of each rule on pairs of a real and a mutated sequence, in all and by kind of edit.

    Parameters
    ----------
    pairs : DataFrame
        ``id``, ``real``, ``mutated`` (see `mutation_pairs.read_pairs`).
    calibration : DataFrame, optional
        Genes that the model was not trained on: pairs made from them calibrate a further rule.
    replicates : int
        Bootstrap resamples of the genes.
    """
    from dnastudy.tasks.mutation_detection import RULES, calibrate, detect

    weights = None if calibration is None else calibrate(model, calibration)
    correct = detect(model, pairs, weights)
    correct["kind"] = [describe_edit(*pair)[0] for pair in zip(pairs["real"], pairs["mutated"], strict=True)]
    rules = [rule for rule in RULES if rule in correct]
    tables = [by_group(frame, rules, "kind", replicates) for frame in (correct.assign(kind="all"), correct)]
    return PairAccuracy(len(correct), correct["id"].nunique(), weights, pd.concat(tables, ignore_index=True))


def compare_generated(
    task: GenerationQuality, name: str, generated: pd.DataFrame, real: pd.DataFrame, train: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Compare generated genes with real ones; the real genes are halved at random.

    Generated genes are compared with one half, and so are the other half as it is and shuffled.

    Parameters
    ----------
    name : str
        Name of the generated genes in the result.
    train : DataFrame, optional
        Training genes of the model: how many were copied?

    Returns
    -------
    DataFrame: ``set``, ``measure``, ``value``, ``low`` and ``high`` (see `GenerationQuality.compare`).

    Raises
    ------
    DataError
        For fewer genes than the folds of the cross-validation need.
    """
    mixed = real.sample(frac=1, random_state=task.settings.seed)
    half, other = mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]
    least = 2 * task.settings.folds
    if min(len(generated), len(half)) < least:
        raise DataError(
            f"{name}: {len(generated)} genes, {least} are needed; {len(real)} real genes, {2 * least} are needed, for "
            f"{task.settings.folds} folds (--set folds=2 needs 4 and 8)"
        )
    sets = {name: generated["sequence"].tolist()[: task.settings.genes], **task.references(other)}
    return task.compare(sets, half, train)
