"""Writing genes: of any type, with the lengths of real ones or as the model ends them."""

import math
from collections import Counter

import numpy as np
import pytest
from helpers import random_sequences

from dnastudy.data.sequences import encode
from dnastudy.experiments.fitting import fit_model
from dnastudy.models import MODELS, ModelError, create, load, model_class
from dnastudy.models.generation import generate
from dnastudy.models.training_lengths import NOTE, draw_lengths, length_notes

pytestmark = pytest.mark.slow  # trains, or searches for homologs

TYPES = ["long", "short"]
TRAIN = [*random_sequences(40, seed=1, low=70, high=90), *random_sequences(40, seed=2, low=20, high=25)]
GENES = encode(TRAIN, ["long"] * 40 + ["short"] * 40)
SMALL = {"epochs": 1, "batch_tokens": 500, "kmer_size": 2}
SETTINGS = {
    "lstm": {**SMALL, "embedding_size": 8, "hidden_size": 8},
    "transformer": {**SMALL, "d_model": 8, "n_layers": 1, "n_heads": 1},
}


@pytest.fixture(scope="module", params=[name for name in MODELS if name != "conditional"])
def model(request):
    name, settings = model_class(request.param).with_types(SETTINGS.get(request.param, {}), TYPES)
    return fit_model(name, settings, GENES, GENES)[0]


def test_lengths_of_the_training_genes_are_kept(model, tmp_path):
    counts = Counter(map(len, TRAIN))
    text = " ".join(f"{length}:{counts[length]}" for length in sorted(counts))
    assert model.notes[NOTE][""] == text
    assert set(model.notes[NOTE]) == {"", *TYPES}
    again = load(model.save(tmp_path / "model"))
    assert again.notes[NOTE] == model.notes[NOTE]
    assert generate(again, 5, seed=3, type="short").equals(generate(model, 5, seed=3, type="short"))


def test_genes_have_real_lengths_by_type(model):
    """Every length is one that a training gene of the type has, and about as often."""
    for name, low, high in (("long", 70, 90), ("short", 20, 25), ("", 20, 90)):
        genes = generate(model, 40, seed=5, type=name)
        lengths = genes["sequence"].str.len()
        assert lengths.between(low, high).all()
        assert (genes["type"] == name).all()
        writer = model.of_type(name) if name else model
        for row, told in zip(writer.log_probs(list(genes["sequence"])), genes["log_prob"], strict=True):
            assert told == pytest.approx(row.sum() if np.isfinite(row[-1]) else row[:-1].sum(), abs=1e-4)
    drawn = Counter(draw_lengths(model, 20_000, 1, "short").tolist())
    for length, count in Counter(map(len, TRAIN[40:])).items():
        assert drawn[length] / 20_000 == pytest.approx(count / 40, abs=0.02)


def test_own_lengths_are_the_models(model):
    one = generate(model, 30, seed=5, lengths="own", max_length=60)
    assert one["sequence"].tolist() == model.sample(30, seed=5, max_length=60)
    assert one["sequence"].str.len().max() <= 60
    assert one.equals(generate(model, 30, seed=5, lengths="own", max_length=60))
    cut = one["sequence"].str.len() == 60
    for row, told, was_cut in zip(model.log_probs(list(one["sequence"])), one["log_prob"], cut, strict=True):
        assert told == pytest.approx(row[:-1].sum() if was_cut else row.sum(), abs=1e-4)


def test_given_lengths_are_kept_to_the_nucleotide(model):
    wanted = [0, 7, 3, 30, 12, 3, 1]
    genes = model.sample(7, seed=1, lengths=wanted)
    assert [len(gene) for gene in genes] == wanted
    assert genes == model.sample(7, seed=1, lengths=wanted)
    assert model.sample(0, seed=1) == model.sample(0, lengths=[]) == []
    assert model.sample(2, seed=1, lengths=[2, 2], prefix="AC") == ["AC", "AC"]
    with_prefix = model.sample(3, seed=1, lengths=[4, 9, 2], prefix="AC")
    assert [len(gene) for gene in with_prefix] == [4, 9, 2]
    assert all(gene.startswith("AC") for gene in with_prefix)
    for bad in ([1, 2], [1, 2, 1]):
        with pytest.raises(ModelError, match=r"3 lengths are needed, each at least that of the prefix \(2 nt\)"):
            model.sample(3, lengths=bad, prefix="AC")


def test_lengths_do_not_change_what_is_written():
    """Where the end is held off, nucleotides are drawn from the model's own distribution over the other four."""
    model = create("ngram", {"order": 1}).fit(["AACCGGTTAC"] * 50)
    text = "".join(model.sample(200, seed=1, lengths=[50] * 200))
    p = np.exp(model.nucleotide_log_distributions(["A"])[0][0])
    for base, share in zip("ACGT", p, strict=True):
        assert text.count(base) / len(text) == pytest.approx(share, abs=5 * math.sqrt(share / len(text)))


def test_longer_genes_are_cut_and_told_without_their_end():
    model = fit_model("ngram", {"order": 2}, TRAIN, None)[0]
    genes = generate(model, 40, seed=2, max_length=50)
    lengths = genes["sequence"].str.len()
    assert lengths.max() == 50
    rows = model.log_probs(list(genes["sequence"]))
    drawn = draw_lengths(model, 40, 2)
    for row, told, length in zip(rows, genes["log_prob"], drawn, strict=True):
        assert told == pytest.approx(row[:-1].sum() if length > 50 else row.sum())


def test_what_a_model_does_not_know_is_said():
    model = create("ngram").fit(TRAIN)
    with pytest.raises(ModelError, match="was saved without the lengths of its training genes; train it again, or use"):
        generate(model, 2)
    assert len(generate(model, 2, lengths="own")) == 2
    with pytest.raises(ModelError, match="was trained without gene types; train it with --by-type"):
        generate(model, 2, type="tRNA", lengths="own")
    assert length_notes(encode(["A", "CC", "GG"])) == {"": "1:1 2:2"}


def test_many_genes_are_drawn_in_parts_with_the_lengths_asked_for(monkeypatch):
    from dnastudy.models.expert import model as expert

    model = create("expert", {"tuning_nucleotides": 1000}).fit(TRAIN, TRAIN[:10])
    monkeypatch.setattr(expert, "SAMPLED_AT_ONCE", 3)
    wanted = [5, 40, 12, 7, 1, 30, 9, 22]
    genes = model.sample(8, seed=2, lengths=wanted)
    assert [len(gene) for gene in genes] == wanted
    assert len({gene[:5] for gene in genes if len(gene) > 5}) > 3
    assert len(model.sample(8, seed=2, max_length=20)) == 8
