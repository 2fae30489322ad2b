"""Alphabets of any size: the same models as for genes, held to definitions that are written out here."""

import json
import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import random_sequences

from dnastudy import models
from dnastudy.core.errors import SettingsError
from dnastudy.data.sequences import FIRST_SYMBOL, MAX_VOCAB_SIZE, EncodedSequences, encode, encode_symbols
from dnastudy.evaluation import metrics, scoring
from dnastudy.models import ModelError, create
from dnastudy.models.lstm import LSTM
from dnastudy.models.networks.base import KmerEmbedding
from dnastudy.models.networks.lstm import Recurrent
from dnastudy.models.ngram import ESCAPE_WEIGHTS, _states, _states_of_any
from dnastudy.training.batches import IGNORED, Symbols
from dnastudy.training.loop import _with_noise, train
from dnastudy.training.recipe import Recipe

pytestmark = pytest.mark.slow  # builds and trains networks of many alphabets


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # such small networks are no faster on more
    yield
    torch.set_num_threads(before)


def written(codes) -> str:
    """Codes as the characters from "0" on."""
    return "".join(chr(FIRST_SYMBOL + int(code)) for code in codes)


def random_texts(n: int, letters: int, seed: int = 0, low: int = 0, high: int = 60) -> list[str]:
    """Random texts of every length from ``low`` on, some letters rarer than others."""
    random = np.random.default_rng(seed)
    p = np.linspace(1, 4, letters) / np.linspace(1, 4, letters).sum()
    return [written(random.choice(letters, size=low + i % (high - low + 1), p=p)) for i in range(n)]


def passages(texts: list[str]) -> pd.DataFrame:
    """A table of texts, as `texts` makes them."""
    return pd.DataFrame({"id": [f"t{i}" for i in range(len(texts))], "type": "text", "sequence": texts})


# encoding


@pytest.mark.parametrize("letters", [2, 3, 7, 27, 65, MAX_VOCAB_SIZE])
def test_codes_starts_and_ends(letters):
    texts = ["", written(range(letters)), written([letters - 1]), "", "01" * 4]
    found = encode_symbols(texts, letters)
    assert found.vocab_size == letters and found.types is None
    assert found.symbols.dtype == np.uint8 and found.starts.dtype == np.int64
    assert found.starts.tolist() == [0, 1, letters + 2, letters + 4, letters + 5, letters + 14]
    by_hand = [code for text in texts for code in [*(ord(character) - ord("0") for character in text), letters]]
    assert found.symbols.tolist() == by_hand
    assert found.lengths.tolist() == [len(text) for text in texts]
    assert found.nucleotides == letters + 9
    assert [written(found[i]) for i in range(len(found))] == texts
    assert found.with_end(1).tolist() == [*range(letters), letters]


def test_the_largest_alphabet_is_all_that_can_be_printed():
    assert written(range(MAX_VOCAB_SIZE)) == "".join(map(chr, range(ord("0"), 127)))


def test_four_letters_are_nucleotides():
    genes = random_sequences(20)
    ours, plain = encode_symbols(genes), encode(genes)
    assert ours.vocab_size == plain.vocab_size == 4
    np.testing.assert_array_equal(ours.symbols, plain.symbols)
    np.testing.assert_array_equal(ours.starts, plain.starts)
    with pytest.raises(ValueError, match="sequence 0 has '0' at position 3; only A, C, G, T"):
        encode_symbols(["AC0"], 4)


@pytest.mark.parametrize("letters", [3, 7, 16, 27, 65, MAX_VOCAB_SIZE])
@pytest.mark.parametrize(
    "wrong", ["just above", "/", " ", "\n", "\x00", "\x7f", "é", "ÿ", "Ā", "€", "漢", "🧬", "\udc80"]
)
def test_a_wrong_character_is_named_with_its_place(letters, wrong):
    wrong = chr(FIRST_SYMBOL + letters) if wrong == "just above" else wrong
    for texts, index, position in (([wrong], 0, 1), (["01", "", f"01{wrong}0{wrong}", "!"], 2, 3)):
        with pytest.raises(ValueError) as error:
            encode_symbols(texts, letters)
        assert str(error.value) == (
            f"sequence {index} has {wrong!r} at position {position}; the {letters} symbols are those "
            f"from '0' to {chr(FIRST_SYMBOL + letters - 1)!r}"
        )


def test_letters_of_a_larger_alphabet_are_refused():
    with pytest.raises(ValueError, match="sequence 1 has '7' at position 4"):
        encode_symbols(["0123456", "0007"], 7)
    assert encode_symbols(["0123456", "0007"], 8).symbols.max() == 8


@pytest.mark.parametrize("letters", [-1, 0, 1, MAX_VOCAB_SIZE + 1, 255])
def test_sizes_that_cannot_be_written_are_refused(letters):
    with pytest.raises(ValueError, match=f"vocab_size={letters}: 2 to {MAX_VOCAB_SIZE}"):
        encode_symbols(["0"], letters)


