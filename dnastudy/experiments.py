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
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from filelock import FileLock
from pydantic import Field

from dnastudy import evaluation, models
from dnastudy.datasets import Dataset, load_dataset
from dnastudy.files import whole_folder
from dnastudy.models.base import LanguageModel, ModelError
from dnastudy.records import PACKAGE, code_hash, from_json, peak_memory_mb, reset_peak_memory, surroundings, to_json
from dnastudy.settings import Settings

PROFILES = PACKAGE / "profiles"
STORE_VARIABLE = "DNASTUDY_STORE"
LENGTH_BINS = [0, 100, 200, 300, 400, 500, 1000, 10**9]
Log = Callable[[str], None]


class Profile(Settings):
    """What the study computes, and on which genes."""

    data: str = Field(description="'simulated', a folder or file of genes, or '' for the folder in DNASTUDY_DATA")
    simulated_genes: int = Field(default=4000, ge=50, description="genes to simulate")
    seed: int = Field(default=1, ge=0, description="seed of the simulation, of random splits and of sampling")
    bootstrap_replicates: int = Field(default=1000, ge=100, description="resamples of the genes for each interval")
    mle_orders: list[int] = Field(description="orders N of maximum-likelihood n-grams")
    laplace_orders: list[int] = Field(description="orders N of Laplace n-grams")
    train_orders: list[int] = Field(description="orders N of smoothed n-grams that learn from training genes alone")
    sampled_genes: int = Field(default=500, ge=10, description="genes to sample from a model for comparison")

    def dataset(self) -> Dataset:
        """Genes of this profile."""
        return load_dataset(self.data, genes=self.simulated_genes, seed=self.seed)


def load_profile(name: str, **changes: Any) -> Profile:
    """Settings of a profile: a name ("quick", "cpu", "gpu") or a YAML file; ``changes`` replace single values."""
    path = PROFILES / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in PROFILES.glob("*.yaml")))
        raise ModelError(f"unknown profile {name!r} (known: {known}, or a YAML file)")
    try:
        given = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: not YAML ({error})") from error
    if not isinstance(given, dict):
        raise ModelError(f"{path}: a profile is a mapping of settings")
    return Profile.parse({**given, **changes}, f"profile {path.name}")


class Run(Settings):
    """One model on one choice of genes."""

    name: str = Field(description="label in tables; not part of the run's identity")
    model: str = Field(description="registered model")
    settings: dict[str, Any] = Field(default_factory=dict, description="the model's settings")
    train: list[str] = Field(default=["train"], description="splits to learn from")
    join: list[str] = Field(default=[], description="splits that join the counts once everything is tuned")
    test: str = Field(default="test", description="split to score")
    prequential: bool = Field(default=False, description="each test gene joins what was learned once it is scored")
    replicates: int = Field(default=evaluation.REPLICATES, ge=100, description="bootstrap resamples")


def ngram_runs(profile: Profile) -> list[Run]:
    """The n-gram runs of a profile: the paper's rows on the paper's counts, then all smoothings on training genes."""
    rows = [("mle", order) for order in profile.mle_orders] + [("laplace", order) for order in profile.laplace_orders]
    paper = [
        Run(name=f"{kind}-{order}", model="ngram", settings={"order": order, "smoothing": kind}, train=["counts"],
            replicates=profile.bootstrap_replicates)
        for kind, order in rows
    ]  # fmt: skip
    kinds = {
        "laplace-train": {"smoothing": "laplace"},
        "witten-bell": {"smoothing": "witten-bell", "novelty": 1.0},
        "witten-bell-tuned": {"smoothing": "witten-bell", "novelty": None},
    }
    ours = [
        Run(name=f"{kind}-{order}", model="ngram", settings={"order": order, **settings},
            replicates=profile.bootstrap_replicates)
        for kind, settings in kinds.items() for order in profile.train_orders
    ]  # fmt: skip
    return [Run(name="uniform", model="uniform", replicates=profile.bootstrap_replicates), *paper, *ours]


EXPERT_TRIALS: dict[str, dict[str, Any]] = {
    "contexts-only": {"experts": ["context"]},
    "without-contexts": {"experts": ["copy", "reverse", "own"]},
    "without-copies": {"experts": ["context", "reverse", "own"]},
    "without-reverse": {"experts": ["context", "copy", "own"]},
    "without-own": {"experts": ["context", "copy", "reverse"]},
    "with-inverted": {"experts": ["context", "copy", "reverse", "own", "inverted"]},
    "fixed-weights": {"hidden": 0},
    "wide-gate": {"hidden": 96},
    "without-shifts": {"shift": 0},
    "without-substitutions": {"substitutions": False},
}
"""What the expert model gains from each of its parts: settings that differ from the default."""


