"""The command line's contract: what goes in, what comes out where, and what is refused in which words."""

import json
import math
import socket
import subprocess
import sys
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from helpers import ROOT, TEST, TRAIN, VALIDATION, Done

from dnastudy import __version__
from dnastudy.analysis import headline
from dnastudy.cli import main
from dnastudy.data.genes import read_genes
from dnastudy.models import MODELS


def evaluate_words(files, *more):
    words = ["evaluate", "ngram", "--train", files["a"], files["b"], "--test", files["test"]]
    return [*words, "--validation", files["validation"], *more, "--json"]


# --- an independent n-gram model, from the definition --------------------------------------------------------------


def plain_ngrams(train, test, order, smoothing):
    """Paper perplexity, nucleotide perplexity and number of distinct n-grams, by plain counting of padded text."""

    def events(sequence):
        text = "^" * (order - 1) + sequence + ("$" if order > 1 else "")
        return [(text[i : i + order - 1], text[i + order - 1]) for i in range(len(text) - order + 1)]

    counts = defaultdict(Counter)
    for sequence in train:
        for context, symbol in events(sequence):
            counts[context][symbol] += 1

    def probability(context, symbol):
        seen = counts.get(context, Counter())
        if smoothing == "laplace":
            return (seen[symbol] + 1) / (sum(seen.values()) + 7)
        return seen[symbol] / sum(seen.values()) if seen else 0.0

    raw, nucleotides = [], []
    for context, symbol in (event for sequence in test for event in events(sequence)):
        p = probability(context, symbol)
        raw.append(math.log(p) if p else -math.inf)
        if symbol != "$":
            total = sum(probability(context, base) for base in "ACGT")
            nucleotides.append(math.log(p / total) if p else -math.inf)
    paper, perplexity = (math.exp(-math.fsum(rows) / len(rows)) for rows in (raw, nucleotides))
    return paper, perplexity, sum(map(len, counts.values()))


def plain_interval(train, test, order, smoothing):
    """95 % interval of the nucleotide perplexity over resampled genes, with other random numbers."""
    bits = [math.log2(plain_ngrams(train, [gene], order, smoothing)[1]) * len(gene) for gene in test]
    lengths = [len(gene) for gene in test]
    random = np.random.default_rng(99)
    drawn = random.integers(len(test), size=(4000, len(test)))
    values = np.array(bits)[drawn].sum(axis=1) / np.array(lengths)[drawn].sum(axis=1)
    return 2 ** np.quantile(values, [0.025, 0.975])


# --- evaluate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("order", "smoothing"), [(1, "mle"), (2, "mle"), (1, "laplace"), (4, "laplace")])
def test_evaluate_agrees_with_plain_counting(dnastudy, files, order, smoothing):
    found = dnastudy(*evaluate_words(files, "--set", f"order={order}", f"smoothing={smoothing}")).json
    paper, perplexity, parameters = plain_ngrams(TRAIN, TEST, order, smoothing)
    assert found["paper_perplexity"] == pytest.approx(paper, rel=1e-12)
    assert found["nucleotide_perplexity"] == pytest.approx(perplexity, rel=1e-12)
    assert found["bits_per_base"] == pytest.approx(math.log2(perplexity), rel=1e-12)
    assert found["parameters"] == parameters
    assert found["genes"] == len(TEST)
    assert found["nucleotides"] == sum(map(len, TEST))


def test_evaluate_json_has_the_keys_of_the_contract(dnastudy, files):
    found = dnastudy(*evaluate_words(files, "--set", "order=3")).json
    assert set(found) == {
        "model", "settings", "tuned", "add_validation", "prequential",
        "nucleotide_perplexity", "bits_per_base", "interval", "paper_perplexity",
        "genes", "nucleotides", "parameters", "shared_sequences", "seconds", "peak_memory_mb",
    }  # fmt: skip
    assert found["model"] == "ngram"
    of_ngrams = {"order": 3, "smoothing": "witten-bell", "escape_weight": None, "vocab_size": 4, "protocol": None}
    assert found["settings"] == of_ngrams
    assert set(found["tuned"]) == {"escape_weight"}
    for key in ("genes", "nucleotides", "parameters", "shared_sequences"):
        assert type(found[key]) is int
    for value in (found["nucleotide_perplexity"], found["bits_per_base"], found["peak_memory_mb"]):
        assert type(value) is float
    assert set(found["seconds"]) == {"fit", "score"}
    assert all(seconds > 0 for seconds in found["seconds"].values())
    assert found["peak_memory_mb"] > 20
    assert found["paper_perplexity"] is None, "the paper has no Witten-Bell"


