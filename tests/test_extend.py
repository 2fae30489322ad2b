"""Adding a model is one file and one line: everything else takes it as it is."""

import json
import math
import sys
from collections import Counter

import numpy as np
import pytest
from helpers import gene_frame, random_sequences

from dnastudy import models
from dnastudy.analysis.generated_genes import BEST, with_best
from dnastudy.analysis.task_tables import task_table
from dnastudy.analysis.headline import headline
from dnastudy.analysis.mutations import accuracies, mean_pairs
from dnastudy.cli import main
from dnastudy.core.provenance import code_hash
from dnastudy.data.datasets import Dataset
from dnastudy.data.genes import write_genes
from dnastudy.experiments import store
from dnastudy.experiments.plan import Run, all_runs, find_run, representatives
from dnastudy.experiments.profile import load_profile
from dnastudy.experiments.store import Store
from dnastudy.experiments.identity import run_id
from dnastudy.experiments.task_runs import run_tasks
from dnastudy.models import MODELS, ModelError, create
from dnastudy.tasks import TASKS
from dnastudy.tasks.mutation_detection import RULES

FILE = '''
"""Frequencies of the four nucleotides, and an end that comes with a constant probability."""

import numpy as np
from pydantic import Field

from dnastudy.models import base
from dnastudy.sequences import END, encode


class Composition(base.LanguageModel):
    """Frequencies of single symbols."""

    name = "composition"
    family = "expert"

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
        return {"counts": self.counts}

    def _restore(self, arrays):
        self.counts = arrays["counts"]
'''

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
"""As small as it goes: three types of 24 training genes each."""


