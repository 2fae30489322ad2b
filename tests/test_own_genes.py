"""The chapters on genes nobody planned for: no relatives, relatives everywhere, a dozen genes, no types, long genes."""

import nbformat
import numpy as np
import pytest
from helpers import ROOT, gene_frame, write_small_profile

from dnastudy.chapters import run_chapter
from dnastudy.genes import write_genes


def _random(n: int, length: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list("ACGT"), size=length)) for _ in range(n)]


def _mutants(n: int) -> list[str]:
    random = np.random.default_rng(1)
    ancestor = list(_random(1, 400)[0])
    copies = []
    for _ in range(n):
        copy = ancestor.copy()
        for at in random.choice(400, size=12, replace=False):
            copy[at] = random.choice(list("ACGT"))
        copies.append("".join(copy))
    return copies


SETS = {
    "unrelated": lambda: _random(150, 300),
    "one-family": lambda: _mutants(120),
    "dozen": lambda: _random(12, 120),
    "long": lambda: [*_random(30, 1800), *_mutants(20)],
}


@pytest.mark.parametrize("name", SETS)
def test_chapters_run_and_their_sentences_hold(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DNASTUDY_STORE", str(tmp_path / "store"))
    genes = gene_frame(list(dict.fromkeys(SETS[name]()))).assign(type="")
    path = write_genes(genes, tmp_path / f"{name}.fa")
    given = {"data": str(path), "profile": str(write_small_profile(tmp_path / "small.yaml"))}
    # the tasks take longest, and have most to stumble over where there are few genes, or only one family
    tasks = {"one-family": ("generated",), "dozen": ("mutations", "generated")}.get(name, ())
    for chapter in ("index", "genes", "ngrams", "experts", "lstm", "transformers", "families", *tasks):
        page = nbformat.read(run_chapter(chapter, tmp_path / f"{chapter}.ipynb", given, root=ROOT), 4)
        outputs = [output.get("data", {}) for cell in page.cells for output in cell.get("outputs", [])]
        text = "\n".join(str(data.get("text/markdown", "")) for data in outputs)
        assert f"the genes of {name}.fa" in text
        assert "nan" not in text.lower().split()
        assert "protein-coding genes are" not in text
        if name == "unrelated":
            assert "is memory" not in text and "is mostly memory" not in text
            assert "better even on genes without" not in text
        if name == "one-family" and chapter != "ngrams":
            assert "on the others" not in text