def test_evaluate_interval_is_a_bootstrap_over_genes(dnastudy, files):
    words = evaluate_words(files, "--set", "order=3", "smoothing=laplace")
    low, high = dnastudy(*words).json["interval"]
    expected = plain_interval(TRAIN, TEST, 3, "laplace")
    width = expected[1] - expected[0]
    assert [low, high] == pytest.approx(expected, abs=0.2 * width)
    assert dnastudy(*words).json["interval"] == [low, high], "the same genes and model give the same interval"


def test_uniform_costs_two_bits_and_has_no_paper_figure(dnastudy, files):
    words = ["evaluate", "uniform", "--train", files["a"], "--test", files["test"], "--json"]
    found = dnastudy(*words).json
    assert found["bits_per_base"] == pytest.approx(2, abs=1e-12)
    assert found["paper_perplexity"] is None


def test_infinite_is_a_word_in_json(dnastudy, files):
    found = dnastudy(*evaluate_words(files, "--set", "order=8", "smoothing=mle")).json
    assert plain_ngrams(TRAIN, TEST, 8, "mle")[:2] == (math.inf, math.inf)
    assert found["paper_perplexity"] == found["nucleotide_perplexity"] == found["bits_per_base"] == "Infinity"
    assert found["interval"] == ["Infinity", "Infinity"]


def test_several_files_in_a_row_are_the_same_as_one_option_each(dnastudy, files):
    settings = ["--test", files["test"], "--json"]
    greedy = ["evaluate", "ngram", "--train", files["a"], files["b"], "--set", "order=4", "smoothing=laplace"]
    single = ["evaluate", "ngram", "--train", files["a"], "--train", files["b"]]
    single += ["--set", "order=4", "--set", "smoothing=laplace"]
    numbers = [dnastudy(*words, *settings).json["paper_perplexity"] for words in (greedy, single)]
    alone = dnastudy("evaluate", "ngram", "--train", files["a"], *greedy[5:], *settings).json["paper_perplexity"]
    assert numbers[0] == numbers[1] != alone


def test_join_validation_equals_training_on_both(dnastudy, files):
    laplace = ["--set", "order=4", "smoothing=laplace"]
    joined = dnastudy(*evaluate_words(files, *laplace, "--add-validation")).json
    together = ["--train", files["a"], files["b"], files["validation"], "--test", files["test"]]
    both = dnastudy("evaluate", "ngram", *together, *laplace, "--json").json
    for key in ("nucleotide_perplexity", "paper_perplexity", "interval", "parameters"):
        assert joined[key] == both[key]
    assert joined["paper_perplexity"] == pytest.approx(plain_ngrams(TRAIN + VALIDATION, TEST, 4, "laplace")[0])
    assert dnastudy(*evaluate_words(files, *laplace)).json["paper_perplexity"] != joined["paper_perplexity"]


def test_joined_genes_come_after_tuning(dnastudy, files):
    """What is tuned on the validation genes is not tuned on genes the model has counted."""
    words = evaluate_words(files, "--set", "order=5")
    apart, joined = dnastudy(*words).json, dnastudy(*words, "--add-validation").json
    assert joined["tuned"] == apart["tuned"]
    assert joined["parameters"] > apart["parameters"]


def test_prequential_is_scoring_and_joining_in_turns(dnastudy, files):
    laplace = ["--set", "order=2", "smoothing=laplace"]
    found = dnastudy(*evaluate_words(files, *laplace, "--prequential")).json
    assert found["prequential"] is True
    nats = sum(
        math.log(plain_ngrams([*TRAIN, *TEST[:i]], [gene], 2, "laplace")[1]) * len(gene) for i, gene in enumerate(TEST)
    )
    assert found["nucleotide_perplexity"] == pytest.approx(math.exp(nats / sum(map(len, TEST))))


def test_evaluate_for_people(dnastudy, files):
    words = [word for word in evaluate_words(files, "--set", "order=2", "smoothing=laplace") if word != "--json"]
    done = dnastudy(*words)
    lines = dict(line.split("  ", 1) for line in done.out.splitlines())
    paper, perplexity, _ = plain_ngrams(TRAIN, TEST, 2, "laplace")
    assert float(lines["nucleotide perplexity"]) == pytest.approx(perplexity, rel=1e-4)
    assert float(lines["paper perplexity"]) == pytest.approx(paper, rel=1e-4)
    assert "fit ngram on 60 genes" in done.err
    assert "score ngram" in done.err
    assert "score ngram" not in done.out


