"""One gene explained: the figures are the model's own, and the copies are where they are said to be."""

import json

import numpy as np
import pytest
from helpers import gene_frame
from test_expert import relatives
from typer.testing import CliRunner

from dnastudy.analysis import explain
from dnastudy.cli import main
from dnastudy.data.sequences import reverse_complement
from dnastudy.experiments.profile import load_profile
from dnastudy.models import create

TRAIN, VALIDATION, TEST = (gene_frame(relatives(n, seed=s), f"s{s}-") for n, s in ((60, 41), (30, 42), (20, 43)))


@pytest.fixture(scope="module")
def model():
    return create("expert").fit(list(TRAIN["sequence"]), list(VALIDATION["sequence"]))


def test_surprise_is_what_the_model_gives(model):
    for _, gene in TEST.head(6).iterrows():
        found = explain.explain(model, gene, TRAIN)
        nats = model.nucleotide_log_probs([gene["sequence"]])[0]
        np.testing.assert_allclose(found.bases["bits"], -nats / np.log(2), rtol=1e-9)
        assert found.bits_per_base == pytest.approx(-nats.mean() / np.log(2))
        assert "".join(found.bases["nucleotide"]) == gene["sequence"]


def test_copies_stand_where_they_are_said_to_be(model):
    by_id = TRAIN.set_index("id")["sequence"]
    strands = set()
    for _, gene in TEST.iterrows():
        found = explain.explain(model, gene, TRAIN)
        copied = found.bases[found.bases["source"] >= 0]
        assert len(copied) > len(found.bases) / 2
        for row in copied.itertuples():
            source = found.copies.iloc[row.source]
            letter = by_id[source["id"]][row.source_position - 1]
            strands.add(source["strand"])
            assert row.copied == (letter if source["strand"] == "+" else reverse_complement(letter))
        for i, source in found.copies.iterrows():
            own = found.bases[found.bases["source"] == i]
            assert len(own) == source["bases"]
            assert (own["copied"] == own["nucleotide"]).mean() == pytest.approx(source["identity"])
            assert (own["position"].min(), own["position"].max()) == (source["first"], source["last"])
    assert strands == {"+", "-"}


def test_the_text_shows_every_nucleotide(model):
    gene = TEST.iloc[0]
    found = explain.explain(model, gene, TRAIN)
    lines = explain.as_text(found, 60).splitlines()
    tracks = {
        name: "".join(line[17:] for line in lines if line.startswith(name + " ")) for name in ("gene", "surprise")
    }
    assert tracks["gene"] == gene["sequence"]
    assert len(tracks["surprise"]) == len(gene["sequence"]) and set(tracks["surprise"]) <= set(explain.LEVELS)
    assert all(len(line) <= 60 for line in lines[2:] if line.startswith(("gene ", "surprise ", "copied ", "from  ")))
    assert found.copies["id"].iloc[0] in "\n".join(lines)


def test_a_gene_like_no_other_copies_nothing(model):
    alone = gene_frame(["ACGT" * 3])
    found = explain.explain(model, alone.iloc[0], TRAIN)
    assert found.copies.empty and (found.bases["source"] == -1).all()
    assert "Nothing was copied" in explain.as_text(found)


def test_genes_are_found_by_id_or_symbol():
    genes = gene_frame(["ACGT"] * 4).assign(symbol=["one", "two", "two", ""])
    assert explain.find_gene(genes, "g2")["id"] == "g2"
    assert explain.find_gene(genes, "one")["id"] == "g0"
    with pytest.raises(explain.ExplainError, match="2 test genes have this symbol; name one by id: g1, g2"):
        explain.find_gene(genes, "two")
    with pytest.raises(explain.ExplainError, match=r"no test gene has this id or symbol .* g0, g1, g2"):
        explain.find_gene(genes, "three")


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("DNASTUDY_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("dnastudy.experiments.profile.PROFILES", tmp_path)
    (tmp_path / "cpu.yaml").write_text(
        "data: simulated\nsimulated_genes: 300\nmle_orders: [1]\nlaplace_orders: [6]\ntrain_orders: [2]\n"
    )
    genes = load_profile("cpu").dataset()
    wanted = genes.test["id"].iloc[3]
    done = CliRunner().invoke(main.app, ["explain", wanted, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["id"] == wanted and len(found["bases"]) == found["nucleotides"]
    known = set(genes.train["id"])
    assert {copy["id"] for copy in found["copies"]} <= known
    joined = CliRunner().invoke(main.app, ["explain", wanted, "--joined", "--width", "80"])
    assert joined.exit_code == 0 and f"(id {wanted})" in joined.stdout
