"""The training loop: its batches, its arithmetic, and that nothing which happens to it changes what it learns."""

import csv
import math
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import ROOT, random_sequences

from dnastudy import models
from dnastudy.core.errors import SettingsError, TrainingError
from dnastudy.data.datasets import paper
from dnastudy.data.sequences import encode
from dnastudy.models.lstm import LSTM
from dnastudy.models.networks.lstm import Recurrent
from dnastudy.training import checkpoint, hardware
from dnastudy.training.batches import IGNORED, START, Symbols, epoch_batches, parts
from dnastudy.training.log import LOG, Workspace
from dnastudy.training.loop import train
from dnastudy.training.recipe import PAPER, Recipe

GENES = random_sequences(120, seed=3, low=20, high=140)
HELD_OUT = random_sequences(30, seed=4, low=20, high=140)
TINY = {"embedding_size": 8, "hidden_size": 16, "epochs": 2, "batch_tokens": 800, "dropout": 0.2, "learning_rate": 2e-3}


def network(outputs=5, dropout=0.0, seed=0):
    torch.manual_seed(seed)
    return Recurrent(LSTM.Settings(embedding_size=8, hidden_size=16, dropout=dropout, end=outputs == 5))


def fitted(settings, folder=None, model="lstm", **more):
    made = models.create(model, {**TINY, **settings})
    if folder is None:
        return made.fit(GENES, HELD_OUT)
    return made.fit_long(GENES, HELD_OUT, Workspace(folder, **more))


def log_of(folder):
    with (Path(folder) / LOG).open(newline="") as file:
        return list(csv.DictReader(file))


def losses(folder):
    return [float(row["loss"]) for row in log_of(folder) if row["loss"]]


# batches


@pytest.mark.parametrize(
    "recipe", [{}, {"batch_tokens": 300}, {"batch_genes": 7, "bucket_size": 1}, {"bucket_size": 3}]
)
def test_an_epoch_has_every_gene_once_and_depends_on_seed_and_epoch_alone(recipe):
    recipe = Recipe(**recipe)
    events = encode(GENES).lengths + 1
    first = epoch_batches(events, recipe, 0)
    assert sorted(np.concatenate(first)) == list(range(len(GENES)))
    assert [b.tolist() for b in first] == [b.tolist() for b in epoch_batches(events, recipe, 0)]
    assert [b.tolist() for b in first] != [b.tolist() for b in epoch_batches(events, recipe, 1)]
    for batch in first:
        if recipe.batch_genes:
            assert len(batch) <= recipe.batch_genes
        else:
            assert len(batch) == 1 or len(batch) * events[batch].max() <= recipe.batch_tokens


def test_length_buckets_save_padding():
    events = np.random.default_rng(0).integers(20, 1000, size=2000)

    def padding(pool):
        batches = epoch_batches(events, Recipe(bucket_size=pool, batch_tokens=10_000), 0)
        return sum(len(b) * events[b].max() for b in batches) / events.sum() - 1

    assert padding(20) < 0.1 < 0.5 < padding(1)


def test_processes_share_a_batch_and_parts_keep_the_budget():
    events = encode(GENES).lengths + 1
    batch = np.arange(40)
    shares = [parts(batch, events, 500, rank, 3) for rank in range(3)]
    assert sorted(np.concatenate([np.concatenate(share) for share in shares])) == list(range(40))
    assert all(len(p) * events[p].max() <= 500 or len(p) == 1 for share in shares for p in share)
    assert parts(batch[:2], events, 500, 2, 3) == []


@pytest.mark.parametrize("end", [True, False])
def test_inputs_and_targets(end):
    genes = Symbols(encode(["ACG", "", "TTTTT"]), end, torch.device("cpu"))
    inputs, targets = genes.batch(np.array([2, 0, 1] if end else [2, 0]))
    x = IGNORED
    if end:
        assert targets.tolist() == [[3, 3, 3, 3, 3, 4], [0, 1, 2, 4, x, x], [4, x, x, x, x, x]]
    else:
        assert targets.tolist() == [[3, 3, 3, 3, 3], [0, 1, 2, x, x]]
    assert inputs[:, 0].tolist() == [START] * len(inputs)
    assert inputs[0].tolist() == [START, 3, 3, 3, 3, 3][: inputs.shape[1]]
    assert inputs[1, :3].tolist() == [START, 0, 1]


