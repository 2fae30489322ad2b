"""Plan of the learning curves: each point is a run on a part of the next larger one, and all are tested alike."""

import json
import math
from dataclasses import replace

import pytest
import torch
import yaml
from helpers import english
from planted_homologs import needs_mmseqs

from dnastudy import models
from dnastudy.core.errors import ModelError, SettingsError
from dnastudy.data.corpora import ENGLISH, load_corpus, markov_source
from dnastudy.data.splits import random_split
from dnastudy.evaluation import metrics, scoring
from dnastudy.experiments.curve_plan import curve_runs, find_any, grid, text_runs
from dnastudy.experiments.identity import run_id
from dnastudy.experiments.profile import PROFILES, load_profile
from dnastudy.experiments.store import Store
from dnastudy.homology import mmseqs
from dnastudy.homology.mmseqs import nearest_homologs

FRACTIONS = [1, 0.5, 0.25, 0.125]
TINY = {"embedding_size": 4, "hidden_size": 8, "n_layers": 1, "epochs": 2, "kmer_size": 3, "batch_tokens": 4000}
MODELS = {
    "laplace": {"model": "ngram", "settings": {"order": 3, "smoothing": "laplace"}},
    "witten-bell": {"model": "ngram", "settings": {"order": 6}},
    "expert": {"model": "expert"},
    "lstm": {"model": "lstm", "settings": TINY},
    "transformer": {"model": "transformer", "settings": {"d_model": 8, "n_heads": 1, "n_layers": 1},
                    "fractions": [0.25, 1]},
    "lstm-published": {"model": "lstm", "preset": "paper-128-256-2", "settings": {"epochs": 7}, "fractions": [1, 0.5],
                       "seeds": [2]},
}  # fmt: skip
TEXTS = {
    "corpora": [*ENGLISH, "source-0", "source-2"],
    "symbols": 40_000,
    "models": ["witten-bell", "lstm"],
    "fractions": [0.25, 1],
    "seeds": [1, 2],
}
CURVES = {"fractions": FRACTIONS, "seeds": [1, 2], "models": MODELS, "texts": TEXTS}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # such small networks learn no faster on more
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """A function that reads a profile with these learning curves from a file."""

    def read(curves=None, **changes):
        path = tmp_path_factory.mktemp("profile") / "mine.yaml"
        given = {"data": "simulated", "simulated_genes": 200, "mle_orders": [1], "laplace_orders": [2],
                 "train_orders": [3], "bootstrap_replicates": 100, "curves": curves or CURVES}  # fmt: skip
        path.write_text(yaml.safe_dump({**given, **changes}))
        return load_profile(str(path))

    return read


@pytest.fixture(scope="module")
def profile(make):
    return make()


@pytest.fixture(scope="module")
def dataset(profile, tmp_path_factory):
    """Simulated genes, and a text beside them."""
    file = tmp_path_factory.mktemp("text") / "book.txt"
    file.write_text(english(48_000))
    return replace(profile.dataset(), text=file)


@pytest.fixture
def cut_at_random(monkeypatch):
    """Split by family without MMseqs2: another cut of the same genes is all that these tests need."""
    done = []
    monkeypatch.setattr(
        mmseqs, "split_by_family", lambda genes, *words: done.append(words) or random_split(genes, *words)
    )
    return done


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", precomputed_folder=None)


def of_genes(runs, group):
    """Runs of one curve on genes."""
    return [run for run in runs if run.group == group and not run.corpus]


def by_fraction(runs, group, **values):
    """Runs of one curve on genes that have these values, by fraction."""
    return {r.fraction: r for r in of_genes(runs, group) if all(getattr(r, key) == values[key] for key in values)}


def of_text(runs, group, corpus, seed=1):
    """Runs of one curve on a text and of one seed, by fraction."""
    return {run.fraction: run for run in runs if (run.group, run.corpus, run.subset) == (group, corpus, seed)}


# which runs there are


