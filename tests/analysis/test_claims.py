"""The paper's claims against the records: each verdict and number follows from them, and changes with them."""

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("altair")

from helpers import ROOT, english
from test_homology import HAS, LENGTHS, SETTINGS, finished

from dnastudy.analysis import homology, learning_curve_statistics
from dnastudy.analysis.claims import (
    CONFIRMED,
    LEARNING,
    OPEN,
    PAIRS,
    PUBLISHED_NETWORKS,
    REFINED,
    REFUTED,
    Claim,
    answers,
    claims,
    learning_values,
)
from dnastudy.analysis.headline import FINDINGS, RECORDS, TASK_RECORDS
from dnastudy.analysis.mutations import papers_means
from dnastudy.chapters.run import find_chapters
from dnastudy.core.errors import PublicationError
from dnastudy.core.provenance import from_json, to_json
from dnastudy.data.datasets import paper
from dnastudy.experiments.curve_plan import curve_runs, text_runs
from dnastudy.experiments.homology_plan import family_split_runs
from dnastudy.experiments.profile import Profile
from dnastudy.tasks.mutation_detection import CALIBRATED

pytestmark = pytest.mark.slow  # trains, or searches for homologs

TABLE, NETWORKS, RECURRENT = "N-grams of order 1 to 8", "Recurrent networks predict", "An LSTM predicts genes better"
ALONE, DETECTS, PROBABILITY = "Perplexity alone", "Its LSTM detects mutations best", "The probability of a sequence"
SPLIT, RANKING, EFFICIENCY = "A random split", "The ranking", "Four letters"


def by_claim(every_claim):
    return {name: claim for claim in every_claim for name in _NAMES if claim.claim.startswith(name)}


def record_of(run):
    return from_json((ROOT / RECORDS / f"{run}.json").read_text())


_NAMES = [TABLE, NETWORKS, RECURRENT, ALONE, DETECTS, PROBABILITY, SPLIT, RANKING, EFFICIENCY]


@pytest.fixture
def copy(tmp_path):
    """A copy of the published records without those on learning, and functions that change it."""
    for part in (RECORDS, TASK_RECORDS / "mutation-detection"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / FINDINGS, tmp_path / FINDINGS)

    def findings(change):
        values = from_json((tmp_path / FINDINGS).read_text())
        change(values)
        (tmp_path / FINDINGS).write_text(to_json(values))
        return by_claim(claims(tmp_path))

    def accuracy(change):
        path = tmp_path / TASK_RECORDS / "mutation-detection" / "accuracy.csv"
        table = pd.read_csv(
            path, dtype={"group": str, "maximum": str}, keep_default_na=False, na_values={"accuracy": ""}
        )
        change(table)
        table.to_csv(path, index=False)
        return by_claim(claims(tmp_path))

    def learning(values):
        (tmp_path / LEARNING).write_text(to_json(values))
        return by_claim(claims(tmp_path))

    return SimpleNamespace(root=tmp_path, findings=findings, accuracy=accuracy, learning=learning)


# as they are published


def test_every_claim_has_a_verdict_a_number_and_a_chapter():
    every_claim = claims(ROOT)
    assert len(every_claim) >= 6 and all(isinstance(claim, Claim) for claim in every_claim)
    assert len({claim.claim for claim in every_claim}) == len(every_claim) == len(by_claim(every_claim))
    chapters = find_chapters(ROOT)
    for claim in every_claim:
        assert claim.verdict in (CONFIRMED, REFINED, REFUTED, OPEN), claim.claim
        assert claim.chapter in chapters, claim.claim
        assert re.search(r"\d", claim.number), claim.claim
        assert claim.title and not re.search(r"\bnan\b|\bNone\b|\{|\}", claim.claim + claim.number), claim.claim
        assert "|" not in claim.claim + claim.number, "a cell of a table"


def test_titles_are_those_of_the_chapters():
    for claim in claims(ROOT):
        text = find_chapters(ROOT)[claim.chapter].read_text()
        assert re.search(rf'"# {re.escape(claim.title)}', text), f"{claim.chapter} is not called {claim.title}"


