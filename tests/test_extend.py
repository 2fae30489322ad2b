"""Adding a model of a new family is one file and one line: everything else takes it as it is."""

import json
import math
import sys
from collections import Counter

import numpy as np
import pytest
from helpers import gene_frame, random_sequences

from dnastudy import models
from dnastudy.core import code
from dnastudy.data.datasets import Dataset
from dnastudy.data.genes import write_genes
from dnastudy.experiments import store as stores
from dnastudy.experiments.identity import run_id
from dnastudy.experiments.plan import Run, all_runs, find_run, representatives
from dnastudy.experiments.profile import load_profile
from dnastudy.experiments.store import Store
from dnastudy.experiments.study import Study
from dnastudy.experiments.task_runs import run_tasks
from dnastudy.models import MODELS, ModelError, create
from dnastudy.tasks import TASKS

FAMILY = "frequency model"
FILE = f'''
"""Frequencies of the four nucleotides, and an end that comes with a constant probability."""

import numpy as np
from pydantic import Field

from dnastudy.data.sequences import encode
from dnastudy.models import base


class Composition(base.LanguageModel):
    """Frequencies of single symbols."""

    name = "composition"
    family = "{FAMILY}"
    label = "Base composition"

    class Settings(base.Settings):
        """Settings."""

        pseudocount: float = Field(default=1.0, ge=0, description="added to each symbol's count")

    def fit(self, train, validation=None):
        self.counts = np.bincount(encode(train).symbols, minlength=5) + self.settings.pseudocount
        return self

    def log_distributions(self, sequences):
        row = np.log(self.counts / self.counts.sum())
        return [np.tile(row, (length + 1, 1)) for length in encode(sequences).lengths]

    @property
    def num_parameters(self):
        return 5

    def _arrays(self):
        return {{"counts": self.counts}}

    def _restore(self, arrays):
        self.counts = arrays["counts"]
'''
"""All that a new model is: no look, no list of files, no place in a profile or a chapter."""

TRAIN, VALIDATION, TEST = (random_sequences(72, seed=seed, low=40, high=63) for seed in (21, 22, 23))
TASK_SETTINGS = {
    "mutation-detection": {"pairs": 20, "calibration_pairs": 20},
    "generation-quality": {
        "genes": 30,
        "folds": 2,
        "kmer_sizes": [2],
        "temperatures": [1.0],
        "classifiers": ["linear on k-mers"],
    },
    "gene-types": {"genes": 5, "test_genes": 20, "judge": "linear on k-mers", "classifiers": ["linear on k-mers"]},
}
"""As small as possible: three types of 24 training genes each."""