# arithmetic


@pytest.mark.slow
def test_a_step_is_one_step_of_adam_on_the_mean_over_all_symbols():
    """The first step written out by hand, gene by gene, without batches, padding or parts."""
    recipe = Recipe(epochs=1, batch_genes=len(GENES), micro_batch_tokens=500, warmup=0.0, schedule="constant",
                    learning_rate=0.01, weight_decay=0.1, grad_clip=0.5, patience=None,
                    token_corruption=0.0)  # fmt: skip
    ours, plain = network(), network()
    train(ours, recipe, encode(GENES), encode([]))
    total, count = 0.0, 0
    for gene in GENES:
        symbols = torch.tensor(["ACGT".index(letter) for letter in gene])
        logits = plain(torch.cat([torch.tensor([4]), symbols])[None])[0]
        target = torch.cat([symbols, torch.tensor([4])])
        total = total - logits.log_softmax(-1)[torch.arange(len(target)), target].sum()
        count += len(target)
    (total / count).backward()
    torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
    decayed = [{"params": [p], "weight_decay": 0.1 if p.ndim > 1 else 0.0} for p in plain.parameters()]
    torch.optim.AdamW(decayed, lr=0.01, betas=(0.9, 0.95)).step()
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-5)


@pytest.mark.slow
def test_computing_a_batch_in_parts_changes_nothing(tmp_path):
    for name, micro in (("whole", 100_000), ("parts", 200)):
        fitted({"dropout": 0.0, "token_corruption": 0.0, "micro_batch_tokens": micro}, tmp_path / name)
    np.testing.assert_allclose(losses(tmp_path / "whole"), losses(tmp_path / "parts"), rtol=2e-5)


@pytest.mark.slow
def test_the_rate_rises_and_falls(tmp_path):
    fitted({"warmup": 0.5, "learning_rate": 0.01}, tmp_path)
    rates = np.array([float(row["learning_rate"]) for row in log_of(tmp_path) if row["learning_rate"]])
    top = rates.argmax()
    assert 0 < rates[0] < rates[top] <= 0.01
    assert (np.diff(rates[:top]) > 0).all() and (np.diff(rates[top:]) < 0).all()
    assert rates[-1] == pytest.approx(0.01 * 0.02, rel=1e-6)


@pytest.mark.slow
def test_the_best_epoch_is_kept_and_training_stops_early(tmp_path):
    # so high a rate on so few genes: the validation loss soon rises
    model = fitted({"epochs": 40, "learning_rate": 0.03, "schedule": "constant", "patience": 3, "dropout": 0.0,
                    "hidden_size": 64}, tmp_path)  # fmt: skip
    course = model.notes["training"]
    validation = [epoch["validation"] for epoch in course["epochs"]]
    assert course["stopped_early"] and len(validation) == course["best_epoch"] + 3 < 40
    assert np.argmin(validation) == course["best_epoch"] - 1
    held_out = np.concatenate(model.nucleotide_log_probs(HELD_OUT))
    assert math.exp(-held_out.mean()) == pytest.approx(min(validation), rel=1e-6)


@pytest.mark.slow
def test_it_learns_the_entropy_of_a_source():
    """A source of which each nucleotide depends on the one before: no model can have less, and these get there."""
    source = np.random.default_rng(5)
    rows = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1], [0.25] * 4, [0.05, 0.05, 0.05, 0.85]])

    def draw():
        state, letters = source.integers(4), []
        for _ in range(100):
            state = source.choice(4, p=rows[state])
            letters.append("ACGT"[state])
        return "".join(letters)

    def least(gene):
        """Nats of the source itself; it begins in each state alike."""
        codes = ["ACGT".index(letter) for letter in gene]
        return -np.log(rows.mean(axis=0)[codes[0]]) - np.log(rows[codes[:-1], codes[1:]]).sum()

    genes = [draw() for _ in range(1350)]  # so many held out that luck does not put a model ahead
    entropy = np.mean([least(gene) / 100 for gene in genes[350:]])
    for name, settings in (
        ("lstm", {"embedding_size": 8, "hidden_size": 32}),
        ("transformer", {"d_model": 32, "n_layers": 2, "n_heads": 2}),
    ):
        made = models.create(
            name, {**settings, "epochs": 15, "batch_tokens": 1000, "learning_rate": 0.01, "kmer_size": 1}
        )
        made.fit(genes[:300], genes[300:350])
        nats = -np.concatenate(made.nucleotide_log_probs(genes[350:])).mean()
        assert entropy < nats < entropy + 0.01, (name, nats, entropy)