def test_the_numbers_are_those_of_the_records(copy):
    values = from_json((ROOT / FINDINGS).read_text())
    by_name = by_claim(claims(copy.root))
    assert set(by_name) == set(_NAMES) - {SPLIT, RANKING, EFFICIENCY}
    assert f"{values['reproduced']} of {values['figures']} figures" in by_name[TABLE].number
    assert f"{values['expert']:.3f} (" in by_name[NETWORKS].number
    for name in ("laplace", "best"):
        assert f"{values[name]['nucleotide_perplexity']:.3f}" in by_name[NETWORKS].number
    for row in values["transformer_minus_lstm"].values():
        assert f"{row['bits_per_base']:+.3f} bits per base" in by_name[RECURRENT].number
    expert = record_of("expert")["data"]
    share = f"{expert['train_genes'] / paper()['data']['train']:.0%} of"
    assert share in by_name[NETWORKS].number and share in by_name[DETECTS].number


def test_without_published_records_it_says_how_to_get_them(copy):
    shutil.rmtree(copy.root / RECORDS)
    with pytest.raises(PublicationError, match="dnastudy publish"):
        claims(copy.root)


# verdicts follow from the records


def test_fewer_reproduced_figures_refute_the_table(copy):
    assert copy.findings(lambda values: None)[TABLE].verdict == CONFIRMED
    claim = copy.findings(lambda values: values.update(reproduced=values["figures"] - 1))[TABLE]
    assert claim.verdict == REFUTED and claim.number.startswith("8 of 9 figures")


def test_a_study_that_does_not_pass_the_paper_s_lstm_does_not_refute_it(copy):
    assert copy.findings(lambda values: None)[NETWORKS].verdict == REFUTED
    claim = copy.findings(lambda values: values["best"].update(high=values["papers_lstm"] + 0.001))[NETWORKS]
    assert claim.verdict == REFINED


def test_an_expert_within_reach_of_the_paper_s_lstm_does_not_refute_it(copy):
    lstm = from_json((ROOT / FINDINGS).read_text())["papers_lstm"]
    record = record_of("expert")
    record["metrics"]["interval"] = [3.1, lstm + 0.001]
    (copy.root / RECORDS / "expert.json").write_text(to_json(record))
    claim = by_claim(claims(copy.root))[NETWORKS]
    assert claim.verdict == REFINED and f"(3.100 to {lstm + 0.001:.3f})" in claim.number


def _recurrent(published, modern, agree=(True, True)):
    """Transformer minus LSTM by both recipes, intervals."""

    def change(values):
        for recipe, interval, together in zip(("published", "modern"), (published, modern), agree, strict=True):
            row = {"bits_per_base": sum(interval) / 2, "interval": list(interval), "seeds_agree": together}
            values["transformer_minus_lstm"][recipe] = row

    return change


@pytest.mark.parametrize(
    ("published", "modern", "verdict"),
    [
        ((0.03, 0.05), (0.01, 0.02), CONFIRMED),
        ((-0.05, -0.03), (-0.02, -0.01), REFUTED),
        ((0.03, 0.05), (-0.02, -0.01), REFINED),
        ((0.03, 0.05), (-0.01, 0.01), REFINED),
        ((-0.01, 0.01), (-0.01, 0.01), REFINED),
        ((-0.05, -0.03), (-0.01, 0.01), REFINED),
    ],
)
def test_which_network_is_better_is_what_the_intervals_say(copy, published, modern, verdict):
    claim = copy.findings(_recurrent(published, modern))[RECURRENT]
    assert claim.verdict == verdict
    assert f"({published[0]:+.3f} to {published[1]:+.3f})" in claim.number


def test_seeds_that_disagree_leave_it_open_which_network_is_better(copy):
    assert copy.findings(_recurrent((0.03, 0.05), (0.01, 0.02), (True, False)))[RECURRENT].verdict == REFINED


