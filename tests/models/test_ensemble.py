"""Mixtures of models: their weights are the best there are, and mixing is what the definitions say."""

import numpy as np
import pytest
from helpers import random_sequences

from dnastudy import models
from dnastudy.data.sequences import encode
from dnastudy.models import ensemble

TRAIN, HELD_OUT, TEST = (random_sequences(n, seed=seed, low=30, high=200) for n, seed in ((80, 1), (40, 2), (20, 3)))
MEMBERS = [{"model": "ngram", "settings": {"order": order}} for order in (1, 3, 6)]


def fitted(**settings):
    return models.create("ensemble", {"members": MEMBERS, **settings}).fit(TRAIN, HELD_OUT)


def nats(model, sequences):
    return -np.concatenate(model.log_probs(sequences)).mean()


@pytest.mark.parametrize("mixing", ["linear", "geometric"])
def test_mixing_is_the_definition(mixing):
    model = fitted(mixing=mixing)
    weights = model.weights[0]
    rows = np.stack([np.concatenate(member.log_distributions(TEST)) for member in model.members])
    if mixing == "linear":
        assert weights.sum() == pytest.approx(1)
        expected = np.log(np.tensordot(weights, np.exp(rows), 1))
    else:
        expected = np.tensordot(weights, rows, 1)
        expected -= np.log(np.exp(expected).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.concatenate(model.log_distributions(TEST)), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mixing", ["linear", "geometric"])
def test_no_other_weights_are_better_on_the_validation_genes(mixing, monkeypatch):
    monkeypatch.setattr(ensemble, "PRIOR", 1e-6)
    model = fitted(mixing=mixing)
    best, found = nats(model, HELD_OUT), model.weights.copy()
    random = np.random.default_rng(0)
    for _ in range(20):
        other = found + 0.03 * random.normal(size=found.shape)
        if mixing == "linear":
            other = np.abs(other) / np.abs(other).sum()
        model.weights = other
        assert nats(model, HELD_OUT) >= best - 1e-9
    assert best <= min(nats(member, HELD_OUT) for member in model.members) + 1e-9


def test_classes_of_entropy_help_where_sureness_says_whom_to_trust():
    """Half of the genes repeat one word, which only the long n-gram foresees, and there it is sure."""
    word = "GATTACACCGT"
    mixed = [word * 12 if i % 2 else gene for i, gene in enumerate(TRAIN + HELD_OUT)]
    members = [{"model": "uniform"}, {"model": "ngram", "settings": {"order": 8, "smoothing": "laplace",
                                                                     "protocol": "proper"}}]  # fmt: skip
    plain, apart = (
        models.create("ensemble", {"members": members, "classes": classes}).fit(mixed[:80], mixed[80:])
        for classes in (1, 4)
    )
    assert apart.weights.shape == (16, 2) and plain.weights.shape == (1, 2)
    assert nats(apart, mixed[80:]) < nats(plain, mixed[80:]) - 0.005


def test_members_fitted_elsewhere_are_taken_as_they_are():
    members = [models.create("ngram", m["settings"]).fit(TRAIN, HELD_OUT) for m in MEMBERS]
    together = models.create("ensemble", {"members": MEMBERS}).combine(members, HELD_OUT)
    np.testing.assert_allclose(nats(together, TEST), nats(fitted(), TEST), rtol=1e-12)
    assert together.members[0] is members[0]


def test_without_validation_genes_all_count_alike():
    model = models.create("ensemble", {"members": MEMBERS}).fit(TRAIN)
    np.testing.assert_allclose(model.weights, 1 / 3)
    assert model.combine(model.members, []).weights.shape == (1, 3)


def test_a_member_without_an_end_leaves_a_distribution():
    lstm = {"model": "lstm", "settings": {"embedding_size": 4, "hidden_size": 4, "epochs": 1, "end": False}}
    for mixing in ("linear", "geometric"):
        model = models.create("ensemble", {"members": [MEMBERS[0], lstm], "mixing": mixing}).fit(TRAIN, HELD_OUT)
        rows = np.concatenate(model.log_distributions(TEST))
        np.testing.assert_allclose(np.exp(rows).sum(axis=1), 1, rtol=1e-12)
        assert np.isfinite(np.concatenate(model.nucleotide_log_probs(TEST))).all()


def test_ends_that_no_member_knows_weigh_nothing(monkeypatch):
    """Two networks without ends: no other weights predict the nucleotides of the validation genes better."""
    monkeypatch.setattr(ensemble, "PRIOR", 1e-6)
    settings = {"embedding_size": 8, "hidden_size": 8, "epochs": 4, "end": False, "kmer_size": 1, "learning_rate": 0.02}
    members = [{"model": "lstm", "settings": {**settings, "seed": seed}} for seed in (1, 2)]
    model = models.create("ensemble", {"members": members}).fit(TRAIN, HELD_OUT)
    found = model.weights.copy()
    best = -np.concatenate(model.nucleotide_log_probs(HELD_OUT)).mean()
    for change in ([0.1, 0], [0, 0.1], [-0.1, 0], [0, -0.1]):
        model.weights = found + np.array([change])
        assert -np.concatenate(model.nucleotide_log_probs(HELD_OUT)).mean() > best


def test_each_member_trains_in_a_folder_of_its_own(tmp_path):
    from dnastudy.training.log import CHECKPOINT, LOG, Workspace

    lstm = {"model": "lstm", "settings": {"embedding_size": 4, "hidden_size": 4, "epochs": 1}}
    workspace = Workspace(tmp_path / "work", "this training")
    model = models.create("ensemble", {"members": [MEMBERS[0], lstm, lstm]})
    model.fit_long(TRAIN, HELD_OUT, workspace)
    for number in (2, 3):
        assert {path.name for path in (workspace.folder / f"member-{number}").iterdir()} >= {CHECKPOINT, LOG}
    workspace.finish()
    assert not list(tmp_path.rglob(CHECKPOINT))


def test_the_store_fits_each_member_once(tmp_path, monkeypatch):
    from dnastudy.data.datasets import load_dataset
    from dnastudy.experiments.plan import Run
    from dnastudy.experiments.store import Store

    dataset, log = load_dataset("simulated", genes=200, seed=1), []
    store = Store(tmp_path)
    alone = Run(name="alone", model="ngram", settings={"order": 3}, replicates=100)
    store.get(alone, dataset, log.append)
    runs = [
        Run(name=mixing, model="ensemble", settings={"members": MEMBERS[1:], "mixing": mixing}, replicates=100)
        for mixing in ("linear", "geometric")
    ]
    results = [store.get(run, dataset, log.append) for run in runs]
    # the n-gram of order 3 was there already, that of order 6 is fitted once, as a member
    assert [line for line in log if line.startswith("fit")] == [
        "fit alone", "fit linear: ngram", "fit linear", "fit geometric",
    ]  # fmt: skip
    assert all(r.record["parameters"] > store.get(alone, dataset).record["parameters"] for r in results)
    assert encode(TEST).nucleotides > 0
