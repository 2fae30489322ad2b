"""The command line on real-life tasks."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers import TEST, gene_frame, random_sequences

from dnastudy.data.genes import write_genes
from dnastudy.data.mutation_pairs import read_pairs
from dnastudy.tasks import TASKS, task_class


@pytest.fixture
def counts(dnastudy, files, tmp_path):
    done = dnastudy("train", "ngram", "--train", files["a"], "--out", tmp_path / "counts", "--json")
    assert done.code == 0, done.err
    return tmp_path / "counts"


@pytest.fixture
def pairs(dnastudy, files, tmp_path):
    done = dnastudy(
        "data", "mutate", files["test"], "--out", tmp_path / "pairs.csv", "--n", 80, "--maximum", 3, "--json"
    )
    assert done.json["pairs"] == 80
    assert done.json["maximum"] == 3
    return tmp_path / "pairs.csv"


def test_pairs_are_made_of_the_genes_given(pairs, dnastudy, files, tmp_path):
    table = read_pairs(pairs)
    assert set(table["real"]) <= set(TEST)
    again = tmp_path / "again.csv"
    assert dnastudy("data", "mutate", files["test"], "--out", again, "--n", 80, "--maximum", 3).code == 0
    assert again.read_bytes() == pairs.read_bytes()
    swaps = tmp_path / "swaps.csv"
    assert dnastudy("data", "mutate", files["test"], "--out", swaps, "--n", 20, "--kind", "swap").code == 0
    assert pd.read_csv(swaps)["edits"].str.startswith("swap").all()


def test_accuracy_and_interval_by_rule_and_by_kind(dnastudy, files, counts, pairs):
    found = dnastudy("mutations", pairs, "--model", counts, "--validation", files["validation"], "--json").json
    assert (found["pairs"], found["model"]) == (80, str(counts))
    assert list(found["rules"]) == ["perplexity", "probability", "likelihood ratio", "calibrated"]
    assert set(found["weights"]) == {"log_prob", "end", "other_log_prob", "other_end", "nucleotides"}
    for rule in found["rules"].values():
        low, high = rule["interval"]
        assert 0 <= low <= rule["accuracy"] <= high <= 1
        assert rule["pairs"] == 80 == sum(kind["pairs"] for kind in rule["by_kind"].values())
        total = sum(kind["pairs"] * kind["accuracy"] for kind in rule["by_kind"].values())
        assert total == pytest.approx(80 * rule["accuracy"])
    assert {"insertion", "deletion", "substitution"} <= set(found["rules"]["perplexity"]["by_kind"])


def test_without_validation_genes_nothing_is_calibrated(dnastudy, counts, pairs):
    done = dnastudy("mutations", pairs, "--model", counts)
    lines = done.out.splitlines()
    assert lines[0].split() == ["pairs", "number", "perplexity", "probability", "likelihood", "ratio"]
    assert lines[1].split()[:2] == ["all", "80"]
    plain = dnastudy("mutations", pairs, "--model", counts, "--json").json
    assert plain["weights"] is None
    assert f"{plain['rules']['perplexity']['accuracy']:.3f}" in lines[1]


def test_a_model_that_comes_with_the_package_takes_them(dnastudy, pairs):
    assert dnastudy("mutations", pairs, "--json").json["model"] == "lstm"


def test_mistakes_are_named(refused, counts, pairs, files, tmp_path):
    assert "no such file" in refused("mutations", tmp_path / "none.csv", "--model", counts)
    assert "no column for real, mutated" in refused("mutations", files["test"], "--model", counts)
    bad = tmp_path / "bad.csv"
    bad.write_text("id,real,mutated\nx,ACGT,ACGN\n")
    assert "record 1 (line 2), id x, mutated sequence, position 4: 'N'" in refused("mutations", bad, "--model", counts)
    assert "no such folder, and no model" in refused("mutations", pairs, "--model", "lsmt")
    message = refused("data", "mutate", files["test"], "--out", bad, "--kind", "inversion")
    assert "unknown kind of edit 'inversion' (known: insertion, deletion, substitution, swap)" in message


def test_validation_genes_among_the_pairs_are_said(dnastudy, files, counts, pairs):
    done = dnastudy("mutations", pairs, "--model", counts, "--validation", files["test"], "--json")
    assert "are also among the real ones: the calibrated rule is too good" in done.err


def test_only_the_papers_genes_reproduce_its_accuracies(refused):
    assert "the paper's figures are of its own genes" in refused("reproduce", "mutations", "--data", "simulated")


@pytest.mark.realdata
@pytest.mark.slow
def test_the_papers_accuracies_are_reproduced(dnastudy, real_data):
    """All twelve cells, the paper's figures typed from its table rather than read from the package."""
    done = dnastudy("reproduce", "mutations", "--data", real_data)
    assert (done.code, done.out.splitlines()[-1]) == (0, "12 of 12 accuracies equal the paper's")
    published = {
        (1, "perplexity"): [649, 647], (5, "perplexity"): [749, 741], (10, "perplexity"): [787, 793],
        (1, "probability"): [607, 585], (5, "probability"): [680, 695], (10, "probability"): [717, 723],
    }  # fmt: skip
    found = json.loads(dnastudy("reproduce", "mutations", "--data", real_data, "--json").out)
    assert found["reproduced"] is True
    cells = {(c["maximum"], c["rule"], c["seed"]): (c["right"], c["pairs"]) for c in found["cells"]}
    assert cells == {
        (*key, seed): (right, 1000)
        for key, of_seeds in published.items()
        for seed, right in zip((419432, 623598), of_seeds, strict=True)
    }


