"""Runs, each computed once: fits and scores lie in a folder, metrics are computed from scores when they are read.

The folder of a fit or of scores appears whole, by one rename, or not at all, however a process ends. The same id (see
`identity`) is never computed twice.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from dnastudy import models
from dnastudy.core.atomic import atomic_dir
from dnastudy.core.errors import TrainingError
from dnastudy.core.provenance import PACKAGE, from_json, peak_memory_mb, reset_peak_memory, surroundings, to_json
from dnastudy.data.corpora import load_corpus
from dnastudy.data.datasets import Dataset
from dnastudy.display.terminal import training_lines
from dnastudy.evaluation import metrics, scoring
from dnastudy.experiments import precomputed, summary
from dnastudy.experiments.fitting import check_update, fit_model, model_input
from dnastudy.experiments.homology_cache import HomologyCache
from dnastudy.experiments.identity import digest, fit_identity, member_runs, scores_identity, summary_identity
from dnastudy.experiments.plan import Run
from dnastudy.models.base import LanguageModel
from dnastudy.training.log import LOG, Workspace

STORE_VARIABLE = "DNASTUDY_STORE"
FACTS = "facts.json"
"""What is known of scores beside them; written last."""
Log = Callable[[str], None]


class Record(Mapping):
    """What is known of a finished run: facts of its fit and scores, and its summary, computed when it is read.

    Keys
    ----
    name, label, group, recipe, order, seed : what the run is (see `plan.Run`).
    id, fit, summary : ids of scores, fit and summary.
    model, family, settings, tuned, training, parameters : of the fitted model.
    data : genes, splits, fraction, numbers of genes and nucleotides, SHA-256 of each split.
    metrics, by_type, by_length, by_position : the summary (see `metrics.summarise` and `summary`).
    validation_perplexity : nucleotide perplexity of the validation genes; None where the model is trained on them.
    seconds, peak_memory_mb, code, commit, versions, device : cost and origin.
    """

    def __init__(self, facts: dict[str, Any], lazy: Mapping[str, Callable[[], Any]]):
        self._values, self._lazy = dict(facts), dict(lazy)

    def __getitem__(self, key: str) -> Any:
        if key not in self._values and key in self._lazy:
            self._values[key] = self._lazy[key]()
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._values, **self._lazy})

    def __len__(self) -> int:
        return len({*self._values, *self._lazy})


class Result:
    """A finished run: its scores on disk, and what follows from them.

    Attributes
    ----------
    run : Run
    genes : DataFrame
        Gene table that was scored.
    folder : Path
        Where the scores lie.
    """

    def __init__(self, run: Run, dataset: Dataset, folder: Path):
        self.run, self.genes, self.folder = run, dataset.splits[run.test], folder
        self._summary_id = lambda: digest(summary_identity(run, dataset))

    @cached_property
    def record(self) -> Record:
        """All that is known of the run."""
        run = self.run
        facts = from_json((self.folder / FACTS).read_text())
        # the same scores may be asked for as another run: what it is called is the run's affair
        called = {name: getattr(run, name) for name in ("name", "label", "group", "recipe", "order", "seed")}
        about = {**called, **facts, **called}
        about["data"] = {**facts["data"], "split": run.split, "fraction": run.fraction,
                         "subset": run.subset if run.fraction < 1 else None}  # fmt: skip
        return Record(about, {
            "summary": self._summary_id,
            "metrics": lambda: self.metrics,
            "by_type": lambda: summary.by_type(self.scores(), self.genes, run.replicates),
            "by_length": lambda: summary.by_length(self.scores(), self.genes, run.replicates),
            "by_position": lambda: summary.by_position(self.scores(), run.replicates),
        })  # fmt: skip

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Metrics of all scored genes (see `metrics.summarise`)."""
        return metrics.summarise(self.scores(), self.run.replicates)

    def scores(self) -> pd.DataFrame:
        """Score table, one row a gene (see `scoring.score`)."""
        return self._scores.copy()

    @cached_property
    def _scores(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "scores.csv", dtype={"id": str})

    def model_folder(self) -> Path:
        """Where the fitted model lies."""
        return self.folder.parents[1] / "fits" / self.record["fit"] / "model"

    def model(self) -> LanguageModel:
        """The fitted model."""
        return models.load(self.model_folder())