def expert_runs(profile: Profile) -> list[Run]:
    """The expert model with both memories, each gene on its own and prequentially; gates without validation genes."""
    joined = {"join": ["validation"]}
    # all genes in the memory and in the gate: tuned by cross-validation inside them
    inside = {"settings": {"gating": "cross-validation"}}
    rows: dict[str, dict[str, Any]] = {
        "expert": {},
        "expert-joined": joined,
        "expert-prequential": {"prequential": True},
        "expert-joined-prequential": {**joined, "prequential": True},
        "expert-cross-validated": inside,
        "expert-cross-validated-all": {**inside, "train": ["train", "validation"]},
    }
    return [
        Run(name=name, model="expert", replicates=profile.bootstrap_replicates, **row) for name, row in rows.items()
    ]


def expert_trials(profile: Profile) -> list[Run]:
    """Expert models with parts left out, put in or changed."""
    return [
        Run(name=f"expert-{name}", model="expert", settings=settings, replicates=profile.bootstrap_replicates)
        for name, settings in EXPERT_TRIALS.items()
    ]


def all_runs(profile: Profile) -> list[Run]:
    """Every run the chapters of the study ask for; the workflow computes them in parallel."""
    return [*ngram_runs(profile), *expert_runs(profile), *expert_trials(profile)]


# identity


