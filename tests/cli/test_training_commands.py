"""The command line on networks: training that can be killed, models that come with the package, writing genes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from filelock import FileLock
from helpers import TEST, TRAIN, VALIDATION, gene_frame

from dnastudy import models
from dnastudy.data.fasta import read_fasta
from dnastudy.data.genes import write_genes

pytestmark = pytest.mark.slow  # trains, or searches for homologs

TINY = ["--set", "embedding_size=8", "hidden_size=8", "epochs=1", "n_layers=1"]


@pytest.fixture
def network(dnastudy, files, tmp_path):
    words = ["--train", files["a"], "--validation", files["validation"], "--out", tmp_path / "net", *TINY]
    done = dnastudy("train", "lstm", *words, "--json")
    assert done.json["parameters"] > 0
    return tmp_path / "net"


def test_a_network_trains_scores_and_tells(dnastudy, files, network):
    header = json.loads((network / "model.json").read_text())
    assert header["notes"]["training"]["best_epoch"] == 1
    assert (network / "weights.safetensors").exists()
    done = dnastudy("score", files["test"], "--model", network, "--json")
    expected = [row.sum() for row in models.load(network).nucleotide_log_probs(TEST)]
    np.testing.assert_allclose([row["log_prob"] for row in done.json["sequences"]], expected, rtol=1e-6)


def test_presets_are_settings_and_can_be_changed(dnastudy, refused, files):
    words = ["--train", files["a"], "--validation", files["validation"], "--test", files["test"]]
    small = ["--set", "embedding_size=8", "hidden_size=8", "epochs=1", "n_layers=1"]
    done = dnastudy("evaluate", "lstm", *words, "--preset", "paper-256-128-2", *small, "--json")
    settings = done.json["settings"]
    shown = [settings[key] for key in ("hidden_size", "n_positions", "end", "batch_genes")]
    assert shown == [8, 1000, False, 64]
    message = refused("evaluate", "lstm", *words, "--preset", "paper-256-128-3")
    assert "unknown preset 'paper-256-128-3'" in message and "paper-256-512-4" in message
    assert "unknown preset" in refused("evaluate", "ngram", *words, "--preset", "x")


def test_the_genes_of_a_batch_that_went_wrong_are_named(refused, files):
    words = ["--train", files["a"], "--test", files["test"], *TINY[:-2], "n_layers=1", "epochs=40"]
    words += ["learning_rate=1000000", "grad_clip=0"]
    message = refused("evaluate", "lstm", *words)
    assert "lower learning_rate" in message and "Genes of that batch: a0" in message


def test_generated_genes_are_fasta_with_their_log_probability(dnastudy, network, tmp_path):
    words = ["generate", "--model", network, "--n", 4, "--seed", 7, "--max-length", 50, "--prefix", "gat"]
    words += ["--lengths", "own"]
    first = dnastudy(*words)
    assert first.out == dnastudy(*words).out
    records = list(read_fasta(first.out.splitlines()))
    words[6] = 8
    assert [gene for _, gene, _ in read_fasta(dnastudy(*words).out.splitlines())] != [gene for _, gene, _ in records]
    words[6] = 7
    assert len(records) == 4
    model = models.load(network)
    for header, gene, _ in records:
        assert gene.startswith("GAT") and len(gene) <= 50 and f"length={len(gene)}" in header
        nats, each = float(header.split("log_prob=")[1]), model.log_probs([gene])[0]
        assert nats == pytest.approx(each.sum() if len(gene) < 50 else each[:-1].sum(), abs=1e-3)
    dnastudy(*words, "--out", tmp_path / "new.fa")
    assert (tmp_path / "new.fa").read_text() == first.out


def test_genes_have_the_lengths_of_the_training_genes(dnastudy, network):
    done = dnastudy("generate", "--model", network, "--n", 30, "--seed", 1)
    lengths = {len(gene) for _, gene, _ in read_fasta(done.out.splitlines())}
    assert lengths <= {len(gene) for gene in TRAIN[:30]}
    assert len(lengths) > 10
    assert "[type=" not in done.out


@pytest.mark.parametrize("model", ["ngram", "lstm"])
def test_genes_of_a_type_are_written_by_a_model_that_was_told_of_types(dnastudy, refused, files, tmp_path, model):
    genes = gene_frame(TRAIN + VALIDATION, "g")
    write_genes(genes, tmp_path / "typed.csv")
    words = ["train", model, "--train", tmp_path / "typed.csv", "--out", tmp_path / "m", "--by-type", "--json"]
    trained = dnastudy(*words, *(TINY if model == "lstm" else ["--set", "order=2"])).json
    assert trained["types"] == ["PSEUDO", "ncRNA", "tRNA"]
    written = dnastudy("generate", "--model", tmp_path / "m", "--type", "tRNA", "--n", 5, "--seed", 1)
    records = list(read_fasta(written.out.splitlines()))
    assert len(records) == 5
    lengths = set(genes.loc[genes["type"] == "tRNA", "sequence"].str.len())
    asked = models.load(tmp_path / "m").of_type("tRNA")
    for header, gene, _ in records:
        assert "[type=tRNA]" in header and len(gene) in lengths
        nats = float(header.split("log_prob=")[1])
        assert nats == pytest.approx(asked.log_probs([gene])[0].sum(), abs=1e-3)
    message = refused("generate", "--model", tmp_path / "m", "--type", "trna")
    assert "unknown gene type 'trna'; did you mean 'tRNA'? (known: PSEUDO, ncRNA, tRNA)" in message


def test_types_that_are_not_there_are_said(refused, dnastudy, files, network, tmp_path):
    assert "train it with --by-type" in refused("generate", "--model", network, "--type", "tRNA")
    few = tmp_path / "few.fa"
    few.write_text(">a\nACGT\n>b\nACGG\n")
    message = refused("train", "ngram", "--train", few, "--out", tmp_path / "x", "--by-type")
    assert "no gene type has 20 training genes" in message


def test_a_network_that_knows_no_ends_writes_genes_with_finite_probabilities(dnastudy, files, tmp_path):
    words = ["train", "lstm", "--preset", "paper-256-128-2", "--train", files["a"], "--out", tmp_path / "papers"]
    dnastudy(*words, "--set", "epochs=1", "hidden_size=8", "embedding_size=8")
    headers = [h for h, _, _ in read_fasta(dnastudy("generate", "--model", tmp_path / "papers", "--n", 2,
                                                    "--max-length", 9).out.splitlines())]  # fmt: skip
    assert all(-40 < float(header.split("log_prob=")[1]) < 0 for header in headers)


def test_what_cannot_join_is_said_before_the_training(refused, files):
    words = ["evaluate", "lstm", "--train", files["a"], "--test", files["a"], "--duplicates", "keep"]
    for more in (["--prequential"], ["--validation", files["a"], "--add-validation"]):
        assert "lstm: cannot take more genes after training" in refused(*words, *more, "--set", "epochs=100000")


def test_numbers_are_written_as_people_write_them(dnastudy, files, tmp_path):
    words = [
        "--set",
        "epochs=1",
        "hidden_size=8",
        "embedding_size=8",
        "kmer_size=1",
        "learning_rate=1e-3",
        "batch_tokens=1E4",
    ]
    settings = dnastudy("train", "lstm", "--train", files["a"], "--out", tmp_path / "m", *words, "--json").json[
        "settings"
    ]
    assert (settings["learning_rate"], settings["batch_tokens"]) == (0.001, 10_000)


def test_genes_on_both_sides_are_said(dnastudy, files):
    words = ["evaluate", "ngram", "--train", files["a"], "--test", files["validation"]]
    assert "also among the training genes" in dnastudy(*words, "--validation", files["a"]).err
    said = dnastudy(*words, "--validation", files["validation"]).err
    assert said.index("also among the validation genes") < said.index("fit ngram"), "before it costs a training"


def test_two_trainings_do_not_share_a_folder(refused, files, tmp_path):
    (tmp_path / "m.training").mkdir()
    with FileLock(tmp_path / "m.training" / "lock"):
        words = ["train", "lstm", "--train", files["a"], "--out", tmp_path / "m", "--set", "epochs=100000"]
        assert "another training is writing there" in refused(*words)


def test_bad_wishes_are_refused(refused, network):
    assert "temperature" in refused("generate", "--model", network, "--temperature", 0)
    assert "only A, C, G, T" in refused("generate", "--model", network, "--prefix", "AXG")
    assert "do not fit together" in refused("generate", "--model", network, "--prefix", "ACGT", "--max-length", 2)


@pytest.mark.slow
def test_a_killed_training_goes_on(files, tmp_path):
    words = [sys.executable, "-m", "dnastudy", "train", "lstm", "--train", files["a"], "--validation"]
    words += [
        files["validation"],
        "--set",
        "embedding_size=8",
        "hidden_size=16",
        "epochs=150",
        "patience=null",
        "--out",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*map(str, words), str(whole)], check=True, capture_output=True, env=environment)
    # what is left of a finished training is its log
    assert [path.name for path in whole.with_name("whole.training").iterdir()] == ["log.csv"]
    first = subprocess.Popen([*map(str, words), str(killed)], stderr=subprocess.DEVNULL, env=environment)
    checkpoint = tmp_path / "killed.training" / "checkpoint.pt"
    while not checkpoint.exists():
        assert first.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL and not killed.exists()
    subprocess.run([*map(str, words), str(killed)], check=True, capture_output=True, env=environment)
    a, b = models.load(whole)._arrays(), models.load(killed)._arrays()
    assert all((a[name] == b[name]).all() for name in a)


def test_an_interrupted_training_says_how_it_continues(files, tmp_path, dnastudy, monkeypatch):
    def interrupted(*_, workspace, **__):
        workspace.folder.mkdir()
        (workspace.folder / "checkpoint.pt").write_bytes(b"")
        raise KeyboardInterrupt

    monkeypatch.setattr("dnastudy.experiments.one_off.fit", interrupted)
    done = dnastudy("train", "lstm", "--train", files["a"], "--out", tmp_path / "model")
    assert done.code and f"continues from the checkpoint in {tmp_path / 'model.training'}" in done.err


def test_what_was_kept_is_reported(files, tmp_path, dnastudy):
    words = ["--set", "embedding_size=8", "hidden_size=8", "kmer_size=1", "epochs=2", "--out", tmp_path / "model"]
    done = dnastudy("train", "lstm", "--train", files["a"], "--validation", files["validation"], *words, "--json")
    training = done.json["training"]
    assert training["epochs"] == 2 and training["epoch_kept"] in (1, 2) and 1 < training["validation_perplexity"] < 6
    assert "epoch 2/2" in done.err
