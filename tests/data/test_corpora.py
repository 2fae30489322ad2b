"""Texts as data sets: each symbol is what it says, held-out text stays held out, and sources have their entropy."""

import hashlib
import math
import os
import string
from collections import Counter
from functools import lru_cache

import numpy as np
import pytest
from helpers import english

from dnastudy.core.errors import DataError, SettingsError
from dnastudy.data import corpora
from dnastudy.data.corpora import (
    ENGLISH,
    LETTER_CLASSES,
    PASSAGE_LENGTH,
    SOURCES,
    load_corpus,
    markov_source,
    reduce_text,
    vocab_size_of,
)
from dnastudy.data.sequences import encode, encode_symbols
from dnastudy.evaluation import metrics, scoring
from dnastudy.models import create

TEXT = english(41_234)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "book.txt"
    path.write_bytes(TEXT.encode())
    return path


def code_points(characters) -> list[int]:
    return [ord(character) - ord("0") for character in characters]


# fewer symbols


@pytest.mark.parametrize("symbols", [27, 8, 4])
def test_each_letter_is_in_exactly_one_class(symbols):
    groups = LETTER_CLASSES.get(symbols, list(string.ascii_lowercase))
    assert len(groups) == symbols - 1
    counts = Counter("".join(groups))
    assert counts.keys() - {" "} == set(string.ascii_lowercase) and set(counts.values()) == {1}
    codes, number = reduce_text(string.ascii_lowercase, symbols)
    assert number == symbols and len(codes) == 26
    for letter, code in zip(string.ascii_lowercase, code_points(codes), strict=True):
        assert [letter in group for group in groups].index(True) == code < symbols - 1


@pytest.mark.parametrize("symbols", [27, 8, 4])
def test_case_does_not_matter_and_all_else_is_the_last_symbol(symbols):
    assert reduce_text(string.ascii_uppercase, symbols) == reduce_text(string.ascii_lowercase, symbols)
    rest = reduce_text("0123456789.,;:!?-'\"()\n\t\r_éÉß漢🧬\u2014\x00\x7f", symbols)[0]
    assert set(code_points(rest)) == {symbols - 1}
    space = code_points(reduce_text(" ", symbols)[0])
    assert space == ([symbols - 2] if symbols == 8 else [symbols - 1])


@pytest.mark.parametrize("symbols", [27, 8, 4])
@pytest.mark.parametrize("text", ["", TEXT[:2000], "İstanbul", "ŒUVRE", "straße", "ΌΔΟΣ"], ids=lambda text: text[:5])
def test_a_symbol_for_each_character(symbols, text):
    found, number = reduce_text(text, symbols)
    assert (len(found), number) == (len(text), symbols)
    assert [reduce_text(character, symbols)[0] for character in text] == list(found)


def test_examples_of_each_reduction():
    text = "The quick fox, 12!"
    assert reduce_text(text, 27)[0] == "".join(
        chr(ord("0") + ("abcdefghijklmnopqrstuvwxyz".find(character.lower())) % 27) for character in text
    )
    assert code_points(reduce_text("a e i l b c z ?", 8)[0]) == [0, 6, 1, 6, 2, 6, 3, 6, 4, 6, 5, 6, 5, 6, 7]
    assert code_points(reduce_text("aeiouy lmnrw bcz ?", 4)[0]) == [0] * 6 + [3] + [1] * 5 + [3] + [2] * 3 + [3, 3]


def test_every_character_is_a_symbol_where_none_are_left_out():
    text = "Beg, bag!\nBég"
    found, number = reduce_text(text, None)
    known = sorted(set(text))
    assert number == len(known) == 10
    assert [known[code] for code in code_points(found)] == list(text)
    everything = "".join(map(chr, range(1000, 1079)))
    assert reduce_text(everything, None) == ("".join(map(chr, range(ord("0"), 127))), 79)
    with pytest.raises(DataError, match="80 different characters, and at most 79 can be symbols; use english-27"):
        reduce_text(everything + "a", None)


# English as a data set


