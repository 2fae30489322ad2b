"""The neural models beside peers, in the same run: training, scoring mutation pairs, sampling.

    python benchmarks/neural_speed.py [--data FOLDER] [--rounds N] [--steps N] [--write]

Training: our loop beside a bare loop over the same torch modules and the same batches, and the Transformer beside
Hugging Face's GPT-2 with about as many weights. Scoring: mutation pairs through the protocol, beside one call for each
sequence. Sampling: beside `generate` of that GPT-2. Sides alternate; a ratio is the median over the rounds. Runs on a
GPU where there is one. ``--write`` stores results/neural_speed.json.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from dnastudy import models
from dnastudy.core.atomic import atomic_write
from dnastudy.core.provenance import surroundings, to_json
from dnastudy.data.datasets import load_dataset
from dnastudy.data.sequences import NUCLEOTIDES, EncodedSequences, encode
from dnastudy.training import hardware
from dnastudy.training.batches import Symbols, epoch_batches
from dnastudy.training.loop import train
from dnastudy.training.recipe import Recipe

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "results" / "neural_speed.json"
SIZES = {"lstm": {}, "transformer": {}}
PAIRS = 1000
SAMPLES = [(10, 1000), (64, 300), (256, 300)]
"""Numbers of sequences and their length in nt: the default of `dnastudy generate`, and more sequences."""


def gpt2() -> torch.nn.Module:
    """GPT-2 over our symbols, with the layers, d_model and heads of our Transformer."""
    from transformers import GPT2Config, GPT2LMHeadModel

    s = models.create("transformer", SIZES["transformer"]).settings
    config = GPT2Config(vocab_size=6, n_positions=1024, n_embd=s.d_model, n_layer=s.n_layers, n_head=s.n_heads,
                        bos_token_id=4, eos_token_id=4, pad_token_id=5,
                        resid_pdrop=0.1, embd_pdrop=0.0, attn_pdrop=0.0)  # fmt: skip
    return GPT2LMHeadModel(config)


def first_genes(genes: EncodedSequences, recipe: Recipe, steps: int) -> EncodedSequences:
    """The first genes, enough for about so many steps."""
    from dnastudy.data.sequences import choose

    count = np.searchsorted(np.cumsum(genes.lengths), steps * recipe.batch_tokens * 0.95)
    return choose(genes, range(min(int(count), len(genes))))


def with_loop(name: str, recipe: Recipe, genes: EncodedSequences) -> Callable[[], float]:
    """Our loop over one epoch; seconds."""

    def run() -> float:
        network = models.create(name, SIZES[name]).network
        start = time.perf_counter()
        train(network, recipe, genes, encode([]))
        _wait()
        return time.perf_counter() - start

    return run


def bare(make: Callable[[], torch.nn.Module], recipe: Recipe, genes: EncodedSequences) -> Callable[[], float]:
    """A bare loop: the same batches, made beforehand, forward, backward, clip, AdamW; seconds."""

    def run() -> float:
        device = hardware.device()
        network = make().to(device).train()
        symbols = Symbols(genes, True, device)
        batches = [symbols.batch(batch) for batch in epoch_batches(symbols.events, recipe, 0)]
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
        precision = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision != "32-true")
        _wait()
        start = time.perf_counter()
        for inputs, targets in batches:
            with precision:
                output = network(inputs)
                logits = getattr(output, "logits", output)
            loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        _wait()
        return time.perf_counter() - start

    return run


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def in_turn(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side in each round, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, run in sides.items():
            took = run()
            if number:
                seconds[name].append(took)
    return seconds


def ratio(seconds: dict[str, list[float]], ours: str, peer: str) -> float:
    """How many times faster ours is: median over the rounds."""
    return statistics.median(b / a for a, b in zip(seconds[ours], seconds[peer], strict=True))


def training(genes: EncodedSequences, rounds: int, steps: int) -> list[dict]:
    """Our loop beside the bare loop for both networks, and the Transformer beside GPT-2."""
    rows = []
    precision = "bf16-mixed" if hardware.accelerator() == "cuda" else "32-true"
    for name in SIZES:
        recipe = Recipe(epochs=1, validation_nucleotides=None, patience=None, precision=precision)
        if precision != "32-true":
            recipe = recipe.model_copy(update={"batch_tokens": 200_000, "micro_batch_tokens": 400_000})
        part = first_genes(genes, recipe, steps)
        model = models.create(name, SIZES[name])
        sides = {"loop": with_loop(name, recipe, part), "bare": bare(model._build, recipe, part)}
        if name == "transformer":
            sides["gpt2"] = bare(gpt2, recipe, part)
        seconds = in_turn(sides, rounds)
        row = {"model": name, "weights": model.num_parameters, "precision": precision, "nucleotides": part.nucleotides}
        row |= {f"{side}_nt_per_s": part.nucleotides / statistics.median(times) for side, times in seconds.items()}
        row["share_of_bare"] = ratio(seconds, "loop", "bare")
        if name == "transformer":
            row["gpt2_weights"] = sum(p.numel() for p in gpt2().parameters())
            row["times_gpt2"] = ratio(seconds, "loop", "gpt2")
        rows.append(row)
    return rows


def pairs(genes: EncodedSequences) -> list[str]:
    """Genes, each followed by a copy with up to ten substitutions, as in mutation detection."""
    random = np.random.default_rng(1)
    texts = []
    for i in random.integers(len(genes), size=PAIRS):
        changed = genes[i].copy()
        changed[random.integers(len(changed), size=random.integers(1, 11))] = random.integers(4)
        texts += ["".join(NUCLEOTIDES[c] for c in codes) for codes in (genes[i], changed)]
    return texts


def scoring(genes: EncodedSequences) -> list[dict]:
    """All pairs through the protocol, beside one call for each sequence (of which a sample is timed)."""
    texts = pairs(genes)
    rows = []
    for name in SIZES:
        model = models.create(name, SIZES[name])
        model.network.to(hardware.device())
        model.log_probs(texts[:20])
        start = time.perf_counter()
        together = model.log_probs(texts)
        seconds = time.perf_counter() - start
        some = texts[:: len(texts) // 100]
        start = time.perf_counter()
        alone = [model.log_probs([text])[0] for text in some]
        one_by_one = (time.perf_counter() - start) / len(some) * len(texts)
        apart = max(float(np.abs(a - b).max()) for a, b in zip(alone, together[:: len(texts) // 100], strict=True))
        rows.append({"model": name, "pairs": PAIRS, "nucleotides": sum(map(len, texts)), "seconds": seconds,
                     "one_by_one_seconds": one_by_one, "largest_difference_nats": apart})  # fmt: skip
    return rows


def sampling(rounds: int) -> list[dict]:
    """Sequences of one length from both networks beside `generate`; END is suppressed on both sides."""
    rows = []
    device = hardware.device()
    for name, (count, length) in itertools.product(SIZES, SAMPLES):
        model = models.create(name, SIZES[name])
        model.network.output.bias.data[4] = -1e4
        model.network.to(device)
        peer = gpt2().to(device).eval()
        start = torch.full((count, 1), 4, device=device)

        def ours(model=model, count=count, length=length) -> float:
            begin = time.perf_counter()
            drawn = model.sample(count, seed=1, max_length=length)
            assert {len(gene) for gene in drawn} == {length}
            return time.perf_counter() - begin

        def generate(peer=peer, start=start, length=length) -> float:
            begin = time.perf_counter()
            with torch.inference_mode():
                drawn = peer.generate(start, attention_mask=torch.ones_like(start), do_sample=True, top_k=0,
                                      suppress_tokens=[4, 5], max_new_tokens=length)  # fmt: skip
            assert drawn.shape[1] == length + 1
            return time.perf_counter() - begin

        seconds = in_turn({"ours": ours, "generate": generate}, rounds)
        nucleotides = count * length
        rows.append({
            "model": name, "weights": model.num_parameters, "sequences": count, "length": length,
            "ours_nt_per_s": nucleotides / statistics.median(seconds["ours"]),
            "generate_nt_per_s": nucleotides / statistics.median(seconds["generate"]),
            "times_faster": ratio(seconds, "ours", "generate"),
        })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="simulated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12, help="training steps of a round")
    parser.add_argument("--write", action="store_true", help=f"write {RECORD.relative_to(ROOT)}")
    options = parser.parse_args()
    dataset = load_dataset(options.data, genes=4000)
    genes, test = (encode(list(dataset.splits[name]["sequence"])) for name in ("train", "test"))
    record = {
        "data": dataset.description,
        "accelerator": hardware.device_name() or "processor",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "training": training(genes, options.rounds, options.steps),
        "scoring": scoring(test),
        "sampling": sampling(options.rounds),
        **surroundings(),
    }
    print(to_json(record))
    if options.write:
        atomic_write(RECORD, to_json(record))


if __name__ == "__main__":
    main()
