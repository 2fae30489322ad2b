"""Config to run to record, each computed once.

A run is a model with its settings, fitted on some splits of a data set and scored on its test genes. Its id is a hash
of all that and of the code it depends on, so changed settings, genes or code make another run, and the same run is
never computed twice: its folder in the store appears whole, by one rename, or not at all, however a run ends.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from dnastudy import models
from dnastudy.core.atomic import atomic_dir
from dnastudy.core.provenance import (
    PACKAGE,
    code_hash,
    from_json,
    peak_memory_mb,
    reset_peak_memory,
    surroundings,
    to_json,
)
from dnastudy.data.corpora import load_text
from dnastudy.data.datasets import Dataset
from dnastudy.display.terminal import training_lines
from dnastudy.evaluation import metrics, scoring
from dnastudy.experiments import precomputed
from dnastudy.experiments.fitting import check_update, code_of, digest, fit_model, learnable
from dnastudy.experiments.homology_cache import Kin
from dnastudy.experiments.plan import Run
from dnastudy.models.base import LanguageModel
from dnastudy.training.log import LOG, Workspace
from dnastudy.training.report import TrainingError

STORE_VARIABLE = "DNASTUDY_STORE"
LENGTH_BINS = [0, 100, 200, 300, 400, 500, 1000, 10**9]
Log = Callable[[str], None]


# identity


def identity(run: Run, dataset: Dataset) -> tuple[dict[str, Any], dict[str, Any]]:
    """What identifies the fit, and what identifies its scores."""
    cls = models.model_class(run.model)
    learning, everything = code_of(cls)
    members = [
        run.model_copy(update={"model": name, "settings": settings}) for name, settings in cls.parts(run.settings)
    ]
    fit = {
        "model": run.model,
        "settings": cls.Settings.parse(run.settings, run.model).model_dump(mode="json"),
        "train": [dataset.hashes[name] for name in run.train],
        "update": [dataset.hashes[name] for name in run.update],
        "validation": dataset.hashes["validation"],
        "code": learning,
        **({"types": _types_hash(run, dataset)} if cls.uses_types(run.settings) else {}),
        # how its members are read is part of what it fits
        **(
            {"members": [[digest(identity(m, dataset)[0]), code_of(models.model_class(m.model))[1]] for m in members]}
            if members
            else {}
        ),
    }
    record = "".join(map(inspect.getsource, (Store._score, _groups, _plain, length_labels)))
    return fit, {
        "fit": digest(fit),
        "test": dataset.hashes[run.test],
        "types": digest({"types": list(dataset.splits[run.test]["type"])}),
        "replicates": run.replicates,
        "prequential": run.prequential,
        "code": [code_hash("evaluation.py", "alphabets.py"), everything, hashlib.sha256(record.encode()).hexdigest()],
    }


def _types_hash(run: Run, dataset: Dataset) -> str:
    return digest({name: list(dataset.splits[name]["type"]) for name in [*run.train, "validation"]})


def _members(run: Run) -> list[Run]:
    """The models a run's model is made of, as runs that are fitted on their own."""
    return [
        run.model_copy(update={"name": f"{run.name}: {name}", "model": name, "settings": settings, "update": []})
        for name, settings in models.model_class(run.model).parts(run.settings)
    ]


def run_id(run: Run, dataset: Dataset) -> str:
    """Sixteen hex digits that name this run of this code on these genes."""
    return digest(identity(run, dataset)[1])


# computing


