"""One gene explained: the figures are those of the model, and the copies lie where the table places them."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers import gene_frame, homologous_sequences
from typer.testing import CliRunner

from dnastudy.analysis import explain
from dnastudy.cli import main
from dnastudy.core.errors import DataError
from dnastudy.data.sequences import reverse_complement
from dnastudy.experiments.profile import load_profile
from dnastudy.models import create

TRAIN, VALIDATION, TEST = (
    gene_frame(homologous_sequences(n, seed=seed), f"s{seed}-") for n, seed in ((60, 41), (30, 42), (20, 43))
)


@pytest.fixture(scope="module")
def model():
    return create("expert").fit(list(TRAIN["sequence"]), list(VALIDATION["sequence"]))


def test_surprisal_is_minus_the_log_probability(model):
    for _, gene in TEST.head(6).iterrows():
        explanation = explain.explain(model, gene, TRAIN)
        nats = model.nucleotide_log_probs([gene["sequence"]])[0]
        np.testing.assert_allclose(explanation.bases["bits"], -nats / np.log(2), rtol=1e-9)
        assert explanation.bits_per_base == pytest.approx(-nats.mean() / np.log(2))
        assert "".join(explanation.bases["nucleotide"]) == gene["sequence"]


def test_copies_lie_where_the_table_of_copies_places_them(model):
    by_id = TRAIN.set_index("id")["sequence"]
    strands = set()
    for _, gene in TEST.iterrows():
        explanation = explain.explain(model, gene, TRAIN)
        copied = explanation.bases[explanation.bases["source"] >= 0]
        assert len(copied) > len(explanation.bases) / 2
        for row in copied.itertuples():
            source = explanation.copies.iloc[row.source]
            letter = by_id[source["id"]][row.source_position - 1]
            strands.add(source["strand"])
            assert row.copied == (letter if source["strand"] == "+" else reverse_complement(letter))
        for i, source in explanation.copies.iterrows():
            bases = explanation.bases[explanation.bases["source"] == i]
            assert len(bases) == source["bases"]
            assert (bases["copied"] == bases["nucleotide"]).mean() == pytest.approx(source["identity"])
            assert (bases["position"].min(), bases["position"].max()) == (source["first"], source["last"])
    assert strands == {"+", "-"}


def test_the_text_shows_every_nucleotide(model):
    gene = TEST.iloc[0]
    explanation = explain.explain(model, gene, TRAIN)
    lines = explain.as_text(explanation, 60).splitlines()
    tracks = {
        name: "".join(line[17:] for line in lines if line.startswith(name + " ")) for name in ("gene", "surprisal")
    }
    assert tracks["gene"] == gene["sequence"]
    assert len(tracks["surprisal"]) == len(gene["sequence"]) and set(tracks["surprisal"]) <= set(explain.LEVELS)
    assert all(len(line) <= 60 for line in lines[2:] if line.startswith(("gene ", "surprisal ", "copied ", "from  ")))
    assert explanation.copies["id"].iloc[0] in "\n".join(lines)


def test_a_gene_like_no_other_copies_nothing(model):
    alone = gene_frame(["ACGT" * 3])
    explanation = explain.explain(model, alone.iloc[0], TRAIN)
    assert explanation.copies.empty and (explanation.bases["source"] == -1).all()
    assert "Nothing was copied" in explain.as_text(explanation)


def test_genes_are_found_by_id_or_symbol():
    genes = gene_frame(["ACGT"] * 4).assign(symbol=["one", "two", "two", ""])
    assert explain.find_gene(genes, "g2")["id"] == "g2"
    assert explain.find_gene(genes, "one")["id"] == "g0"
    with pytest.raises(DataError, match="2 test genes have this symbol; name one by id: g1, g2"):
        explain.find_gene(genes, "two")
    with pytest.raises(DataError, match=r"no test gene has this id or symbol .* g0, g1, g2"):
        explain.find_gene(genes, "three")


def test_the_clearest_example_is_copied_from_two_genes_one_after_the_other(model, monkeypatch):
    """The gene with most bases from its second source; where none has two, the one with the nearest homolog."""
    monkeypatch.setattr(explain, "EXAMPLE_BASES", 35)
    memory = list(TRAIN["sequence"])
    genes = gene_frame(
        [memory[0] + memory[3] + memory[0], memory[0] + memory[2] + memory[0], memory[2] * 3, TEST["sequence"].iloc[0]]
    )
    identity = pd.Series([0.8, 0.8, 0.8, 0.95])
    second = [explain.explain(model, genes.iloc[i], TRAIN).copies["bases"].iloc[1] for i in range(3)]
    assert second[1] > second[0] > 35 > second[2]
    assert explain.clearest_example(model, genes, TRAIN, identity).gene["id"] == "g1"
    assert explain.clearest_example(model, genes, TRAIN, identity.where(identity > 0.9, 0.0)).gene["id"] == "g3"


@pytest.mark.slow
def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("DNASTUDY_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("dnastudy.experiments.profile.PROFILES", tmp_path)
    (tmp_path / "cpu.yaml").write_text(
        "data: simulated\nsimulated_genes: 300\nmle_orders: [1]\nlaplace_orders: [6]\ntrain_orders: [2]\n"
    )
    genes = load_profile("cpu").dataset()
    gene_id = genes.test["id"].iloc[3]
    done = CliRunner().invoke(main.app, ["explain", gene_id, "--json"])
    assert done.exit_code == 0, done.output
    explanation = json.loads(done.stdout)
    assert explanation["id"] == gene_id and len(explanation["bases"]) == explanation["nucleotides"]
    assert {copy["id"] for copy in explanation["copies"]} <= set(genes.train["id"])
    updated = CliRunner().invoke(main.app, ["explain", gene_id, "--add-validation", "--width", "80"])
    assert updated.exit_code == 0 and f"(id {gene_id})" in updated.stdout