@pytest.mark.parametrize(
    ("gaps", "verdict"),
    [
        ((1, 1, 1), REFUTED),
        ((0, 1, 1), REFINED),
        ((-1, 1, 1), REFINED),
        ((-1, -1, -1), CONFIRMED),
        ((0, 0, 0), REFINED),
    ],
)
def test_who_detects_most_mutations_is_what_the_intervals_say(copy, gaps, verdict):
    """Shares of the calibrated expert mixture above, at or below those of the paper's LSTM."""
    papers = papers_means().query("label == \"the paper's LSTM\" and rule == 'perplexity'").set_index("maximum")

    def change(table):
        for (maximum, row), gap in zip(papers.iterrows(), gaps, strict=True):
            rows = (table["run"] == "expert") & (table["rule"] == CALIBRATED) & (table["by"] == "maximum")
            rows &= table["group"] == str(maximum)
            assert rows.sum() == 1
            accuracy = row["accuracy"] + 0.03 * gap + 0.001
            table.loc[rows, ["accuracy", "low", "high"]] = accuracy, accuracy - 0.02, accuracy + 0.02

    claim = copy.accuracy(change)[DETECTS]
    assert claim.verdict == verdict
    one = papers["accuracy"].iloc[0] + 0.03 * gaps[0] + 0.001
    assert f"{one:.3f} ({one - 0.02:.3f} to {one + 0.02:.3f})" in claim.number


def test_a_rule_that_does_not_go_by_length_is_not_refuted(copy):
    assert by_claim(claims(copy.root))[PROBABILITY].verdict == REFUTED

    def change(table):
        rows = (table["run"] == "uniform") & (table["rule"] == "probability") & (table["by"] == "kind")
        table.loc[rows, "accuracy"] = 0.5

    claim = copy.accuracy(change)[PROBABILITY]
    assert claim.verdict == REFINED and "50% of the insertions" in claim.number


def of_perplexity(width):
    """A change of accuracies so that they fall with the perplexity, with intervals of this width to either side."""

    def change(table):
        for run, rows in table.groupby("run").groups.items():
            value = 1 / record_of(run)["metrics"]["nucleotide_perplexity"]
            table.loc[rows, ["accuracy", "low", "high"]] = value, value - width, value + width

    return change


@pytest.mark.parametrize("width", [0, 0.01])
def test_perplexity_is_enough_where_it_ranks_the_detectors(copy, width):
    claim = by_claim(claims(copy.root))[ALONE]
    assert claim.verdict == CONFIRMED and "has the lower perplexity" in claim.number
    claim = copy.accuracy(of_perplexity(width))[ALONE]
    assert claim.verdict == REFINED and "has the lower perplexity" not in claim.number and "-1.00" in claim.number


@pytest.mark.parametrize(("width", "verdict"), [(0.02, CONFIRMED), (0.2, REFINED)])
def test_perplexity_is_not_enough_where_a_better_model_detects_fewer_beyond_the_intervals(copy, width, verdict):
    def change(table):
        of_perplexity(width)(table)
        rows = table["run"] == "expert"
        table.loc[rows, ["accuracy", "low", "high"]] = 0.1, 0.1 - width, 0.1 + width

    claim = copy.accuracy(change)[ALONE]
    assert claim.verdict == verdict
    assert ("expert mixture has the lower perplexity" in claim.number) == (verdict == CONFIRMED)


def test_the_correlation_is_the_one_of_the_chapter():
    """Over the same kinds of runs, by the same rule, on copies with the same number of edits."""
    page = (ROOT / "book" / "chapters" / "mutations.ipynb").read_text()
    kinds, rank = re.search(r"Over (\d+) kinds of runs the rank correlation of the two is (-?[\d.]+\d)", page).groups()
    assert f"over {kinds} kinds" in by_claim(claims(ROOT))[ALONE].number
    assert f"rank correlation of {rank}" in by_claim(claims(ROOT))[ALONE].number


# homologs and learning curves