@pytest.mark.parametrize("corpus", ENGLISH)
def test_passages_are_the_text_in_its_order(corpus, file):
    dataset = load_corpus(corpus, file)
    reduced, letters = reduce_text(TEXT, ENGLISH[corpus])
    assert dataset.vocab_size == letters == vocab_size_of(corpus, file)
    assert (dataset.name, dataset.real) == (corpus, True)
    parts = [dataset.train, dataset.validation, dataset.test]
    assert [len(part) for part in parts] == [82, 10, 11]  # of 103 passages; the end of the text is too short for one
    whole = "".join("".join(part["sequence"]) for part in parts)
    if letters == 4:
        whole = whole.translate(str.maketrans("ACGT", "0123"))
    assert whole == reduced[: 103 * PASSAGE_LENGTH]
    assert {len(passage) for part in parts for passage in part["sequence"]} == {PASSAGE_LENGTH}
    ids = [name for part in parts for name in part["id"]]
    assert len(set(ids)) == 103 and list(ids) == [f"{corpus}:{number}" for number in range(103)]
    assert all(list(part.columns) == ["id", "type", "sequence"] and set(part["type"]) == {"text"} for part in parts)
    assert all(list(part.index) == list(range(len(part))) for part in parts)
    for part in parts:
        assert encode_symbols(list(part["sequence"]), letters).nucleotides == len(part) * PASSAGE_LENGTH


@pytest.mark.parametrize("corpus", ENGLISH)
def test_the_description_names_the_file_and_its_content(corpus, file):
    dataset = load_corpus(corpus, file)
    sha = hashlib.sha256(TEXT.encode()).hexdigest()[:16]
    assert dataset.description == (
        f"English (book.txt, SHA-256 {sha}) in {vocab_size_of(corpus, file)} symbols, passages of {PASSAGE_LENGTH}"
    )


def test_a_text_is_cut_at_the_symbols_that_are_asked_for(file):
    dataset = load_corpus("english-8", file, symbols=20_399)
    assert [len(dataset.splits[name]) for name in ("train", "validation", "test")] == [40, 5, 5]
    assert "".join(dataset.train["sequence"]) == reduce_text(TEXT, 8)[0][: 40 * PASSAGE_LENGTH]


