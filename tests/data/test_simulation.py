import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dnastudy.data.genes import COLUMNS, check_genes, table_hash
from dnastudy.data.kmers import conditional_entropy, kmer_counts
from dnastudy.data.sequences import decode, encode, reverse_complement
from dnastudy.data.simulation import MAX_LENGTH, MarkovSource, _mutate, iid_source, simulate_genes, simulate_study
from dnastudy.data.statistics import describe_homologs, describe_part
from dnastudy.homology.mmseqs import mmseqs_binary, study_homologs

REAL = json.loads((Path(__file__).parents[2] / "results" / "genes-real.json").read_text())


@pytest.fixture(scope="module")
def genes():
    return simulate_genes(4000, seed=1)


@pytest.fixture(scope="module")
def facts(genes):
    return describe_part(genes)


@pytest.mark.slow
def test_same_table_on_every_machine(genes):
    assert table_hash(genes) == "8e8b00c0ccaf88b32d21496932c153f8e4d0756a57469e5396dadba44f70c8b1"
    assert table_hash(simulate_genes(300, seed=7)) == "e25d6acaf9acae75fe88e4157b2575cc0b23a8e3760e8dbfb1d2db77b8ccc823"
    assert table_hash(simulate_genes(300, seed=8)) != table_hash(simulate_genes(300, seed=7))


def test_is_a_gene_table(genes):
    check_genes(genes)
    assert list(genes.columns) == COLUMNS and len(genes) == 4000
    assert genes["id"].iloc[[0, -1]].tolist() == ["SIM000001", "SIM004000"]
    assert genes["id"].is_unique and genes["symbol"].is_unique and genes["sequence"].is_unique
    assert genes["sequence"].str.len().between(10, MAX_LENGTH).all()


@pytest.mark.parametrize("n", [1, 2, 17, 600])
def test_any_size(n):
    table = simulate_genes(n, seed=n)
    assert len(table) == n and table["sequence"].is_unique and (table["sequence"].str.len() <= MAX_LENGTH).all()


def test_refuses_none():
    with pytest.raises(ValueError, match="n=0"):
        simulate_genes(0)


def test_symbols_tell_the_families(genes):
    families = genes[genes["symbol"].str.startswith("FAM")]
    names = families["symbol"].str.extract(r"^FAM(\d+)-(\d+)$")
    sizes = families["description"].str.extract(r"\((\d+) genes\)$")[0].astype(int)
    assert (names.groupby(0)[1].transform("size") == sizes).all() and sizes.min() > 1
    assert len(set(zip(names[0], families["type"], strict=True))) == names[0].nunique()
    assert genes["symbol"].str.startswith("SINGLE").sum() == len(genes) - len(families)


@pytest.mark.slow
def test_study_splits_the_genes(genes):
    splits = simulate_study(seed=1, n=4000)
    assert {name: len(part) for name, part in splits.items()} == {"train": 2400, "validation": 800, "test": 800}
    everything = pd.concat(splits.values()).sort_values("id").reset_index(drop=True)
    assert everything.equals(genes)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.slow
def test_close_to_the_real_genes(seed):
    ours, real = describe_part(simulate_genes(4000, seed=seed)), REAL["parts"]["all"]
    for quantile in ("0.05", "0.25", "0.5", "0.75", "0.95"):
        assert ours["length"]["quantiles"][quantile] == pytest.approx(real["length"]["quantiles"][quantile], rel=0.1)
    assert ours["length"]["mean"] == pytest.approx(real["length"]["mean"], rel=0.03)
    assert ours["gc"] == pytest.approx(real["gc"], abs=0.015)
    for pair, share in real["dinucleotides"].items():
        assert ours["dinucleotides"][pair] == pytest.approx(share, abs=0.005), pair
    assert ours["cpg_observed_over_expected"] == pytest.approx(real["cpg_observed_over_expected"], abs=0.03)
    for order, bits in real["conditional_entropy"].items():
        assert ours["conditional_entropy"][order] == pytest.approx(bits, abs=0.015), order


def test_types_are_shared_out_like_the_real_ones(facts):
    ours = {row["type"]: row for row in facts["types"]}
    for row in REAL["parts"]["all"]["types"]:
        mine = ours.get(row["type"], {"share": 0})
        assert mine["share"] == pytest.approx(row["share"], abs=0.01), row["type"]
        if row["genes"] > 200:
            assert mine["length"]["0.5"] == pytest.approx(row["length"]["0.5"], rel=0.1), row["type"]
            assert mine["gc"] == pytest.approx(row["gc"], abs=0.04), row["type"]


@pytest.mark.slow
def test_relatives_are_as_many_as_in_the_real_splits():
    try:
        mmseqs_binary()
    except FileNotFoundError:
        pytest.skip("no MMseqs2 (extra 'relatives')")
    for name, table in study_homologs(simulate_study(seed=1, n=4000)).items():
        ours, real = describe_homologs(table), REAL["relatives"][name]
        # 800 genes: one standard error is 0.017
        assert ours["share_at_70"] == pytest.approx(real["share_at_70"], abs=0.04), name
        assert ours["share_at_80"] == pytest.approx(real["share_at_80"], abs=0.03), name