def _id(parts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _identity(run: Run, dataset: Dataset) -> tuple[dict[str, Any], dict[str, Any]]:
    """What identifies the fit, and what identifies its scores."""
    cls = models.model_class(run.model)
    package, _, rest = cls.__module__.partition(".")
    # a model from outside the package is code as well (none can be seen of one typed into a notebook)
    outside = getattr(sys.modules[cls.__module__], "__file__", None)
    file = f"{rest.replace('.', '/')}.py" if package == "dnastudy" else outside
    sources = ["sequences.py", "models/base.py", *cls.further_code, *([file] if file else [])]
    fit = {
        "model": run.model,
        "settings": cls.Settings.parse(run.settings, run.model).model_dump(mode="json"),
        "train": [dataset.hashes[name] for name in run.train],
        "join": [dataset.hashes[name] for name in run.join],
        "validation": dataset.hashes["validation"],
        "code": code_hash(*sources),
    }
    record = "".join(map(inspect.getsource, (Store._score, _groups, length_labels)))
    return fit, {
        "fit": _id(fit),
        "test": dataset.hashes[run.test],
        "types": _id({"types": list(dataset.splits[run.test]["type"])}),
        "replicates": run.replicates,
        "prequential": run.prequential,
        "code": [code_hash("evaluation.py"), hashlib.sha256(record.encode()).hexdigest()],
    }


def run_id(run: Run, dataset: Dataset) -> str:
    """Sixteen hex digits that name this run of this code on these genes."""
    return _id(_identity(run, dataset)[1])


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

    def model(self) -> LanguageModel:
        """The fitted model."""
        return models.load(self.folder.parents[1] / "fits" / self.record["fit"] / "model")


class Store:
    """Finished fits and runs in a folder (default: ``_build/store``, or the one named by DNASTUDY_STORE)."""

    def __init__(self, root: str | os.PathLike | None = None):
        self.root = Path(root or os.environ.get(STORE_VARIABLE) or Path("_build") / "store").resolve()

    def get(self, run: Run, dataset: Dataset, log: Log | None = None) -> Result:
        """Return the run's result, computing what is missing of it; other processes wait for the same run."""
        fit_parts, run_parts = _identity(run, dataset)
        fit, name = _id(fit_parts), _id(run_parts)
        folder = self.root / "runs" / name
        if not (folder / "record.json").exists():
            with self._lock(name):
                if not (folder / "record.json").exists():
                    model, fitted = self._fit(run, dataset, fit, fit_parts, log)
                    self._score(run, dataset, model, fitted, folder, {"id": name, "fit": fit}, log)
        record = from_json((folder / "record.json").read_text())
        return Result({**record, "name": run.name}, folder)

    def relatives(self, dataset: Dataset, memory: Sequence[str] = ("train",)) -> pd.DataFrame:
        """Nearest relative of each test gene in the splits ``memory`` (see `relatives.nearest_relatives`)."""
        from dnastudy.relatives import nearest_relatives

        hashes = [dataset.hashes["test"], *(dataset.hashes[name] for name in memory)]
        name = _id({"relatives": hashes, "code": code_hash("relatives.py", "sequences.py")})
        folder = self.root / "relatives" / name
        with self._lock(f"relatives-{name}"):
            if not (folder / "relatives.csv").exists():
                genes = pd.concat([dataset.splits[name] for name in memory], ignore_index=True)
                table = nearest_relatives(dataset.test, genes)
                with whole_folder(folder) as half:
                    table.to_csv(half / "relatives.csv", index=False)
        text = {"id": str, "nearest": str, "strand": str}
        return pd.read_csv(folder / "relatives.csv", dtype=text, keep_default_na=False)

    def _lock(self, name: str) -> FileLock:
        (self.root / "locks").mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / "locks" / f"{name}.lock")

    def _fit(self, run: Run, dataset: Dataset, fit: str, parts: dict[str, Any], log: Log | None):
        folder = self.root / "fits" / fit
        with self._lock(fit):
            if not (folder / "fit.json").exists():
                if log:
                    log(f"fit {run.name}")
                model, seconds = fit_model(
                    run.model,
                    run.settings,
                    *(_sequences(dataset, names) for names in (run.train, ["validation"], run.join)),
                )
                with whole_folder(folder) as half:
                    model.save(half / "model")
                    facts = {"seconds": seconds, "peak_memory_mb": peak_memory_mb(), **surroundings()}
                    (half / "fit.json").write_text(to_json({**parts, **facts}))
        return models.load(folder / "model"), json.loads((folder / "fit.json").read_text())

    def _score(self, run, dataset, model, fitted, folder: Path, ids: dict[str, str], log: Log | None) -> None:
        if log:
            log(f"score {run.name}")
        genes = dataset.splits[run.test]
        learned = [dataset.splits[name] for name in run.train + run.join]
        seen = {"validation", "counts"} & {*run.train, *run.join}
        # what orders and sizes are chosen by; null where the model has learned from the validation genes
        validated = None if seen else evaluation.quick_perplexity(model, dataset.validation)
        parameters = model.num_parameters  # before prequential scoring adds to them
        reset_peak_memory()
        start = time.perf_counter()
        scores = evaluation.score(model, genes, prequential=run.prequential)
        seconds = time.perf_counter() - start
        record = {
            **ids,
            "model": run.model,
            "family": model.family,
            "settings": fitted["settings"],
            "tuned": model.tuned,
            "data": {
                "name": dataset.name,
                "description": dataset.description,
                "train": run.train,
                "join": run.join,
                "test": run.test,
                "prequential": run.prequential,
                "train_genes": sum(map(len, learned)),
                "train_nucleotides": int(sum(frame["sequence"].str.len().sum() for frame in learned)),
                "sha256": {name: dataset.hashes[name] for name in dict.fromkeys([*run.train, *run.join, run.test])},
            },
            "metrics": evaluation.metrics(scores, run.replicates),
            "validation_perplexity": validated,
            "by_type": _groups(scores, genes["type"].where(genes["type"] != "", "unknown"), run.replicates),
            "by_length": _groups(scores, length_labels(genes), run.replicates),
            "parameters": parameters,
            "seconds": {"fit": fitted["seconds"], "score": seconds},
            "peak_memory_mb": max(fitted["peak_memory_mb"], peak_memory_mb()),
            "code": {"fit": fitted["code"], "evaluation": code_hash("evaluation.py")},
            **surroundings(),
        }  # fmt: skip
        with whole_folder(folder) as half:
            scores.to_csv(half / "scores.csv", index=False)
            (half / "record.json").write_text(to_json(record))


def _groups(scores: pd.DataFrame, labels: pd.Series, replicates: int) -> list[dict[str, Any]]:
    table = evaluation.by_group(scores, labels, replicates)
    return table[["group", "genes", "nucleotides", "nucleotide_perplexity", "bits_per_base", "low", "high"]].to_dict(
        "records"
    )


def length_labels(genes: pd.DataFrame) -> pd.Series:
    """Length class of each gene, as text that sorts by length."""
    names = [f"{a + 1:>4}-{b} nt" if b < 10**9 else f"{a + 1:>4} nt and more" for a, b in pairwise(LENGTH_BINS)]
    return pd.cut(genes["sequence"].str.len(), LENGTH_BINS, labels=names).astype(str)


def _sequences(dataset: Dataset, names: list[str]) -> list[str]:
    return [sequence for name in names for sequence in dataset.splits[name]["sequence"]]


def fit_model(
    name: str, settings: dict[str, Any], train: list[str], validation: list[str], join: list[str] | None = None
) -> tuple[LanguageModel, float]:
    """Return a model fitted on ``train``, joined by ``join``, and the seconds that took, encoding included."""
    model = models.create(name, settings)
    reset_peak_memory()
    start = time.perf_counter()
    model.fit(train, validation)
    if join:
        model.join(join)
    return model, time.perf_counter() - start