NAMED = {
    "laplace": {"model": "ngram", "settings": {"order": 8, "smoothing": "laplace"}},
    "expert": {"model": "expert"},
    "lstm": {"model": "lstm"},
    "transformer": {"model": "transformer"},
    "lstm-published": {"model": "lstm", "preset": "paper-256-256-2", "fractions": [1]},
    "transformer-published": {"model": "transformer", "preset": "paper-256-256-2-3", "fractions": [1]},
}
PROFILE = Profile.parse(
    {
        "data": "simulated", "bootstrap_replicates": 100, "mle_orders": [1], "laplace_orders": [2],
        "train_orders": [2, 6],
        "curves": {"fractions": [1, 0.5, 0.25, 0.125], "seeds": [1, 2], "models": NAMED, "texts": {
            "corpora": ["english", "english-4", "source-2"], "symbols": 20_000, "models": ["lstm"],
            "fractions": [1, 0.5, 0.25, 0.125], "seeds": [1]}},
    },
    "profile of a test",
)  # fmt: skip
LEVEL = {
    "laplace": 1.95,
    "expert": 1.7,
    "lstm": 1.8,
    "transformer": 1.84,
    "lstm-published": 1.86,
    "transformer-published": 1.9,
}
"""Bits a base on the own split, all genes; without homologs they are nearer to 2."""
EXCESS = {"english": 0.5, "english-4": 0.1, "source-2": 0.2}


class Made:
    """A store whose runs are made up: bits a base of each gene follow from what the run is."""

    def __init__(self, folder, excess):
        self.folder, self.excess, self.asked = folder, excess, []

    def get(self, run, dataset):
        self.asked.append(run.name)
        settings = {**SETTINGS.get(run.model, {}), "smoothing": "laplace", "escape_weight": None, **run.settings}
        about = {name: getattr(run, name) for name in ("label", "group", "recipe", "order", "seed")}
        data = {"split": run.split, "fraction": run.fraction, "train_nucleotides": 1e6 * run.fraction}
        random = np.random.default_rng(list(run.name.encode()))
        bits = self.level(run) + random.normal(0, 0.002, len(LENGTHS))
        more = {"settings": settings, "validation_perplexity": float(2 ** bits.mean()), **about}
        return finished(self.folder / run.name, bits, run.model, data=data, **more)

    def level(self, run):
        if run.corpus:
            return 1.5 + self.excess[run.corpus] * (run.fraction / 2) ** -0.5
        if not run.name.startswith("curve-"):
            return 1.93 if run.name == "family-expert-with-both" else 1.96
        level = LEVEL[run.group] - 0.02 * np.log2(run.fraction)
        return np.where(HAS, 2 * level - 2, 1.99) if run.split == "own" else 2 - (2 - level) / 10

    def homologs(self, dataset):
        return pd.DataFrame({"identity": np.where(HAS, 0.9, 0)})


def genes_with(text):
    hashes = dict.fromkeys(("train", "validation", "test"), "0" * 64)
    return SimpleNamespace(description="made up genes", hashes=hashes, text=text)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    file = tmp_path_factory.mktemp("text") / "book.txt"
    file.write_text(english(21_000))
    return genes_with(file)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("store"), EXCESS)


@pytest.fixture(scope="module")
def values(dataset, store):
    return learning_values(PROFILE, dataset, store)


def test_figures_on_learning_are_of_all_points(values, dataset, store):
    points = [*curve_runs(PROFILE), *text_runs(PROFILE, dataset)]
    assert values["points"] == len(points)
    assert set(store.asked) == {run.name for run in [*points, *family_split_runs(PROFILE)]}
    assert values["share_with_homolog"] == HAS.mean() and values["genes"] == "made up genes"
    assert values["family_split"]["best"]["run"] == "family-expert-with-both", "by its validation genes"
    assert values["family_split"]["best"]["label"] == "expert mixture + LSTM + Transformer"
    assert values["family_split"]["best single order"]["run"].startswith("family-witten-bell-")
    both, beside = values["pairs"][: 2 * len(PAIRS)], values["pairs"][2 * len(PAIRS) :]
    assert [(p["first"], p["second"]) for p in both[::2]] == PAIRS
    assert [p["first"] for p in beside] == PUBLISHED_NETWORKS and {p["split"] for p in beside} == {homology.FAMILY}
    assert {pair["split"] for pair in values["pairs"]} == {"own", "family"}
    for row in values["doubling"]:
        if row["group"] == learning_curve_statistics.OWN_ALL:
            assert row["gain"] == pytest.approx(0.02 * 2 * (LENGTHS * HAS).sum() / LENGTHS.sum(), abs=0.003)
    groups = {row["corpus"] for row in values["efficiency"]}
    assert groups == {"english", "english-4", "source-2", "genes, random split", "genes, split by family"}


