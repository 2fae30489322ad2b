"""Which genes are in the batch of each step, and the tensors of them.

The order of an epoch is a function of the seed and the epoch alone. So a resumed training needs only its position in
the epoch, and processes that share a batch need not communicate about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from dnastudy.data.sequences import END, EncodedSequences
from dnastudy.training.recipe import Recipe

START = END
"""Input code before the first nucleotide (END is never an input otherwise); the codes above it are those of gene types.
In other alphabets it is the size of the alphabet as well."""
IGNORED = -100
"""Target of padding, which torch ignores by default."""


def epoch_batches(events: np.ndarray, recipe: Recipe, epoch: int) -> list[np.ndarray]:
    """Return the genes of each step of an epoch, every gene once.

    Parameters
    ----------
    events : int array, shape (genes,)
        Symbols to predict in each gene.

    Returns
    -------
    Index arrays, in the order of the steps.
    """
    random = np.random.default_rng([recipe.seed, epoch])
    order = random.permutation(len(events))
    genes_per_batch = recipe.batch_genes or max(1, round(recipe.batch_tokens / events.mean()))
    batches = []
    for start in range(0, len(order), recipe.bucket_size * genes_per_batch):
        pool = order[start : start + recipe.bucket_size * genes_per_batch]
        if recipe.bucket_size > 1:
            pool = pool[np.argsort(events[pool], kind="stable")]
        if recipe.batch_genes:
            batches += [pool[i : i + genes_per_batch] for i in range(0, len(pool), genes_per_batch)]
        else:
            batches += runs_within(pool, events, recipe.batch_tokens)
    return [batches[i] for i in random.permutation(len(batches))]


def runs_within(genes: np.ndarray, events: np.ndarray, positions: int) -> list[np.ndarray]:
    """Cut genes into runs of at most so many positions each, padding included; a longer gene is a run of its own."""
    runs: list[np.ndarray] = []
    start = longest = 0
    for i, gene in enumerate(genes):
        longest = max(longest, events[gene])
        if i > start and (i - start + 1) * longest > positions:
            runs.append(genes[start:i])
            start, longest = i, events[gene]
    return [*runs, genes[start:]] if len(genes) else []


def parts(batch: np.ndarray, events: np.ndarray, positions: int, rank: int = 0, world: int = 1) -> list[np.ndarray]:
    """Return the parts of a batch that process ``rank`` of ``world`` computes, of at most ``positions`` each.

    Genes of similar length are in one part. Empty where a batch has fewer genes than there are processes.
    """
    by_length = batch[np.argsort(events[batch], kind="stable")]
    return runs_within(by_length[rank::world], events, positions)


def type_starts(types: np.ndarray | None, known: Sequence[str]) -> np.ndarray | None:
    """Return the input code before each gene: `START` + 1, + 2, ... for the ``known`` types, `START` for others."""
    if types is None or not known:
        return None
    codes = {name: START + 1 + number for number, name in enumerate(known)}
    return np.array([codes.get(name, START) for name in types.tolist()], dtype=np.int64)


class Symbols:
    """Genes on the device, from which batches are made there.

    Parameters
    ----------
    end : bool
        Whether the network predicts the end of a gene as well.
    starts : int array, shape (genes,), optional
        Input code before the first nucleotide of each gene; by default that of no type for all.
    """

    def __init__(self, encoded: EncodedSequences, end: bool, device: torch.device, starts: np.ndarray | None = None):
        self.end, self.vocab_size = end, encoded.vocab_size
        self.events = encoded.lengths + end
        """Symbols to predict in each gene, shape (genes,), on the host."""
        self._symbols = torch.from_numpy(encoded.symbols.copy()).to(device)
        self._starts = torch.from_numpy(encoded.starts.copy()).to(device)
        self._first = None if starts is None else torch.from_numpy(np.asarray(starts, np.int64)).to(device)

    def batch(self, genes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs and targets of these genes, both int64, shape (genes, most events of them).

        Inputs begin with the start and are shifted by one position from the targets; padding is the start in the
        inputs, `IGNORED` in the targets.
        """
        device = self._symbols.device
        index = torch.from_numpy(np.ascontiguousarray(genes)).to(device)
        events = torch.from_numpy(self.events[genes]).to(device)
        width = int(self.events[genes].max())
        places = torch.arange(width, device=device)
        real = places < events[:, None]  # (genes, width)
        where = torch.where(real, self._starts[index][:, None] + places, 0)
        symbols = torch.where(real, self._symbols[where].long(), self.vocab_size)
        inputs = torch.nn.functional.pad(symbols[:, :-1], (1, 0), value=self.vocab_size)
        if self._first is not None:
            inputs[:, 0] = self._first[index]
        return inputs, torch.where(real, symbols, IGNORED)


def sorted_runs(events: np.ndarray, positions: int) -> Iterator[np.ndarray]:
    """Yield all genes, longest last, in runs of at most ``positions``, for scoring."""
    yield from runs_within(np.argsort(events, kind="stable"), events, positions)


def total(events: np.ndarray, runs: Iterable[np.ndarray]) -> int:
    """Return the number of symbols to predict in these runs of genes."""
    return sum(int(events[run].sum()) for run in runs)
