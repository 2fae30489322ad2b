import json
import math
from collections import Counter
from itertools import product

import numpy as np
import pandas as pd
import pytest
from helpers import gene_frame, random_sequences

from dnastudy.data.kmers import conditional_entropy, cpg_ratio, gc_share, kmer_counts, kmer_counts_per_sequence
from dnastudy.data.statistics import describe_genes, describe_homologs, describe_part


@pytest.fixture(scope="module")
def genes():
    return gene_frame([*random_sequences(60, seed=1, low=1, high=1010)[-50:], "A", "CG", "ACGTACGT"])


def slow_kmers(sequences, k):
    return Counter(s[i : i + k] for s in sequences for i in range(len(s) - k + 1))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_kmers_equal_slow_twin(genes, k):
    counts, slow = kmer_counts(genes["sequence"].tolist(), k), slow_kmers(genes["sequence"], k)
    fast = {word: counts[tuple("ACGT".index(c) for c in word)] for word in slow}
    assert fast == slow and counts.sum() == sum(slow.values())


@pytest.mark.parametrize("k", [1, 3])
def test_kmers_per_sequence_equal_slow_twin(genes, k):
    counts = kmer_counts_per_sequence(genes["sequence"].tolist(), k)
    assert counts.dtype == np.int32
    for row, sequence in zip(counts, genes["sequence"], strict=True):
        slow = slow_kmers([sequence], k)
        assert {kmer: count for kmer, count in zip(kmers_in_order(k), row, strict=True) if count} == slow
    assert (counts.sum(axis=0) == kmer_counts(genes["sequence"].tolist(), k).ravel()).all()


def kmers_in_order(k):
    return ["".join(letters) for letters in product("ACGT", repeat=k)]


@pytest.mark.parametrize("count", [kmer_counts, kmer_counts_per_sequence])
@pytest.mark.parametrize("k", [0, 13])
def test_unsupported_k_is_an_error(count, k):
    with pytest.raises(ValueError, match=f"k={k}: 1 to 12"):
        count(["ACGT"], k)


def test_gc_and_cpg_of_each_sequence():
    sequences = ["CGCG", "ACGT", "AAAA", "C", ""]
    bases, pairs = (kmer_counts_per_sequence(sequences, k) for k in (1, 2))
    np.testing.assert_array_equal(gc_share(bases), [1, 0.5, 0, 1, np.nan])
    np.testing.assert_array_equal(cpg_ratio(bases, pairs), [2 / 3 / 0.25, 1 / 3 / (1 / 16), np.nan, np.nan, np.nan])


@pytest.mark.parametrize("k", range(4))
def test_entropies_equal_slow_twin(genes, k):
    slow = slow_kmers(genes["sequence"], k + 1)
    contexts = Counter()
    for word, count in slow.items():
        contexts[word[:-1]] += count
    bits = -sum(n * math.log2(n / contexts[w[:-1]]) for w, n in slow.items()) / sum(slow.values())
    assert describe_part(genes)["conditional_entropy"][str(k)] == pytest.approx(bits, abs=2e-6)


def test_entropy_of_certainty_is_zero():
    assert conditional_entropy(kmer_counts(["ACACACACA"], 2)) == 0
    assert conditional_entropy(kmer_counts(["ACGT"], 1)) == 2


def test_part_equals_slow_twin(genes):
    facts, text = describe_part(genes), "".join(genes["sequence"])
    assert facts["genes"] == 53 and facts["nucleotides"] == len(text)
    assert facts["gc"] == pytest.approx((text.count("G") + text.count("C")) / len(text), abs=1e-6)
    assert sum(facts["bases"].values()) == pytest.approx(1, abs=1e-5)
    pairs = slow_kmers(genes["sequence"], 2)
    ratio = pairs["CG"] / sum(pairs.values()) / (text.count("C") * text.count("G") / len(text) ** 2)
    assert facts["cpg_observed_over_expected"] == pytest.approx(ratio, abs=1e-6)
    assert facts["dinucleotides"]["CG"] == pytest.approx(pairs["CG"] / sum(pairs.values()), abs=1e-6)
    kind = max(facts["types"], key=lambda row: row["genes"])
    mine = genes[genes["type"] == kind["type"]]["sequence"]
    assert kind["genes"] == len(mine) and kind["length"]["0.5"] == mine.str.len().median()
    assert sum(row["share"] for row in facts["types"]) == pytest.approx(1, abs=1e-5)


def test_length_bins_hold_their_upper_edge():
    facts = describe_part(gene_frame(["A" * n for n in (1, 50, 51, 1000, 1001)]))["length_histogram"]
    assert facts["genes"][:2] == [2, 1] and facts["genes"][-1] == 1 and facts["longer"] == 1


def test_relatives_bins():
    table = pd.DataFrame({"identity": [0.0, 0.69, 0.7, 0.7999, 0.8, 0.95, 1.0, 0.9]})
    facts = describe_homologs(table)
    assert facts["share_at_70"] == 0.75 and facts["share_at_80"] == 0.5
    assert facts["identity_histogram"]["genes"] == [1, 1, 1, 0, 1, 2] and facts["identity_histogram"]["none"] == 2


def test_description_is_json_without_sequences(genes):
    relatives = {"test in train": pd.DataFrame({"identity": [0.0, 0.9]})}
    facts = describe_genes({"train": genes, "test": genes.head(5)}, relatives)
    text = json.dumps(facts, allow_nan=False)
    assert set(facts["parts"]) == {"train", "test", "all"} and facts["parts"]["all"]["genes"] == 58
    assert json.loads(text) == facts and facts == describe_genes({"train": genes, "test": genes.head(5)}, relatives)
    assert "ACGTACGT" not in text and '"g1"' not in text


def test_empty_table():
    facts = describe_part(gene_frame([]))
    json.dumps(facts, allow_nan=False)
    assert facts["genes"] == 0 and facts["gc"] is None and facts["types"] == []


def test_all_is_not_an_average_of_averages():
    parts = describe_genes({"a": gene_frame(["GG"]), "b": gene_frame(["A" * 8])})["parts"]
    assert parts["all"]["gc"] == pytest.approx(0.2) and np.isclose(parts["a"]["gc"], 1)
