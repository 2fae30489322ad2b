"""Classifiers of sequences, the same for all tasks.

Logistic regression and boosted trees (scikit-learn) on k-mer frequencies and length, a small convolutional network, and
logistic regression on the embeddings of a fixed language model. None is tuned, and all seeds are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import AfterValidator

from dnastudy.data.kmers import kmer_counts_per_sequence
from dnastudy.data.sequences import encode
from dnastudy.models.base import LanguageModel

KMER_SIZES = (1, 2, 3, 4)
"""Lengths of the k-mers that are counted, nt."""
MAX_LENGTH = 1000
"""First nucleotides of a sequence that the convolutional network sees."""
LEARNING_RATE = 4e-3
"""Largest learning rate of the convolutional network."""
LENGTH_FREQUENCIES = (1.0, 2.0, 4.0, 8.0)
"""Frequencies of the sines and cosines of the logarithm of the length, inputs of the convolutional network."""


class Classifier(Protocol):
    """The protocol of all classifiers; labels are whole numbers from 0."""

    def fit(self, sequences: Sequence[str], labels: np.ndarray) -> Any:
        """Train on sequences and their labels."""

    def predict_proba(self, sequences: Sequence[str]) -> np.ndarray:
        """Return the probability of each label that was in training, shape (sequences, labels)."""


def kmer_frequencies(sequences: Sequence[str], kmer_sizes: Sequence[int] = KMER_SIZES) -> np.ndarray:
    """Return the frequencies of all k-mers of each size, and the log length: float64, shape (sequences, features)."""
    encoded = encode(sequences)
    parts = []
    for k in kmer_sizes:
        counts = kmer_counts_per_sequence(encoded, k).astype(np.float64)
        parts.append(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    return np.column_stack([*parts, np.log(np.maximum(encoded.lengths, 1))])


class FeatureClassifier:
    """A scikit-learn classifier of features of sequences."""

    def __init__(self, features: Callable[[Sequence[str]], np.ndarray], classifier: Any):
        self.features, self.classifier = features, classifier

    def fit(self, sequences: Sequence[str], labels: np.ndarray) -> FeatureClassifier:
        """See `Classifier`."""
        self.classifier.fit(self.features(sequences), labels)
        return self

    def predict_proba(self, sequences: Sequence[str]) -> np.ndarray:
        """See `Classifier`."""
        return self.classifier.predict_proba(self.features(sequences))


def linear(features: Callable[[Sequence[str]], np.ndarray] = kmer_frequencies) -> FeatureClassifier:
    """Return a logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return FeatureClassifier(features, make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)))


def boosted() -> FeatureClassifier:
    """Return gradient-boosted trees on frequencies of k-mers of up to 3 nt and on length."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.1, max_leaf_nodes=15, min_samples_leaf=5, random_state=0
    )
    return FeatureClassifier(lambda sequences: kmer_frequencies(sequences, KMER_SIZES[:3]), trees)


def on_embeddings(model: LanguageModel) -> FeatureClassifier:
    """Return a logistic regression on the embeddings of a language model, which is not trained further."""
    return linear(model.embed)


class Convolutional:
    """Two convolutional layers over nucleotides, pooled by maximum and mean, with the length (similar to DeepBind).

    Trained for a fixed number of epochs with AdamW and one cycle of the learning rate; sequences are cut at
    `MAX_LENGTH`.
    """

    def __init__(self, filters: int = 48, epochs: int = 20, seed: int = 0):
        self.filters, self.epochs, self.seed = filters, epochs, seed

    def fit(self, sequences: Sequence[str], labels: np.ndarray) -> Convolutional:
        """See `Classifier`."""
        import torch
        from torch import nn

        codes, lengths = _padded(sequences)
        targets = torch.tensor(np.asarray(labels, dtype=np.int64))
        with torch.random.fork_rng([]):
            torch.manual_seed(self.seed)
            self.network = _Filters(self.filters, int(targets.max()) + 1)
            optimizer = torch.optim.AdamW(self.network.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
            steps = self.epochs * -(-len(targets) // 64)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps + 1)
            self.network.train()
            for _ in range(self.epochs):
                # sequences of similar length in a batch, so that little is padded; the order of batches is random
                noise = lengths.float() * (1 + 0.3 * torch.rand(len(lengths)))
                batches = torch.argsort(noise).split(64)
                for number in torch.randperm(len(batches)).tolist():
                    batch = batches[number]
                    if len(batch) < 2:  # nothing to normalise over
                        continue
                    width = int(lengths[batch].max())
                    logits = self.network(codes[batch, :width], lengths[batch])
                    loss = nn.functional.cross_entropy(logits, targets[batch])
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    optimizer.step()
                    schedule.step()
        self.network.eval()
        return self

    def predict_proba(self, sequences: Sequence[str]) -> np.ndarray:
        """See `Classifier`."""
        import torch

        codes, lengths = _padded(sequences)
        parts = []
        with torch.inference_mode():
            for part in torch.arange(len(lengths)).split(256):
                width = int(lengths[part].max())
                parts.append(self.network(codes[part, :width], lengths[part]).softmax(-1).double())
        return torch.cat(parts).numpy()


def _padded(sequences: Sequence[str]):
    """Return codes, int64, (n, longest), with 4 after the end of a sequence, and lengths, (n,)."""
    import torch

    encoded = encode(sequences)
    lengths = np.clip(encoded.lengths, 1, MAX_LENGTH)
    codes = np.full((len(encoded), int(lengths.max(initial=1))), 4, dtype=np.int64)
    for row in range(len(encoded)):
        part = encoded[row][:MAX_LENGTH]
        codes[row, : len(part)] = part
    return torch.from_numpy(codes), torch.from_numpy(lengths)


def _Filters(filters: int, labels: int):
    import torch
    from torch import nn

    class Filters(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(5, 4, padding_idx=4)
            self.first, self.norm = nn.Conv1d(4, filters, 11, padding=5), nn.BatchNorm1d(filters)
            self.second, self.norm2 = nn.Conv1d(filters, filters, 7, padding=3), nn.BatchNorm1d(filters)
            self.dropout = nn.Dropout(0.2)
            self.hidden, self.output = nn.Linear(2 * filters + 2 * len(LENGTH_FREQUENCIES), 64), nn.Linear(64, labels)

        def forward(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            """Return logits, (n, labels), of codes, (n, length)."""
            real = (torch.arange(codes.shape[1]) < lengths[:, None])[:, None]  # (n, 1, length)
            x = self.norm(self.first(self.embedding(codes).transpose(1, 2))).relu() * real
            x, real = nn.functional.max_pool1d(x, 4, ceil_mode=True), real[:, :, ::4]
            x = self.norm2(self.second(x)).relu() * real
            angles = lengths[:, None].log() * torch.tensor(LENGTH_FREQUENCIES)
            pooled = [x.amax(-1), x.sum(-1) / real.sum(-1), angles.sin(), angles.cos()]
            return self.output(self.dropout(self.hidden(self.dropout(torch.cat(pooled, 1))).relu()))

    return Filters()


BASELINES: dict[str, Callable[[], Classifier]] = {
    "linear on k-mers": linear,
    "gradient boosting on k-mers": boosted,
    "convolutional network": Convolutional,
}
"""Classifiers without a language model, by name."""


def _registered(name: str) -> str:
    if name not in BASELINES:
        raise ValueError(f"no classifier {name!r} (known: {', '.join(BASELINES)})")
    return name


Baseline = Annotated[str, AfterValidator(_registered)]
"""Name of one of `BASELINES`: the type of a setting."""