def test_what_is_random_elsewhere_is_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fitted({"epochs": 1})
    torch.testing.assert_close(torch.rand(3), expected)


@pytest.mark.slow
def test_seeds_differ_and_repeat():
    weights = [fitted({"epochs": 1, "seed": seed}).num_parameters and fitted({"epochs": 1, "seed": seed})._arrays()
               for seed in (1, 1, 2)]  # fmt: skip
    assert all((weights[0][k] == weights[1][k]).all() for k in weights[0])
    assert any((weights[0][k] != weights[2][k]).any() for k in weights[0])


@pytest.mark.slow
def test_bfloat16_learns_about_the_same(tmp_path):
    for precision in ("32-true", "bf16-mixed"):
        fitted({"precision": precision, "dropout": 0.0, "token_corruption": 0.0, "epochs": 3}, tmp_path / precision)
    full, half = losses(tmp_path / "32-true"), losses(tmp_path / "bf16-mixed")
    assert full != half
    np.testing.assert_allclose(half, full, rtol=0.02)


# what may happen to a training

KILLED = {"embedding_size": 8, "hidden_size": 16, "epochs": 12, "batch_tokens": 150, "dropout": 0.2, "bucket_size": 4}


def _train_here(folder, out, every=0.0):
    torch.set_num_threads(1)
    workspace = Workspace(Path(folder), "the same", every_seconds=every)
    models.create("lstm", KILLED).fit_long(GENES, HELD_OUT, workspace).save(out)


def _rows(folder):
    path = folder / LOG
    return path.read_bytes().count(b"\n") - 1 if path.exists() else -1


@pytest.mark.slow
@pytest.mark.slow
def test_a_training_killed_at_twenty_points_ends_with_the_same_bits(tmp_path):
    """SIGKILL at random moments, while it steps, validates or writes; each time it goes on from its checkpoint."""
    processes = multiprocessing.get_context("forkserver")
    # the last two are imported by the first step only, which takes longer than all steps
    processes.set_forkserver_preload(
        ["dnastudy.models.lstm", "dnastudy.training.loop", "torch._dynamo", "lightning_fabric.fabric"]
    )
    whole = processes.Process(target=_train_here, args=(tmp_path / "whole", tmp_path / "model-whole", 1e9))
    whole.start()
    whole.join()
    assert whole.exitcode == 0
    steps = len(losses(tmp_path / "whole"))
    moments = random.Random(1)
    for target in sorted(moments.randrange(steps - 40) for _ in range(20)):
        run = processes.Process(target=_train_here, args=(tmp_path / "killed", tmp_path / "model-killed"))
        run.start()
        while run.exitcode is None and _rows(tmp_path / "killed") <= target:
            time.sleep(0.002)
        time.sleep(moments.random() * 0.03)
        os.kill(run.pid, signal.SIGKILL)
        run.join()
        assert run.exitcode == -signal.SIGKILL, "it was done before it could be killed"
        assert not (tmp_path / "model-killed").exists()
    last = processes.Process(target=_train_here, args=(tmp_path / "killed", tmp_path / "model-killed"))
    last.start()
    last.join()
    a, b = (models.load(tmp_path / name)._arrays() for name in ("model-whole", "model-killed"))
    assert all((a[name] == b[name]).all() for name in a)
    # every step stands in the log once, with the very same loss
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    assert [p.name for p in (tmp_path / "killed").iterdir() if p.name.startswith(".")] == []