@pytest.mark.slow
def test_the_program_itself_keeps_its_streams_apart(files):
    words = [Path(sys.executable).parent / "dnastudy", *evaluate_words(files, "--set", "order=2", "smoothing=mle")]
    done = Done(*(lambda p: (p.returncode, p.stdout, p.stderr))(subprocess.run(words, capture_output=True, text=True)))
    assert done.json["paper_perplexity"] == pytest.approx(plain_ngrams(TRAIN, TEST, 2, "mle")[0], rel=1e-12)
    assert done.err.splitlines() == ["fit ngram on 60 genes", "score ngram"]
    words = [words[0], "evaluate", "ngram", "--train", "none.csv", "--test", "none.csv"]
    failed = subprocess.run(words, capture_output=True, text=True)
    assert (failed.returncode, failed.stdout, failed.stderr) == (1, "", "error: none.csv: no such file\n")


def test_genes_learned_from_are_not_silently_scored(dnastudy, files):
    words = ["evaluate", "ngram", "--train", files["a"], "--validation", files["b"], "--set", "order=3"]
    clean = dnastudy(*words, "--test", files["test"], "--json")
    assert clean.json["shared_sequences"] == 0
    assert "too good" not in clean.err
    seen = dnastudy(*words, "--test", files["a"], "--json")
    assert seen.json["shared_sequences"] == 30
    assert "30 of 30 test sequences are also among the genes that the model is fitted on" in seen.err
    joined = dnastudy(*words, "--add-validation", "--test", files["b"], "--json")
    assert joined.json["shared_sequences"] == 30


# --- what is refused -----------------------------------------------------------------------------------------------

SETTINGS = [
    (["ordre=3"], ["unknown setting 'ordre'", "(did you mean 'order'?)", "Known settings: order"]),
    (["order=abc"], ["setting 'order'", "valid integer", "not 'abc'"]),
    (["order=2.5"], ["setting 'order'", "valid integer", "not 2.5"]),
    (["order=13"], ["setting 'order'", "less than or equal to 12"]),
    (["smoothing=none"], ["setting 'smoothing'", "'mle', 'laplace' or 'witten-bell'"]),
    (["escape_weight=2", "smoothing=mle"], ["escape_weight is for smoothing=witten-bell"]),
    (["order"], ["--set order: a name and a value are needed"]),
    (["order=3", "order=4"], ["--set order: given twice"]),
    (["order=[1"], ["--set order=[1: the value is not YAML"]),
]


@pytest.mark.parametrize(("settings", "words"), SETTINGS, ids=[" ".join(case[0]) for case in SETTINGS])
def test_bad_settings_are_refused_before_any_file_is_read(refused, settings, words):
    message = refused("evaluate", "ngram", "--train", "none.csv", "--test", "none.csv", "--set", *settings)
    for word in words:
        assert word in message


def test_unknown_model_names_the_known_ones(refused, files):
    message = refused("evaluate", "ngramm", "--train", files["a"], "--test", files["test"])
    assert "unknown model 'ngramm'; did you mean 'ngram'?" in message
    assert all(name in message for name in MODELS)


def test_missing_files_are_named(refused, files, tmp_path):
    nowhere = tmp_path / "nowhere.csv"
    words = ["evaluate", "ngram", "--set", "order=2"]
    for more in (
        ["--train", files["a"], nowhere, "--test", files["test"]],
        ["--train", files["a"], "--test", nowhere],
        ["--train", files["a"], "--test", files["test"], "--validation", nowhere],
    ):
        assert f"error: {nowhere}: no such file" in refused(*words, *more)
    message = refused(*words, "--train", tmp_path, "--test", files["test"])
    assert str(tmp_path) in message
    assert "a folder, not a gene file" in message


def test_a_missing_option_or_a_stray_word_is_a_usage_error(refused, files):
    assert "--train" in refused("evaluate", "ngram", "--test", files["test"], status=2)
    assert "--test" in refused("evaluate", "ngram", "--train", files["a"], status=2)
    assert "--tset" in refused("evaluate", "ngram", "--tset", files["a"], status=2)
    assert "nonsense" in refused("nonsense", status=2)