def test_every_model_has_every_point_on_both_splits(profile):
    runs = curve_runs(profile)
    assert {run.replicates for run in runs} == {100}
    assert {(run.test, run.prequential, run.corpus, *run.update, *run.train) for run in runs} == {
        ("test", False, "", "train")
    }
    for split in ("own", "family"):
        for name in ("laplace", "witten-bell", "expert", "lstm"):
            for seed in (1, 2):
                fractions = set(by_fraction(runs, name, split=split, subset=seed))
                once = seed == 2 and name in ("laplace", "witten-bell")
                assert fractions == set(FRACTIONS) - ({1} if once else set()), (split, name, seed)
        assert set(by_fraction(runs, "transformer", split=split, subset=2)) == {1, 0.25}
        assert set(by_fraction(runs, "lstm-published", split=split, subset=2)) == {1, 0.5}
        assert not by_fraction(runs, "lstm-published", split=split, subset=1)
    assert len(runs) == 2 * (2 * (4 + 3) + 2 * (4 + 4) + 2 * 2 + 2)


def test_a_model_without_a_seed_has_one_point_with_all_genes(profile):
    runs = curve_runs(profile)
    for split in ("own", "family"):
        whole = [run for run in runs if (run.split, run.fraction) == (split, 1)]
        assert sum(run.model == "ngram" for run in whole) == 2
        for name in ("lstm", "expert"):
            assert [run.settings["seed"] for run in of_genes(whole, name)] == [1, 2]
    assert all("seed" not in run.settings for run in runs if run.model == "ngram")
    assert all(run.settings["seed"] == run.subset for run in runs if run.model != "ngram")


def test_runs_say_what_they_are(profile, dataset):
    runs = [*curve_runs(profile), *text_runs(profile, dataset)]
    for run in runs:
        assert run.precomputed and not run.on_tasks and run.label
        assert run.order == (run.settings["order"] if run.model == "ngram" else None)
        assert run.seed == run.settings.get("seed")
        published = {"lstm": "modern", "transformer": "modern", "lstm-published": "published"}
        assert run.recipe == published.get(run.group, "")
    assert {run.order for run in of_genes(runs, "witten-bell")} == {6}
    assert len({run.order for run in runs if run.corpus and run.model == "ngram"}) > 1, "alphabets differ"
    for group in MODELS:
        assert len({run.label for run in of_genes(runs, group)}) == 1


def test_the_first_seed_and_all_genes_come_first(profile):
    runs = curve_runs(profile)
    assert [run.subset for run in runs] == sorted(run.subset for run in runs)
    for seed in (1, 2):
        for name in MODELS:
            fractions = [run.fraction for run in of_genes(runs, name) if run.subset == seed]
            assert fractions == sorted(fractions, reverse=True)


def test_networks_are_trained_on_a_part_more_often_by_the_root_of_its_share(profile, dataset):
    runs = curve_runs(profile)
    assert {f: run.settings["epochs"] for f, run in by_fraction(runs, "lstm", subset=1).items()} == {
        1: 2, 0.5: 3, 0.25: 4, 0.125: 6
    }  # fmt: skip
    default = models.model_class("transformer").Settings().epochs
    assert {f: run.settings["epochs"] for f, run in by_fraction(runs, "transformer", subset=1).items()} == {
        1: default, 0.25: 2 * default
    }  # fmt: skip
    assert by_fraction(runs, "lstm-published", subset=2)[0.5].settings["epochs"] == round(7 * 2**0.5)
    for run in text_runs(profile, dataset):
        assert run.settings.get("epochs") == (round(2 / run.fraction**0.5) if run.model == "lstm" else None)
    assert all("epochs" not in run.settings for run in runs if run.model not in ("lstm", "transformer"))


def test_settings_of_a_curve_differ_from_its_preset_where_they_are_set(profile):
    run = by_fraction(curve_runs(profile), "lstm-published", split="own")[1]
    preset = models.model_class("lstm").preset("paper-128-256-2")
    assert run.settings == {**preset, "epochs": 7, "seed": 2}
    assert run.settings["embedding_size"] == 128 and run.settings["end"] is False


