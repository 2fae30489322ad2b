"""The chapters on genes nobody planned for: no relatives, relatives everywhere, a dozen genes, no types, long genes."""

import nbformat
import numpy as np
import pytest
from helpers import ROOT, gene_frame, write_small_profile
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from dnastudy.chapters.parameters import INJECTED
from dnastudy.chapters.run import find_chapters
from dnastudy.data.genes import write_genes

pytestmark = pytest.mark.slow  # trains, or searches for homologs


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


CHAPTERS = ("index", "genes", "ngrams", "experts", "families", "homology", "learning_curves", "lstm", "transformers")
# the tasks take longest, and have most to stumble over where there are few genes, or only one family
TASKS = {"one-family": ("generated_genes",), "dozen": ("mutations", "generated_genes")}
REFUSED = {"one-family": ("homology", "learning_curves")}


def _outputs(chapter: str, given: dict[str, str]) -> list[dict]:
    """What the cells of a chapter show, run in this process: a kernel for each would take most of the time."""
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"hist_file": ":memory:"}}))
    shell.reset(new_session=True)
    first, *others = [
        cell.source for cell in nbformat.read(find_chapters(ROOT)[chapter], 4).cells if cell.cell_type == "code"
    ]
    injected = "\n".join([INJECTED, *(f"{name} = {value!r}" for name, value in given.items())])
    found = []
    try:
        for source in (first, injected, *others):
            with capture_output() as caught:
                result = shell.run_cell(source, store_history=True)
            result.raise_error()
            found += [output.data for output in caught.outputs]
            if result.result is not None:
                found.append(shell.display_formatter.format(result.result)[0])
    finally:  # the tests after this one are in no shell, and have a module of their own as the main one
        shell.restore_sys_module_state()
        InteractiveShell.clear_instance()
    return found


@pytest.mark.parametrize("name", SETS)
def test_chapters_run_and_their_sentences_hold(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DNASTUDY_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(ROOT)  # chapters go there, and the tests after this one must not
    genes = gene_frame(list(dict.fromkeys(SETS[name]()))).assign(type="")
    path = write_genes(genes, tmp_path / f"{name}.fa")
    given = {"data": str(path), "profile": str(write_small_profile(tmp_path / "small.yaml"))}
    for chapter in REFUSED.get(name, ()):
        with pytest.raises(ValueError, match="120 genes of 1 family, the largest of 120, do not fill every part"):
            _outputs(chapter, given)
    for chapter in (*(c for c in CHAPTERS if c not in REFUSED.get(name, ())), *TASKS.get(name, ())):
        outputs = _outputs(chapter, given)
        text = "\n".join(str(data.get("text/markdown", "")) for data in outputs)
        assert f"the genes of {name}.fa" in text
        assert "nan" not in text.lower().split()
        assert "protein-coding genes are" not in text
        if name == "unrelated":
            assert "is memory" not in text and "is mostly memory" not in text
            assert "better even on genes without" not in text
        if name == "one-family" and chapter != "ngrams":
            assert "on the others" not in text