@dataclass(frozen=True)
class Result:
    """A finished run: its record and, where it was computed on this machine, its folder."""

    record: dict[str, Any]
    folder: Path

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics on the test genes."""
        return self.record["metrics"]

    def scores(self) -> pd.DataFrame:
        """Score table, one row a test gene (see `evaluation.score`)."""
        return pd.read_csv(self.folder / "scores.csv", dtype={"id": str})

    def model_folder(self) -> Path:
        """Where the fitted model lies."""
        return self.folder.parents[1] / "fits" / self.record["fit"] / "model"

    def model(self) -> LanguageModel:
        """The fitted model."""
        return models.load(self.model_folder())


class Store(Kin):
    """Finished fits and runs in a folder (default: ``_build/store``, or the one named by DNASTUDY_STORE).

    ``carried``: folder of runs that come with the repository, and need not be computed where ``Run.carried`` says that
    record and scores are enough (see `carried`); they are kept apart, as their models and some of the scores lack.
    """

    def __init__(
        self, root: str | os.PathLike | None = None, carried: Path | None = PACKAGE.parent / precomputed.FOLDER
    ):
        self.root = Path(root or os.environ.get(STORE_VARIABLE) or Path("_build") / "store").resolve()
        self.carried = precomputed

    def get(self, run: Run, dataset: Dataset, log: Log | None = None) -> Result:
        """Return the run's result, computing what is missing of it; other processes wait for the same run."""
        dataset = self.genes(run, dataset)
        fit_parts, run_parts = identity(run, dataset)
        fit, name = digest(fit_parts), digest(run_parts)
        folder = self.root / "runs" / name
        if not (folder / "record.json").exists():
            with self.lock(name):
                brought = self._brought(run, name, dataset)
                if brought is None and not (folder / "record.json").exists():
                    if run.prequential:
                        check_update(models.create(run.model, run.settings))
                    model, fitted = self._fit(run, dataset, fit, fit_parts, log)
                    self._score(run, dataset, model, fitted, folder, {"id": name, "fit": fit}, log)
                folder = brought or folder
        record = from_json((folder / "record.json").read_text())
        return Result({**record, "name": run.name}, folder)

    def _brought(self, run: Run, name: str, dataset: Dataset) -> Path | None:
        """Folder of a run that came with the repository and is not computed here; None if there is none."""
        folder = self.root / "carried" / name
        if self.carried is None or not run.carried or (self.root / "runs" / name / "record.json").exists():
            return None
        there = (folder / "record.json").exists()
        return folder if there or precomputed.unpack(self.carried, name, dataset.splits[run.test], folder) else None

    def finished(self, run: Run, dataset: Dataset) -> Result | None:
        """The run's result if it is there, or came with the repository; nothing is computed."""
        genes = self.genes(run, dataset)
        name = run_id(run, genes)
        with self.lock(name):
            there = (self.root / "runs" / name / "record.json").exists() or self._brought(run, name, genes)
        return self.get(run, dataset) if there else None

    def fit(self, run: Run, dataset: Dataset, log: Log | None = None) -> tuple[LanguageModel, dict[str, Any]]:
        """Return the run's fitted model and the facts of its fit, without scoring any test gene."""
        dataset = self.genes(run, dataset)
        parts = identity(run, dataset)[0]
        return self._fit(run, dataset, digest(parts), parts, log)

    def genes(self, run: Run, dataset: Dataset) -> Dataset:
        """The genes of a run: those of the data set, split and thinned as it asks."""
        if run.corpus:
            dataset = load_text(run.corpus, dataset.text, run.symbols)
        elif run.split == "family":
            dataset = self.by_family(dataset)
        return dataset.subsample(run.fraction, run.subset) if run.fraction < 1 else dataset

    def lock(self, name: str) -> FileLock:
        """Lock of this name, held by one process at a time."""
        (self.root / "locks").mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / "locks" / f"{name}.lock")

    def _fit(self, run: Run, dataset: Dataset, fit: str, parts: dict[str, Any], log: Log | None):
        """Return the fitted model and the facts of its fit; one that was killed goes on from its checkpoint."""
        folder, workspace = self.root / "fits" / fit, Workspace(self.root / "trainings" / fit, fit)
        with self.lock(fit):
            if not (folder / "fit.json").exists():
                members = []
                for member in _members(run):
                    found = identity(member, dataset)[0]
                    members.append(self._fit(member, dataset, digest(found), found, log))
                if log:
                    log(f"fit {run.name}")
                genes, *others = (
                    pd.concat([dataset.splits[name] for name in names]) if names else dataset.train[:0]
                    for names in (run.train, ["validation"], run.update)
                )
                given = [learnable(run.model, run.settings, frame) for frame in (genes, *others)]
                report = training_lines(run.name, log) if log else None
                try:
                    model, seconds = fit_model(
                        run.model, run.settings, *given, workspace, report,
                        [model for model, _ in members],
                    )  # fmt: skip
                except TrainingError as error:
                    raise error.named(list(genes["id"])) from error
                with atomic_dir(folder) as half:
                    model.save(half / "model")
                    seconds += sum(facts["seconds"] for _, facts in members)
                    memory = max([peak_memory_mb(), *(facts["peak_memory_mb"] for _, facts in members)])
                    facts = {"seconds": seconds, "peak_memory_mb": memory, **surroundings()}
                    (half / "fit.json").write_text(to_json({**parts, **facts}))
                    if (workspace.folder / LOG).exists():
                        shutil.copy(workspace.folder / LOG, half / LOG)
                shutil.rmtree(workspace.folder, ignore_errors=True)
        return models.load(folder / "model"), json.loads((folder / "fit.json").read_text())

    def _score(self, run, dataset, model, fitted, folder: Path, ids: dict[str, str], log: Log | None) -> None:
        if log:
            log(f"score {run.name}")
        genes = dataset.splits[run.test]
        learned = [dataset.splits[name] for name in run.train + run.update]
        seen = {"validation", "counts"} & {*run.train, *run.update}
        # what orders and sizes are chosen by; null where the model has learned from the validation genes
        validated = None if seen else scoring.quick_perplexity(model, dataset.validation)
        parameters = model.num_parameters  # before prequential scoring adds to them
        reset_peak_memory()
        start = time.perf_counter()
        scores = scoring.score(model, genes, prequential=run.prequential)
        seconds = time.perf_counter() - start
        record = {
            **ids,
            "model": run.model,
            "family": model.family,
            "settings": fitted["settings"],
            "tuned": model.tuned,
            "training": model.notes.get("training"),
            "data": {
                "name": dataset.name,
                "description": dataset.description,
                "train": run.train,
                "update": run.update,
                "test": run.test,
                "prequential": run.prequential,
                "split": run.split,
                "fraction": run.fraction,
                "subset": run.subset if run.fraction < 1 else None,
                "train_genes": sum(map(len, learned)),
                "train_nucleotides": int(sum(frame["sequence"].str.len().sum() for frame in learned)),
                "sha256": {name: dataset.hashes[name] for name in dict.fromkeys([*run.train, *run.update, run.test])},
            },
            "metrics": metrics.summarise(scores, run.replicates),
            "validation_perplexity": validated,
            "by_type": _groups(scores, genes["type"].where(genes["type"] != "", "unknown"), run.replicates),
            "by_length": _groups(scores, length_labels(genes), run.replicates),
            "by_position": _plain(metrics.by_position(scores, run.replicates)),
            "parameters": parameters,
            "seconds": {"fit": fitted["seconds"], "score": seconds},
            "peak_memory_mb": max(fitted["peak_memory_mb"], peak_memory_mb()),
            "code": {"fit": fitted["code"], "evaluation": code_hash("evaluation.py")},
            **surroundings(),
        }  # fmt: skip
        with atomic_dir(folder) as half:
            scores.to_csv(half / "scores.csv", index=False)
            (half / "record.json").write_text(to_json(record))


def _groups(scores: pd.DataFrame, labels: pd.Series, replicates: int) -> list[dict[str, Any]]:
    return _plain(metrics.by_group(scores, labels, replicates))


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table[["group", "genes", "nucleotides", "nucleotide_perplexity", "bits_per_base", "low", "high"]].to_dict(
        "records"
    )


def length_labels(genes: pd.DataFrame) -> pd.Series:
    """Length class of each gene, as text that sorts by length."""
    names = [f"{a + 1:>4}-{b} nt" if b < 10**9 else f"{a + 1:>4} nt and more" for a, b in pairwise(LENGTH_BINS)]
    return pd.cut(genes["sequence"].str.len(), LENGTH_BINS, labels=names).astype(str)