@pytest.fixture
def added(tmp_path, monkeypatch):
    """One file outside the package, one line in the registry."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "composition_model.py").write_text(FILE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(MODELS, "composition", "composition_model:Composition")
    code_hash.cache_clear()
    yield folder / "composition_model.py"
    sys.modules.pop("composition_model", None)
    code_hash.cache_clear()


@pytest.fixture
def dataset():
    splits = {"train": gene_frame(TRAIN, "a"), "validation": gene_frame(VALIDATION, "b"), "test": gene_frame(TEST, "c")}
    return Dataset("own", "genes of a test", splits, "training and validation genes")


@pytest.fixture
def dnastudy(monkeypatch, capsys, tmp_path):
    """Run the program on the genes of ``dataset`` and return status, stdout and stderr."""
    for name, rows in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        write_genes(gene_frame(rows, name), tmp_path / f"{name}.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main.app, "registered_groups", list(main.app.registered_groups))
    monkeypatch.setattr(main.app, "registered_commands", list(main.app.registered_commands))

    def call(words: str):
        monkeypatch.setattr(sys, "argv", ["dnastudy", *words.split()])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main.main()
        return caught.value.code or 0, *capsys.readouterr()

    return call


def frequencies(pseudocount=1.0):
    """Probabilities of A C G T among nucleotides, counted plainly."""
    counts = Counter("".join(TRAIN))
    total = sum(counts.values()) + 4 * pseudocount
    return {base: (counts[base] + pseudocount) / total for base in "ACGT"}


def expected_bits(pseudocount=1.0):
    p = frequencies(pseudocount)
    text = "".join(TEST)
    return -sum(math.log2(p[base]) for base in text) / len(text)


EVALUATE = "evaluate composition --train train.csv --validation validation.csv --test test.csv --json"


def test_evaluate_takes_it(added, dnastudy):
    code, out, err = dnastudy(f"{EVALUATE} --set pseudocount=2.5")
    assert code == 0, err
    found = json.loads(out)
    assert (found["model"], found["settings"], found["tuned"]) == ("composition", {"pseudocount": 2.5}, {})
    assert found["bits_per_base"] == pytest.approx(expected_bits(2.5), rel=1e-12)
    assert found["paper_perplexity"] is None
    assert found["parameters"] == 5
    assert found["interval"][0] < found["nucleotide_perplexity"] < found["interval"][1]


def test_its_mistakes_are_told_like_all_others(added, dnastudy):
    code, out, err = dnastudy(f"{EVALUATE} --set pseudocounts=2")
    assert (code, out) == (1, "")
    assert "unknown setting 'pseudocounts' (did you mean 'pseudocount'?)" in err
    code, out, err = dnastudy(f"{EVALUATE} --set pseudocount=-1")
    assert (code, out) == (1, "")
    assert "added to each symbol's count" in err
    code, out, err = dnastudy(f"{EVALUATE} --add-validation")
    assert (code, out) == (1, "")
    assert "composition: cannot take more genes after training (as --add-validation and --prequential ask)" in err
    assert "known: uniform, ngram" in dnastudy("evaluate compositon --train train.csv --test test.csv")[2]


def test_train_and_score_take_it(added, dnastudy, tmp_path):
    code, out, err = dnastudy("train composition --train train.csv --out made --json")
    assert code == 0, err
    assert json.loads(out)["parameters"] == 5
    code, out, err = dnastudy("score test.csv --model made --per-base --json")
    assert code == 0, err
    logs = {base: math.log(p) for base, p in frequencies().items()}
    for row, sequence in zip(json.loads(out)["sequences"], TEST, strict=True):
        assert row["per_base"] == pytest.approx([logs[base] for base in sequence], rel=1e-12)
        assert row["log_prob"] == pytest.approx(math.fsum(logs[base] for base in sequence), rel=1e-12)
    header = json.loads((tmp_path / "made" / "model.json").read_text())
    assert header["model"] == "composition"


def test_it_is_listed(added, dnastudy):
    listed = json.loads(dnastudy("models --json")[1])
    assert listed["composition"] == {
        "family": "expert",
        "about": "Frequencies of single symbols.",
        "settings": {"pseudocount": {"default": 1.0, "about": "added to each symbol's count"}},
        "presets": {},
    }


def test_the_store_takes_it(added, dataset, tmp_path, monkeypatch):
    run = Run(name="mine", model="composition", replicates=100)
    log = []
    result = Store(tmp_path / "store").get(run, dataset, log.append)
    assert result.metrics["bits_per_base"] == pytest.approx(expected_bits(), rel=1e-12)
    assert (result.record["family"], result.record["settings"]) == ("expert", {"pseudocount": 1.0})
    assert type(result.model()).__name__ == "Composition"
    np.testing.assert_array_equal(result.model().counts, create("composition").fit(TRAIN).counts)
    monkeypatch.setattr(store, "fit_model", lambda *_: pytest.fail("computed twice"))
    assert Store(tmp_path / "store").get(run, dataset, log.append).metrics == result.metrics
    assert log == ["fit mine", "score mine"]
    with pytest.raises(ModelError, match="cannot take more genes"):
        monkeypatch.undo()
        monkeypatch.setitem(MODELS, "composition", "composition_model:Composition")
        Store(tmp_path / "store").get(Run(name="joined", model="composition", join=["validation"]), dataset)


def test_its_code_is_part_of_its_runs_though_it_lies_outside_the_package(added, dataset):
    run, other = Run(name="mine", model="composition"), Run(name="other", model="uniform")
    before = run_id(run, dataset), run_id(other, dataset)
    added.write_text(FILE.replace('"""Settings."""', '"""Settings of it."""'))
    code_hash.cache_clear()
    assert (run_id(run, dataset), run_id(other, dataset)) == before
    added.write_text(FILE.replace("return 5", "return 4"))
    code_hash.cache_clear()
    assert run_id(run, dataset) != before[0]
    assert run_id(other, dataset) == before[1]


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


def test_it_samples_what_it_learned(added):
    """Drawn genes have the composition and, on average, the length of those it learned from."""
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


def test_it_has_its_rows_in_the_study_with_no_other_change(added, dataset, tmp_path):
    """Its run, its row in the study's main table, and its row at each real-life task."""
    profile = load_profile("quick", tasks=TASK_SETTINGS)
    (run,) = [run for run in all_runs(profile) if run.model == "composition"]
    assert run == find_run(profile, "composition")
    assert run in representatives(profile), "the chapter on generated genes shows it"
    store = Store(tmp_path)
    record = store.get(run, dataset).record
    table = headline({run.name: record})
    assert table["name"].tolist() == table["model"].tolist() == ["composition"]
    everything = run_tasks(store, profile, [run], dataset)
    assert set(everything) == set(TASKS)
    for task, outcomes in everything.items():
        outcome = outcomes["composition"]
        assert (outcome.record["task"], outcome.record["family"]) == (task, "expert")
        for name, rows in outcome.record["tables"].items():
            assert rows, f"{task}: no rows in {name}"
    records = {run.name: record}
    measures = with_best(task_table(everything["generation-quality"], records, "measures"))
    written = measures[measures["measure"].isin([BEST, "with a homolog in train"])]
    assert set(written["set"]) == {"temperature 1", "real lengths"}
    assert (written["label"] == "composition").all()
    assert (written["low"] <= written["high"]).all()
    scores = task_table(everything["gene-types"], records, "scores")
    assert {"recovered", "train on generated", "Bayes by its probabilities"} < set(scores["what"])
    assert (scores["macro_f1_low"] <= scores["macro_f1_high"]).all()
    found = accuracies({"composition": mean_pairs([everything["mutation-detection"]["composition"]])}, "maximum", 100)
    assert set(found["rule"]) == set(RULES)
    assert ((found["low"] <= found["accuracy"]) & (found["accuracy"] <= found["high"])).all()


def test_every_registered_model_has_runs():
    """Whatever is registered and not made of others by its settings stands in the study."""
    named = {run.model for run in all_runs(load_profile("quick"))}
    assert named == {name for name in MODELS if not models.model_class(name).of_others}
