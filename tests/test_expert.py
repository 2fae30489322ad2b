"""The expert model beside its slow twin, and what it must be able to do."""

import numpy as np
import pytest
from expert_twin import Twin
from helpers import random_sequences

from dnastudy.models import create
from dnastudy.models.expert import state as layout
from dnastudy.sequences import reverse_complement


def relatives(n: int, seed: int = 0, length: int = 90) -> list[str]:
    """Genes that are copies of a few ancestors, some of the other strand, with substitutions, insertions, deletions."""
    random = np.random.default_rng(seed)
    ancestors = random_sequences(4, seed=99, low=length)
    genes = []
    for i in range(n):
        gene = list(ancestors[random.integers(4)])
        for _ in range(random.integers(0, 8)):
            at, kind = random.integers(len(gene)), random.choice(["insert", "delete", "change", "change"])
            new = [] if kind == "delete" else ["ACGT"[random.integers(4)]]
            gene[at : at + (kind != "insert")] = new
        genes.append(reverse_complement("".join(gene)) if i % 5 == 4 else "".join(gene))
    return genes


ALL = list(layout.FAMILIES)


@pytest.mark.parametrize(
    "settings",
    [
        {"experts": ALL},
        {"experts": ALL, "shift": 0, "substitutions": False, "hidden": 3},
        {"experts": ["context"], "hidden": 0},
        {"experts": ["copy", "inverted"]},
        {"experts": ["reverse", "own"], "gating": "cross-validation"},
    ],
    ids=str,
)
def test_the_slow_twin_gives_the_same_numbers(settings):
    train, more = relatives(24, seed=1), relatives(7, seed=2)
    model = create("expert", {"passes": 40, **settings}).fit(train, relatives(12, seed=3)).join(more)
    assert model.memories.shards == 2
    twin = Twin(model, [train, more])
    for gene in [*relatives(4, seed=4), random_sequences(1, seed=5, low=60)[0], "", "A", more[0] + train[0][:40]]:
        np.testing.assert_allclose(model.log_distributions([gene])[0], twin.log_distributions(gene), atol=2e-5)


def test_many_copies_compete_as_in_the_twin():
    """More copies and occurrences than are followed at a time."""
    train = [relatives(1, seed=s, length=60)[0] for s in range(150)]
    model = create("expert", {"passes": 10}).fit(train, relatives(6, seed=200, length=60))
    gene = relatives(1, seed=300, length=60)[0]
    np.testing.assert_allclose(
        model.log_distributions([gene])[0], Twin(model, [train]).log_distributions(gene), atol=2e-5
    )