def test_a_text_of_four_characters_is_written_in_nucleotides(file):
    file.write_text("ab.\n" * 1000)
    dataset = load_corpus("english", file)
    assert dataset.vocab_size == 4 and dataset.train["sequence"][0] == "GTCA" * (PASSAGE_LENGTH // 4)


def test_a_changed_file_is_another_data_set(file):
    before = load_corpus("english-27", file)
    assert load_corpus("english-27", file).hashes == before.hashes
    file.write_bytes(english(41_234, seed=2).encode())
    os.utime(file, ns=(1, 1))
    after = load_corpus("english-27", file)
    assert after.description != before.description
    assert all(after.hashes[name] != before.hashes[name] for name in ("train", "validation", "test"))


def test_corpora_that_cannot_be_made(file, tmp_path):
    with pytest.raises(
        SettingsError, match=r"unknown corpus 'latin' \(known: english, .*english-4, source-0, .*source-5\)"
    ):
        load_corpus("latin", file)
    with pytest.raises(SettingsError, match="unknown corpus 'latin'"):
        vocab_size_of("latin", file)
    with pytest.raises(
        DataError,
        match=r"no English text; corpus 'english-27' needs one: put a \.txt file into the folder `text`",
    ):
        load_corpus("english-27")
    for gone in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(DataError, match=f"{gone}: no such file; corpus 'english'"):
            load_corpus("english", gone)
    for length in (0, PASSAGE_LENGTH - 1, 6 * PASSAGE_LENGTH - 1):
        file.write_text(TEXT[:length])
        os.utime(file, ns=(length, length))
        with pytest.raises(DataError, match=r"book\.txt, .*: too short to be divided"):
            load_corpus("english-27", file)
    file.write_text(TEXT[: 6 * PASSAGE_LENGTH])
    os.utime(file, ns=(5, 5))
    assert [len(part) for part in load_corpus("english-27", file).splits.values()] == [4, 1, 1]
    with pytest.raises(DataError, match="too short to be divided"):
        load_corpus("source-0", symbols=5 * PASSAGE_LENGTH)
    file.write_text(TEXT + "".join(map(chr, range(1000, 1040))))
    with pytest.raises(DataError, match="different characters, and at most 79 can be symbols; use english-27"):
        load_corpus("english", file)
    assert load_corpus("english-27", file).vocab_size == 27


@pytest.mark.parametrize("corpus", ["english", "english-8", "english-4"])
def test_parts_of_a_text_keep_its_alphabet_and_nest(corpus, file):
    whole = load_corpus(corpus, file)
    last = set(), set()
    for fraction in (1 / 16, 1 / 8, 1 / 4, 1 / 2):
        part = whole.subsample(fraction, seed=3)
        assert part.vocab_size == whole.vocab_size and part.name == corpus
        assert part.hashes["test"] == whole.hashes["test"]
        assert len(part.train) == round(82 * fraction) and len(part.validation) == max(1, round(10 * fraction))
        ids = set(part.train["id"]), set(part.validation["id"])
        assert last[0] < ids[0] < set(whole.train["id"]) and last[1] <= ids[1] < set(whole.validation["id"])
        assert list(part.train["id"]) == [name for name in whole.train["id"] if name in ids[0]]
        last = ids
        assert part.description.startswith(f"{whole.description}, 1/{round(1 / fraction)} of the training")
    assert set(whole.subsample(0.5, seed=4).train["id"]) != last[0]
    assert len(whole.subsample(0.75, seed=3).train) == 62, "rounded to the nearest"


def test_fewer_symbols_say_less():
    """Entropy of single symbols: of classes at most that of letters, and of those at most that of characters."""
    bits = []
    for symbols in (None, 27, 8, 4):
        counts = np.array(list(Counter(reduce_text(TEXT, symbols)[0]).values()))
        bits.append(-(counts / counts.sum() * np.log2(counts / counts.sum())).sum())
    assert bits == sorted(bits, reverse=True) and bits[-1] > 1


@pytest.mark.parametrize("corpus", ENGLISH)
def test_models_learn_english_of_any_symbols(corpus, file):
    dataset = load_corpus(corpus, file)
    order = (
        create("ngram", {"order": 1, "vocab_size": dataset.vocab_size}),
        create("ngram", {"vocab_size": dataset.vocab_size, "order": 3}),
    )
    bits = []
    for model in order:
        model.fit(
            *(
                encode_symbols(list(frame["sequence"]), dataset.vocab_size)
                for frame in (dataset.train, dataset.validation)
            )
        )
        bits.append(metrics.bits_per_base(scoring.score(model, dataset.test)))
    counts = Counter("".join(dataset.train["sequence"]))
    test = "".join(dataset.test["sequence"])
    by_hand = -sum(math.log2(counts[symbol] / counts.total()) for symbol in test if counts[symbol]) / len(test)
    assert bits[0] == pytest.approx(by_hand, abs=0.02)
    assert bits[1] < bits[0] - 0.15 and bits[0] < math.log2(dataset.vocab_size)


# simulated sources

BITS = {"source-0": 0, "source-2": 2, "source-5": 5}
source = lru_cache(markov_source)


@pytest.fixture
def _sources_made_once(monkeypatch):
    monkeypatch.setattr(corpora, "markov_source", source)


def own_bits(corpus: str, passages: list[str]) -> np.ndarray:
    """Bits of each letter with a whole context under the source's own transitions, shape (passages, letters)."""
    order, p = SOURCES[corpus], source(corpus).transition
    bits = []
    for passage in passages:
        codes = encode([passage])[0].astype(int)
        context = np.zeros(len(codes) - order, dtype=int)
        for back in range(order, 0, -1):
            context = 4 * context + codes[order - back : len(codes) - back]
        bits.append(-np.log2(p[context, codes[order:]]))
    return np.array(bits)


def test_the_sources_are_of_the_order_that_they_are_named_after():
    assert all(name == f"source-{order}" for name, order in SOURCES.items())
    assert vocab_size_of("source-2") == 4


def test_simulated_text_repeats_with_its_seed():
    first, other = load_corpus("source-2", symbols=40_000), load_corpus("source-2", symbols=40_000, seed=2)
    corpora._simulated.cache_clear()
    again = load_corpus("source-2", symbols=40_000)
    assert first is not again and first.hashes == again.hashes and first.description == again.description
    assert first.vocab_size == again.vocab_size == 4
    assert other.hashes["train"] != first.hashes["train"] and other.description != first.description
    np.testing.assert_array_equal(markov_source("source-2").transition, source("source-2").transition)
    assert (markov_source("source-2", seed=2).transition != source("source-2").transition).all()


def test_simulated_text_has_the_symbols_that_are_asked_for():
    dataset = load_corpus("source-0", symbols=41_000)
    assert [len(dataset.splits[name]) for name in ("train", "validation", "test")] == [81, 10, 11]
    passages = [passage for part in dataset.splits.values() for passage in part["sequence"]]
    assert {len(passage) for passage in passages} == {PASSAGE_LENGTH} and set("".join(passages)) == set("ACGT")
    assert passages == source("source-0").sample(102, PASSAGE_LENGTH) and len(set(passages)) == 102


@pytest.mark.usefixtures("_sources_made_once")
@pytest.mark.parametrize("corpus", BITS)
@pytest.mark.slow
def test_the_entropy_in_the_description_is_that_of_the_text(corpus):
    """By its definition, by walking the chain, and by what the text costs under the source itself."""
    made, dataset = source(corpus), load_corpus(corpus)
    assert made.order == BITS[corpus]
    assert dataset.description == (
        f"a simulated source of order {made.order}, {made.entropy_rate:.4f} bits a letter (seed 1)"
    )
    p, after = made.transition, (np.arange(4**made.order)[:, None] * 4 + np.arange(4)) % 4**made.order
    often = np.full(len(p), 1 / len(p))
    for _ in range(300):
        often = np.bincount(after.ravel(), (often[:, None] * p).ravel(), minlength=len(p))
    assert made.entropy_rate == pytest.approx(-(often[:, None] * p * np.log2(p)).sum(), abs=1e-9)
    assert len(dataset.test) == 250
    bits = own_bits(corpus, list(dataset.test["sequence"])).mean(axis=1)
    error = bits.std(ddof=1) / math.sqrt(len(bits))
    assert error < 0.005
    assert abs(bits.mean() - made.entropy_rate) < 4 * error


@pytest.mark.usefixtures("_sources_made_once")
@pytest.mark.parametrize(("corpus", "more"), [("source-0", 0.01), ("source-2", 0.02), ("source-5", 0.05)])
def test_an_ngram_of_the_right_order_needs_what_the_source_needs_and_never_less(corpus, more):
    dataset, order, rate = load_corpus(corpus), BITS[corpus], source(corpus).entropy_rate
    passages = list(dataset.test["sequence"])
    ours, bits = own_bits(corpus, passages), {}
    for length in {order, order + 1, order + 2} - {0}:
        model = create("ngram", {"order": length}).fit(
            *(list(dataset.splits[n]["sequence"]) for n in ("train", "validation"))
        )
        bits[length] = metrics.bits_per_base(scoring.score(model, dataset.test))
        theirs = np.array([row[order:] for row in model.nucleotide_log_probs(passages)]) / -math.log(2)
        extra = (theirs - ours).mean(axis=1)
        assert extra.mean() > -4 * extra.std(ddof=1) / math.sqrt(len(extra)), "no model is better than the source"
    assert abs(bits[order + 1] - rate) < more
    assert abs(bits[order + 2] - rate) < 2 * more
    if order:
        assert bits[order] > rate + 0.05, "one letter less is not enough"