def test_names_are_unique_and_lead_back_to_their_run(make, dataset, monkeypatch):
    profile = make()
    monkeypatch.setattr(type(profile), "dataset", lambda self: dataset)
    runs = grid(profile)
    assert runs == [*curve_runs(profile), *text_runs(profile, dataset)]
    assert len({run.name for run in runs}) == len(runs)
    for run in runs[::7]:
        assert find_any(profile, run.name) == run
    assert find_any(profile, "laplace-train-3").settings == {"order": 3, "smoothing": "laplace"}
    for name in ("curve-lstm-own-3-1", "laplace-train-4"):
        with pytest.raises(SettingsError, match=f"the profile has no run '{name}'"):
            find_any(profile, name)


def test_names_are_unique_for_any_shares(make, dataset):
    fractions = [1, 0.8, 0.75, 0.6, 0.5, 0.45, 0.4, 1 / 3]
    curves = {**CURVES, "fractions": fractions, "texts": {**TEXTS, "fractions": fractions}}
    runs = [*curve_runs(make(curves)), *text_runs(make(curves), dataset)]
    assert len({run.name for run in runs}) == len(runs)


@pytest.mark.parametrize("name", sorted(path.stem for path in PROFILES.glob("*.yaml")))
def test_the_points_of_every_shipped_profile_can_be_made(name, dataset):
    profile = load_profile(name)
    runs = [*curve_runs(profile), *text_runs(profile, dataset)]
    assert runs and len({run.name for run in runs}) == len(runs)
    for run in runs:
        known = models.model_class(run.model).Settings.parse(run.settings, run.name)
        assert known.model_dump().items() >= run.settings.items()


@pytest.mark.slow
def test_ids_differ_but_for_the_same_model_on_the_same_genes(profile, dataset, store, cut_at_random):
    ids = {}
    for run in [*curve_runs(profile), *text_runs(profile, dataset)]:
        genes = store.genes(run, dataset)
        settings = models.model_class(run.model).Settings.parse(run.settings, run.model).model_dump(mode="json")
        point = json.dumps([run.model, settings, [genes.hashes[part] for part in ("train", "validation", "test")]])
        ids.setdefault(point, set()).add(run_id(run, genes))
    assert all(len(names) == 1 for names in ids.values())
    assert len(set.union(*ids.values())) == len(ids) == len([*curve_runs(profile), *text_runs(profile, dataset)])
    assert len(cut_at_random) == 1, "genes are split by family once"
    # neither its name nor how a part was drawn identifies a run
    run = by_fraction(curve_runs(profile), "lstm", split="own")[1]
    again = run.model_copy(update={"name": "another", "subset": 5})
    assert run_id(again, store.genes(again, dataset)) == run_id(run, store.genes(run, dataset))


# texts


def test_texts_are_left_out_where_there_is_none(profile, dataset):
    assert {run.corpus for run in text_runs(profile, dataset)} == set(TEXTS["corpora"])
    without = text_runs(profile, replace(dataset, text=None))
    assert {run.corpus for run in without} == {"source-0", "source-2"}
    assert without == [run for run in text_runs(profile, dataset) if run.corpus.startswith("source")]


def test_points_on_texts(profile, dataset):
    runs = text_runs(profile, dataset)
    assert {run.symbols for run in runs} == {40_000} and {run.split for run in runs} == {"own"}
    for corpus in TEXTS["corpora"]:
        assert list(of_text(runs, "witten-bell", corpus, 1)) == [1, 0.25]
        assert list(of_text(runs, "witten-bell", corpus, 2)) == [0.25]
        assert list(of_text(runs, "lstm", corpus, 1)) == list(of_text(runs, "lstm", corpus, 2)) == [1, 0.25]
    assert {run.settings["seed"] for run in runs if run.model == "lstm" and run.subset == 2} == {2}


def test_no_points_without_curves(make, dataset):
    bare = make(curves={"seeds": [1]})
    assert curve_runs(bare) == text_runs(bare, dataset) == []


