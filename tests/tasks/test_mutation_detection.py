"""Mutation detection: the rules against definitions written out, and against Bayes' theorem by counting all edits."""

import json
import math
from collections import Counter
from itertools import product

import numpy as np
import pandas as pd
import pytest
from helpers import gene_frame, random_sequences

from dnastudy.data.datasets import Dataset
from dnastudy.data.mutation_pairs import make_pairs
from dnastudy.data.sequences import reverse_complement
from dnastudy.experiments.plan import Run
from dnastudy.experiments.profile import load_profile
from dnastudy.experiments.store import Store
from dnastudy.experiments.task_runs import create_task, run_task
from dnastudy.models import create
from dnastudy.tasks.mutation_detection import CALIBRATED, EVIDENCE, PAPER_RULES, RATIO, calibrate, detect, evidence

TRAIN, VALIDATION, TEST = (gene_frame(random_sequences(90, seed=s, low=30, high=90), p) for s, p in
                           ((31, "a"), (32, "b"), (33, "c")))  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return create("ngram", {"order": 3}).fit(list(TRAIN["sequence"]), list(VALIDATION["sequence"]))


def test_the_rules_follow_their_definitions(model):
    pairs = make_pairs(TEST, 60, 4, seed=1)
    detected = detect(model, pairs)
    for row, pair in zip(detected.itertuples(index=False), pairs.itertuples(), strict=True):
        sides = []
        for sequence in (pair.real, pair.mutated):
            (rows,), (nucleotides,) = model.log_probs([sequence]), model.nucleotide_log_probs([sequence])
            total = float(nucleotides.sum())
            sides.append((total / len(sequence), total, float(rows.sum()) + len(sequence) * math.log(4)))
        real, mutated = sides
        columns = detected.columns.get_indexer([*PAPER_RULES, RATIO])
        assert [row[i] for i in columns] == [a > b for a, b in zip(real, mutated, strict=True)]
        assert row.change == len(pair.mutated) - len(pair.real)
        assert row.likelihood_ratio_nats == pytest.approx(real[2] - mutated[2])


def test_the_papers_protocol_is_kept_where_the_family_has_one():
    """Laplace: seven symbols and the end as an event, as in the paper's table."""
    model = create("ngram", {"order": 3, "smoothing": "laplace"}).fit(list(TRAIN["sequence"]))
    table = evidence(model, list(TEST["sequence"]))
    raw = [float(row.sum()) for row in model.log_probs(list(TEST["sequence"]))]
    assert table["paper_log_prob"].to_numpy() == pytest.approx(raw)
    assert (table["paper_events"] == TEST["sequence"].str.len() + 1).all()
    assert (table["paper_log_prob"] < table["log_prob"] - 1).all()


def _edits(sequence):
    """Every single edit and its probability, by the law that pairs are made by."""
    edits = Counter()
    for at, new in product(range(len(sequence) + 1), "ACGT"):
        edits[sequence[:at] + new + sequence[at:]] += 1 / 3 / (len(sequence) + 1) / 4
    for at in range(len(sequence)):
        edits[sequence[:at] + sequence[at + 1 :]] += 1 / 3 / len(sequence)
        for new in set("ACGT") - {sequence[at]}:
            edits[sequence[:at] + new + sequence[at + 1 :]] += 1 / 3 / len(sequence) / 3
    return edits


def test_the_likelihood_ratio_is_that_of_bayes_theorem():
    """All sequences of up to 4 nt, all single edits: log odds of "this one is real", counted out."""
    model = create("ngram", {"order": 2}).fit(["ACCA", "AACC", "CCAG", "T", "GAT"] * 5)
    sequences = ["".join(letters) for n in range(1, 5) for letters in product("ACGT", repeat=n)]
    real_pairs = [(a, b) for a in sequences for b in _edits(a) if b and a != b and len(b) <= 4]
    detected = detect(model, pd.DataFrame(real_pairs, columns=["real", "mutated"]).assign(id=""))
    p = {s: float(row.sum()) for s, row in zip(sequences, model.log_probs(sequences), strict=True)}
    for (a, b), nats in zip(real_pairs, detected["likelihood_ratio_nats"], strict=True):
        odds = p[a] + math.log(_edits(a)[b]) - p[b] - math.log(_edits(b)[a])
        assert nats == pytest.approx(odds, abs=1e-9)


def test_the_probability_rule_chooses_the_shorter_sequence_and_ties_are_wrong():
    uniform = create("uniform").fit(list(TEST["sequence"]))
    pairs = make_pairs(TEST, 300, 1, seed=2)
    detected = detect(uniform, pd.concat([pairs, pd.DataFrame({"id": ["x"], "real": ["ACG"], "mutated": ["ACG"]})]))
    assert (detected["probability"] == (detected["change"] > 0)).all()
    assert not detected["perplexity"].any()
    assert detected.iloc[-1][[*PAPER_RULES, RATIO]].tolist() == [False] * 3


