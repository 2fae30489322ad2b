"""Classifiers find a motif, and stay at chance where labels are random."""

import numpy as np
import pytest
from helpers import random_sequences

from dnastudy.core.errors import SettingsError
from dnastudy.data.sequences import encode
from dnastudy.models import MODELS, create
from dnastudy.tasks.classifiers import BASELINES, Convolutional, kmer_frequencies, on_embeddings
from dnastudy.tasks.gene_types import GeneTypes

SMALL = {"epochs": 1, "batch_tokens": 500, "kmer_size": 2}
SETTINGS = {
    "lstm": {**SMALL, "embedding_size": 8, "hidden_size": 8},
    "transformer": {**SMALL, "d_model": 8, "n_layers": 1, "n_heads": 1},
}


def _two_kinds(n, seed):
    """Sequences of equal composition and length; those of label 1 hold GATTACA somewhere, three times."""
    random = np.random.default_rng(seed)
    sequences, labels = random_sequences(n, seed=seed, low=60, high=90), np.arange(n) % 2
    for i in np.flatnonzero(labels):
        text = list(sequences[i])
        for at in random.choice(len(text) // 8, size=3, replace=False) * 8:
            text[at : at + 7] = "GATTACA"
        sequences[i] = "".join(text)
    return sequences, labels


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.slow
def test_a_motif_is_found(name):
    train, labels = _two_kinds(300, 1)
    test, truth = _two_kinds(100, 2)
    classifier = BASELINES[name]().fit(train, labels)
    p = classifier.predict_proba(test)
    assert p.shape == (100, 2)
    assert p.sum(axis=1) == pytest.approx(1)
    assert (p.argmax(axis=1) == truth).mean() > 0.85
    again = BASELINES[name]().fit(train, labels).predict_proba(test)
    assert again == pytest.approx(p)
    mixed = np.random.default_rng(0).permutation(labels)
    chance = (BASELINES[name]().fit(train, mixed).predict_proba(test).argmax(axis=1) == truth).mean()
    assert 0.3 < chance < 0.7


def test_padding_and_batches_change_nothing():
    train, labels = _two_kinds(60, 1)
    network = Convolutional(epochs=1).fit(train, labels)
    sequences = ["ACGTTGCAAC", "T" * 400, "GATTACA", *train[:5]]
    together = network.predict_proba(sequences)
    for row, sequence in zip(together, sequences, strict=True):
        assert network.predict_proba([sequence])[0] == pytest.approx(row, abs=1e-5)


def test_features_are_kmer_frequencies_and_log_length():
    features = kmer_frequencies(["ACGT", "AAAAAAAA"], [1, 2])
    assert features.shape == (2, 4 + 16 + 1)
    assert features[0, :4] == pytest.approx([0.25] * 4)
    assert features[1, 0] == features[1, 4] == 1
    assert features[:, -1] == pytest.approx(np.log([4, 8]))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "conditional"])
@pytest.mark.slow
def test_every_model_embeds(name):
    train, labels = _two_kinds(80, 1)
    model = create(name, SETTINGS.get(name, {})).fit(train, train[:20])
    sequences = ["A", "ACGT", *train[:10], "T" * 300]
    embeddings = model.embed(sequences)
    assert embeddings.shape[0] == len(sequences)
    assert np.isfinite(embeddings).all()
    for row, sequence in zip(embeddings, sequences, strict=True):
        assert model.embed([sequence])[0] == pytest.approx(row, abs=1e-5)
    assert on_embeddings(model).fit(train, labels).predict_proba(train).shape == (80, 2)


def test_embeddings_of_an_ngram_are_mean_residuals():
    model = create("ngram", {"order": 1}).fit(["AACCGGTTAC"] * 20)
    sequence = "ACGGTCAACG"
    (embedding,) = model.embed([sequence])
    p = np.exp(model.nucleotide_log_distributions([sequence])[0])
    sums = np.zeros((4, 4, 4))
    for at in range(2, 10):
        a, b, c = ("ACGT".index(x) for x in sequence[at - 2 : at + 1])
        sums[a, b] += np.eye(4)[c] - p[at]
    assert embedding[:-1] == pytest.approx(sums.ravel() / 8)
    bits = -np.mean([np.log2(p[at, "ACGT".index(sequence[at])]) for at in range(10)])
    assert embedding[-1] == pytest.approx(bits)


def test_a_networks_embedding_is_the_mean_of_its_hidden_states():
    model = create("lstm", SETTINGS["lstm"]).fit(random_sequences(30, seed=1, low=20))
    hidden = []
    watch = model.network.output.register_forward_pre_hook(lambda _, inputs: hidden.append(inputs[0]))
    import torch

    codes = torch.tensor([[4, *encode(["ACGTAC"])[0].tolist()]])
    with torch.inference_mode():
        model.network(codes)
    watch.remove()
    assert model.embed(["ACGTAC", "AC" * 50])[0] == pytest.approx(hidden[0][0].mean(0).numpy(), abs=1e-6)


def test_an_unknown_classifier_is_refused_with_the_known_ones():
    with pytest.raises(SettingsError, match=r"no classifier 'forest'.*known: linear on k-mers, gradient"):
        GeneTypes({"judge": "forest"})
