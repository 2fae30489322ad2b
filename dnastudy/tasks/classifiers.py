"""Classifiers of sequences: what tells two kinds of them apart, for all tasks alike.

Words and length with a linear model or boosted trees (scikit-learn), a small convolutional network, and a linear model
on the embeddings of a frozen language model. All are used as they come, with fixed seeds and without any search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import AfterValidator

from dnastudy.data.sequences import encode
from dnastudy.models.base import LanguageModel
from dnastudy.tasks.sequence_features import word_counts

WORDS = (1, 2, 3, 4)
"""Lengths of the words that are counted, nt."""
LONGEST = 1000
"""Nucleotides that the convolutional network reads of a sequence."""
RATE = 4e-3
WAVES = (1.0, 2.0, 4.0, 8.0)
"""Frequencies at which the convolutional network sees the logarithm of the length."""


class Classifier(Protocol):
    """What all of them offer; labels are whole numbers from 0 on."""

    def fit(self, sequences: Sequence[str], labels: np.ndarray) -> Any:
        """Learn from sequences and their labels."""

    def predict_proba(self, sequences: Sequence[str]) -> np.ndarray:
        """Probability of each label that was learned, shape (sequences, labels)."""


def word_shares(sequences: Sequence[str], words: Sequence[int] = WORDS) -> np.ndarray:
    """Share of each word among those as long, and the logarithm of the length: float64, shape (sequences, features)."""
    encoded = encode(sequences)
    parts = []
    for k in words:
        counts = word_counts(encoded, k).astype(np.float64)
        parts.append(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    return np.column_stack([*parts, np.log(np.maximum(encoded.lengths, 1))])


class OnFeatures:
    """A scikit-learn classifier of features of sequences."""

    def __init__(self, features: Callable[[Sequence[str]], np.ndarray], classifier: Any):
        self.features, self.classifier = features, classifier

    def fit(self, sequences: Sequence[str], labels: np.ndarray) -> OnFeatures:
        """See `Classifier`."""
        self.classifier.fit(self.features(sequences), labels)
        return self

    def predict_proba(self, sequences: Sequence[str]) -> np.ndarray:
        """See `Classifier`."""
        return self.classifier.predict_proba(self.features(sequences))


def linear(features: Callable[[Sequence[str]], np.ndarray] = word_shares) -> OnFeatures:
    """Logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return OnFeatures(features, make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)))


def boosted() -> OnFeatures:
    """Gradient-boosted trees on words of up to 3 nt and length."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.1, max_leaf_nodes=15, min_samples_leaf=5, random_state=0
    )
    return OnFeatures(lambda sequences: word_shares(sequences, WORDS[:3]), trees)


def on_embeddings(model: LanguageModel) -> OnFeatures:
    """Logistic regression on the embeddings of a language model, which stays as it is."""
    return linear(model.embed)


class Convolutional:
    """Two layers of filters over nucleotides, their maxima and means, and the length (in the way of DeepBind).

    Trained for a fixed number of epochs with AdamW at one cycle of the rate; longer sequences are read to `LONGEST`.
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
            optimizer = torch.optim.AdamW(self.network.parameters(), lr=RATE, weight_decay=0.02)
            steps = self.epochs * -(-len(targets) // 64)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1)
            self.network.train()
            for _ in range(self.epochs):
                # neighbours in length together, so that little is padded; their order is random
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
        found = []
        with torch.inference_mode():
            for part in torch.arange(len(lengths)).split(256):
                width = int(lengths[part].max())
                found.append(self.network(codes[part, :width], lengths[part]).softmax(-1).double())
        return torch.cat(found).numpy()


def _padded(sequences: Sequence[str]):
    """Codes, 4 behind the end of a sequence, int64, (n, longest), and lengths, (n,): what the network reads."""
    import torch

    encoded = encode(sequences)
    lengths = np.clip(encoded.lengths, 1, LONGEST)
    codes = np.full((len(encoded), int(lengths.max(initial=1))), 4, dtype=np.int64)
    for row in range(len(encoded)):
        part = encoded[row][:LONGEST]
        codes[row, : len(part)] = part
    return torch.from_numpy(codes), torch.from_numpy(lengths)


def _Filters(filters: int, labels: int):
    import torch
    from torch import nn

    class Filters(nn.Module):
        def __init__(self):
            super().__init__()
            self.letters = nn.Embedding(5, 4, padding_idx=4)
            self.first, self.norm = nn.Conv1d(4, filters, 11, padding=5), nn.BatchNorm1d(filters)
            self.second, self.norm2 = nn.Conv1d(filters, filters, 7, padding=3), nn.BatchNorm1d(filters)
            self.dropout = nn.Dropout(0.2)
            self.hidden, self.output = nn.Linear(2 * filters + 2 * len(WAVES), 64), nn.Linear(64, labels)

        def forward(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            """Logits, (n, labels), of codes, (n, length)."""
            real = (torch.arange(codes.shape[1]) < lengths[:, None])[:, None]  # (n, 1, length)
            x = self.norm(self.first(self.letters(codes).transpose(1, 2))).relu() * real
            x, real = nn.functional.max_pool1d(x, 4, ceil_mode=True), real[:, :, ::4]
            x = self.norm2(self.second(x)).relu() * real
            waves = lengths[:, None].log() * torch.tensor(WAVES)
            pooled = [x.amax(-1), x.sum(-1) / real.sum(-1), waves.sin(), waves.cos()]
            return self.output(self.dropout(self.hidden(self.dropout(torch.cat(pooled, 1))).relu()))

    return Filters()


BASELINES: dict[str, Callable[[], Classifier]] = {
    "linear on k-mers": linear,
    "gradient boosting on k-mers": boosted,
    "convolutional network": Convolutional,
}
"""Classifiers that need no language model, by name."""


def _known(name: str) -> str:
    if name not in BASELINES:
        raise ValueError(f"no classifier {name!r} (known: {', '.join(BASELINES)})")
    return name


Baseline = Annotated[str, AfterValidator(_known)]
"""Name of one of `BASELINES`, in settings."""
