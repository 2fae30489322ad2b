"""The expert model beside its slow twin, and what it must be able to do."""

import os
import subprocess
import sys

import numpy as np
import pytest
from expert_twin import Twin
from helpers import ROOT, homologous_sequences, random_sequences

from dnastudy.core.errors import SettingsError
from dnastudy.data.sequences import encode
from dnastudy.data.simulation import simulate_study
from dnastudy.models import ModelError, create
from dnastudy.models.expert import state as layout
from dnastudy.models.expert.index import _sorted_places
from dnastudy.models.expert.numba_cache import cache_folder

ALL = list(layout.FAMILIES)


@pytest.mark.parametrize(
    "settings",
    [
        {"experts": ALL},
        {"experts": ALL, "max_indel": 0, "substitutions": False, "hidden_size": 3},
        {"experts": ["context"], "hidden_size": 0},
        {"experts": ["copy", "inverted"]},
        {"experts": ["reverse", "own"], "gating": "cross-validation"},
    ],
    ids=str,
)
@pytest.mark.slow
def test_the_slow_twin_gives_the_same_numbers(settings):
    train, more = homologous_sequences(24, seed=1), homologous_sequences(7, seed=2)
    model = create("expert", {"gate_epochs": 40, **settings}).fit(train, homologous_sequences(12, seed=3))
    model.update(more)
    assert model.index.shards == 2
    twin = Twin(model, [train, more])
    for gene in [
        *homologous_sequences(4, seed=4),
        random_sequences(1, seed=5, low=60)[0],
        "",
        "A",
        more[0] + train[0][:40],
    ]:
        np.testing.assert_allclose(model.log_distributions([gene])[0], twin.log_distributions(gene), atol=2e-5)


@pytest.mark.slow
def test_many_copies_compete_as_in_the_twin():
    """More copies and occurrences than are followed at a time."""
    train = [homologous_sequences(1, seed=s, length=60)[0] for s in range(150)]
    model = create("expert", {"gate_epochs": 10}).fit(train, homologous_sequences(6, seed=200, length=60))
    gene = homologous_sequences(1, seed=300, length=60)[0]
    np.testing.assert_allclose(
        model.log_distributions([gene])[0], Twin(model, [train]).log_distributions(gene), atol=2e-5
    )


def test_joining_one_by_one_sorts_little_and_finds_the_same():
    genes = homologous_sequences(60, seed=6)
    model = create("expert", {"gate_epochs": 5}).fit(genes[:1], homologous_sequences(8, seed=7))
    for gene in genes[1:]:
        model.update([gene])
    assert 1 < model.index.shards <= 7
    at_once = create("expert").fit(genes)
    at_once.gate, at_once.tables = model.gate, model.tables
    for a, b in zip(model.index.sequences().symbols, at_once.index.sequences().symbols, strict=True):
        assert a == b
    test = homologous_sequences(5, seed=8)
    # the counts are those of one index; only which copies are proposed first may differ
    np.testing.assert_allclose(
        np.concatenate(model._runner().gate_inputs(encode(test))[0][:, : layout.COPY_AT]),
        np.concatenate(at_once._runner().gate_inputs(encode(test))[0][:, : layout.COPY_AT]),
        atol=1e-6,
    )


@pytest.mark.slow
def test_an_unrelated_gene_costs_what_it_costs_without_copies():
    """A copy model must know when it knows nothing: random genes stay at the entropy of their source."""
    train, validation, test = (
        [*homologous_sequences(200, seed=s), *random_sequences(400, seed=s + 50, low=80)] for s in (11, 12, 13)
    )
    model = create("expert").fit(train, validation)
    unrelated = np.concatenate(model.nucleotide_log_probs(test[200:]))
    p = np.array([0.35, 0.2, 0.15, 0.3])
    entropy = -(p * np.log(p)).sum()
    assert entropy - 0.02 < -unrelated.mean() < entropy + 0.02
    related = np.concatenate(model.nucleotide_log_probs(test[:200]))
    assert -related.mean() < 0.4


@pytest.mark.slow
def test_the_end_of_a_copied_gene_is_foreseen():
    """Copies end with the gene they copy, and the lengths of the genes are known."""
    train, validation, test = (homologous_sequences(150, seed=s) for s in (21, 22, 23))
    model = create("expert").fit(train, validation)
    ends = np.array([rows[-1, 4] for rows in model.log_distributions(test)])
    lengths = np.array([len(gene) for gene in test])
    geometric = lengths.mean() * np.log1p(1 / lengths.mean()) + np.log1p(lengths.mean())
    paid = -ends.mean() - np.mean([np.log1p(-np.exp(rows[:-1, 4])).sum() for rows in model.log_distributions(test)])
    assert paid < geometric / 2
    sampled = [len(gene) for gene in model.sample(300, seed=3, max_length=400)]
    assert np.median(lengths) / 2 < np.median(sampled) < np.median(lengths) * 1.5