def test_impossible_against_impossible_is_a_tie():
    """Unsmoothed counts give no probability to what they have not seen."""
    model = create("ngram", {"order": 3, "smoothing": "mle"}).fit(["ACACACAC"])
    pairs = pd.DataFrame({"id": "", "real": ["ACAC", "GGGG", "ACAC"], "mutated": ["ACGC", "GGG", "GGGG"]})
    detected = detect(model, pairs)
    assert detected["perplexity"].tolist() == [True, False, True]
    assert np.isfinite(detected["likelihood_ratio_nats"]).all()


def test_evidence_is_of_both_strands_and_equal_for_equal_sequences(model):
    sequences = [*TEST["sequence"][:8], *TEST["sequence"][:8]]
    table = evidence(model, sequences)
    assert table[:8].equals(table[8:].reset_index(drop=True))
    other = [reverse_complement(s) for s in sequences]
    assert table["other_log_prob"].tolist() == pytest.approx([r.sum() for r in model.nucleotide_log_probs(other)])
    ends = [r.sum() for r in model.log_probs(sequences)] - table["log_prob"]
    assert table["end"].tolist() == pytest.approx(ends.tolist())
    endless = create("lstm", {"end": False, "epochs": 1, "embedding_size": 4, "hidden_size": 4, "kmer_size": 1}).fit(
        sequences
    )
    assert (evidence(endless, sequences)[["end", "other_end"]] == 0).all(axis=None)


def test_the_calibrated_rule_corrects_a_model_of_the_other_strand():
    """A model of the other strand alone: only the evidence read there is worth something."""
    random = np.random.default_rng(0)
    text = ["".join(random.choice(list("ACGT"), p=[0.7, 0.2, 0.05, 0.05], size=80)) for _ in range(200)]
    genes = gene_frame(text)
    backwards = create("ngram", {"order": 1}).fit([reverse_complement(s) for s in text])
    weights = calibrate(backwards, genes, maxima=[3], n=300)
    assert list(weights) == EVIDENCE
    assert weights["other_log_prob"] > 0.3 > weights["log_prob"]
    detected = detect(backwards, make_pairs(genes, 400, 3, seed=5), weights)
    assert detected[CALIBRATED].mean() > detected["perplexity"].mean() + 0.2
    assert calibrate(backwards, genes[:0]) is None


@pytest.fixture
def dataset():
    splits = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    return Dataset("own", "genes of a test", splits, "training and validation genes")


SETTINGS = {"mutation-detection": {"pairs": 40, "calibration_pairs": 60, "maxima": [1, 4]}}


def _profile():
    return load_profile("quick", tasks=SETTINGS, bootstrap_replicates=100)


@pytest.mark.slow
def test_a_result_is_computed_once(dataset, tmp_path, monkeypatch):
    store, run, task = Store(tmp_path), Run(name="counts", model="ngram"), create_task("mutation-detection", _profile())
    log = []
    first = run_task(store, task, run, dataset, log.append)
    assert log == ["fit counts", "mutation-detection: counts"]
    monkeypatch.setattr(type(task), "run", lambda *_: pytest.fail("computed twice"))
    assert run_task(store, task, run, dataset).record == first.record
    json.dumps(first.record, allow_nan=False)
    table = first.table("accuracy")
    assert set(table["by"]) == {"set", "maximum", "kind", "fifth", "homologs", "change"}
    assert set(table["rule"]) == {*PAPER_RULES, RATIO, CALIBRATED}
    sets = table[(table["by"] == "set") & (table["rule"] == RATIO)]
    assert sets["group"].tolist() == ["1-1", "1-4", "2-1", "2-4"]
    assert (sets["n"] == 40).all()
    assert ((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"])).all()
    kinds = table[(table["by"] == "kind") & (table["rule"] == "probability")].set_index("group")
    assert set(kinds.index) == {"insertion", "deletion", "substitution", "swap"}
    assert kinds.loc["insertion", "accuracy"] > 0.9 > 0.3 > kinds.loc["deletion", "accuracy"]
    assert len(first.details("pairs")) == 4 * 40 + 160
    # other settings, other pairs
    monkeypatch.undo()
    other = run_task(
        store,
        create_task("mutation-detection", load_profile("quick", tasks={"mutation-detection": {"pairs": 30}})),
        run,
        dataset,
    )
    assert other.record["id"] != first.record["id"]


@pytest.mark.slow
def test_a_model_trained_on_validation_genes_is_not_calibrated_on_them(dataset, tmp_path):
    task = create_task("mutation-detection", _profile())
    result = run_task(Store(tmp_path), task, Run(name="j", model="expert", update=["validation"]), dataset)
    assert CALIBRATED not in set(result.table("accuracy")["rule"])
    assert result.record["weights"] is None