@pytest.mark.slow
def test_a_checkpoint_of_another_training_is_kept_and_said(tmp_path):
    fitted({}, tmp_path, fingerprint="one")
    before = (tmp_path / checkpoint.NAME).read_bytes()
    with pytest.raises(TrainingError, match="other genes, settings or code; repeat its command"):
        fitted({"epochs": 1}, tmp_path, fingerprint="other")
    assert (tmp_path / checkpoint.NAME).read_bytes() == before


@pytest.mark.parametrize(("rate", "has_checkpoint"), [(1e6, False), (100, True)])
@pytest.mark.slow
def test_a_loss_that_explodes_stops_with_step_genes_and_checkpoint(rate, has_checkpoint, tmp_path):
    settings = {"learning_rate": rate, "grad_clip": 0.0, "warmup": 0.9, "epochs": 30, "n_layers": 1, "dropout": 0.0}
    with pytest.raises(TrainingError) as caught:
        fitted(settings, tmp_path, every_seconds=0.0)
    message = str(caught.value)
    assert "nats a symbol at step" in message and f"lower learning_rate, now {rate:g}" in message
    genes = caught.value.genes
    assert genes and all(0 <= gene < len(GENES) for gene in genes)
    named = str(caught.value.named([f"gene{i}" for i in range(len(GENES))]))
    assert f"gene{genes[0]}" in named
    kept = tmp_path / checkpoint.NAME
    assert kept.exists() == has_checkpoint and (str(kept) in message) == has_checkpoint
    if has_checkpoint:
        state = torch.load(kept, weights_only=True)
        assert all(torch.isfinite(weights).all() for weights in state["network"].values())


@pytest.mark.parametrize(("rate", "validation"), [(1e6, True), (1e38, True), (1e38, False)])
def test_weights_spoiled_by_the_last_step_are_no_model(rate, validation):
    """One step in all, so that no later loss can tell."""
    settings = {"n_layers": 1, "hidden_size": 8, "epochs": 1, "batch_tokens": 10**6}
    settings |= {"learning_rate": rate, "grad_clip": 0.0, "warmup": 0.0, "schedule": "constant"}
    model = models.create("lstm", settings)
    with pytest.raises(TrainingError, match="lower learning_rate"):
        model.fit(GENES, GENES if validation else None)


def test_a_damaged_checkpoint_is_said(tmp_path):
    (tmp_path / checkpoint.NAME).write_bytes(b"half of a")
    with pytest.raises(TrainingError, match="remove it to start the training again"):
        fitted({}, tmp_path)


def test_no_number_stops_with_the_batch_it_came_from(tmp_path):
    longest = max(map(len, GENES)) + 1

    class Sick(Recurrent):
        """Gives no number once it reads a gene of the longest length."""

        def forward(self, inputs):
            found = super().forward(inputs)
            return found * float("nan") if self.training and inputs.shape[1] == longest else found

    torch.manual_seed(0)
    sick = Sick(LSTM.Settings(embedding_size=8, hidden_size=16))
    with pytest.raises(TrainingError, match="the loss is nan") as caught:
        train(sick, Recipe(epochs=1, batch_tokens=800), encode(GENES), encode([]), Workspace(tmp_path))
    assert max(len(GENES[gene]) for gene in caught.value.genes) == longest - 1


def test_out_of_memory_names_the_setting_to_lower():
    class Greedy(Recurrent):
        def forward(self, inputs):
            torch.empty(2**55, dtype=torch.float64)

    torch.manual_seed(0)
    with pytest.raises(TrainingError, match=r"lower micro_batch_tokens, now 32,768"):
        train(Greedy(LSTM.Settings(embedding_size=8, hidden_size=16)), Recipe(epochs=1), encode(GENES), encode([]))


def test_nothing_to_learn_from_is_said():
    with pytest.raises(TrainingError, match="no nucleotides"):
        models.create("lstm", TINY).fit(["", ""])


