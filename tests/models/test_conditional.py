"""Genes of a type: networks are told of it by a token, any other model is mixed with one of each type."""

import numpy as np
import pytest

from dnastudy.data.sequences import choose, encode
from dnastudy.models import MODELS, ModelError, create, load, model_class
from dnastudy.models.conditional import frequent_types

pytestmark = pytest.mark.slow  # trains, or searches for homologs

SMALL = {"epochs": 10, "batch_tokens": 200, "learning_rate": 1e-2, "kmer_size": 2}
SETTINGS = {
    "ngram": {"order": 3},
    "lstm": {**SMALL, "embedding_size": 8, "hidden_size": 16},
    "transformer": {**SMALL, "d_model": 16, "n_layers": 1, "n_heads": 2},
    "ensemble": {"members": [{"model": "ngram", "settings": {"order": 2}},
                             {"model": "lstm", "settings": {**SMALL, "embedding_size": 8, "hidden_size": 16}}]},
}  # fmt: skip
KNOWN = ["rich", "poor"]


def _genes(n, seed):
    """Genes of two types, one mostly of C and G, the other of A and T, and some of neither."""
    random = np.random.default_rng(seed)
    types = [[*KNOWN, ""][i % 3] for i in range(n)]
    shares = {"rich": [0.05, 0.45, 0.45, 0.05], "poor": [0.45, 0.05, 0.05, 0.45], "": [0.25] * 4}
    genes = ["".join(random.choice(list("ACGT"), p=shares[t], size=random.integers(20, 60))) for t in types]
    return encode(genes, types)


TRAIN, VALIDATION, TEST = _genes(180, 1), _genes(60, 2), _genes(60, 3)


def _of(genes, name):
    return choose(genes, np.flatnonzero(genes.types == name))


@pytest.fixture(scope="module", params=[name for name in MODELS if name != "conditional"])
def model(request):
    name = request.param
    told, settings = model_class(name).with_types(SETTINGS.get(name, {}), KNOWN)
    assert model_class(told).uses_types(settings)
    return create(told, settings).fit(TRAIN, VALIDATION)


def _nats(model, genes):
    return -np.concatenate(model.nucleotide_log_probs(genes)).mean()


def test_a_type_is_predicted_best_by_its_own_model(model):
    assert sorted(model.types) == sorted(KNOWN)
    if getattr(model, "whole", model).name == "uniform":
        return
    for name, other in (KNOWN, KNOWN[::-1]):
        genes = _of(TEST, name)
        own, of_other, of_all = (_nats(m, genes) for m in (model.of_type(name), model.of_type(other), model))
        assert own < of_all + 0.01
        assert own < of_other - 0.1


def test_a_model_of_a_type_keeps_the_protocol(model):
    one = model.of_type("rich")
    for rows in one.log_distributions(TEST):
        assert np.exp(rows).sum(axis=1) == pytest.approx(1)
    first, again = (one.sample(20, seed=4, max_length=80) for _ in range(2))
    assert first == again
    if getattr(model, "whole", model).name == "uniform":
        return
    shares = [np.mean([base in "CG" for base in "".join(m.sample(60, seed=4, max_length=80))])
              for m in (one, model.of_type("poor"))]  # fmt: skip
    assert shares[0] > 0.6 > 0.4 > shares[1]


def test_it_is_saved_and_loaded_with_its_types(model, tmp_path):
    again = load(model.save(tmp_path / "model"))
    assert again.types == model.types
    for one, other in ((model, again), *((model.of_type(name), again.of_type(name)) for name in KNOWN)):
        for a, b in zip(one.log_distributions(TEST), other.log_distributions(TEST), strict=True):
            assert np.array_equal(a, b)


def test_unknown_types_are_named(model):
    with pytest.raises(ModelError, match=r"unknown gene type 'ritch'; did you mean 'rich'\? \(known: "):
        model.of_type("ritch")


@pytest.mark.parametrize("name", ["ngram", "lstm", "expert"])
def test_a_model_that_was_not_told_says_so(name):
    with pytest.raises(ModelError, match=f"{name}: was trained without gene types; train it with --by-type"):
        create(name).of_type("rich")


def test_types_change_nothing_where_none_are_asked_for():
    """A model that does not learn types is the same with and without them, and a typed one is as its base."""
    plain = encode(_texts(TRAIN))
    for name in ("ngram", "lstm"):
        one, other = (create(name, SETTINGS[name]).fit(genes) for genes in (TRAIN, plain))
        for a, b in zip(one.log_distributions(TEST), other.log_distributions(TEST), strict=True):
            assert np.array_equal(a, b)
    typed = create(*model_class("ngram").with_types(SETTINGS["ngram"], KNOWN)).fit(TRAIN, VALIDATION)
    base = create("ngram", SETTINGS["ngram"]).fit(TRAIN, VALIDATION)
    for a, b in zip(typed.log_distributions(TEST), base.log_distributions(TEST), strict=True):
        assert np.array_equal(a, b)


def _texts(genes):
    return ["".join("ACGT"[code] for code in genes[i]) for i in range(len(genes))]


def test_a_weight_says_how_much_a_type_is_on_its_own():
    """Where types differ in nothing, the model of all genes has the weight; where they share nothing, their own."""
    alike = encode(_texts(TRAIN), ["a", "b"] * (len(TRAIN) // 2))
    held_out = encode(_texts(VALIDATION), ["a", "b"] * (len(VALIDATION) // 2))
    settings = {"settings": {"order": 4, "smoothing": "laplace", "protocol": "proper"}}
    found = create("conditional", settings).fit(alike, held_out).tuned
    apart = create("conditional", settings).fit(TRAIN, VALIDATION).tuned
    assert all(weight < 0.5 for weight in found.values())
    assert apart["rich"] > 0.6 < apart["poor"]


def test_types_with_too_few_genes_have_no_model():
    assert frequent_types(["a"] * 30 + ["b"] * 19 + ["c"] * 20 + [""] * 50) == ["a", "c"]
    model = create("conditional").fit(TRAIN)
    assert model.types == ("poor", "rich")
    assert create("conditional").fit(_texts(TRAIN)).types == ()
    with pytest.raises(ModelError, match="conditional: no training gene of type 'tRNA'"):
        create("conditional", {"types": ["tRNA"]}).fit(TRAIN)