def test_join_validation_without_validation_is_refused(refused, files):
    words = ["evaluate", "ngram", "--train", files["a"], "--test", files["test"], "--add-validation"]
    assert "--add-validation needs --validation" in refused(*words)


@pytest.fixture
def bad(tmp_path):
    """Files that break the schema, by what is wrong with them."""
    made = {
        "letters": ">one\nACGTACGT\n>two\nACGNNGTA\n>three\nTTTTACGA\n",
        "duplicates": ">one\nACGTACGT\n>two\nTTTTACGA\n>three\nACGTACGT\n",
        "empty": ">one\nACGTACGT\n>two\n>three\nTTTTACGA\n",
    }
    for name, text in made.items():
        (tmp_path / f"{name}.fa").write_text(text)
    return {name: tmp_path / f"{name}.fa" for name in made}


REFUSALS = {
    "letters": ["record 2", "id two", "position 4", "'N' is not A, C, G or T", "--invalid drop or --invalid split"],
    "duplicates": [
        "record 3",
        "id three",
        "the same sequence as",
        "record 1",
        "--duplicates drop or --duplicates keep",
    ],
    "empty": ["record 2", "id two", "the sequence is empty", "--empty drop"],
}
POLICIES = [
    ("letters", ["--invalid", "drop"], 2, "1 dropped for letters outside A C G T"),
    ("letters", ["--invalid", "split"], 4, "1 split at letters outside A C G T (into 2 pieces)"),
    ("duplicates", ["--duplicates", "drop"], 2, "1 dropped as duplicates"),
    ("duplicates", ["--duplicates", "keep"], 3, "1 duplicates kept"),
    ("empty", ["--empty", "drop"], 2, "1 dropped as empty"),
]


@pytest.mark.parametrize("kind", REFUSALS)
def test_bad_genes_are_refused_with_file_record_and_way_out(refused, files, bad, kind):
    for words in (
        ["evaluate", "ngram", "--train", bad[kind], "--test", files["test"]],
        ["evaluate", "ngram", "--train", files["a"], "--test", bad[kind]],
        ["evaluate", "ngram", "--train", files["a"], "--validation", bad[kind], "--test", files["test"]],
        ["data", "check", bad[kind]],
    ):
        message = refused(*words)
        for word in [str(bad[kind]), *REFUSALS[kind]]:
            assert word in message


@pytest.mark.parametrize(("kind", "policy", "genes", "words"), POLICIES)
def test_a_policy_is_followed_counted_and_told(dnastudy, files, bad, kind, policy, genes, words):
    for done in (
        dnastudy("data", "check", bad[kind], *policy, "--json"),
        dnastudy("evaluate", "ngram", "--train", files["a"], "--test", bad[kind], *policy, "--json"),
    ):
        assert done.json["genes"] == genes
        assert f"{kind}.fa: 3 records, {genes} genes; {words}" in done.err


def test_an_unknown_policy_and_a_file_without_genes_left_are_refused(refused, bad, tmp_path):
    assert "'error', 'drop', 'split'" in refused("data", "check", bad["letters"], "--invalid", "ignore", status=2)
    (tmp_path / "n.fa").write_text(">one\nNN\n")
    message = refused("data", "check", tmp_path / "n.fa", "--invalid", "drop")
    assert "n.fa: no genes are left to work with" in message


# --- train and score -----------------------------------------------------------------------------------------------


@pytest.fixture
def trained(dnastudy, files, tmp_path):
    words = ["--train", files["a"], files["b"], "--set", "order=3", "smoothing=laplace", "--out", tmp_path / "model"]
    done = dnastudy("train", "ngram", *words, "--json")
    assert done.json["genes"] == len(TRAIN)
    assert done.json["settings"]["order"] == 3
    assert done.json["folder"] == str(tmp_path / "model")
    assert done.json["parameters"] == plain_ngrams(TRAIN, TEST, 3, "laplace")[2]
    return tmp_path / "model"


def expected_nats(sequence):
    """Log-probability of a sequence over A C G T."""
    return -math.log(plain_ngrams(TRAIN, [sequence], 3, "laplace")[1]) * len(sequence)