@pytest.mark.parametrize("letters", [2, 4, 27])
def test_nothing_and_empty_texts(letters):
    nothing = encode_symbols([], letters)
    assert (len(nothing), nothing.nucleotides, nothing.vocab_size) == (0, 0, letters)
    assert nothing.symbols.dtype == np.uint8 and nothing.starts.tolist() == [0]
    empty = encode_symbols(["", ""], letters)
    assert (len(empty), empty.nucleotides) == (2, 0)
    assert empty.symbols.tolist() == [letters] * 2 and empty.starts.tolist() == [0, 1, 2]


@pytest.mark.parametrize("letters", [4, 7])
def test_one_string_is_no_list_of_texts(letters):
    with pytest.raises(TypeError, match="a list of sequences"):
        encode_symbols("ACGT" if letters == 4 else "0123", letters)


# n-grams: the definitions, in dictionaries of characters


class SlowNGram:
    """Every probability counted out from the texts; the end is written as a full stop."""

    def __init__(self, texts, letters, settings, escape_weight):
        self.letters, self.settings, self.escape_weight = written(range(letters)), settings, escape_weight
        self.longest = settings["order"] - 1
        self.paper = settings.get("protocol") == "paper"
        self.ends = not self.paper or self.longest > 0
        self.prefixed, self.suffixes = {}, {}
        for text in texts:
            for place, symbol in enumerate([*text, "."]):
                if symbol == "." and not self.ends:
                    continue
                before = text[:place]
                context = before[-self.longest :] if self.longest else ""
                # what stands at the start of a text is another context than the same letters further on
                self.prefixed.setdefault((place < self.longest, context), Counter())[symbol] += 1
                for length in range(min(place, self.longest) + 1):
                    self.suffixes.setdefault(before[place - length :], Counter())[symbol] += 1

    def row(self, before):
        """Probabilities of all letters and the end after a prefix."""
        context = before[-self.longest :] if self.longest else ""
        here = self.prefixed.get((len(before) < self.longest, context), Counter())
        symbols = [*self.letters, "."]
        seen = sum(here.values())
        if self.settings["smoothing"] == "mle":
            return [here[symbol] / seen if seen else 0.0 for symbol in symbols]
        if self.settings["smoothing"] == "laplace":
            known = len(self.letters) + (3 if self.paper else 1)
            return [(here[symbol] + 1) / (seen + known) if symbol != "." or self.ends else 0.0 for symbol in symbols]
        p = [1 / len(symbols)] * len(symbols)
        tables = [self.suffixes.get(context[len(context) - length :], Counter()) for length in range(len(context) + 1)]
        for table in [*tables, *([here] if len(before) < self.longest else [])]:
            if total := sum(table.values()):
                new = self.escape_weight * len(table)
                p = [(table[symbol] + new * lower) / (total + new) for symbol, lower in zip(symbols, p, strict=True)]
        return p


KINDS = [
    {"smoothing": "mle", "protocol": "paper"},
    {"smoothing": "mle", "protocol": "proper"},
    {"smoothing": "laplace", "protocol": "paper"},
    {"smoothing": "laplace", "protocol": "proper"},
    {"smoothing": "witten-bell"},
    {"smoothing": "witten-bell", "escape_weight": 3.5},
]
LEARNED = {letters: random_texts(90, letters, seed=1, high=40) for letters in (3, 7, 27)}
HELD_OUT = {letters: random_texts(30, letters, seed=2, high=50) for letters in LEARNED}
READ = {letters: ["", "0", written([letters - 1] * 9), *texts[5::8]] for letters, texts in HELD_OUT.items()}