@pytest.fixture
def added(tmp_path, monkeypatch):
    """One file outside the package, one line in the registry."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "composition_model.py").write_text(FILE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(MODELS, "composition", "composition_model:Composition")
    code.sources.cache_clear()
    yield folder / "composition_model.py"
    sys.modules.pop("composition_model", None)
    code.sources.cache_clear()


@pytest.fixture
def dataset():
    splits = {"train": gene_frame(TRAIN, "a"), "validation": gene_frame(VALIDATION, "b"), "test": gene_frame(TEST, "c")}
    return Dataset("own", "genes of a test", splits, "training and validation genes")


@pytest.fixture
def files(monkeypatch, tmp_path):
    """The genes of ``dataset`` as files in the current folder."""
    for name, rows in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        write_genes(gene_frame(rows, name), tmp_path / f"{name}.csv")
    monkeypatch.chdir(tmp_path)


def frequencies(pseudocount=1.0):
    """Probabilities of A C G T among nucleotides, counted plainly."""
    counts = Counter("".join(TRAIN))
    total = sum(counts.values()) + 4 * pseudocount
    return {base: (counts[base] + pseudocount) / total for base in "ACGT"}


def expected_bits(pseudocount=1.0):
    p = frequencies(pseudocount)
    text = "".join(TEST)
    return -sum(math.log2(p[base]) for base in text) / len(text)


# --- the command line ----------------------------------------------------------------------------------------------

FILES = ("--train", "train.csv", "--test", "test.csv")
EVALUATE = ("evaluate", "composition", *FILES, "--validation", "validation.csv", "--json")


def test_evaluate_takes_it(added, dnastudy, files):
    record = dnastudy(*EVALUATE, "--set", "pseudocount=2.5").json
    assert (record["model"], record["settings"], record["tuned"]) == ("composition", {"pseudocount": 2.5}, {})
    assert record["bits_per_base"] == pytest.approx(expected_bits(2.5), rel=1e-12)
    assert record["paper_perplexity"] is None
    assert record["parameters"] == 5
    assert record["interval"][0] < record["nucleotide_perplexity"] < record["interval"][1]


def test_its_errors_are_reported_like_all_others(added, refused, files):
    message = refused(*EVALUATE, "--set", "pseudocounts=2")
    assert "unknown setting 'pseudocounts' (did you mean 'pseudocount'?)" in message
    assert "added to each symbol's count" in refused(*EVALUATE, "--set", "pseudocount=-1")
    assert "composition: cannot take more genes after training" in refused(*EVALUATE, "--add-validation")
    assert "did you mean 'composition'?" in refused("evaluate", "compositon", *FILES)


def test_train_and_score_take_it(added, dnastudy, files, tmp_path):
    trained = dnastudy("train", "composition", "--train", "train.csv", "--out", "made", "--json").json
    assert trained["parameters"] == 5
    scored = dnastudy("score", "test.csv", "--model", "made", "--per-base", "--json").json
    logs = {base: math.log(p) for base, p in frequencies().items()}
    for row, sequence in zip(scored["sequences"], TEST, strict=True):
        assert row["per_base"] == pytest.approx([logs[base] for base in sequence], rel=1e-12)
        assert row["log_prob"] == pytest.approx(math.fsum(logs[base] for base in sequence), rel=1e-12)
    header = json.loads((tmp_path / "made" / "model.json").read_text())
    assert header["model"] == "composition"


def test_it_is_listed(added, dnastudy):
    assert dnastudy("models", "--json").json["composition"] == {
        "family": FAMILY,
        "about": "Frequencies of single symbols.",
        "settings": {"pseudocount": {"default": 1.0, "about": "added to each symbol's count"}},
        "presets": {},
    }


# --- the protocol --------------------------------------------------------------------------------------------------


def test_derived_methods_come_with_it(added, tmp_path):
    model = create("composition").fit(TRAIN)
    p = frequencies()
    entropy = -sum(q * math.log(q) for q in p.values())
    for row, sequence in zip(model.entropies(TEST), TEST, strict=True):
        np.testing.assert_allclose(row, np.full(len(sequence), entropy), rtol=1e-12)
    end = (len(TRAIN) + 1) / (sum(map(len, TRAIN)) + len(TRAIN) + 5)
    for row, sequence in zip(model.log_probs(TEST), TEST, strict=True):
        assert row.shape == (len(sequence) + 1,)
        assert row[-1] == pytest.approx(math.log(end), rel=1e-12)
        assert row[0] == pytest.approx(math.log(p[sequence[0]] * (1 - end)), rel=1e-3)
    assert models.load(model.save(tmp_path / "saved")).num_parameters == 5


@pytest.mark.slow
def test_it_generates_genes_like_those_it_was_trained_on(added):
    """Generated genes have the composition and, on average, the length of the training genes."""
    model = create("composition").fit(TRAIN)
    drawn = model.sample(400, seed=3, max_length=2000)
    assert drawn == model.sample(400, seed=3, max_length=2000) != model.sample(400, seed=4, max_length=2000)
    text = "".join(drawn)
    for base, p in frequencies().items():
        assert text.count(base) / len(text) == pytest.approx(p, abs=5 * math.sqrt(p / len(text)))
    mean = sum(map(len, TRAIN)) / len(TRAIN)
    assert len(text) / 400 == pytest.approx(mean, abs=5 * mean / math.sqrt(400))
    assert all(sequence.startswith("ACG") for sequence in model.sample(5, prefix="ACG"))
    likely = max(frequencies(), key=frequencies().get)
    assert set("".join(model.sample(3, top_k=1, max_length=20))) == {likely}


# --- the study -----------------------------------------------------------------------------------------------------


def test_the_store_takes_it(added, dataset, tmp_path, monkeypatch):
    run = Run(name="mine", model="composition", replicates=100)
    log = []
    result = Store(tmp_path / "store").get(run, dataset, log.append)
    assert result.metrics["bits_per_base"] == pytest.approx(expected_bits(), rel=1e-12)
    assert (result.record["family"], result.record["settings"]) == (FAMILY, {"pseudocount": 1.0})
    assert type(result.model()).__name__ == "Composition"
    np.testing.assert_array_equal(result.model().counts, create("composition").fit(TRAIN).counts)
    with monkeypatch.context() as once:
        once.setattr(stores, "fit_model", lambda *_: pytest.fail("computed twice"))
        assert Store(tmp_path / "store").get(run, dataset, log.append).metrics == result.metrics
    assert log == ["fit mine", "score mine"]
    with pytest.raises(ModelError, match="cannot take more genes"):
        Store(tmp_path / "store").get(Run(name="updated", model="composition", update=["validation"]), dataset)


def test_its_code_identifies_its_runs_though_it_is_outside_the_package(added, dataset):
    run, other = Run(name="mine", model="composition"), Run(name="other", model="uniform")
    before = run_id(run, dataset), run_id(other, dataset)
    added.write_text(FILE.replace('"""Settings."""', '"""Settings of it."""'))
    code.sources.cache_clear()
    assert (run_id(run, dataset), run_id(other, dataset)) == before
    added.write_text(FILE.replace("return 5", "return 4"))
    code.sources.cache_clear()
    assert run_id(run, dataset) != before[0]
    assert run_id(other, dataset) == before[1]


@pytest.fixture
def study(added, dataset, tmp_path):
    """The profile `quick` with small tasks on the genes of this test, and a new store."""
    return Study(load_profile("quick", tasks=TASK_SETTINGS), dataset, Store(tmp_path / "store"))


def test_the_study_has_a_run_of_it(study):
    (run,) = [run for run in all_runs(study.profile) if run.model == "composition"]
    assert run == find_run(study.profile, "composition")
    assert run in representatives(study.profile), "the chapter on generated genes shows it"
    assert (run.label, run.group, run.recipe, run.order, run.seed) == (
        "Base composition",
        "composition",
        "",
        None,
        None,
    )


def test_every_registered_model_has_runs(added):
    """Whatever is registered, and is not made of others by its settings, is in the study."""
    in_study = {run.model for run in all_runs(load_profile("quick"))}
    assert "composition" in in_study
    assert in_study == {name for name in MODELS if not models.model_class(name).of_others}


@pytest.mark.slow
def test_it_is_evaluated_on_every_task(study):
    run = find_run(study.profile, "composition")
    task_runs = run_tasks(study.store, study.profile, [run], study.dataset)
    assert set(task_runs) == set(TASKS)
    for task, by_run in task_runs.items():
        record = by_run["composition"].record
        assert (record["task"], record["family"], record["label"]) == (task, FAMILY, "Base composition")
        for name, rows in record["tables"].items():
            assert rows, f"{task}: no rows in {name}"


def test_its_family_has_a_colour_that_no_other_family_has(added):
    charts = pytest.importorskip("dnastudy.display.charts")
    families = [models.model_class(name).family for name in MODELS]
    look = looks_of(charts.family_scale("family", "point", families))
    assert set(look) == set(families)
    assert len({color for color, _ in look.values()}) == len({shape for _, shape in look.values()}) == len(look)
    assert looks_of(charts.family_scale("family", "point", [FAMILY])) == {FAMILY: look[FAMILY]}


def looks_of(encodings) -> dict[str, tuple[str, str]]:
    """Colour and shape of each family in the legend of a chart."""
    color, shape = (encodings[channel].to_dict()["scale"] for channel in ("color", "shape"))
    assert color["domain"] == shape["domain"]
    return dict(zip(color["domain"], zip(color["range"], shape["range"], strict=True), strict=True))


def families_in_legends(chart) -> set[str]:
    """Families that the colours of a chart are for."""
    families = set()

    def walk(node):
        if isinstance(node, dict):
            color = node.get("color")
            if isinstance(color, dict):
                families.update(color.get("scale", {}).get("domain", []))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(chart.to_dict())
    return families


def labels_in(table) -> str:
    """All text of a table."""
    return table.data.to_csv() if hasattr(table, "data") else str(table)


@pytest.mark.slow
def test_chapters_show_it_in_their_charts_and_tables(study, monkeypatch):
    """With the uniform model beside it, in place of all runs of the study, which take minutes."""
    pytest.importorskip("altair")
    from dnastudy.analysis import findings, generated_genes, mutations

    runs = [find_run(study.profile, name) for name in ("uniform", "composition")]
    monkeypatch.setattr(mutations, "all_runs", lambda profile: runs)
    monkeypatch.setattr(generated_genes, "representatives", lambda profile: runs)

    front = findings.Chapter(study, study.run(runs))
    assert FAMILY in families_in_legends(front.headline_chart())
    assert "Base composition" in labels_in(front.headline_table())

    detection = mutations.Chapter.of(study)
    assert detection.family["Base composition"] == FAMILY
    assert FAMILY in families_in_legends(detection.perplexity_chart())
    assert "Base composition" in labels_in(detection.accuracy_table())

    generated = generated_genes.Chapter.of(study)
    assert FAMILY in families_in_legends(generated.headline_chart())
    assert "Base composition" in labels_in(generated.quality_table())
    assert FAMILY in families_in_legends(generated.types.answers_chart())
    assert "Base composition" in labels_in(generated.types.answers_table())
