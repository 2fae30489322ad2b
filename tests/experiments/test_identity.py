"""Identity of results: an edit of any file changes the ids of exactly what computes with it."""

import shutil
import sys
from pathlib import Path

import grimp
import pytest
from helpers import gene_frame, random_sequences

from dnastudy import models
from dnastudy.core.code import PACKAGE, SILENT, Sources, module_name, sources
from dnastudy.data.datasets import Dataset
from dnastudy.experiments import identity
from dnastudy.experiments.fitting import fit_model
from dnastudy.experiments.identity import GENERATES, READS
from dnastudy.experiments.plan import Run
from dnastudy.experiments.task_runs import conditional_run
from dnastudy.tasks import TASKS, task_class

SMALL = {"epochs": 1, "hidden_size": 4, "embedding_size": 4, "kmer_size": 1, "batch_tokens": 500}
MEMBERS = [{"model": "ngram", "settings": {"order": 2}}, {"model": "lstm", "settings": SMALL}]
SETTINGS = {
    "lstm": SMALL,
    "transformer": {"epochs": 1, "d_model": 8, "n_heads": 1, "n_layers": 1, "kmer_size": 1, "batch_tokens": 500},
    "expert": {"tuning_nucleotides": 1000},
    "ensemble": {"members": MEMBERS},
    "conditional": {"model": "lstm", "settings": SMALL},
}
RUNS = {name: Run(name=name, model=name, settings=SETTINGS.get(name, {})) for name in models.MODELS}
PARTS = {
    name: gene_frame(random_sequences(60, seed, 5, 60), name)
    for seed, name in enumerate(("train", "validation", "test"))
}
DATASET = Dataset("own", "genes of a test", PARTS, "")


def ids() -> dict[str, str]:
    """Ids of every step of every model, of every task with every model, and of the tasks' references."""
    steps = {}
    for name, run in RUNS.items():
        steps[f"fit {name}"] = identity.digest(identity.fit_identity(run, DATASET))
        steps[f"scores {name}"] = identity.run_id(run, DATASET)
        steps[f"summary {name}"] = identity.digest(identity.summary_identity(run, DATASET))
    for task in TASKS:
        steps[f"reference {task}"] = identity.digest(identity.reference_identity(task_class(task)(), DATASET))
        for name, run in RUNS.items():
            steps[f"{task} of {name}"] = identity.digest(identity.task_identity(task_class(task)(), run, DATASET))
    return steps


def roots(name: str) -> set[str]:
    """Modules of a model, and of what it is built on here."""
    built_on = {"ensemble": ["ngram", "lstm"], "conditional": ["lstm"]}.get(name, [])
    return {module_name(models.model_class(model)) for model in (name, *built_on)}


