"""The one training loop of all neural models, on Lightning Fabric.

Every random choice is a function of the seed and the step. So the state of a training is its weights, its optimiser and
its position: on a processor, a killed and resumed training ends with exactly the weights of an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from dnastudy.core.errors import TrainingError
from dnastudy.data.sequences import EncodedSequences, evenly_spaced
from dnastudy.training import checkpoint
from dnastudy.training.batches import IGNORED, START, Symbols, epoch_batches, parts, sorted_runs, type_starts
from dnastudy.training.hardware import compiling, device_name, start_fabric
from dnastudy.training.log import Log, Workspace
from dnastudy.training.recipe import Recipe
from dnastudy.training.report import Course, Progress, Report

SYNC = 20
"""Steps between two checks of the losses: each check waits for the GPU."""
EXPLODED = 5.0
"""Loss, as a multiple of that of the uniform model, at which a training has diverged."""
LOWEST_RATE = 0.02
"""Learning rate at the end of the cosine schedule, as a share of the peak."""


def train(
    network: nn.Module,
    recipe: Recipe,
    train: EncodedSequences,
    validation: EncodedSequences,
    workspace: Workspace | None = None,
    report: Report | None = None,
) -> Course:
    """Train a network in place, keep the weights that were best on the validation genes, and return the course.

    Parameters
    ----------
    network : nn.Module
        Maps inputs, int64, shape (genes, length), 0..3 for A C G T and `START` before them, to logits, shape
        (genes, length, outputs); ``network.outputs`` is 4, or 5 with the end of the gene. The start of genes of
        ``network.types`` is `START` + 1, + 2, ... In another alphabet the codes are 0..``network.vocab_size`` - 1, and
        the start is ``network.vocab_size``.
    validation : EncodedSequences
        Genes that decide which epoch was best; without any, the last epoch is.

    Raises
    ------
    TrainingError
        When the loss is not finite or diverges, or memory runs out.
    """
    if not train.nucleotides:
        raise TrainingError("no nucleotides to train on")
    if recipe.validation_nucleotides:
        validation = evenly_spaced(validation, recipe.validation_nucleotides)
    with _own_random_state():
        return _Training(network, recipe, train, validation, workspace, report).run()


@contextmanager
def _own_random_state() -> Iterator[None]:
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        yield


class _Training:
    def __init__(self, network, recipe, train, validation, workspace, report):
        self.network, self.recipe, self.workspace, self.report = network, recipe, workspace, report
        self.fabric = start_fabric(recipe.precision)
        matrices = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, recipe.beta2), fused=True)
        network.to(self.fabric.device)
        self.compiled = torch.compile(network, dynamic=True) if compiling() else network
        self.model, self.optimizer = self.fabric.setup(self.compiled, optimizer)
        self.vocab_size, end = network.vocab_size, network.outputs > network.vocab_size
        self.exploded = EXPLODED * math.log(self.vocab_size + 1)
        self.train_genes, held_out = (
            Symbols(genes, end, self.fabric.device, type_starts(genes.types, network.types))
            for genes in (train, validation)
        )
        self.validation_genes = held_out if validation.nucleotides else None
        self.epoch = self.place = self.step = self.symbols = 0  # place: steps done in this epoch
        self.loss_sum = self.loss_count = 0.0
        self.course = Course(
            processes=self.fabric.world_size,
            device=device_name() or "processor",
        )
        self.best = math.inf
        self.best_weights: dict[str, torch.Tensor] | None = None
        self.since_best = 0
        self.waiting: list[tuple[np.ndarray, torch.Tensor, torch.Tensor, float]] = []
        self.started = self.saved = time.perf_counter()
        self.earlier, self.earlier_symbols = 0.0, 0
        self.log = Log(workspace if self.fabric.is_global_zero else None)

    def run(self) -> Course:
        self._restore()
        while self.epoch < self.recipe.epochs and not self.course.stopped_early:
            batches = epoch_batches(self.train_genes.events, self.recipe, self.epoch)
            self.network.train()
            self.model.train()
            while self.place < len(batches):
                batch = batches[self.place]
                self.place += 1
                share = (self.epoch + self.place / len(batches)) / self.recipe.epochs
                self._learn(batch, share)
                if len(self.waiting) == SYNC or self.place == len(batches):
                    self._check_losses()
                    self._report(share)
                    if self.place < len(batches):
                        self._keep(due=time.perf_counter() - self.saved)
            self._end_epoch()
            self._keep(due=math.inf)
        if self.best_weights is not None:
            self.network.load_state_dict(self.best_weights)
        self.course.seconds = self._seconds()
        return self.course

    # one step

    def _rate(self, share: float) -> float:
        """Learning rate of the step that completes this share of the training."""
        recipe = self.recipe
        rate = recipe.learning_rate * min(1.0, share / recipe.warmup if recipe.warmup else 1.0)
        if recipe.schedule == "cosine":
            rate *= LOWEST_RATE + (1 - LOWEST_RATE) * (1 + math.cos(math.pi * share)) / 2
        return rate

    def _learn(self, batch: np.ndarray, share: float) -> None:
        """One step of the optimiser on the genes of a batch, computed in parts."""
        recipe, genes, fabric = self.recipe, self.train_genes, self.fabric
        # the dropout of a step depends on its seed alone, in any process and after any resumption
        torch.manual_seed(_mixed(recipe.seed, self.step, fabric.global_rank))
        symbols = int(genes.events[batch].sum())
        own_parts = parts(batch, genes.events, recipe.micro_batch_tokens, fabric.global_rank, fabric.world_size)
        rate = self._rate(share)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        summed = torch.zeros((), device=fabric.device)
        try:
            # a process without genes takes part with weight 0: all must synchronise at the last part
            for number, part in enumerate(own_parts or [batch[:1]], 1):
                inputs, targets = genes.batch(part)
                inputs = _with_noise(inputs, recipe.token_corruption, self.vocab_size)
                if self.network.types:
                    inputs = _without_types(inputs, recipe.label_dropout)
                with fabric.no_backward_sync(self.model, enabled=number < len(own_parts)):
                    loss = _nats(self.model(inputs), targets) * bool(own_parts)
                    # gradients are averaged over processes; this is the share of one in the mean over the batch
                    fabric.backward(loss * (fabric.world_size / symbols))
                summed += loss.detach()
            norm = torch.zeros(())
            if recipe.grad_clip:
                norm = fabric.clip_gradients(
                    self.model, self.optimizer, max_norm=recipe.grad_clip, error_if_nonfinite=False
                )
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            largest = max(own_parts, key=lambda part: len(part) * genes.events[part].max())
            raise TrainingError(
                f"out of memory on {len(largest)} genes of up to {genes.events[largest].max():,} symbols at once "
                f"(step {self.step + 1}): lower micro_batch_tokens, now {recipe.micro_batch_tokens:,}, which does not "
                f"change results, or the size of the network"
            ) from error
        self.step += 1
        self.symbols += symbols
        self.waiting.append((batch, summed, norm, rate))

    def _check_losses(self) -> None:
        """Fetch and log the losses of the last steps; TrainingError where one is not finite or diverged."""
        sums = torch.stack([loss for _, loss, _, _ in self.waiting])
        sums = self.fabric.all_reduce(sums, reduce_op="sum") if self.fabric.world_size > 1 else sums
        norms = torch.stack([torch.as_tensor(norm) for _, _, norm, _ in self.waiting]).tolist()
        first = self.step - len(self.waiting)
        self.window = [0.0, 0]
        for number, (loss, norm, (batch, _, _, rate)) in enumerate(
            zip(sums.tolist(), norms, self.waiting, strict=True), first + 1
        ):
            symbols = int(self.train_genes.events[batch].sum())
            mean = loss / symbols
            if not mean < self.exploded or not math.isfinite(norm):
                self._give_up(number, batch, mean, norm)
            self.loss_sum, self.loss_count = self.loss_sum + loss, self.loss_count + symbols
            self.window = [self.window[0] + loss, self.window[1] + symbols]
            self.log.row(step=number, epoch=self.epoch + 1, symbols=symbols, loss=mean, gradient_norm=norm,
                         learning_rate=rate, seconds=self._seconds())  # fmt: skip
        self.waiting.clear()

    def _give_up(self, step: int, batch: np.ndarray, loss: float, norm: float) -> None:
        what = f"the loss is {loss:.4g} nats a symbol" if math.isfinite(loss) else f"the loss is {loss}"
        if loss < self.exploded:
            what = f"the norm of the gradient is {norm}"
        kept = "no checkpoint had been written"
        if self.workspace and (self.workspace.folder / checkpoint.NAME).exists():
            kept = f"the last good checkpoint is kept in {self.workspace.folder / checkpoint.NAME}"
        raise TrainingError(
            f"{what} at step {step} (epoch {self.epoch + 1}): lower learning_rate, now "
            f"{self.recipe.learning_rate:g}, lengthen warmup or clip gradients; {kept}",
            [int(gene) for gene in batch],
        )

    # an epoch

    def _end_epoch(self) -> None:
        held_out = self._validate()
        self.epoch, self.place = self.epoch + 1, 0
        better = held_out is None or held_out < self.best
        self.since_best = 0 if better else self.since_best + 1
        if better:
            self.best, self.course.best_epoch = held_out if held_out is not None else math.inf, self.epoch
            self.best_weights = {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}
        perplexity = None if held_out is None else math.exp(held_out)
        trained = math.exp(self.loss_sum / self.loss_count)
        self.course.epochs.append(
            {"epoch": self.epoch, "step": self.step, "train": trained, "validation": perplexity,
             "seconds": self._seconds()}
        )  # fmt: skip
        self.course.steps, self.course.symbols = self.step, self.symbols
        self.course.stopped_early = self.recipe.patience is not None and self.since_best >= self.recipe.patience
        self.loss_sum = self.loss_count = 0.0
        self.log.row(step=self.step, epoch=self.epoch, validation=perplexity, seconds=self._seconds())

    def _validate(self) -> float | None:
        """Loss on the validation genes, nats per nucleotide, renormalised over A C G T; processes share the work."""
        if self.validation_genes is None:
            return None
        self.network.eval()
        genes, fabric = self.validation_genes, self.fabric
        sums = torch.zeros(2, dtype=torch.float64, device=fabric.device)
        runs = list(sorted_runs(genes.events, self.recipe.micro_batch_tokens))
        # not `self.model`: processes have different numbers of parts, and it would wait for the others
        with torch.no_grad(), fabric.autocast():
            for run in runs[fabric.global_rank :: fabric.world_size]:
                inputs, targets = genes.batch(run)
                targets = torch.where(targets < self.vocab_size, targets, IGNORED)
                sums[0] += _nats(self.compiled(inputs)[..., : self.vocab_size], targets)
                sums[1] += (targets != IGNORED).sum()
        if fabric.world_size > 1:
            sums = fabric.all_reduce(sums, reduce_op="sum")
        nats, nucleotides = sums.tolist()
        return nats / nucleotides

    def _report(self, share: float) -> None:
        seconds = time.perf_counter() - self.started
        speed = (self.symbols - self.earlier_symbols) / seconds
        perplexity = self.course.epochs[-1]["validation"] if self.course.epochs else None
        loss = self.window[0] / self.window[1]
        self.log.metrics(self.step, loss=loss, nucleotides_per_second=speed, validation=perplexity)
        if self.report and self.fabric.is_global_zero:
            left = self._seconds() * (1 - share) / share
            self.report(Progress(share, self.epoch + 1, self.recipe.epochs, loss, speed, left, perplexity))

    # keeping

    def _seconds(self) -> float:
        return self.earlier + time.perf_counter() - self.started

    def _keep(self, due: float) -> None:
        """Write a checkpoint if one is due; only after `_check_losses`, so that none contains a diverged loss."""
        if self.workspace is None:
            return
        now = due >= self.workspace.every_seconds
        if self.fabric.world_size > 1:  # all processes follow one clock
            now = self.fabric.broadcast(now)
        if not now:
            return
        if self.fabric.is_global_zero:
            checkpoint.write(self.workspace.folder, self._state())
        self.fabric.barrier()
        self.saved = time.perf_counter()

    def _state(self) -> dict[str, Any]:
        return {
            "fingerprint": self.workspace.fingerprint,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.optimizer.state_dict(),
            "best_weights": self.best_weights,
            "course": asdict(self.course),
            "numbers": {name: getattr(self, name) for name in _NUMBERS},
            "seconds": self._seconds(),
        }  # fmt: skip

    def _restore(self) -> None:
        state = checkpoint.read(self.workspace.folder, self.workspace.fingerprint) if self.workspace else None
        if state is None:
            self.log.open(0)
            return
        self.network.load_state_dict(state["network"])
        self.optimizer.optimizer.load_state_dict(state["optimizer"])
        self.best_weights = state["best_weights"]
        self.course = Course(**{**state["course"], "device": self.course.device, "processes": self.course.processes})
        for name, value in state["numbers"].items():
            setattr(self, name, value)
        self.earlier, self.earlier_symbols = state["seconds"], self.symbols
        self.log.open(self.step)


_NUMBERS = ("epoch", "place", "step", "symbols", "loss_sum", "loss_count", "best", "since_best")


def _with_noise(inputs: torch.Tensor, share: float, vocab_size: int) -> torch.Tensor:
    """Inputs with this share of their nucleotides replaced, each by one of the four with equal probability."""
    if not share:
        return inputs
    drawn = (torch.rand(inputs.shape, device=inputs.device) < share) & (inputs < vocab_size)
    return torch.where(drawn, torch.randint_like(inputs, vocab_size), inputs)


def _without_types(inputs: torch.Tensor, share: float) -> torch.Tensor:
    """Inputs in which this share of the genes has the start of no type."""
    hidden = torch.rand((len(inputs), 1), device=inputs.device) < share
    return torch.where(hidden & (inputs > START), START, inputs)


def _nats(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum of -ln p over the targets; logits (genes, length, outputs), targets (genes, length)."""
    return functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def _mixed(*numbers: int) -> int:
    """A seed made of several numbers, below 2**63."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _out_of_memory(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in text