@pytest.mark.parametrize("corpus", TEXTS["corpora"])
def test_contexts_of_other_alphabets_are_as_many_as_fit_into_those_of_nucleotides(corpus, profile, dataset):
    runs, vocab_size = text_runs(profile, dataset), load_corpus(corpus, dataset.text, 40_000).vocab_size
    for model, longest, most in (("witten-bell", "order", 6), ("lstm", "kmer_size", 3)):
        for run in of_text(runs, model, corpus).values():
            assert run.settings.get("vocab_size", 4) == vocab_size
            length = run.settings[longest]
            assert length == 1 or vocab_size**length <= 4**most
            assert vocab_size ** (length + 1) > 4**most
            known = models.model_class(run.model).Settings.parse(run.settings, run.model)
            assert (known.vocab_size, getattr(known, longest)) == (vocab_size, length)


def test_default_contexts_are_shortened_too(make, dataset):
    plain = {"witten-bell": {"model": "ngram"}, "lstm": {"model": "lstm"}}
    texts = {**TEXTS, "corpora": ["english-8", "english-27", "english-4"], "fractions": [1]}
    settings = {(r.model, r.corpus): r.settings for r in text_runs(make({"models": plain, "texts": texts}), dataset)}
    assert settings["ngram", "english-8"] == {"vocab_size": 8, "order": 5}  # 8^5 <= 4^8 < 8^6
    assert settings["ngram", "english-27"] == {"vocab_size": 27, "order": 3}
    assert settings["lstm", "english-27"]["kmer_size"] == 3 and "kmer_size" not in settings["lstm", "english-4"]


def test_the_alphabet_of_a_point_is_that_of_the_text_it_is_trained_on(make, dataset, tmp_path):
    """A character that occurs only after the part of the text that is used is no letter; one within it is."""
    text = english(48_000)
    late = tmp_path / "late.txt"
    late.write_text(text[:45_000] + "@#" + text[45_000:])
    dataset = replace(dataset, text=late)
    few = len(set(text[:40_000]))
    for symbols, vocab_size in ((40_000, few), (47_000, len(set(late.read_text()[:47_000])))):
        profile = make({**CURVES, "texts": {**TEXTS, "symbols": symbols, "corpora": ["english"]}})
        assert load_corpus("english", late, symbols).vocab_size == vocab_size
        assert {run.settings["vocab_size"] for run in text_runs(profile, dataset)} == {vocab_size}


def test_models_of_four_letters_take_sources_and_are_refused_on_other_texts(make, dataset):
    profile = make({**CURVES, "texts": {**TEXTS, "corpora": ["source-2", "english-4"], "models": ["expert"]}})
    runs = text_runs(profile, dataset)
    assert {run.corpus for run in runs} == {"source-2", "english-4"}
    assert all(run.settings == {"seed": run.subset} for run in runs)
    profile = make({**CURVES, "texts": {**TEXTS, "corpora": ["english-27"], "models": ["expert"]}})
    with pytest.raises(SettingsError, match=r"expert.*27 letters"):
        text_runs(profile, dataset)


def test_mistakes_in_the_curves_of_a_profile_are_named(make, dataset):
    with pytest.raises(SettingsError, match="unknown corpus 'latin'"):
        text_runs(make({**CURVES, "texts": {**TEXTS, "corpora": ["latin"]}}), dataset)
    with pytest.raises(SettingsError, match=r"'lstn'.*(laplace|lstm)"):
        text_runs(make({**CURVES, "texts": {**TEXTS, "models": ["lstn"]}}), dataset)
    with pytest.raises(SettingsError, match=r"setting 'curves.models.lstm.fraction'|unknown setting.*'fraction'"):
        make({**CURVES, "models": {"lstm": {"model": "lstm", "fraction": [1]}}})
    for fraction in (0, 1.5, -0.5):
        with pytest.raises(SettingsError, match=r"curves\.fractions"):
            make({**CURVES, "fractions": [fraction]})
    for curves in (
        {"models": {"a": {"model": "lstm", "settings": {"unit": 3}}}},
        {"models": {"a": {"model": "lstmm"}}},
    ):
        with pytest.raises((ModelError, SettingsError), match=r"unknown setting 'unit'|unknown model 'lstmm'"):
            curve_runs(make(curves))