@pytest.fixture(scope="module")
def expected():
    """For each step the modules that it computes with, by another program's graph of imports."""
    graph = grimp.build_graph("dnastudy", exclude_type_checking_imports=True, cache_dir=None)

    def upstream(modules: set[str], without: tuple[str, ...] = ()) -> set[str]:
        waiting, closure = list(modules), set()
        while waiting:
            module = waiting.pop()
            if module in closure or module in {*SILENT, *without}:
                continue
            closure.add(module)
            names = graph.find_modules_directly_imported_by(f"dnastudy.{module}")
            names |= {f"dnastudy.{module}".rpartition(".")[0]}
            waiting += [other.removeprefix("dnastudy.") for other in names if other != "dnastudy"]
        return closure

    steps = {}
    for name in RUNS:
        built_on_others = name in ("ensemble", "conditional")
        fit = upstream({"experiments.fitting", *roots(name)}, GENERATES if built_on_others else GENERATES + READS)
        if name == "ensemble":  # its members are fits of their own
            fit |= upstream({"experiments.fitting", *roots("ngram"), *roots("lstm")}, GENERATES + READS)
        scores = fit | upstream({"evaluation.scoring", *roots(name)}, GENERATES)
        steps |= {f"fit {name}": fit, f"scores {name}": scores}
        steps[f"summary {name}"] = scores | upstream({"experiments.summary"})
        for task in TASKS:
            module = module_name(task_class(task))
            steps[f"{task} of {name}"] = fit | upstream({module, *roots(name)})
            steps[f"reference {task}"] = upstream({module})
    return steps


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the package that ids are made from; gives a function that forgets what was read of it."""
    folder = tmp_path / "dnastudy"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__", "trained"))
    holder = [Sources(folder)]
    monkeypatch.setattr(identity, "sources", lambda: holder[0])

    def reread(changed: str) -> None:
        # of all other files what was read stays as it is
        old, holder[0] = holder[0], Sources(folder)
        holder[0]._hashes = {name: value for name, value in old._hashes.items() if name != changed}
        holder[0]._imports = {name: value for name, value in old._imports.items() if name != changed}

    return folder, reread


@pytest.mark.slow
def test_an_edit_of_any_file_changes_exactly_what_computes_with_it(copy, expected):
    folder, reread = copy
    before = ids()
    assert set(before) == set(expected)
    for path in sorted(folder.rglob("*.py")):
        module = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        source = path.read_text()
        path.write_text(source + "\n\n# a remark\n")
        reread(module)
        assert ids() == before, f"{module}: a comment changes no id"
        path.write_text(source + "\n\nEDITED = 1\n")
        reread(module)
        changed = {step for step, name in ids().items() if name != before[step]}
        assert changed == {step for step, modules in expected.items() if module in modules}, module
        path.write_text(source)
        reread(module)
    assert ids() == before


EDITS = {
    "an edit of top-k sampling changes tasks and no fit": ("models/sampling.py", {"generation-quality"}),
    "an edit of the embedding changes tasks and no fit": ("models/embedding.py", {"gene-types"}),
    "an edit of how genes are generated": ("models/generation.py", {"generation-quality", "gene-types"}),
    "an edit of length classes changes summaries alone": ("experiments/summary.py", {"summary"}),
    "an edit of the bootstrap": ("evaluation/bootstrap.py", {"summary", "mutation-detection", "generation-quality"}),
    "an edit of the terminal": ("display/terminal.py", set()),
    "an edit of charts": ("display/charts.py", set()),
    "an edit of looks": ("display/looks.py", set()),
    "an edit of what a search tries": ("models/search_space.py", set()),
    "an edit of how files are written": ("core/atomic.py", set()),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.slow
def test_named_edits(copy, edit):
    folder, reread = copy
    name, steps = EDITS[edit]
    before = ids()
    (folder / name).write_text((folder / name).read_text() + "\nEDITED = 1\n")
    reread(name.removesuffix(".py").replace("/", "."))
    changed = {step.split()[0] for step, value in ids().items() if value != before[step]}
    assert steps <= changed
    assert "fit" not in changed and "scores" not in changed
    assert not steps or changed - {"reference"} <= {"summary", *TASKS}
    assert bool(steps) == bool(changed)


def test_files_left_out_of_a_fit_are_never_run_by_one(tmp_path):
    """The stated lists are true: a fit, and scores, of every model call no function of the files they leave out."""
    from dnastudy.evaluation import scoring
    from dnastudy.experiments.fitting import model_input

    def called(function) -> set[str]:
        files = set()

        def trace(frame, event, _):
            if event == "call" and frame.f_code.co_name != "<module>":
                files.add(frame.f_code.co_filename)

        sys.setprofile(trace)
        try:
            function()
        finally:
            sys.setprofile(None)
        inside = [Path(name) for name in files if PACKAGE in Path(name).parents]
        return {".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in inside}

    for name, run in RUNS.items():
        genes, held_out = (model_input(name, run.settings, DATASET.splits[part]) for part in ("train", "validation"))
        model_class = models.model_class(name)  # imported before anything is traced
        fitted = []
        during_fit = called(lambda: fitted.append(fit_model(name, run.settings, genes, held_out)[0]))  # noqa: B023
        without = GENERATES if model_class.built_on(run.settings) else GENERATES + READS
        assert not during_fit & set(without), name
        during_scores = called(lambda: scoring.score(fitted[0], DATASET.test))  # noqa: B023
        assert not during_scores & set(GENERATES), name
    assert "models.training_lengths" in during_fit, "the trace sees what a fit does run"


def test_identity_sees_settings_and_genes_and_not_names():
    run = RUNS["ngram"]
    other = run.model_copy(
        update={"name": "other", "label": "other", "group": "x", "precomputed": True, "replicates": 200}
    )
    assert identity.run_id(run, DATASET) == identity.run_id(other, DATASET)
    assert identity.summary_identity(run, DATASET) != identity.summary_identity(other, DATASET), "resamples differ"
    assert identity.run_id(run, DATASET) != identity.run_id(run.model_copy(update={"prequential": True}), DATASET)
    types = DATASET.test.assign(type="snRNA")
    retyped = Dataset("own", "", {**DATASET.splits, "test": types}, "")
    assert identity.run_id(run, DATASET) == identity.run_id(run, retyped), "an n-gram does not see types"
    assert identity.summary_identity(run, DATASET) != identity.summary_identity(run, retyped)


def test_a_model_that_uses_types_is_identified_by_them():
    run = conditional_run(RUNS["lstm"], DATASET)
    assert run.model == "lstm" and run.settings["types"]
    retyped = Dataset("own", "", {**DATASET.splits, "train": DATASET.train.assign(type="tRNA")}, "")
    assert identity.fit_identity(run, DATASET)["types"] != identity.fit_identity(run, retyped)["types"]


def test_silent_files_hold_no_computation_of_models_or_metrics():
    for module in SILENT:
        rooms = {name.split(".")[0] for name in sources().imports(module) if "." in name}
        assert not rooms & {"evaluation", "tasks", "experiments", "models", "homology", "data"}, module