def test_more_samples_than_are_drawn_at_once(monkeypatch):
    monkeypatch.setattr("dnastudy.models.expert.model.SAMPLED_AT_ONCE", 4)
    model = create("expert").fit(homologous_sequences(20, seed=1), homologous_sequences(5, seed=2))
    drawn = model.sample(10, seed=1, max_length=50)
    assert len(drawn) == 10 and len(set(drawn)) == 10
    assert drawn[:4] == model.sample(4, seed=1, max_length=50)


def test_cross_validation_needs_no_validation_genes():
    train = homologous_sequences(60, seed=31)
    given = create("expert", {"gating": "cross-validation"}).fit(train, homologous_sequences(10, seed=32))
    none = create("expert").fit(train)
    assert given.tuned == none.tuned == {"tuning_nucleotides": sum(map(len, train))}
    test = homologous_sequences(10, seed=33)
    for a, b in zip(given.log_distributions(test), none.log_distributions(test), strict=True):
        np.testing.assert_array_equal(a, b)
    copying = np.concatenate(none.nucleotide_log_probs(test)).mean()
    assert (
        copying
        > np.concatenate(create("expert", {"experts": ["own"]}).fit(train).nucleotide_log_probs(test)).mean() + 0.2
    )


def test_nothing_to_remember_is_an_error():
    with pytest.raises(ModelError, match="no nucleotides"):
        create("expert").fit(["", ""])
    with pytest.raises(SettingsError, match="experts"):
        create("expert", {"experts": ["contexts"]})


def test_the_cache_of_kernels_knows_their_code(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "a.py").write_text("x = 1\n")
    first = cache_folder(tmp_path)
    assert first == cache_folder(tmp_path) and first.parent == tmp_path / "cache"
    (tmp_path / "a.py").write_text("x = 2\n")
    assert cache_folder(tmp_path) != first


@pytest.mark.slow
@pytest.mark.slow
def test_kernels_compile_once(tmp_path):
    """A second start takes every kernel from the cache: Numba compiles nothing."""
    code = (
        "import dnastudy.models as m\n"
        "x = m.create('expert').fit(['ACGTTGCAAC' * 9] * 6, ['ACGTTGCATC' * 8])\n"
        "x.log_probs(['ACGGT'] * 3); x.sample(2)\n"
        "from dnastudy.models.expert import index, kernels\n"
        "stats = [k.stats for module in (index, kernels) for k in vars(module).values() if hasattr(k, 'stats')]\n"
        "print(sum(len(s.cache_hits) for s in stats), sum(len(s.cache_misses) for s in stats))"
    )
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    cold, warm = (
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    )
    assert cold[0] == "0"
    assert int(warm[0]) >= 5 and warm[1] == "0"  # what kernels call is compiled within them, if at all


def test_the_index_sorts_by_what_stands_before():
    genes = [*homologous_sequences(30, seed=51), "", "A", "ACGT" * 30]
    text = encode(genes).symbols
    wrapped = np.concatenate([text, text])
    before = [tuple(wrapped[i + len(text) - 27 : i + len(text)][::-1]) for i in range(len(text))]
    assert _sorted_places(text).tolist() == sorted(range(len(text)), key=before.__getitem__)


@pytest.mark.parametrize("genes", [300, 1000, 2000])
@pytest.mark.slow
def test_ends_are_rare_on_any_genes(genes):
    """Newton's method must not run away: the chance of an end before a gene is small, and genes are written."""
    splits = simulate_study(seed=1, n=genes)
    train, validation, test = (list(splits[name]["sequence"]) for name in ("train", "validation", "test"))
    model = create("expert").fit(train, validation)
    hazard = np.exp(np.concatenate([rows[:, 4] for rows in model.log_distributions(test)]))
    expected = len(test) / sum(len(gene) + 1 for gene in test)
    assert expected / 2 < hazard.mean() < expected * 2
    assert np.median([len(gene) for gene in model.sample(60, seed=1)]) > 60


def test_the_chapter_describes_this_model():
    """The sizes that its method section names are those of the code."""
    text = (ROOT / "notebooks" / "experts.ipynb").read_text()
    for words in (
        f"of 1 to {layout.DEPTH} nt, exactly",
        f"up to {layout.COPIES} earlier places are followed",
        f"at least {layout.SIMILAR} of the last 32 nucleotides agree",
        f"insertions and deletions of up to {layout.MAX_INDEL} nt",
        f"for contexts of {min(layout.OWN_ORDERS)} to {max(layout.OWN_ORDERS)} nt",
    ):
        assert words in text, words
    assert "for eleven $k$ from 1 to" in text and len(layout.CONTEXT_ORDERS) == 11