def test_an_unknown_task_names_the_tasks(dnastudy):
    done = dnastudy("task", "mutations")
    assert done.code == 2
    assert "there is no task 'mutations'" in done.err and "mutation-detection" in done.err


def test_every_task_is_a_command_that_lists_its_settings(dnastudy):
    listing = dnastudy("task", "--help").out
    for name in TASKS:
        assert name in listing
        text = dnastudy("task", name, "--help").out
        assert all(key in text for key in task_class(name).Settings.model_fields)


@pytest.mark.slow
def test_a_trained_model_is_evaluated_on_a_task(dnastudy, refused, files, counts):
    words = ["task", "mutation-detection", "--model", counts, "--train", files["a"], "--test", files["test"]]
    words += ["--set", "pairs=20", "maxima=[1, 5]", "seeds=[3]", "replicates=100"]
    done = dnastudy(*words, "--validation", files["validation"], "--json").json
    assert (done["task"], done["model"]) == ("mutation-detection", str(counts))
    assert done["settings"]["pairs"] == 20
    assert done["facts"]["weights"]
    sets = [row for row in done["tables"]["accuracy"] if row["by"] == "set"]
    assert {(row["group"], row["n"]) for row in sets} == {("3-1", 20), ("3-5", 20)}
    plain = dnastudy(*words)
    assert plain.code == 0
    assert plain.out.startswith("accuracy\n") and "calibrated" not in plain.out
    assert "--data FOLDER, or with --train and --test" in refused(*words[:6])
    assert "unknown setting 'pair'" in refused(*words, "--set", "pair=3")


def test_a_folder_of_genes_and_rows_without_a_model(dnastudy, files, tmp_path):
    words = ["--train", files["a"], files["b"], "--by-type", "--set", "order=2", "--out", tmp_path / "by-type"]
    assert dnastudy("train", "ngram", *words).code == 0
    for name, file in (("train", "a"), ("validation", "validation"), ("test", "test")):
        (tmp_path / "genes").mkdir(exist_ok=True)
        (tmp_path / "genes" / f"{name}.csv").write_bytes(files[file].read_bytes())
    words = ["--data", tmp_path / "genes", "--set", "min_genes=5", "genes=5", "replicates=100"]
    words += ["judge=linear on k-mers", "classifiers=[linear on k-mers]"]
    done = dnastudy("task", "gene-types", "--model", tmp_path / "by-type", *words, "--reference", "--json").json
    assert {"recovered", "Bayes by its probabilities"} <= {row["what"] for row in done["tables"]["scores"]}
    assert "recovered: real genes" in {row["what"] for row in done["reference"]["scores"]}


@pytest.fixture
def written(tmp_path):
    """Generated genes and real ones, alike but for their composition; the first ten are training genes."""
    random = np.random.default_rng(0)
    real = random_sequences(120, seed=3, low=100, high=160)
    made = ["".join(random.choice(list("ACGT"), p=[0.1, 0.4, 0.4, 0.1], size=130)) for _ in range(40)]
    tables = {"real": real[:90], "train": real[90:], "made": [*real[90:100], *made]}
    return {name: write_genes(gene_frame(rows, name), tmp_path / f"{name}.fa") for name, rows in tables.items()}


FAST = ["--set", "classifiers=[linear on k-mers]", "kmer_sizes=[2]", "folds=3", "replicates=100"]


@pytest.mark.slow
def test_generated_genes_are_set_beside_real_ones(dnastudy, written):
    words = ["quality", written["made"], "--real", written["real"], *FAST]
    found = dnastudy(*words, "--train", written["train"], "--json").json
    ours = found["sets"][str(written["made"])]
    assert list(found["sets"]) == [str(written["made"]), "real genes", "shuffled real genes"]
    assert ours["copies of training genes"]["value"] == pytest.approx(0.2)
    low, high = ours["AUC, linear on k-mers"]["interval"]
    assert 0.7 < low <= ours["AUC, linear on k-mers"]["value"] <= high
    assert found["sets"]["real genes"]["AUC, linear on k-mers"]["value"] < 0.7
    assert found["sets"]["real genes"]["copies of training genes"]["value"] == 0
    own = dnastudy("quality", written["real"], "--real", written["real"], *FAST, "--set", "genes=30")
    assert "90 of the 90 real genes are among the generated genes" in own.err
    plain = dnastudy(*words)
    assert plain.code == 0
    assert "copies of training genes" not in plain.out
    lines = plain.out.splitlines()
    assert lines[1].split()[:2] == ["empty", "0.000"]
    assert any(line.startswith("AUC, linear") and "(" in line for line in lines)


def test_what_cannot_be_compared_is_refused(refused, written, tmp_path):
    few = write_genes(gene_frame(random_sequences(4, low=50, high=60)), tmp_path / "few.fa")
    assert "few.fa: 4 genes, 10 are needed" in refused("quality", few, "--real", written["real"])
    none = refused("quality", written["made"], "--real", written["real"], "--type", "rRNA")
    assert "0 real genes, 20 are needed" in none
    assert "generated already" in refused(
        "quality", written["made"], "--real", written["real"], "--set", "temperatures=[1]"
    )
    assert "no classifier 'forest'" in refused(
        "quality", written["made"], "--real", written["real"], "--set", "classifiers=[forest]"
    )
