"""Models that come with the package: what is shipped is small, loads by name, and its card says what it does."""

import re

import numpy as np
import pytest

from dnastudy import models
from dnastudy.analysis import model_card
from dnastudy.core.errors import ModelError
from dnastudy.data.datasets import load_dataset
from dnastudy.evaluation import metrics, scoring
from dnastudy.experiments.plan import Run
from dnastudy.experiments.store import Store
from dnastudy.experiments.task_runs import conditional_run
from dnastudy.models.generation import generate


@pytest.fixture
def made(tmp_path):
    dataset = load_dataset("simulated", genes=200, seed=1)
    store = Store(tmp_path / "store")
    settings = {"embedding_size": 8, "hidden_size": 8, "epochs": 1, "kmer_size": 2}
    run = conditional_run(Run(name="lstm-1", model="lstm", settings=settings, replicates=100), dataset)
    return dataset, store, {"lstm": store.get(run, dataset)}


@pytest.mark.slow
def test_a_model_is_shipped_and_its_card_is_of_what_is_shipped(made, tmp_path, monkeypatch):
    dataset, store, chosen = made
    folder = tmp_path / "trained"
    model_card.ship(chosen, dataset.test, store.homologs(dataset), 100, folder)
    monkeypatch.setattr(models, "TRAINED", folder)
    shipped = models.load("lstm")
    whole = chosen["lstm"].model()
    for a, b in zip(shipped.log_distributions(["ACGTTGCA"]), whole.log_distributions(["ACGTTGCA"]), strict=True):
        np.testing.assert_allclose(a, b, atol=0.01)
    card = (folder / "README.md").read_text()
    figure = metrics.nucleotide_perplexity(scoring.score(shipped, dataset.test))
    assert f"nucleotide perplexity {figure:.4f}" in card and "`lstm-1-conditional`" in card
    assert "hidden_size=8" in card and "Limits" in card
    types = whole.settings.types
    assert f"| gene types it can be asked for | {', '.join(types)} |" in card
    assert len(generate(shipped, 3, seed=1, type=types[0])) == 3


@pytest.mark.slow
def test_a_model_that_is_too_large_is_refused_and_nothing_is_left(made, tmp_path, monkeypatch):
    dataset, store, chosen = made
    monkeypatch.setattr(model_card, "LARGEST", 100)
    with pytest.raises(ModelError, match="come with the package"):
        model_card.ship(chosen, dataset.test, store.homologs(dataset), 100, tmp_path / "trained")
    assert not any((tmp_path / "trained").glob("*")) if (tmp_path / "trained").exists() else True


def test_what_comes_with_the_package_is_small_and_has_its_card():
    folders = [path for path in models.TRAINED.iterdir() if path.is_dir()] if models.TRAINED.is_dir() else []
    assert {path.name for path in folders} >= {models.DEFAULT}
    card = (models.TRAINED / "README.md").read_text()
    for folder in folders:
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 5_000_000
        assert re.search(rf"^## {folder.name}$", card, re.MULTILINE)
        assert np.isfinite(models.load(folder.name).log_probs(["ACGT"])[0]).all()
