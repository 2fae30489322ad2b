"""Pairs of a gene and a mutated copy: made, described, read and written."""

import gzip
from collections import Counter

import numpy as np
import pytest
from helpers import gene_frame, random_sequences

from dnastudy.core.errors import DataError
from dnastudy.data.mutation_pairs import KINDS, SWAP, describe_edit, make_pairs, read_pairs, write_pairs

GENES = gene_frame(random_sequences(60, seed=5, low=2, high=80), "g")


def levenshtein(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def applied(real, words):
    """The edits that a pair names, done once more by hand."""
    for word in words.split("; "):
        kind, at, what = word.split()
        i = int(at) - 1
        if kind == "insertion":
            real = real[:i] + what + real[i:]
        elif kind == "deletion":
            assert real[i] == what
            real = real[:i] + real[i + 1 :]
        else:
            old, new = what.split(">")
            assert real[i : i + len(old)] == old != new
            real = real[:i] + new + real[i + len(old) :]
    return real


def test_a_copy_is_what_its_edits_say():
    pairs = make_pairs(GENES, 400, 6, seed=3, kinds=(*KINDS, SWAP))
    sequences = dict(zip(GENES["id"], GENES["sequence"], strict=True))
    assert (pairs["real"] == pairs["id"].map(sequences)).all()
    for row in pairs.itertuples():
        assert applied(row.real, row.edits) == row.mutated != row.real
        number = len(row.edits.split("; "))
        assert 1 <= number <= 6
        assert levenshtein(row.real, row.mutated) <= number + row.edits.count("swap")


@pytest.mark.slow
def test_number_kinds_and_places_of_edits_are_uniform():
    long = gene_frame(random_sequences(20, seed=6, low=200, high=201), "g")
    words = [row.split("; ") for row in make_pairs(long, 6000, 4, seed=1)["edits"]]
    for counted, parts in (
        (Counter(map(len, words)), 4),
        (Counter(word.split()[0] for row in words for word in row), 3),
        (Counter((int(word.split()[1]) - 1) * 5 // 210 for row in words for word in row), 5),
        (Counter(w.split()[2] for row in words for w in row if w.startswith("insertion")), 4),
        (Counter(w.split()[2] for row in words for w in row if w.startswith("subst") and " A>" in w), 3),
    ):
        counts = np.array(sorted(counted.values()))
        assert len(counts) == parts
        expected = counts.sum() / parts
        if parts == 5:  # 200 nt in fifths of 42: the last one is shorter
            assert counts[0] == pytest.approx(expected * 32 / 40, rel=0.1)
        else:
            assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_pairs_depend_on_the_seed_alone():
    first, again, other = (make_pairs(GENES, 50, 5, seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
    exact = make_pairs(GENES, 50, 3, 1, kinds=("substitution",), exactly=True)
    assert all(row.count(";") == 2 for row in exact["edits"])


def test_what_cannot_be_made_is_said():
    single = gene_frame(["A"], "g")
    with pytest.raises(ValueError, match="cannot be changed by 1 edits of deletion"):
        make_pairs(single, 1, 1, 0, kinds=("deletion",))
    with pytest.raises(ValueError, match="unknown kind of edit 'inversion'"):
        make_pairs(GENES, 1, 1, 0, kinds=("inversion",))
    with pytest.raises(ValueError, match="up to 0 edits"):
        make_pairs(GENES, 1, 0, 0)
    # a run of one letter has nothing to swap, but can be substituted
    assert set(make_pairs(gene_frame(["AAAA"], "g"), 9, 1, 0, kinds=("substitution", "swap"))["edits"].str[:5]) == {
        "subst"
    }


@pytest.mark.parametrize(
    ("real", "mutated", "kind", "where"),
    [
        ("ACGT", "ACGT", "none", 1.0),
        ("ACGT", "ACGTT", "insertion", 1.0),
        ("ACGT", "TACGT", "insertion", 0.0),
        ("ACGT", "AGT", "deletion", 0.375),
        ("AAAA", "AAA", "deletion", 0.875),
        ("ACGT", "ACCT", "substitution", 0.625),
        ("ACGT", "AGCT", "swap", 0.5),
        ("ACGTAC", "TCGTAG", "several: as long", 0.5),
        ("ACGTAC", "TCGTA", "several: shorter", 0.5),
        ("ACGTAC", "TCGTACC", "several: longer", 0.5),
    ],
)
def test_edits_are_recognised(real, mutated, kind, where):
    found, at = describe_edit(real, mutated)
    assert found == kind
    assert at == pytest.approx(where, abs=0.1)


def test_single_edits_are_recognised_whatever_they_are():
    for row in make_pairs(GENES, 500, 1, seed=9, kinds=(*KINDS, SWAP)).itertuples():
        kind, where = describe_edit(row.real, row.mutated)
        assert kind == row.edits.split()[0]
        # a letter in a run of equal ones may as well be any other of the run
        assert 0 <= where <= 1


def test_pairs_are_read_as_they_were_written(tmp_path):
    pairs = make_pairs(GENES, 20, 3, seed=1)
    path = write_pairs(pairs, tmp_path / "pairs.csv")
    assert path.read_text().startswith("NCBIGeneID,RealNucleotideSequence,MutatedNucleotideSequence,edits\n")
    assert read_pairs(path).equals(pairs[["id", "real", "mutated"]])
    (tmp_path / "pairs.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read_pairs(tmp_path / "pairs.csv.gz").equals(read_pairs(path))
    plain = tmp_path / "plain.csv"
    plain.write_text("mutated,id,note,real\r\nacg,7,x,ACT\r\n")
    assert read_pairs(plain).to_dict("records") == [{"id": "7", "real": "ACT", "mutated": "ACG"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column for id, real, mutated"),
        ("id,real\n", "no column for mutated; a file of pairs has NCBIGeneID"),
        ("id,real,mutated\n", "no pairs"),
        ("id,real,mutated\n1,AC\n", r"record 1 \(line 2\): 2 fields instead of 3; is the file cut off"),
        ("id,real,mutated\n1,AC,AG\n2,AC,\n", r"record 2 \(line 3\), id 2, mutated sequence: empty"),
        ("id,real,mutated\n1,ACNT,AG\n", r"record 1 \(line 2\), id 1, real sequence, position 3: 'N' is not A, C, G"),
        ("id,real,mutated\n1,ACUT,AG\n", r"position 3: 'U' is not A, C, G or T \(RNA\? write T for U\)"),
        ("id,real,mutated\n1,<ACT,AG\n", "only one of its brackets"),
        ('id,real,mutated\n1,"ACT', "record 1: unexpected end of data; is the file cut off"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_pairs(path)
    with pytest.raises(DataError, match="a folder"):
        read_pairs(tmp_path)