class Store:
    """Finished fits and scores in a folder (default: ``_build/store``, or the one named by DNASTUDY_STORE).

    Parameters
    ----------
    precomputed_folder : Path, optional
        Scores that come with the repository and need not be computed where ``Run.precomputed`` says that they are
        enough; they are kept apart, as their models are not there.
    """

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        precomputed_folder: Path | None = PACKAGE.parent / precomputed.FOLDER,
    ):
        self.root = Path(root or os.environ.get(STORE_VARIABLE) or Path("_build") / "store").resolve()
        self.precomputed_folder = precomputed_folder
        self._homology = HomologyCache(self.root, precomputed_folder, self.lock)
        self.homologs, self.aligned, self.by_family = (
            self._homology.homologs, self._homology.aligned, self._homology.by_family
        )  # fmt: skip

    def get(self, run: Run, dataset: Dataset, log: Log | None = None) -> Result:
        """Return the run's result, computing what is missing of it; other processes wait for the same run."""
        genes = self.genes(run, dataset)
        name = digest(scores_identity(run, genes))
        folder = self.root / "scores" / name
        if not (folder / FACTS).exists():
            with self.lock(name):
                brought = self._precomputed(run, name, genes)
                if brought is None and not (folder / FACTS).exists():
                    if run.prequential:
                        check_update(models.create(run.model, run.settings))
                    model, fit_facts = self._fit(run, genes, log)
                    self._score(run, genes, model, fit_facts, folder, name, log)
                folder = brought or folder
        return Result(run, genes, folder)

    def _precomputed(self, run: Run, name: str, genes: Dataset) -> Path | None:
        """Folder of scores that came with the repository; None where there are none, or they are computed here."""
        folder = self.root / "precomputed" / name
        if self.precomputed_folder is None or not run.precomputed or (self.root / "scores" / name / FACTS).exists():
            return None
        if (folder / FACTS).exists():
            return folder
        return folder if precomputed.unpack(self.precomputed_folder, name, genes.splits[run.test], folder) else None

    def finished(self, run: Run, dataset: Dataset) -> Result | None:
        """The run's result if it is there, or came with the repository; nothing is computed."""
        genes = self.genes(run, dataset)
        name = digest(scores_identity(run, genes))
        with self.lock(name):
            there = (self.root / "scores" / name / FACTS).exists() or self._precomputed(run, name, genes)
        return self.get(run, dataset) if there else None

    def fit(self, run: Run, dataset: Dataset, log: Log | None = None) -> tuple[LanguageModel, dict[str, Any]]:
        """Return the run's fitted model and the facts of its fit, without scoring any test gene."""
        return self._fit(run, self.genes(run, dataset), log)

    def genes(self, run: Run, dataset: Dataset) -> Dataset:
        """The genes of a run: those of the data set, split and subsampled as it asks."""
        if run.corpus:
            dataset = load_corpus(run.corpus, dataset.text, run.symbols)
        elif run.split == "family":
            dataset = self.by_family(dataset)
        return dataset.subsample(run.fraction, run.subset) if run.fraction < 1 else dataset

    def lock(self, name: str) -> FileLock:
        """Lock of this name, held by one process at a time."""
        (self.root / "locks").mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / "locks" / f"{name}.lock")

    def _fit(self, run: Run, genes: Dataset, log: Log | None) -> tuple[LanguageModel, dict[str, Any]]:
        """Return the fitted model and the facts of its fit; one that was killed goes on from its checkpoint."""
        identity = fit_identity(run, genes)
        name = digest(identity)
        folder, workspace = self.root / "fits" / name, Workspace(self.root / "trainings" / name, name)
        with self.lock(name):
            if not (folder / "fit.json").exists():
                members = [self._fit(member, genes, log) for member in member_runs(run)]
                if log:
                    log(f"fit {run.name}")
                train, validation, update = (
                    pd.concat([genes.splits[name] for name in names]) if names else genes.train[:0]
                    for names in (run.train, ["validation"], run.update)
                )
                inputs = [model_input(run.model, run.settings, table) for table in (train, validation, update)]
                report = training_lines(run.name, log) if log else None
                try:
                    model, seconds = fit_model(
                        run.model, run.settings, *inputs, workspace, report, [member for member, _ in members]
                    )
                except TrainingError as error:
                    raise error.named(list(train["id"])) from error
                with atomic_dir(folder) as half:
                    model.save(half / "model")
                    seconds += sum(facts["seconds"] for _, facts in members)
                    memory = max([peak_memory_mb(), *(facts["peak_memory_mb"] for _, facts in members)])
                    facts = {"id": name, "seconds": seconds, "peak_memory_mb": memory, **surroundings()}
                    (half / "fit.json").write_text(to_json({**identity, **facts}))
                    if (workspace.folder / LOG).exists():
                        shutil.copy(workspace.folder / LOG, half / LOG)
                shutil.rmtree(workspace.folder, ignore_errors=True)
        return models.load(folder / "model"), json.loads((folder / "fit.json").read_text())

    def _score(
        self,
        run: Run,
        genes: Dataset,
        model: LanguageModel,
        fit: dict[str, Any],
        folder: Path,
        name: str,
        log: Log | None,
    ) -> None:
        """Score the test genes and write the folder: the scores, and the facts beside them."""
        if log:
            log(f"score {run.name}")
        trained_on = [genes.splits[split] for split in run.train + run.update]
        tuned_on_validation = {"validation", "counts"} & {*run.train, *run.update}
        # what orders and sizes are chosen by; null where the model is trained on the validation genes
        validated = None if tuned_on_validation else scoring.quick_perplexity(model, genes.validation)
        parameters = model.num_parameters  # before prequential scoring adds to them
        reset_peak_memory()
        start = time.perf_counter()
        scores = scoring.score(model, genes.splits[run.test], prequential=run.prequential)
        seconds = time.perf_counter() - start
        splits = dict.fromkeys([*run.train, *run.update, run.test])
        facts = {
            "id": name,
            "fit": fit["id"],
            "model": run.model,
            "family": model.family,
            "settings": fit["settings"],
            "tuned": model.tuned,
            "training": model.notes.get("training"),
            "data": {
                "name": genes.name,
                "description": genes.description,
                "train": run.train,
                "update": run.update,
                "test": run.test,
                "prequential": run.prequential,
                "train_genes": sum(map(len, trained_on)),
                "train_nucleotides": int(sum(frame["sequence"].str.len().sum() for frame in trained_on)),
                "sha256": {split: genes.hashes[split] for split in splits},
            },
            "validation_perplexity": validated,
            "parameters": parameters,
            "seconds": {"fit": fit["seconds"], "score": seconds},
            "peak_memory_mb": max(fit["peak_memory_mb"], peak_memory_mb()),
            "code": {"fit": fit["code"], "scores": scores_identity(run, genes)["code"]},
            **surroundings(),
        }
        with atomic_dir(folder) as half:
            scores.to_csv(half / "scores.csv", index=False)
            (half / FACTS).write_text(to_json(facts))