@pytest.mark.slow
def test_progress_and_tensorboard(tmp_path):
    seen = []
    models.create("lstm", TINY).fit_long(GENES, HELD_OUT, Workspace(tmp_path, tensorboard=True), seen.append)
    assert seen[-1].share == 1 and seen[-1].seconds_left == 0
    assert all(0 < p.loss < 3 and p.nucleotides_per_second > 0 for p in seen)
    assert seen[0].validation is None and 1 < seen[-1].validation < 5
    assert list((tmp_path / "tensorboard").glob("events*"))


# processes

SCRIPT = """
import sys, torch
sys.path[:0] = [{tests!r}, {helpers!r}]
from pathlib import Path
from test_loop import GENES, HELD_OUT, TINY
from dnastudy import models
from dnastudy.training.log import Workspace, is_main_process
torch.set_num_threads(1)
model = models.create("lstm", {{**TINY, "dropout": 0.0, "token_corruption": 0.0, "batch_tokens": 400}})
model.fit_long(GENES, HELD_OUT, Workspace(Path({folder!r}), every_seconds=0.0))
if is_main_process():
    model.save(Path({folder!r}) / "model")
"""


def _with_processes(n, folder):
    folder.mkdir()
    script = folder / "script.py"
    paths = {"tests": str(ROOT / "tests" / "training"), "helpers": str(ROOT / "tests"), "folder": str(folder)}
    script.write_text(SCRIPT.format(**paths))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"]
    done = subprocess.run([*launcher, str(script)], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    return models.load(folder / "model")


@pytest.mark.slow
@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path):
    one, two = (_with_processes(n, tmp_path / str(n)) for n in (1, 2))
    assert two.notes["training"]["processes"] == 2
    np.testing.assert_allclose(losses(tmp_path / "1"), losses(tmp_path / "2"), rtol=1e-4)
    assert len(losses(tmp_path / "1")) > 20
    for a, b in zip(one.log_distributions(HELD_OUT), two.log_distributions(HELD_OUT), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-3)


# recipes


def test_presets_are_the_papers_trials():
    trials = models.model_class("lstm").presets, models.model_class("transformer").presets
    assert [len(t) for t in trials] == [12, 10]
    assert list(trials[0]) == list(paper()["lstm_trials"])
    assert list(trials[1]) == list(paper()["transformer_trials"])
    for name, presets in zip(("lstm", "transformer"), trials, strict=True):
        for settings in presets.values():
            made = models.model_class(name).Settings.parse(settings, name)
            assert made.model_dump().items() >= PAPER.items()
            assert not made.end and made.dropout == 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.slow
def test_a_compiled_network_learns_the_same(tmp_path, monkeypatch):
    settings = {"d_model": 16, "n_layers": 1, "n_heads": 2, "epochs": 1, "dropout": 0.0, "kmer_size": 2}
    for name in ("plain", "compiled"):
        monkeypatch.setenv("DNASTUDY_COMPILE", "1" if name == "compiled" else "")
        made = models.create("transformer", {**settings, "batch_tokens": 800})
        made.fit_long(GENES, HELD_OUT, Workspace(tmp_path / name))
        assert all("_orig_mod" not in key for key in made._arrays())
    np.testing.assert_allclose(losses(tmp_path / "compiled"), losses(tmp_path / "plain"), rtol=1e-4)


def test_a_wish_for_hardware_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("DNASTUDY_ACCELERATOR", "gpu")
    with pytest.raises(SettingsError, match="DNASTUDY_ACCELERATOR=gpu: must be auto, cpu or cuda"):
        hardware.accelerator()
    monkeypatch.setenv("DNASTUDY_ACCELERATOR", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match="sees no GPU"):
        models.create("lstm", TINY).fit(GENES)
    monkeypatch.setenv("DNASTUDY_ACCELERATOR", "auto")
    assert hardware.accelerator() == "cpu" and hardware.device_name() is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_learns_what_a_processor_does(tmp_path, monkeypatch):
    for name in ("cpu", "cuda"):
        monkeypatch.setenv("DNASTUDY_ACCELERATOR", name)
        fitted({"dropout": 0.0}, tmp_path / name)
    np.testing.assert_allclose(losses(tmp_path / "cuda"), losses(tmp_path / "cpu"), rtol=5e-3)