def test_figures_on_learning_survive_the_file(values):
    again = from_json(to_json(values))
    assert again["ranking"] == values["ranking"] and again["efficiency"] == values["efficiency"]
    assert not re.search("[ACGT]{30}", to_json(values))


def test_claims_with_and_without_learning_curves(copy, values):
    before = claims(copy.root)
    assert set(by_claim(before)) == set(_NAMES) - {SPLIT, RANKING, EFFICIENCY}
    after = copy.learning(values)
    assert set(after) == set(_NAMES)
    for claim in before:
        assert claim in after.values(), "the others are as they were"
    chapters = find_chapters(ROOT)
    for claim in after.values():
        assert claim.verdict in (CONFIRMED, REFINED, REFUTED, OPEN) and claim.chapter in chapters
        assert re.search(r"\d", claim.number) and not re.search(r"\bnan\b|\bNone\b", claim.number)
    assert [after[name].verdict for name in (SPLIT, RANKING, EFFICIENCY)] == [REFUTED, REFINED, REFINED]


def changed(values, **more):
    return from_json(to_json({**values, **more}))


def test_a_random_split_is_enough_where_homologs_make_no_difference(copy, values):
    ranking = [{**row, "low": 3.0, "high": 3.5} for row in values["ranking"]]
    assert copy.learning(changed(values, ranking=ranking))[SPLIT].verdict == CONFIRMED
    assert f"{HAS.mean():.0%} of the test genes" in copy.learning(values)[SPLIT].number
    assert "expert mixture has" in copy.learning(values)[SPLIT].number, "of the best model on the own split"


def _pairs(values, lstm, ngram, agree=True, splits=(homology.OWN, homology.FAMILY)):
    """Pairs of the paper's models with these intervals of the first minus the second, on some splits."""
    rows = []
    for pair in values["pairs"]:
        if pair["split"] in splits and "published" in pair["first"]:
            networks = pair["first"].startswith("LSTM") and pair["second"].startswith("Transformer")
            interval = list(lstm if networks else ngram)
            pair = {**pair, "bits_per_base": sum(interval) / 2, "interval": interval, "seeds_agree": agree}
        rows.append(pair)
    return changed(values, pairs=rows)


@pytest.mark.parametrize(
    ("lstm", "ngram", "verdict"),
    [
        ((-0.02, -0.01), (-0.02, -0.01), CONFIRMED),
        ((-0.02, -0.01), (-0.01, 0.01), REFINED),
        ((0.01, 0.02), (-0.02, -0.01), REFINED),
        ((0.01, 0.02), (0.01, 0.02), REFUTED),
        ((-0.01, 0.01), (-0.01, 0.01), REFINED),
    ],
)
def test_the_ranking_is_what_the_intervals_say(copy, values, lstm, ngram, verdict):
    claim = copy.learning(_pairs(values, lstm, ngram))[RANKING]
    assert claim.verdict == verdict
    first, second = "LSTM, published recipe", "Transformer, published recipe"
    words = {
        -1: f"{first} is better than {second}", 1: f"{second} is better than {first}",
        0: f"the difference between {first} and {second} is not resolved",
    }  # fmt: skip
    assert words[-1 if lstm[1] < 0 else 1 if lstm[0] > 0 else 0] in claim.number


def test_a_ranking_of_one_split_is_refined(copy, values):
    """Networks that are behind n-grams where these have homologs to copy."""
    better, worse = (-0.02, -0.01), (0.01, 0.02)
    everywhere = _pairs(values, better, better)
    claim = copy.learning(_pairs(everywhere, better, worse, splits=(homology.OWN,)))[RANKING]
    assert claim.verdict == REFINED
    own, family = claim.number.split("On the split by family")
    first, second = "Transformer, published recipe", "8-gram, Laplace"
    assert f"{second} is better than {first}" in own and f"{first} is better than {second}" in family
    single = next(pair["second"] for pair in values["pairs"] if pair["first"] == first and pair["second"] != second)
    assert f"{first} is better than {single}" in family, "the best n-gram of a single order"