def test_score_table_for_people_and_programs(dnastudy, files, trained):
    done = dnastudy("score", files["test"], "--model", trained)
    assert done.code == 0
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert lines[0] == ["id", "nucleotides", "log_prob", "bits_per_base"]
    found = dnastudy("score", files["test"], "--model", trained, "--json").json
    assert found["model"] == str(trained)
    assert len(found["sequences"]) == len(lines) - 1 == len(TEST)
    for number, (line, row, sequence) in enumerate(zip(lines[1:], found["sequences"], TEST, strict=True)):
        assert line[:2] == [f"test{number}", str(len(sequence))]
        assert (row["id"], row["nucleotides"]) == (f"test{number}", len(sequence))
        assert row["log_prob"] == pytest.approx(expected_nats(sequence), rel=1e-11)
        assert row["bits_per_base"] == pytest.approx(-row["log_prob"] / len(sequence) / math.log(2), rel=1e-12)
        assert [float(text) for text in line[2:]] == pytest.approx([row["log_prob"], row["bits_per_base"]], abs=1e-6)
        assert "per_base" not in row


def test_score_per_base_sums_to_the_whole(dnastudy, files, trained):
    found = dnastudy("score", files["test"], "--model", trained, "--per-base", "--json").json
    for row, sequence in zip(found["sequences"], TEST, strict=True):
        assert len(row["per_base"]) == len(sequence)
        assert math.fsum(row["per_base"]) == pytest.approx(row["log_prob"], rel=1e-12)
    lines = dnastudy("score", files["test"], "--model", trained, "--per-base").out.splitlines()
    assert lines[0].split("\t") == ["id", "position", "nucleotide", "log_prob"]
    expected = [
        (row["id"], str(position), base, f"{nats:.6f}")
        for row, sequence in zip(found["sequences"], TEST, strict=True)
        for position, (base, nats) in enumerate(zip(sequence, row["per_base"], strict=True), 1)
    ]
    assert [tuple(line.split("\t")) for line in lines[1:]] == expected


def test_score_takes_the_same_sequence_twice_and_unseen_ones(dnastudy, files, trained, bad, tmp_path):
    done = dnastudy("score", bad["duplicates"], "--model", trained, "--json")
    first, _, third = done.json["sequences"]
    assert first["log_prob"] == third["log_prob"]
    assert "1 duplicates kept" in done.err
    words = ["--train", files["a"], "--set", "order=2", "smoothing=mle", "--out", tmp_path / "poor"]
    (tmp_path / "aaa.fa").write_text(">only\nAAAA\n")
    (tmp_path / "c.fa").write_text(">other\nAC\n")
    assert dnastudy("train", "ngram", "--train", tmp_path / "aaa.fa", *words[2:]).code == 0
    row = dnastudy("score", tmp_path / "c.fa", "--model", tmp_path / "poor", "--per-base", "--json").json["sequences"][
        0
    ]
    assert (row["log_prob"], row["bits_per_base"], row["per_base"]) == ("-Infinity", "Infinity", [0.0, "-Infinity"])


def test_a_model_that_is_not_there_or_damaged(refused, files, trained, tmp_path):
    message = refused("score", files["test"], "--model", tmp_path / "none")
    assert f"{tmp_path / 'none'}: no such folder" in message
    assert "dnastudy train" in message
    assert "no model there (no model.json)" in refused("score", files["test"], "--model", tmp_path)
    (trained / "arrays.npz").write_bytes((trained / "arrays.npz").read_bytes()[:100])
    assert "arrays.npz: damaged" in refused("score", files["test"], "--model", trained)


@pytest.mark.slow
def test_training_never_overwrites_what_is_no_model(refused, dnastudy, files, tmp_path):
    words = ["train", "ngram", "--train", files["a"], "--set", "order=2"]
    before = files["b"].read_bytes()
    message = refused(*words, "--out", files["b"])
    assert f"{files['b']}: exists and is no folder" in message
    assert "fit ngram" not in message, "told before the hours of training, not after"
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "mine.txt").write_text("mine")
    assert "is no model folder" in refused(*words, "--out", tmp_path / "papers")
    assert (tmp_path / "papers" / "mine.txt").read_text() == "mine"
    assert files["b"].read_bytes() == before
    for _ in range(2):
        assert dnastudy(*words, "--out", tmp_path / "deep" / "model").code == 0
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["model"]


# --- models, help, version -----------------------------------------------------------------------------------------


def test_models_are_listed_with_their_settings(dnastudy):
    found = dnastudy("models", "--json").json
    assert list(found) == list(MODELS)
    assert set(found["ngram"]["settings"]) == {"order", "smoothing", "escape_weight", "vocab_size", "protocol"}
    assert found["ngram"]["settings"]["order"]["default"] == 8
    assert all(entry["about"] for entry in found["ngram"]["settings"].values())
    text = dnastudy("models").out
    for name, facts in found.items():
        assert f"{name}  ({facts['family']})" in text
    assert "smoothing=witten-bell" in text


