import numpy as np
import pytest
from helpers import gene_frame
from planted_homologs import PLANTED, frames, letters, needs_mmseqs, plant, substitute

from dnastudy.data.genes import read_genes
from dnastudy.data.sequences import reverse_complement
from dnastudy.homology import mmseqs
from dnastudy.homology.mmseqs import mmseqs_binary, nearest_homologs, study_homologs


@pytest.fixture(scope="module")
def planted():
    random = np.random.default_rng(0)
    targets, queries = plant(random, substitute)
    queries |= {
        "short, inside": targets[6][100:120],
        "short, inside on the other strand": reverse_complement(targets[7][50:70]),
        "short, nowhere": letters(random, 20),
    }
    return frames([*targets, *(letters(random, 90) for _ in range(10))], queries)


@pytest.fixture(scope="module")
def found(planted):
    return nearest_homologs(*planted, threads=2).set_index("id")


@pytest.mark.slow
@needs_mmseqs
@pytest.mark.parametrize(
    ("query", "nearest", "identity", "coverage", "strand"),
    [
        *PLANTED,
        ("short, inside", "target 6", 1, 1, "+"),
        ("short, inside on the other strand", "target 7", 1, 1, "-"),
        ("short, nowhere", "", 0, 0, ""),
    ],
)
def test_planted(found, query, nearest, identity, coverage, strand):
    row = found.loc[query]
    assert row["nearest"] == nearest and row["strand"] == strand
    assert row["identity"] == pytest.approx(identity, abs=0.01)
    # where a copy ends, chance continues the alignment by a few nt
    assert row["coverage"] == pytest.approx(coverage, abs=0.04)


@needs_mmseqs
@pytest.mark.slow
def test_rows_follow_the_queries_and_repeat(planted, found):
    queries, targets = planted
    again = nearest_homologs(queries, targets, threads=1)
    assert list(again["id"]) == list(queries["id"]) and again.set_index("id").equals(found)
    odd = queries.set_index(np.arange(len(queries)) * 7)
    assert nearest_homologs(odd, targets).set_index("id").equals(found)


@needs_mmseqs
@pytest.mark.slow
def test_nearest_is_the_most_identical():
    random = np.random.default_rng(1)
    query = letters(random, 200)
    targets = [substitute(random, query, 0.2), query[:120] + letters(random, 80), substitute(random, query, 0.05)]
    table = nearest_homologs(gene_frame([query]), gene_frame(targets, "t"))
    assert table.loc[0, "nearest"] == "t1" and table.loc[0, "coverage"] < 0.7
    table = nearest_homologs(gene_frame([query]), gene_frame(targets, "t"), min_coverage=0.8)
    assert table.loc[0, "nearest"] == "t2"
    table = nearest_homologs(gene_frame([query]), gene_frame(targets[:1], "t"), min_identity=0.85)
    assert table.loc[0, "nearest"] == ""


@needs_mmseqs
@pytest.mark.parametrize("queries", [[], ["ACGT"], ["ACGT" * 4], ["ACGT" * 20]])
@pytest.mark.parametrize("targets", [[], ["AC"], ["GGTTCCAACTGACTGATCGATCGGATTACAGG"]])
@pytest.mark.slow
def test_nothing_to_find(queries, targets):
    table = nearest_homologs(gene_frame(queries), gene_frame(targets, "t"))
    assert list(table.columns) == mmseqs.COLUMNS and len(table) == len(queries)
    assert (table["nearest"] == "").all() and (table["identity"] == 0).all()


@needs_mmseqs
@pytest.mark.slow
def test_no_files_are_left(planted, tmp_path, monkeypatch):
    monkeypatch.setattr(mmseqs.tempfile, "tempdir", str(tmp_path))
    nearest_homologs(*planted)
    assert list(tmp_path.iterdir()) == []


def test_thresholds_are_checked():
    with pytest.raises(ValueError, match="min_identity=70"):
        nearest_homologs(gene_frame(["ACGT"]), gene_frame(["ACGT"]), min_identity=70)


def test_binary_is_looked_for(monkeypatch, tmp_path):
    program = tmp_path / "mmseqs"
    program.write_text("#!/bin/sh\necho broken; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("DNASTUDY_MMSEQS", str(program))
    assert mmseqs_binary() == program
    with pytest.raises(RuntimeError, match="status 3: broken"):
        nearest_homologs(gene_frame(["ACGT" * 9]), gene_frame(["ACGT" * 8]))
    monkeypatch.setenv("DNASTUDY_MMSEQS", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="DNASTUDY_MMSEQS"):
        mmseqs_binary()
    monkeypatch.delenv("DNASTUDY_MMSEQS")
    monkeypatch.setattr(mmseqs.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert mmseqs_binary() == program
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match=r"dnastudy\[homology\].*bioconda"):
        mmseqs_binary()


@needs_mmseqs
@pytest.mark.slow
def test_study_relatives_names_its_tables(planted):
    queries, targets = planted
    tables = study_homologs({"train": targets, "test": queries})
    assert list(tables) == ["test in train"]
    tables = study_homologs({"train": targets.head(20), "validation": targets.tail(20), "test": queries})
    assert list(tables) == ["validation in train", "test in train", "test in train+validation"]
    assert (tables["test in train+validation"]["nearest"] == tables["test in train"]["nearest"]).sum() >= 10


@needs_mmseqs
@pytest.mark.realdata
@pytest.mark.slow
def test_real_share(real_data):
    genes = {name: read_genes(real_data / "genes" / f"{name}.csv") for name in ("train_part", "test")}
    table = nearest_homologs(genes["test"], genes["train_part"])
    assert (table["identity"] >= 0.8).mean() == pytest.approx(0.350, abs=0.002)
    assert (table["identity"] >= 0.7).mean() == pytest.approx(0.420, abs=0.002)