# the genes of a point


@pytest.mark.parametrize("split", ["own", "family"])
def test_parts_nest_within_a_seed_and_differ_between_seeds(split, profile, dataset, store, cut_at_random):
    runs = curve_runs(profile)
    whole = store.genes(by_fraction(runs, "laplace", split=split)[1], dataset)
    parts = {}
    for seed in (1, 2):
        larger = whole
        for fraction in FRACTIONS[1:]:
            genes = store.genes(by_fraction(runs, "laplace", split=split, subset=seed)[fraction], dataset)
            for name in ("train", "validation"):
                frame, ids = genes.splits[name], set(genes.splits[name]["id"])
                assert ids < set(larger.splits[name]["id"])
                assert len(frame) == len(ids) == round(fraction * len(whole.splits[name]))
                kept = whole.splits[name][whole.splits[name]["id"].isin(ids)].reset_index(drop=True)
                assert frame.equals(kept), "rows as they were, in their order"
            assert genes.hashes["test"] == whole.hashes["test"]
            assert set(genes.splits["counts"]["id"]) == set(genes.train["id"]) | set(genes.validation["id"])
            assert genes.text == dataset.text and genes.vocab_size == 4
            parts[seed, fraction], larger = set(genes.train["id"]), genes
    for fraction in FRACTIONS[1:]:
        assert parts[1, fraction] != parts[2, fraction]
    assert len(parts[1, 0.125] & parts[2, 0.125]) < len(parts[1, 0.125]) / 2


def test_all_models_of_a_point_get_the_same_genes(profile, dataset, store):
    runs = [run for run in curve_runs(profile) if (run.split, run.fraction, run.subset) == ("own", 0.25, 2)]
    assert {run.model for run in runs} == {"ngram", "expert", "lstm", "transformer"}
    assert len({store.genes(run, dataset).hashes["train"] for run in runs}) == 1


@pytest.mark.parametrize("split", ["own", "family"])
def test_the_test_genes_are_the_same_for_all_fractions(split, profile, dataset, store, cut_at_random):
    runs = [run for run in curve_runs(profile) if run.split == split]
    assert len({store.genes(run, dataset).hashes["test"] for run in runs}) == 1


@needs_mmseqs
@pytest.mark.slow
def test_no_test_gene_of_the_family_split_has_a_homolog_in_training(profile, dataset, store):
    run = by_fraction(curve_runs(profile), "laplace", split="family")[1]
    genes, own = store.genes(run, dataset), store.genes(run.model_copy(update={"split": "own"}), dataset)
    parts = [genes.train, genes.validation, genes.test]
    ids = [name for part in parts for name in part["id"]]
    assert len(ids) == len(set(ids)) == 200
    assert set(ids) == {name for part in ("train", "validation", "test") for name in own.splits[part]["id"]}
    assert [len(part) for part in parts] == pytest.approx([120, 40, 40], abs=6)
    assert (nearest_homologs(genes.test, genes.train)["identity"] == 0).all()
    assert (nearest_homologs(own.test, own.train)["identity"] > 0).sum() > 5, "simulated genes have many"
    part = store.genes(run.model_copy(update={"fraction": 0.5, "subset": 1}), dataset)
    assert set(part.train["id"]) < set(genes.train["id"])


def test_parts_of_a_text_nest_and_are_tested_alike(profile, dataset, store):
    runs = text_runs(profile, dataset)
    for corpus in TEXTS["corpora"]:
        whole, part = (store.genes(of_text(runs, "lstm", corpus)[f], dataset) for f in (1, 0.25))
        other = store.genes(of_text(runs, "lstm", corpus, 2)[0.25], dataset)
        assert len(whole.train) == 80 and len(part.train) == 20
        assert set(part.train["id"]) < set(whole.train["id"]) and set(part.train["id"]) != set(other.train["id"])
        assert part.hashes["test"] == other.hashes["test"] == whole.hashes["test"]
        assert whole.name == part.name == corpus
        assert part.vocab_size == whole.vocab_size == of_text(runs, "lstm", corpus)[1].settings.get("vocab_size", 4)