def fitted(letters, settings):
    return create("ngram", {"vocab_size": letters, **settings}).fit(
        encode_symbols(LEARNED[letters], letters), encode_symbols(HELD_OUT[letters], letters)
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("letters", LEARNED)
def test_ngrams_are_their_definition(letters, order, kind):
    settings = {"order": order, **kind}
    model = fitted(letters, settings)
    slow = SlowNGram(LEARNED[letters], letters, settings, model.escape_weight)
    encoded = encode_symbols(READ[letters], letters)
    whole, true, both = model.log_distributions(encoded), model.log_probs(encoded), model.all_log_probs(encoded)
    inner, of_letters = model.nucleotide_log_distributions(encoded), model.nucleotide_log_probs(encoded)
    for i, text in enumerate(READ[letters]):
        expected = np.array([slow.row(text[:place]) for place in range(len(text) + 1)])
        codes = [ord(character) - FIRST_SYMBOL for character in text]
        places = np.arange(len(text))
        np.testing.assert_allclose(np.exp(whole[i]), expected, rtol=1e-11, atol=1e-15)
        chosen = expected[np.arange(len(text) + 1), [*codes, letters]]
        np.testing.assert_allclose(np.exp(true[i]), chosen, rtol=1e-11, atol=1e-15)
        sums = expected[:-1, :-1].sum(axis=1, keepdims=True)
        renormalised = np.divide(expected[:-1, :-1], sums, out=np.zeros((len(text), letters)), where=sums > 0)
        np.testing.assert_allclose(np.exp(inner[i]), renormalised, rtol=1e-11, atol=1e-15)
        np.testing.assert_allclose(np.exp(of_letters[i]), renormalised[places, codes], rtol=1e-11, atol=1e-15)
        np.testing.assert_array_equal(both[0][i], true[i])
        np.testing.assert_array_equal(both[1][i], of_letters[i])
        if kind["smoothing"] == "witten-bell" or (kind["smoothing"] == "laplace" and kind["protocol"] == "proper"):
            np.testing.assert_allclose(np.exp(whole[i]).sum(axis=1), 1, rtol=1e-12)
            np.testing.assert_allclose(np.exp(inner[i]).sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("letters", LEARNED)
def test_the_escape_weight_of_any_alphabet_is_the_best_one_on_held_out_text(letters):
    tuned = fitted(letters, {"order": 3})
    held_out = encode_symbols(HELD_OUT[letters], letters)
    nats = {}
    for escape_weight in ESCAPE_WEIGHTS:
        fixed = fitted(letters, {"order": 3, "escape_weight": escape_weight})
        nats[escape_weight] = sum(row.sum() for row in fixed.nucleotide_log_probs(held_out))
    assert tuned.escape_weight == max(nats, key=nats.get)


@pytest.mark.parametrize("letters", LEARNED)
@pytest.mark.parametrize("order", [1, 2, 4])
def test_counts_of_any_alphabet_are_all_events(letters, order):
    model = fitted(letters, {"order": order})
    symbols = encode_symbols(LEARNED[letters], letters).symbols
    np.testing.assert_array_equal(model.counts.sum(axis=0), np.bincount(symbols, minlength=letters + 1))
    assert model.counts.shape == (sum(letters**length for length in range(order)), letters + 1)
    assert model.num_parameters == np.count_nonzero(model.counts)


@pytest.mark.parametrize("letters", LEARNED)
def test_ngrams_of_any_alphabet_come_back_from_their_file(letters, tmp_path):
    model, encoded = fitted(letters, {"order": 3}), encode_symbols(READ[letters], letters)
    again = models.load(model.save(tmp_path / "model"))
    assert again.settings == model.settings and again.settings.vocab_size == letters
    assert (again.escape_weight, again.num_parameters) == (model.escape_weight, model.num_parameters)
    for a, b in zip(model.log_distributions(encoded), again.log_distributions(encoded), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("letters", LEARNED)
def test_ngrams_of_any_alphabet_join_batch_and_split_alike(letters, monkeypatch):
    whole = fitted(letters, {"order": 3, "escape_weight": 2.0})
    half = create("ngram", whole.settings).fit(encode_symbols(LEARNED[letters][:30], letters))
    half.update(encode_symbols(LEARNED[letters][30:], letters))
    np.testing.assert_array_equal(half.counts, whole.counts)
    monkeypatch.setattr("dnastudy.models.ngram.PART_EVENTS", 50)
    parts = fitted(letters, {"order": 3, "escape_weight": 2.0})
    np.testing.assert_array_equal(parts.counts, whole.counts)
    together = whole.log_probs(encode_symbols(HELD_OUT[letters], letters))
    for text, row in zip(HELD_OUT[letters], together, strict=True):
        np.testing.assert_array_equal(whole.log_probs(encode_symbols([text], letters))[0], row)


@pytest.mark.parametrize("order", [1, 2, 5, 8])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))
def test_four_letters_encoded_or_written_are_the_same_numbers(order, kind):
    train, test = random_sequences(60, seed=1), random_sequences(20, seed=2)
    plain = create("ngram", {"order": order, **kind}).fit(train, test)
    coded = create("ngram", {"order": order, "vocab_size": 4, **kind}).fit(encode_symbols(train), encode_symbols(test))
    assert coded.settings == plain.settings and coded.escape_weight == plain.escape_weight
    np.testing.assert_array_equal(plain.counts, coded.counts)
    for name in ("log_distributions", "log_probs", "nucleotide_log_probs"):
        for a, b in zip(getattr(plain, name)(test), getattr(coded, name)(encode_symbols(test)), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("order", range(2, 10))
def test_contexts_of_four_letters_have_the_numbers_that_those_of_any_alphabet_have(order):
    encoded = encode(["", "A", *random_sequences(40, seed=order), ""])
    np.testing.assert_array_equal(_states_of_any(encoded, order - 1), _states(encoded, order))


def test_letters_that_never_occur_change_no_counts():
    genes = random_sequences(40, seed=3, low=1)
    digits = [gene.translate(str.maketrans("ACGT", "0123")) for gene in genes]
    settings = {"order": 3, "smoothing": "mle", "protocol": "proper"}
    four = create("ngram", settings).fit(genes)
    seven = create("ngram", {**settings, "vocab_size": 7}).fit(encode_symbols(digits, 7))
    for a, b in zip(four.log_distributions(genes), seven.log_distributions(encode_symbols(digits, 7)), strict=True):
        np.testing.assert_array_equal(a, b[:, [0, 1, 2, 3, 7]])
        assert np.isneginf(b[:, 4:7]).all()


@pytest.mark.parametrize(
    ("letters", "largest"), [(2, 12), (3, 12), (4, 12), (7, 8), (8, 8), (27, 5), (65, 4), (79, 3), (255, 3)]
)
def test_orders_that_make_too_many_ngrams_are_refused(letters, largest):
    assert create("ngram", {"vocab_size": letters, "order": largest}).order == largest
    with pytest.raises(SettingsError) as error:
        create("ngram", {"vocab_size": letters, "order": largest + 1})
    words = f"{letters} letters make more than 20,000,000 n-grams of {largest + 1}; lower it"
    assert ("less than or equal to 12" if largest == 12 else words) in str(error.value)


@pytest.mark.parametrize("letters", [1, 256, 0])
@pytest.mark.parametrize("name", ["ngram", "lstm", "transformer"])
def test_no_model_has_an_alphabet_of(name, letters):
    with pytest.raises(SettingsError, match="'vocab_size'"):
        create(name, {"vocab_size": letters, "order" if name == "ngram" else "kmer_size": 1})


# networks

LENGTHS = {"low": 1, "high": 40}
NETWORKS = {
    "lstm": ("lstm", {"hidden_size": 12, "embedding_size": 6, "kmer_dim": 4, "kmer_size": 3}),
    "lstm without end": (
        "lstm",
        {"hidden_size": 12, "embedding_size": 6, "kmer_size": 1, "n_positions": 20, "end": False},
    ),
    "transformer": ("transformer", {"d_model": 16, "n_heads": 2, "n_layers": 2, "kmer_dim": 4, "kmer_size": 2}),
    "transformer without end": (
        "transformer",
        {
            "d_model": 15,
            "n_heads": 3,
            "n_layers": 1,
            "block": "post-norm",
            "n_positions": 20,
            "kmer_size": 1,
            "end": False,
        },
    ),
}
ALPHABETS = [3, 27]
TINY = {
    "embedding_size": 8,
    "hidden_size": 16,
    "kmer_dim": 4,
    "kmer_size": 2,
    "dropout": 0.0,
    "epochs": 2,
    "batch_tokens": 400,
}


@pytest.fixture(params=NETWORKS)
def drawn(request):
    """A function that makes a model with weights far from their beginnings, so that every part counts."""
    name, settings = NETWORKS[request.param]

    def make(letters, **changes):
        model = create(name, {**settings, **({} if letters is None else {"vocab_size": letters}), **changes})
        torch.manual_seed(1)
        with torch.no_grad():
            for weights in model.network.parameters():
                weights += 0.2 * torch.randn_like(weights)
        return model

    return make


@pytest.mark.parametrize("letters", ALPHABETS)
def test_rows_have_a_column_for_each_letter_and_the_end_and_sum_to_one(drawn, letters):
    model, texts = drawn(letters), ["", *random_texts(12, letters, **LENGTHS)]
    encoded = encode_symbols(texts, letters)
    for i, (text, rows) in enumerate(zip(texts, model.log_distributions(encoded), strict=True)):
        assert rows.shape == (len(text) + 1, letters + 1) and rows.dtype == np.float64
        np.testing.assert_allclose(np.exp(rows).sum(axis=1), 1, rtol=1e-12)
        assert np.isfinite(rows[:, :-1]).all()
        assert np.isneginf(rows[:, -1]).all() != model.settings.end
        np.testing.assert_array_equal(model.log_probs(encoded)[i], rows[np.arange(len(text) + 1), encoded.with_end(i)])
        inner = np.exp(rows[:-1, :-1]) / np.exp(rows[:-1, :-1]).sum(axis=1, keepdims=True)
        chosen = inner[np.arange(len(text)), encoded[i]]
        np.testing.assert_allclose(np.exp(model.nucleotide_log_probs(encoded)[i]), chosen, rtol=1e-12)


@pytest.mark.parametrize("letters", ALPHABETS)
def test_company_order_and_padding_change_nothing(drawn, letters):
    model, texts = drawn(letters), ["", *random_texts(12, letters, **LENGTHS)]
    together = model.log_distributions(encode_symbols(texts, letters))
    backwards = model.log_distributions(encode_symbols(texts[::-1], letters))[::-1]
    table = scoring.score(model, passages(texts)).set_index("id")
    for i, text in enumerate(texts):
        (alone,) = model.log_distributions(encode_symbols([text], letters))
        np.testing.assert_allclose(together[i], alone, rtol=0, atol=1e-5)
        np.testing.assert_allclose(backwards[i], alone, rtol=0, atol=1e-5)
        score = scoring.score(model, passages([text])).iloc[0]
        assert table.loc[f"t{i}", "nucleotide_log_prob"] == pytest.approx(score["nucleotide_log_prob"], abs=1e-4)


@pytest.mark.parametrize("letters", ALPHABETS)
def test_what_comes_later_is_not_seen(drawn, letters):
    model, (text,) = drawn(letters), random_texts(1, letters, low=30, high=30)
    for changed in (text[:15], text[:15] + text[::-1]):
        whole, other = model.log_distributions(encode_symbols([text, changed], letters))
        np.testing.assert_allclose(whole[:16], other[:16], rtol=0, atol=1e-5)


@pytest.mark.parametrize("letters", [3, 4, 27])
@pytest.mark.slow
def test_step_by_step_is_all_at_once(drawn, letters):
    made = drawn(letters).network
    inputs = torch.randint(0, letters, (6, 70), generator=torch.Generator().manual_seed(2))
    inputs[:, 0] = letters
    with torch.inference_mode():
        whole = made(inputs)
        assert whole.shape == (6, 70, made.outputs) and made.outputs - letters in (0, 1)
        state, alive = made.begin(6), torch.arange(6)
        for t in range(70):
            logits, state = made.step(inputs[alive, t], state)
            torch.testing.assert_close(logits, whole[alive, t], rtol=0, atol=1e-5)
            if t % 15 == 14:  # the second of those that are left ends
                left = torch.tensor([i for i in range(len(alive)) if i != 1])
                state, alive = made.keep(state, left), alive[left]
    assert len(alive) == 2


@pytest.mark.parametrize(("letters", "context"), [(2, 5), (3, 3), (4, 3), (7, 2), (27, 2), (27, 3)])
def test_contexts_are_words_of_the_last_letters(letters, context):
    table = KmerEmbedding(context, 3, 4, vocab_size=letters)
    assert table.letters.num_embeddings == letters + 1
    assert table.words.num_embeddings == (letters ** (context + 1) - 1) // (letters - 1)
    assert table.words.num_embeddings == sum(letters**length for length in range(context + 1))
    torch.manual_seed(1)
    torch.nn.init.normal_(table.words.weight)
    inputs = torch.randint(0, letters, (4, 200), generator=torch.Generator().manual_seed(3))
    inputs[:, 0] = letters
    found, rows = table(inputs), {}
    for text, vectors in zip(inputs.tolist(), found, strict=True):
        for t, vector in enumerate(vectors):
            # within its text, and at the start of one a word of its own
            word = (t < context, *text[max(1, t + 1 - context) : t + 1])
            rows.setdefault(word, []).append(vector)
    assert all(torch.equal(first, other) for first, *others in rows.values() for other in others)
    different = torch.stack([vectors[0] for vectors in rows.values()])
    assert len(torch.unique(different, dim=0)) == len(rows) > letters


@pytest.mark.parametrize("letters", ALPHABETS)
def test_inputs_that_differ_within_the_context_alone_are_told_apart(letters):
    torch.manual_seed(1)
    table = KmerEmbedding(3, 4, 5, vocab_size=letters)
    torch.nn.init.normal_(table.words.weight)
    plain = torch.tensor([[letters, 0, 1, 2, 1, 0, 2, 1]])
    for place in range(1, 8):
        other = plain.clone()
        other[0, place] = letters - 1 if plain[0, place] != letters - 1 else 0
        differs = (table(plain) != table(other)).any(-1)[0]
        assert differs.tolist() == [place <= t < place + 3 for t in range(8)]


@pytest.mark.parametrize("letters", ALPHABETS)
def test_contexts_step_by_step(letters):
    torch.manual_seed(1)
    table = KmerEmbedding(3, 4, 5, vocab_size=letters)
    torch.nn.init.normal_(table.words.weight)
    inputs = torch.randint(0, letters, (5, 30))
    inputs[:, 0] = letters
    recent = torch.zeros(5, dtype=torch.int64)
    for t in range(30):
        embedded, recent = table.step(inputs[:, t], recent, t)
        torch.testing.assert_close(embedded, table(inputs)[:, t], rtol=0, atol=1e-6)


def test_inputs_and_targets_of_any_alphabet():
    genes = Symbols(encode_symbols(["013", "", "66666"], 7), True, torch.device("cpu"))
    inputs, targets = genes.batch(np.array([2, 0, 1]))
    x = IGNORED
    assert targets.tolist() == [[6, 6, 6, 6, 6, 7], [0, 1, 3, 7, x, x], [7, x, x, x, x, x]]
    assert inputs.tolist() == [[7, 6, 6, 6, 6, 6], [7, 0, 1, 3, 7, 7], [7] * 6]
    genes = Symbols(encode_symbols(["013", "66666"], 7), False, torch.device("cpu"))
    inputs, targets = genes.batch(np.array([1, 0]))
    assert targets.tolist() == [[6, 6, 6, 6, 6], [0, 1, 3, x, x]]
    assert inputs.tolist() == [[7, 6, 6, 6, 6], [7, 0, 1, 3, 7]]


def test_noise_draws_all_letters_alike_and_leaves_the_start():
    inputs = torch.full((200, 101), 5)
    inputs[:, 0] = 7
    torch.manual_seed(1)
    noisy = _with_noise(inputs, 0.5, 7)
    assert (noisy[:, 0] == 7).all()
    counts = torch.bincount(noisy[:, 1:].flatten(), minlength=8).tolist()
    each = 200 * 100 * 0.5 / 7
    assert counts[7] == 0 and all(abs(counts[code] - each) < 5 * math.sqrt(each) for code in (0, 1, 2, 3, 4, 6))
    assert torch.equal(_with_noise(inputs, 0.0, 7), inputs)


@pytest.mark.slow
def test_a_step_is_one_step_of_adam_on_the_mean_over_letters_and_ends():
    """The first step written out by hand, text by text, without batches, padding or parts."""
    texts = random_texts(25, 7, seed=3, low=0, high=30)
    recipe = Recipe(epochs=1, batch_genes=25, micro_batch_tokens=100, warmup=0.0, schedule="constant",
                    learning_rate=0.01, weight_decay=0.0, grad_clip=0.0, patience=None,
                    token_corruption=0.0)  # fmt: skip
    torch.manual_seed(0)
    ours = Recurrent(LSTM.Settings(embedding_size=8, hidden_size=16, dropout=0.0, vocab_size=7, kmer_size=2))
    torch.manual_seed(0)
    plain = Recurrent(LSTM.Settings(embedding_size=8, hidden_size=16, dropout=0.0, vocab_size=7, kmer_size=2))
    train(ours, recipe, encode_symbols(texts, 7), encode([]))
    total, count = 0.0, 0
    for text in texts:
        symbols = torch.tensor([int(letter) for letter in text], dtype=torch.int64)
        logits = plain(torch.cat([torch.tensor([7]), symbols])[None])[0]
        target = torch.cat([symbols, torch.tensor([7])])
        total = total - logits.log_softmax(-1)[torch.arange(len(target)), target].sum()
        count += len(target)
    (total / count).backward()
    torch.optim.AdamW(plain.parameters(), lr=0.01, betas=(0.9, 0.95), weight_decay=0.0).step()
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=5e-5)


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_training_knows_its_perplexity_on_held_out_text(name):
    settings = {**TINY} if name == "lstm" else {"d_model": 16, "n_heads": 2, "n_layers": 1, "kmer_size": 2, "epochs": 2}
    held_out = encode_symbols(random_texts(20, 7, seed=6, **LENGTHS), 7)
    model = create(name, {**settings, "vocab_size": 7}).fit(encode_symbols(random_texts(40, 7, seed=5), 7), held_out)
    course = model.notes["training"]
    found = math.exp(-np.concatenate(model.nucleotide_log_probs(held_out)).mean())
    assert found == pytest.approx(min(epoch["validation"] for epoch in course["epochs"]), rel=1e-5)


@pytest.mark.parametrize("letters", ALPHABETS)
def test_trained_networks_of_any_alphabet_come_back_from_their_file(drawn, letters, tmp_path):
    changes = {"epochs": 1, "batch_tokens": 500}
    model = drawn(letters, **changes).fit(encode_symbols(random_texts(30, letters, seed=1), letters))
    again = models.load(model.save(tmp_path / "model"))
    assert again.settings == model.settings and again.settings.vocab_size == letters
    encoded = encode_symbols(["", *random_texts(5, letters, seed=2)], letters)
    for a, b in zip(model.log_distributions(encoded), again.log_distributions(encoded), strict=True):
        np.testing.assert_array_equal(a, b)


def test_four_letters_make_the_network_that_genes_always_had(drawn):
    model, named = drawn(None), drawn(4)
    assert model.settings == named.settings and model.settings.vocab_size == 4
    shapes = {name: tuple(weights.shape) for name, weights in model.network.state_dict().items()}
    assert shapes == {name: tuple(weights.shape) for name, weights in named.network.state_dict().items()}
    context, ends = model.settings.kmer_size, model.settings.end
    wide = model.settings.embedding_size if model.name == "lstm" else model.settings.d_model
    expected = {
        "embedding.letters.weight": (5, wide),
        "output.weight": (5 if ends else 4, model.settings.hidden_size if model.name == "lstm" else wide),
        "output.bias": (5 if ends else 4,),
    }
    if context > 1:
        expected["embedding.words.weight"] = (1 + 4 + 16 + (64 if context == 3 else 0), 4)
        expected["embedding.widened.weight"] = (wide, 4)
    if not ends:
        expected["position.weight"] = (20, wide)
    assert expected.items() <= shapes.items()
    if model.name == "lstm":
        inside = {"recurrent.weight_ih_l0": (48, 6), "recurrent.weight_hh_l0": (48, 12), "recurrent.bias_ih_l0": (48,)}
        assert inside.items() <= shapes.items()
    else:
        assert shapes["blocks.0.attention.output.weight"] == (wide, wide)
    other = {name: tuple(weights.shape) for name, weights in drawn(7).network.state_dict().items()}
    changed = {name for name in shapes if shapes[name] != other[name]}
    assert changed == {name for name in expected if "letters" in name or "words" in name or "output" in name}


@pytest.mark.parametrize("name", ["ngram", "lstm", "transformer"])
def test_models_saved_before_there_were_alphabets_are_of_four_letters(name, tmp_path):
    genes = random_sequences(30, seed=1, low=5)
    small = {"ngram": {"order": 3}, "lstm": {**TINY, "epochs": 1},
             "transformer": {"d_model": 16, "n_heads": 2, "n_layers": 1, "kmer_size": 2, "epochs": 1}}  # fmt: skip
    model = create(name, small[name]).fit(genes)
    header = model.save(tmp_path / "model") / "model.json"
    old = json.loads(header.read_text())
    assert old["settings"].pop("vocab_size") == 4
    header.write_text(json.dumps(old))
    again = models.load(tmp_path / "model")
    assert again.settings == model.settings
    for a, b in zip(model.log_probs(genes[:5]), again.log_probs(genes[:5]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_networks_that_cannot_be_are_refused(name):
    with pytest.raises(SettingsError, match="types are those of genes, and genes have 4 letters"):
        create(name, {"vocab_size": 7, "kmer_size": 2, "types": ["tRNA"]})
    for letters, largest in ((4, 10), (7, 7), (27, 4), (65, 3)):
        small = {
            "kmer_dim": 1,
            **({"hidden_size": 2} if name == "lstm" else {"d_model": 8, "n_heads": 1, "n_layers": 1}),
        }
        assert create(name, {"vocab_size": letters, "kmer_size": largest, **small}).settings.kmer_size == largest
        with pytest.raises(SettingsError) as error:
            create(name, {"vocab_size": letters, "kmer_size": largest + 1, **small})
        words = f"{letters} letters make more than 1,048,576 k-mers of {largest + 1}; lower it"
        assert ("less than or equal to 10" if largest == 10 else words) in str(error.value)


def test_a_text_that_repeats_is_learned():
    """Some letters have two followers or three, so that the last one alone does not tell what comes."""
    line = "0120314516" * 6
    texts = [line] * 40
    settings = {"vocab_size": 7, "embedding_size": 16, "hidden_size": 32, "n_layers": 1, "kmer_size": 2,
                "dropout": 0.0, "token_corruption": 0.0, "epochs": 12, "batch_tokens": 500,
                "learning_rate": 0.03}  # fmt: skip
    model = create("lstm", settings).fit(encode_symbols(texts[:30], 7), encode_symbols(texts[30:], 7))
    assert scoring.quick_perplexity(model, passages(texts[:3])) < 1.02
    (log_p,) = model.log_probs(encode_symbols([line], 7))
    assert math.exp(log_p[-1]) == pytest.approx(1 / 6, abs=0.06), "without counting lines, one in six ends here"
    bigrams = create("ngram", {"order": 2, "vocab_size": 7}).fit(encode_symbols(texts, 7))
    assert scoring.quick_perplexity(bigrams, passages(texts[:3])) > 1.3


@pytest.mark.parametrize("letters", ALPHABETS)
def test_a_model_that_has_learned_nothing_can_be_asked_all_the_same(drawn, letters, tmp_path):
    texts = random_texts(6, letters, **LENGTHS)
    fresh = create(drawn(letters).name, drawn(letters).settings)
    model = models.load(fresh.save(tmp_path / "fresh"))
    assert model.tuned == {} and model.types == () and model.num_parameters > 100
    scores = scoring.score(model, passages(texts))
    assert np.isfinite(scores["nucleotide_log_prob"]).all()
    assert 1 < metrics.summarise(scores, 100)["nucleotide_perplexity"] < 2 * letters
    assert model.embed(encode_symbols(texts, letters)).shape[0] == len(texts)
    assert model.log_distributions(encode_symbols([], letters)) == []


@pytest.mark.parametrize("letters", [3, 4, 27])
def test_ngrams_that_have_counted_nothing_know_nothing(letters):
    model = create("ngram", {"order": 3, "vocab_size": letters})
    texts = random_texts(5, letters, low=1) if letters != 4 else random_sequences(5, low=1)
    assert scoring.quick_perplexity(model, passages(texts)) == pytest.approx(letters, rel=1e-12)
    rows = np.concatenate(model.log_distributions(encode_symbols(texts, letters)))
    np.testing.assert_allclose(np.exp(rows), 1 / (letters + 1), rtol=1e-12)
    assert model.log_distributions(encode_symbols([], letters)) == []


# scores


@pytest.mark.parametrize("letters", ALPHABETS)
@pytest.mark.parametrize("name", ["ngram", "lstm", "lstm without end"])
def test_bits_of_a_text_are_the_mean_over_its_symbols(name, letters):
    model, settings = NETWORKS.get(name, ("ngram", {"order": 3}))
    more = {} if model == "ngram" else {"epochs": 1, "batch_tokens": 500}
    learned = encode_symbols(random_texts(40, letters, seed=1), letters)
    model = create(model, {**settings, **more, "vocab_size": letters}).fit(learned)
    texts = random_texts(15, letters, seed=2, low=1, high=50)
    frame, bits, symbols = passages(texts), 0.0, 0
    scores = scoring.score(model, frame)
    for text, row in zip(texts, scores.to_dict("records"), strict=True):
        (rows,) = model.log_distributions(encode_symbols([text], letters))
        p = np.exp(rows)
        each = []
        for place, character in enumerate(text):
            code = "0123456789:;<=>?@ABCDEFGHIJ".index(character)
            each.append(-math.log2(p[place, code] / sum(p[place, :letters])))
        assert row["nucleotides"] == len(text)
        assert row["nucleotide_log_prob"] == pytest.approx(-sum(each) * math.log(2), rel=1e-4)
        assert row["log_prob_from_1"] == pytest.approx(-sum(each[:25]) * math.log(2), rel=1e-4)
        assert np.isneginf(row["log_prob"]) == (name == "lstm without end")
        bits, symbols = bits + sum(each), symbols + len(each)
    assert metrics.bits_per_base(scores) == pytest.approx(bits / symbols, rel=1e-5)
    assert metrics.summarise(scores, 100)["nucleotide_perplexity"] == pytest.approx(2 ** (bits / symbols), rel=1e-5)
    assert scoring.quick_perplexity(model, frame) == pytest.approx(2 ** (bits / symbols), rel=1e-5)


def test_batches_of_texts_change_nothing(monkeypatch):
    model = fitted(27, {"order": 3})
    frame = passages(HELD_OUT[27])
    whole, quick = scoring.score(model, frame), scoring.quick_perplexity(model, frame)
    monkeypatch.setattr(scoring, "BATCH_NUCLEOTIDES", 100)
    pd.testing.assert_frame_equal(scoring.score(model, frame), whole)
    assert scoring.quick_perplexity(model, frame) == pytest.approx(quick, rel=1e-12)


def test_a_text_of_more_letters_than_a_model_knows_is_refused():
    model = create("ngram", {"order": 2, "vocab_size": 7})
    for score in (scoring.score, scoring.quick_perplexity):
        with pytest.raises(ValueError, match="sequence 1 has '7' at position 2; the 7 symbols are"):
            score(model, passages(["0123", "07"]))


# what is of another alphabet

OTHERS = {"ngram": {"order": 2}, "lstm": {"hidden_size": 8, "embedding_size": 4, "kmer_size": 2},
          "transformer": {"d_model": 8, "n_heads": 1, "n_layers": 1, "kmer_size": 2}}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    ("letters", "wrong"),
    [(7, ["ACGT"]), (3, ["ACGT"]), (7, encode_symbols(["012"], 3)), (4, encode_symbols(["0123456"], 7))],
    ids=["genes-7", "genes-3", "3-7", "7-4"],
)
def test_sequences_of_another_alphabet_are_refused_and_not_misread(name, letters, wrong):
    model = create(name, {**OTHERS[name], "vocab_size": letters})
    kind = wrong.vocab_size if isinstance(wrong, EncodedSequences) else 4
    words = f"{letters} symbols.*{kind}"
    for ask in (model.log_distributions, model.log_probs, model.nucleotide_log_probs, model.fit):
        with pytest.raises(ModelError, match=words):
            ask(wrong)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("letters", [3, 7])
def test_what_is_no_gene_is_not_written(name, letters):
    model = create(name, {**OTHERS[name], "vocab_size": letters})
    with pytest.raises(ModelError, match=f"sample: .*{letters} letters"):
        model.sample(3, max_length=10)
