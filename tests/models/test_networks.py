"""The networks themselves: one symbol after the other is the whole at once, and each part is what it says."""

import numpy as np
import pytest
import torch
from helpers import random_sequences

from dnastudy import models
from dnastudy.core.errors import SettingsError
from dnastudy.data.sequences import encode
from dnastudy.models.networks.base import KmerEmbedding
from dnastudy.training.batches import START, Symbols

pytestmark = pytest.mark.slow  # builds and trains networks of many alphabets

CASES = {
    "lstm": [
        {"hidden_size": 24, "embedding_size": 8},
        {"hidden_size": 24, "embedding_size": 8, "n_positions": 30, "kmer_size": 1, "end": False},
    ],
    "transformer": [
        {"d_model": 24, "n_heads": 3, "n_layers": 2},
        {"d_model": 32, "n_heads": 4, "n_kv_heads": 2, "n_layers": 1},
        {"d_model": 24, "n_heads": 5, "block": "post-norm", "n_positions": 30, "kmer_size": 1},
    ],
}
ALL = [(name, settings) for name, cases in CASES.items() for settings in cases]


def network(name, settings):
    """With weights far from their beginnings, so that every part counts."""
    made = models.create(name, settings).network
    torch.manual_seed(1)
    with torch.no_grad():
        for weights in made.parameters():
            weights += 0.1 * torch.randn_like(weights)
    return made


@pytest.mark.parametrize(("name", "settings"), ALL, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v)))
def test_step_by_step_is_all_at_once(name, settings):
    """Beyond the learned positions, beyond the first room for keys, and while sequences end one after the other."""
    made = network(name, settings)
    inputs = torch.randint(0, 4, (9, 150), generator=torch.Generator().manual_seed(2))
    inputs[:, 0] = START
    with torch.inference_mode():
        whole = made(inputs)
        state, alive = made.begin(9), torch.arange(9)
        for t in range(150):
            logits, state = made.step(inputs[alive, t], state)
            torch.testing.assert_close(logits, whole[alive, t], rtol=0, atol=1e-5)
            if t % 18 == 17:  # the second of those that are left ends
                left = torch.tensor([i for i in range(len(alive)) if i != 1])
                state, alive = made.keep(state, left), alive[left]
    assert len(alive) == 1


@pytest.mark.parametrize(("name", "settings"), ALL, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v)))
def test_padding_changes_nothing(name, settings):
    made = network(name, settings)
    genes = Symbols(encode(random_sequences(6, low=3, high=90)), True, torch.device("cpu"))
    with torch.inference_mode():
        together = made(genes.batch(np.arange(6))[0])
        for i in range(6):
            alone = made(genes.batch(np.array([i]))[0])[0]
            torch.testing.assert_close(together[i, : len(alone)], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_weights_changed_in_place_are_used_at_once(name):
    model = models.create(name, CASES[name][0])
    model.sample(2, max_length=5)
    with torch.no_grad():
        model.network.output.weight.zero_()
        model.network.output.bias.copy_(torch.tensor([0.0, 50.0, 0.0, 0.0, 0.0]))
    assert model.sample(2, max_length=5) == ["CCCCC"] * 2
    assert model.log_probs(["CC"])[0][:2].min() > -1e-6


def test_kmers_are_those_of_the_last_nucleotides():
    table = KmerEmbedding(3, 2, 4)
    assert table.words.num_embeddings == 1 + 4 + 16 + 64
    torch.nn.init.normal_(table.words.weight)
    rows = {}
    inputs = torch.tensor([[START, 0, 1, 2, 3, 0, 1, 2, 3]])
    found = table(inputs)[0]
    for t in range(9):
        word = tuple(inputs[0, max(1, t - 2) : t + 1].tolist())
        rows.setdefault(word, []).append(found[t])
    assert torch.equal(*rows[1, 2, 3])  # the same three at two places
    different = torch.stack([vectors[0] for vectors in rows.values()])
    assert len(torch.unique(different, dim=0)) == len(rows)


def test_positions_behind_the_table_share_its_last_row():
    model = models.create("lstm", {"hidden_size": 8, "embedding_size": 4, "n_positions": 10, "epochs": 1}).fit(
        random_sequences(20)
    )
    rows = model.log_distributions(["A" * 400])[0]
    assert rows.shape == (401, 5) and np.isfinite(rows).all()


def test_heads_that_do_not_divide_the_width_are_rounded_down():
    attention = (
        network("transformer", {**models.model_class("transformer").presets["paper-256-256-2-3"]}).blocks[0].attention
    )
    assert attention.head_width == 85 and attention.output.weight.shape == (256, 255)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("transformer", {"d_model": 20, "n_heads": 4}, "pre-norm needs an even number"),
        ("transformer", {"n_heads": 4, "n_kv_heads": 3}, "3 do not divide 4 heads"),
        ("lstm", {"dropout": 1.0}, "'dropout'"),
        ("lstm", {"hidden_sizes": 3}, "did you mean 'hidden_size'"),
    ],
)
def test_bad_settings_are_named(name, settings, words):
    with pytest.raises(SettingsError, match=words):
        models.create(name, settings)


def test_unknown_presets_are_named():
    with pytest.raises(models.ModelError, match="did you mean 'paper-256-512-4'"):
        models.model_class("lstm").preset("paper-256-512-44")