# computing points


def test_a_run_on_half_of_the_genes_says_so(profile, dataset, store):
    runs = by_fraction(curve_runs(profile), "laplace", split="own", subset=1)
    genes = store.genes(runs[0.5], dataset)
    record = store.get(runs[0.5], dataset).record
    data = record["data"]
    assert (data["split"], data["fraction"], data["subset"]) == ("own", 0.5, 1)
    assert data["train_genes"] == len(genes.train) == round(len(dataset.train) / 2)
    assert data["train_nucleotides"] == genes.train["sequence"].str.len().sum()
    assert data["sha256"] == {"train": genes.hashes["train"], "test": dataset.hashes["test"]}
    assert data["description"] == (f"{dataset.description}, 1/2 of the training and validation genes (seed 1)")
    assert record["metrics"]["genes"] == len(dataset.test)
    model = models.create("ngram", runs[0.5].settings).fit(list(genes.train["sequence"]))
    bits = metrics.bits_per_base(scoring.score(model, dataset.test))
    assert record["metrics"]["bits_per_base"] == pytest.approx(bits, rel=1e-12)
    assert record["validation_perplexity"] == pytest.approx(scoring.quick_perplexity(model, genes.validation))
    whole = store.get(runs[1], dataset).record
    assert (whole["data"]["fraction"], whole["data"]["subset"]) == (1, None)
    assert whole["data"]["train_genes"] == len(dataset.train) and whole["id"] != record["id"]


def test_a_run_on_the_family_split_says_so(profile, dataset, store, cut_at_random):
    run = by_fraction(curve_runs(profile), "laplace", split="family", subset=2)[0.5]
    record, genes = store.get(run, dataset).record, store.genes(run, dataset)
    data = record["data"]
    assert (data["split"], data["fraction"], data["subset"]) == ("family", 0.5, 2)
    assert data["train_genes"] == len(genes.train) and data["sha256"]["test"] == genes.hashes["test"]
    assert "split anew by family (seed 1), 1/2 of the training" in data["description"]
    assert data["sha256"]["test"] != dataset.hashes["test"]
    again = Store(store.root, precomputed_folder=None)
    assert again.finished(run, dataset).record == record and len(cut_at_random) == 1


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["english", "english-8", "english-4", "source-2"])
@pytest.mark.parametrize("model", ["witten-bell", "lstm"])
def test_a_point_on_a_text_is_computed(model, corpus, profile, dataset, store):
    run = of_text(text_runs(profile, dataset), model, corpus)[0.25]
    result = store.get(run, dataset)
    data, genes = result.record["data"], store.genes(run, dataset)
    assert (data["name"], data["fraction"], data["subset"], data["train_genes"]) == (corpus, 0.25, 1, 20)
    assert data["train_nucleotides"] == 20 * 400 and result.metrics["nucleotides"] == 10 * 400
    assert data["description"].startswith(load_corpus(corpus, dataset.text, 40_000).description)
    assert result.record["settings"]["vocab_size"] == genes.vocab_size
    again = result.model()
    assert again.settings.vocab_size == genes.vocab_size
    bits = metrics.bits_per_base(scoring.score(again, genes.test))
    assert result.metrics["bits_per_base"] == pytest.approx(bits, rel=1e-9)
    assert result.record["validation_perplexity"] == pytest.approx(scoring.quick_perplexity(again, genes.validation))
    assert 0.8 < bits < math.log2(genes.vocab_size) + 0.1
    if corpus == "source-2":
        assert bits > markov_source(corpus).entropy_rate - 0.05
    if model == "lstm":
        assert len(result.record["training"]["epochs"]) == 4
    assert store.get(run, dataset).record == result.record


def test_more_text_brings_a_model_closer_to_the_entropy(profile, dataset, store):
    runs = of_text(text_runs(profile, dataset), "witten-bell", "source-2")
    few, all_of_it = (store.get(runs[fraction], dataset).metrics["bits_per_base"] for fraction in (0.25, 1))
    assert markov_source("source-2").entropy_rate - 0.05 < all_of_it < few