def commands(command=None, path=()):
    """Every command of the program that is not hidden, as words."""
    if command is None:
        command = typer.main.get_command(main.app)
    if not hasattr(command, "commands"):
        return [path]
    context = typer.Context(command)
    subcommands = {name: command.get_command(context, name) for name in command.list_commands(context)}
    kept = {name: sub for name, sub in subcommands.items() if not sub.hidden}
    return [words for name, sub in kept.items() for words in commands(sub, (*path, name))]


COMMANDS = sorted(set(commands()))


def test_the_commands_of_the_contract_are_there():
    wanted = {("evaluate",), ("train",), ("score",), ("chapter",), ("reproduce", "ngrams"), ("models",), ("study",)}
    wanted |= {("data", name) for name in ("simulate", "check", "convert")} | {("data", "fetch", "paper")}
    assert wanted <= set(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_of_every_command_has_an_example_of_itself(dnastudy, words):
    done = dnastudy(*words, "--help")
    assert done.code == 0
    assert "For example" in done.out
    assert f"dnastudy {' '.join(words)}" in done.out.partition("For example")[2]


def test_version_and_no_command_at_all(dnastudy):
    assert dnastudy("--version").out == f"{__version__}\n"
    text = dnastudy("--help").out
    assert all(words[0] in text for words in COMMANDS)


# --- data ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_simulated_genes_are_the_same_for_the_same_seed(dnastudy, tmp_path):
    found = {}
    for name, seed in (("first", 3), ("second", 3), ("other", 4)):
        words = ["--out", tmp_path / name, "--genes", 80, "--seed", seed, "--json"]
        found[name] = dnastudy("data", "simulate", *words).json
        assert sum(found[name][split]["genes"] for split in ("train", "validation", "test")) == 80
    for split in ("train", "validation", "test"):
        first, second, other = (tmp_path / name / "genes" / f"{split}.csv" for name in found)
        assert first.read_bytes() == second.read_bytes() != other.read_bytes()
        assert found["first"][split]["sha256"] == found["second"][split]["sha256"] != found["other"][split]["sha256"]
        assert found["first"][split]["nucleotides"] == read_genes(first)["sequence"].str.len().sum()


def test_check_tells_what_is_in_the_files(dnastudy, files):
    found = dnastudy("data", "check", files["a"], files["b"], "--json").json
    lengths = sorted(map(len, TRAIN))
    assert (found["genes"], found["nucleotides"]) == (len(TRAIN), sum(lengths))
    middle = (lengths[29] + lengths[30]) / 2
    assert found["length"] == {"shortest": lengths[0], "median": middle, "longest": lengths[-1]}
    assert found["types"] == {"PSEUDO": 20, "ncRNA": 20, "tRNA": 20}
    assert "genes" in dnastudy("data", "check", files["a"]).out


@pytest.mark.parametrize("way", [["fa"], ["csv.gz"], ["fa.gz", "csv.gz", "fasta"]], ids="-".join)
def test_convert_there_and_back_loses_nothing(dnastudy, files, tmp_path, way):
    path = files["a"]
    for ending in [*way, "csv"]:
        target = tmp_path / f"converted.{ending}"
        assert dnastudy("data", "convert", path, "--out", target, "--json").json["genes"] == 30
        assert target.read_bytes()[:2] == b"\x1f\x8b" or not ending.endswith("gz")
        path = target
    assert path.read_bytes() == files["a"].read_bytes()


def test_convert_leaves_out_long_genes_and_says_so(dnastudy, files, tmp_path):
    done = dnastudy("data", "convert", files["a"], "--out", tmp_path / "short.csv", "--max-length", 20, "--json")
    short = [sequence for sequence in TRAIN[:30] if len(sequence) <= 20]
    assert 0 < done.json["genes"] == len(short) < 30
    assert f"{30 - len(short)} dropped as too long" in done.err
    assert list(read_genes(tmp_path / "short.csv")["sequence"]) == short


@pytest.fixture
def closed_port(monkeypatch):
    """Address where nobody listens."""
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize(("source", "function"), [("paper", "fetch_paper"), ("ncbi", "fetch_ncbi")])
def test_fetch_from_nowhere_names_the_address_and_leaves_nothing(
    refused, monkeypatch, tmp_path, closed_port, source, function
):
    from dnastudy.data.sources import catalogue

    monkeypatch.setattr(catalogue, function, partial(getattr(catalogue, function), retries=0, backoff=0))
    message = refused("data", "fetch", source, "--out", tmp_path / "data", "--base-url", closed_port)
    assert message.splitlines()[-1].startswith(f"error: {closed_port}/")
    assert not list(tmp_path.rglob("*.csv"))


def test_fetch_options_reach_the_download(dnastudy, refused, monkeypatch, tmp_path):
    from dnastudy.data.sources import catalogue

    seen = {}

    def fetch(folder, **options):
        seen.update(options, folder=folder)
        return {"genes": 3}

    monkeypatch.setattr(catalogue, "fetch_ncbi", fetch)
    words = ["--out", tmp_path / "n", "--max-length", 500, "--seed", 7, "--base-url", "http://mirror", "--json"]
    assert dnastudy("data", "fetch", "ncbi", *words).json == {"folder": str(tmp_path / "n"), "genes": 3}
    del seen["progress"]
    assert seen == {"folder": tmp_path / "n", "max_length": 500, "seed": 7, "base_url": "http://mirror"}
    assert "--max-length" in refused("data", "fetch", "ncbi", "--max-length", "long", status=2)


def test_verify_finds_what_is_missing(dnastudy, tmp_path):
    done = dnastudy("data", "verify", tmp_path)
    assert done.code == 1
    assert "genes/test.csv" in done.out
    assert "missing" in done.out


# --- chapter -------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_kernel(monkeypatch):
    """The project's root as current folder, and no kernel that could be started."""
    pytest.importorskip("papermill")
    from dnastudy.chapters import execute

    def refused(*_):
        raise AssertionError("a kernel was asked for")

    monkeypatch.setattr(execute, "execute", refused)
    monkeypatch.chdir(ROOT)


WRONG = [
    (["-p", "unknown", "3"], ["unknown parameter 'unknown'", "(known: profile, data, order)"]),
    (["-p", "ordr", "3"], ["did you mean 'order'?"]),
    (["-p", "order", "abc"], ["parameter 'order'", "valid integer", "not 'abc'"]),
    (["-p", "order=2.5"], ["parameter 'order'", "not 2.5"]),
    (["-p", "order"], ["-p order: a name and a value are needed"]),
    (["-p", "order", "6", "-p", "order=7"], ["-p order: given twice"]),
    (["-p", "unknown", "3", "-p", "order", "abc"], ["'unknown'", "'order'"]),
    (["-p", "profile", "fast"], ["unknown profile 'fast' (known: cpu, gpu, quick, or a YAML file)"]),
]


@pytest.mark.parametrize(("options", "words"), WRONG, ids=[" ".join(case[0]) for case in WRONG])
def test_bad_chapter_parameters_are_refused_before_a_kernel_starts(refused_lines, no_kernel, tmp_path, options, words):
    message = refused_lines("chapter", "ngrams", "--output", tmp_path / "out.ipynb", *options)
    for word in words:
        assert word in message
    assert not (tmp_path / "out.ipynb").exists()


@pytest.fixture
def refused_lines(dnastudy):
    """Like ``refused``, for messages of several lines."""

    def call(*words) -> str:
        done = dnastudy(*words)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("error: ")
        assert "Traceback" not in done.err
        return done.err

    return call


def test_unknown_chapter_names_the_chapters(refused, no_kernel, tmp_path, monkeypatch):
    message = refused("chapter", "ngramms")
    assert "no chapter 'ngramms'" in message
    assert all(path.stem in message for path in (ROOT / "notebooks").glob("*.ipynb"))
    monkeypatch.chdir(tmp_path)
    assert "not inside the project" in refused("chapter", "ngrams")


@pytest.mark.parametrize(
    ("options", "given"),
    [
        (["-p", "order", "6"], {"order": 6}),
        (["-p", "order=6"], {"order": 6}),
        (["--parameter", "order", "6"], {"order": 6}),
        (["-p", "data", "my genes.fa", "-p", "order=6"], {"data": "my genes.fa", "order": 6}),
        (["-p", "data", "a=b.fa"], {"data": "a=b.fa"}),
        ([], {}),
    ],
    ids=lambda case: " ".join(case) if isinstance(case, list) else "",
)
def test_both_forms_of_a_parameter_reach_the_chapter(dnastudy, monkeypatch, tmp_path, options, given):
    from dnastudy.chapters import run

    seen = []

    def run_chapter(*words):
        seen.append(words)
        return words[1]

    monkeypatch.setattr(run, "run_chapter", run_chapter)
    done = dnastudy("chapter", "ngrams", *options, "--output", tmp_path / "out.ipynb")
    assert seen == [("ngrams", tmp_path / "out.ipynb", given)]
    assert done.out == f"{tmp_path / 'out.ipynb'}\n"


# --- reproduce -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_reproducing_needs_the_papers_genes(refused, dnastudy, tmp_path):
    dnastudy("data", "simulate", "--out", tmp_path / "paper", "--genes", 60)
    for data in ("simulated", tmp_path / "paper"):
        message = refused("reproduce", "ngrams", "--data", data)
        assert "the paper's figures are of its own genes, and these are" in message
        assert "dnastudy data fetch" in message
    assert "no genes named: set DNASTUDY_DATA or --data" in refused("reproduce", "ngrams")
    assert not (tmp_path / "store").exists(), "nothing was computed"


def test_a_figure_that_is_not_reproduced_is_a_failure(dnastudy, monkeypatch):

    row = {"paper": 3.9, "equal_digits": 16, "nucleotide_perplexity": 3.8, "low": 3.7, "high": 3.9}
    rows = [{"model": "mle-1", "ours": 3.9, "relative_difference": 0.0, **row}]
    rows += [{"model": "mle-2", "ours": 3.9 * (1 + 2e-9), "relative_difference": 2e-9, **row}]
    for count, status in ((1, 0), (2, 1)):
        table = pd.DataFrame(rows[:count])
        monkeypatch.setattr(headline, "reproduce_ngrams", lambda *_, table=table: table)
        done = dnastudy("reproduce", "ngrams", "--data", "simulated")
        assert done.code == status
        assert done.out.splitlines()[-1].startswith("NOT all" if status else "all within")
        done = dnastudy("reproduce", "ngrams", "--data", "simulated", "--json")
        assert done.code == status
        assert json.loads(done.out)["reproduced"] is not bool(status)


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.slow
def test_the_papers_ngram_figures_are_reproduced(dnastudy, real_data):
    """Printed once for people, and again from the finished runs for programs."""
    done = dnastudy("reproduce", "ngrams", "--data", real_data)
    assert done.code == 0
    rows = [line.split(" (train + val.) ") for line in done.out.splitlines() if "-gram" in line]
    labels = [*(f"{n}-gram, MLE" for n in range(1, 7)), *(f"{n}-gram, Laplace" for n in (6, 7, 8))]
    assert [label for label, _ in rows] == labels
    assert done.out.splitlines()[-1] == "all within a relative 1e-09 of the paper"
    # the paper's figures, typed from its tables rather than read from the package
    published = [3.995892420873019, 3.921454004294165, 3.8984796999031124, 3.8833813949079206, 3.872284693774787]
    published += [math.inf, 3.8616488768282546, 3.839022537717976, 3.8262975800581267]
    records = headline.published(ROOT)
    found = dnastudy("reproduce", "ngrams", "--data", real_data, "--json")
    assert "fit" not in found.err, "what was computed once is not computed again"
    assert found.json["reproduced"] is True
    assert found.json["tolerance"] == 1e-9
    assert len(found.json["rows"]) == len(published)
    for figure, (_, numbers), row in zip(published, rows, found.json["rows"], strict=True):
        text = numbers.split()
        ours = float(row["ours"])
        assert float(row["paper"]) == figure
        assert float(text[0]) == pytest.approx(figure, rel=1e-14)
        assert float(text[1]) == pytest.approx(ours, rel=1e-14)
        assert ours == pytest.approx(figure, rel=1e-9)
        stored = records[row["name"]]["metrics"]
        assert ours == pytest.approx(stored["paper_perplexity"], rel=1e-12)
        assert float(row["nucleotide_perplexity"]) == pytest.approx(stored["nucleotide_perplexity"], rel=1e-12)
        if math.isfinite(figure):
            assert f"{ours:.11e}" == f"{figure:.11e}", "twelve equal digits"
            assert row["equal_digits"] >= 12
            assert float(row["low"]) < float(row["nucleotide_perplexity"]) < float(row["high"])
        else:
            assert row["ours"] == row["paper"] == "Infinity"