def test_seeds_that_disagree_do_not_decide_the_ranking(copy, values):
    assert copy.learning(_pairs(values, (-0.02, -0.01), (-0.02, -0.01), agree=False))[RANKING].verdict == REFINED
    without = [pair for pair in values["pairs"] if "published" not in pair["first"]]
    assert copy.learning(changed(values, pairs=without))[RANKING].verdict == OPEN


def test_data_efficiency_follows_from_the_curves_on_texts(copy, dataset, tmp_path, values):
    """Four letters that are learned faster than all characters, and the same curves the other way round."""
    claim = copy.learning(values)[EFFICIENCY]
    rows = pd.DataFrame(values["efficiency"]).set_index(["corpus", "label"])["doubling"]
    for corpus in ("english", "english-4"):
        assert f"{rows[corpus, 'LSTM']:.1%} (" in claim.number
    made = Made(tmp_path / "made", {"english": 0.1, "english-4": 0.5, "source-2": 0.2})
    turned = copy.learning(learning_values(PROFILE, dataset, made))[EFFICIENCY]
    assert (claim.verdict, turned.verdict) == (REFINED, CONFIRMED)


def _efficiency(values, most, least):
    """What the last doubling saved the LSTM, low and high, on English in all its characters and in four."""
    bounds = {"english": most, "english-4": least}
    rows = []
    for row in values["efficiency"]:
        if row["label"] == "LSTM" and row["corpus"] in bounds:
            low, high = bounds[row["corpus"]]
            row = {**row, "doubling_low": low, "doubling": (low + high) / 2, "doubling_high": high}
        rows.append(row)
    return changed(values, efficiency=rows)


@pytest.mark.parametrize(
    ("most", "least", "verdict"),
    [
        ((0.01, 0.02), (0.03, 0.06), CONFIRMED),
        ((0.03, 0.05), (0.03, 0.06), CONFIRMED),
        ((0.03, 0.05), (0.01, 0.02), REFINED),
        ((0.03, 0.05), (-0.01, 0.01), REFUTED),
        ((0.01, 0.05), (-0.02, 0.06), OPEN),
    ],
)
def test_data_efficiency_is_judged_by_the_intervals(copy, values, most, least, verdict):
    assert copy.learning(_efficiency(values, most, least))[EFFICIENCY].verdict == verdict


def test_without_a_text_data_efficiency_is_open(copy, values, store):
    without = learning_values(PROFILE, genes_with(None), store)
    by_name = copy.learning(without)
    assert by_name[EFFICIENCY].verdict == OPEN and by_name[EFFICIENCY].number
    assert by_name[SPLIT] == copy.learning(values)[SPLIT]


# what models learn, in a few sentences


def test_answers_are_of_the_records(copy, values):
    findings = from_json((ROOT / FINDINGS).read_text())
    (first,) = answers(copy.root)
    for group in ("with", "without"):
        assert f"{findings['perplexity_by_homology'][group]:.2f}" in first
    assert findings["best"]["model"] in first
    copy.learning(values)
    text = answers(copy.root)
    assert text[0] == first and len(text) > 1
    assert f"{values['family_split']['best']['nucleotide_perplexity']:.3f}" in text[1]
    assert values["family_split"]["best"]["label"] in text[1]
    gains = {row["group"]: row["gain"] for row in values["doubling"] if row["label"] == "expert mixture"}
    for group in (learning_curve_statistics.OWN_ALL, learning_curve_statistics.BY_FAMILY):
        assert f"{gains[group]:.3f}" in text[2]


def test_answers_follow_changed_records(copy, values):
    copy.findings(lambda figures: figures["perplexity_by_homology"].update({"with": 1.23}))
    assert "of 1.23 on test genes with a homologous training gene" in answers(copy.root)[0]