def test_real_figures_hold_no_sequence_and_name_their_data():
    assert set(REAL) == {"data", "parts", "relatives"}
    assert all(len(value) == 64 for value in REAL["data"]["sha256"].values()) and len(REAL["data"]["sha256"]) == 3
    assert REAL["parts"]["all"]["genes"] == sum(REAL["parts"][p]["genes"] for p in ("train", "validation", "test"))


def test_protein_coding_genes_hold_a_reading_frame(genes):
    stops = {"TAA", "TAG", "TGA"}

    def longest(sequence):
        best = 0
        for start in range(len(sequence) - 2):
            if sequence[start : start + 3] == "ATG":
                for end in range(start, len(sequence) - 2, 3):
                    if sequence[end : end + 3] in stops:
                        best = max(best, end - start)
                        break
        return best

    single = genes[genes["description"].str.endswith("protein coding, single gene")]["sequence"].head(20)
    assert len(single) == 20
    for sequence in single:
        assert longest(sequence) >= 0.75 * len(sequence) - 9


def test_hairpins_pair(genes):
    hairpins = genes[genes["description"].str.endswith("microrna, single gene")]["sequence"].head(50)
    pairs = [np.mean(encode([s])[0][:20] == encode([reverse_complement(s)])[0][:20]) for s in hairpins]
    assert 0.8 < np.mean(pairs) < 1


def test_mutation_has_the_divergence_asked_for():
    random = np.random.Generator(np.random.PCG64(0))
    plain = np.zeros(50_000, dtype=np.uint8)
    mutated = _mutate(plain, 0.1, random)
    changed = mutated[mutated != 0]
    assert not plain.any() and 0.09 < len(changed) / len(mutated) < 0.12
    assert np.mean(changed == 2) == pytest.approx(0.65, abs=0.03)  # A to G, the transition
    assert 0 < abs(len(mutated) - len(plain)) < 500
    cpg = np.tile(np.array([1, 2], dtype=np.uint8), 20_000)
    lost = 1 - kmer_counts([decode(_mutate(cpg, 0.02, random))], 2)[1, 2] / 20_000
    assert lost == pytest.approx(1 - (1 - 0.08) ** 2, abs=0.03)  # four times the rate at both places
    assert _mutate(cpg, 0.0, random).tolist() == cpg.tolist()


@pytest.mark.parametrize(
    ("probabilities", "bits"),
    [((0.25,) * 4, 2), ((0.5, 0.5, 0, 0), 1), ((1, 0, 0, 0), 0), ((0.5, 0.25, 0.125, 0.125), 1.75)],
)
def test_iid_entropy(probabilities, bits):
    source = iid_source(probabilities, seed=3)
    assert source.entropy_rate == pytest.approx(bits, abs=1e-12)
    counts = Counter("".join(source.sample(50, 2000)))
    for letter, p in zip("ACGT", probabilities, strict=True):
        assert counts[letter] / 100_000 == pytest.approx(p, abs=0.01)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_markov_plug_in_entropy_converges(order):
    random = np.random.default_rng(order)
    source = MarkovSource(order, random.dirichlet([0.6] * 4, size=4**order), seed=order)
    sequences = source.sample(200, 2000)
    assert all(len(s) == 2000 for s in sequences)
    plug_in = conditional_entropy(kmer_counts(sequences, order + 1))
    assert plug_in == pytest.approx(source.entropy_rate, abs=0.01)
    assert conditional_entropy(kmer_counts(sequences, order)) > source.entropy_rate - 0.01
    # stationary from the first letter on
    first = kmer_counts([s[:order] for s in sequences], order).ravel() / 200
    assert np.abs(first - source.stationary).max() < 0.12


def test_markov_stationary_distribution():
    two_states = MarkovSource(1, [[0.9, 0.1, 0, 0], [0.3, 0.7, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]])
    assert two_states.stationary == pytest.approx([0.75, 0.25, 0, 0], abs=1e-12)

    def h(p):
        return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))

    assert two_states.entropy_rate == pytest.approx(0.75 * h(0.1) + 0.25 * h(0.3), abs=1e-12)
    assert set("".join(two_states.sample(20, 100))) == {"A", "C"}


def test_samples_repeat():
    source = iid_source(seed=5)
    assert source.sample(3, 10) == source.sample(3, 10) != iid_source(seed=6).sample(3, 10)
    assert source.sample(0, 10) == [] and source.sample(2, 0) == ["", ""]


@pytest.mark.parametrize(
    ("order", "transition", "words"),
    [
        (6, np.full((4096, 4), 0.25), "order=6"),
        (1, np.full((1, 4), 0.25), r"needs \(4, 4\)"),
        (0, [[0.5, 0.5, 0.5, -0.5]], "sum to 1"),
        (0, [[0.5, 0.6, 0, 0]], "sum to 1"),
        (1, np.eye(4), "stationary"),
    ],
)
def test_markov_refuses(order, transition, words):
    with pytest.raises(ValueError, match=words):
        MarkovSource(order, transition)
