"""The study's conclusion: each claim of the paper with its verdict, the number behind it, and the chapter it is from.

Every figure comes from a published record; `learning_values` makes the one on homologs and learning curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from dnastudy.analysis import homology, learning_curve_statistics
from dnastudy.analysis.findings import results_block
from dnastudy.analysis.headline import FINDINGS, published, published_task
from dnastudy.analysis.learning_curves import TRAINING_SHARE
from dnastudy.analysis.mutations import papers_means
from dnastudy.core.provenance import from_json
from dnastudy.data.datasets import Dataset, paper
from dnastudy.display.tables import estimate, markdown, share
from dnastudy.experiments.curve_plan import curve_runs, text_runs
from dnastudy.experiments.homology_plan import family_split_runs, full_curve_runs
from dnastudy.experiments.precomputed import FOLDER
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.replicates import ahead, difference, group_of
from dnastudy.experiments.store import Store
from dnastudy.experiments.study import Study
from dnastudy.tasks.mutation_detection import CALIBRATED

LEARNING = Path("results") / "learning.json"
CONFIRMED, REFINED, REFUTED, OPEN = "confirmed", "refined", "refuted", "open"
REPLICATES = 1000
PAIRS = [
    ("LSTM", "Transformer"),
    ("LSTM, published recipe", "Transformer, published recipe"),
    ("Transformer, published recipe", "8-gram, Laplace"),
    ("expert mixture", "LSTM"),
]
"""Models that are compared on both splits."""
PUBLISHED_NETWORKS = ["LSTM, published recipe", "Transformer, published recipe"]
"""Networks that are also compared with the best n-gram of a single order, on the split by family."""


def learning_values(profile: Profile, dataset: Dataset, store: Store) -> dict[str, Any]:
    """Figures on homologs and learning curves, ready for JSON, from runs that are computed where they are missing."""
    replicates = min(profile.bootstrap_replicates, REPLICATES)
    points, texts = curve_runs(profile), text_runs(profile, dataset)
    results = {run.name: store.get(run, dataset) for run in [*points, *texts]}
    has_homolog = (store.homologs(dataset)["identity"] > 0).to_numpy()
    by_model = homology.by_model(results, full_curve_runs(profile))
    family = {run.name: store.get(run, dataset) for run in family_split_runs(profile)}
    orders = {name: result for name, result in family.items() if result.record["order"] is not None}
    best, best_order = (
        min(runs, key=lambda name: family[name].record["validation_perplexity"]) for runs in (family, orders)
    )
    pairs = []
    for first, second in PAIRS:
        for split in (homology.OWN, homology.FAMILY) if first in by_model and second in by_model else ():
            gap = difference(results, by_model[first][split], by_model[second][split], profile.bootstrap_replicates)
            pairs.append(
                {"first": first, "second": second, "split": split, "seeds": len(by_model[first][split]), **gap}
            )
    for first in [label for label in PUBLISHED_NETWORKS if label in by_model]:
        names = by_model[first][homology.FAMILY]
        gap = difference({**results, **family}, names, [best_order], profile.bootstrap_replicates)
        second = homology.short_label(family[best_order].record)
        pairs.append({"first": first, "second": second, "split": homology.FAMILY, "seeds": len(names), **gap})
    lines = learning_curve_statistics.gene_lines(results, points, has_homolog, replicates)
    texts_and_genes = [
        learning_curve_statistics.among_corpora(line)
        for line in [*learning_curve_statistics.text_lines(results, texts, replicates), *lines]
        if line.group != learning_curve_statistics.OWN_WITHOUT
    ]
    return {
        "genes": dataset.description,
        "sha256": {name: dataset.hashes[name] for name in ("train", "validation", "test")},
        "points": len(results),
        "share_with_homolog": float(has_homolog.mean()),
        "ranking": homology.ranking(results, by_model, has_homolog, profile.bootstrap_replicates).to_dict("records"),
        "pairs": pairs,
        "family_split": {
            name: {
                "run": run,
                "label": homology.short_label(family[run].record),
                **{key: family[run].metrics[key] for key in ("nucleotide_perplexity", "interval", "bits_per_base")},
            }
            for name, run in (("best", best), ("best single order", best_order))
        },
        "doubling": [{"group": line.group, "label": line.label, "gain": float(line.doubling[0])} for line in lines],
        "backtest": learning_curve_statistics.backtest_rows(lines).to_dict("records"),
        "extrapolation": learning_curve_statistics.extrapolation_rows(
            lines, paper()["data"]["nucleotides"] * TRAINING_SHARE
        ).to_dict("records"),
        "efficiency": learning_curve_statistics.efficiency_rows(texts_and_genes).to_dict("records"),
    }


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes
    ----------
    claim, verdict, number : str
        The claim, its verdict (`CONFIRMED`, ...), and the number behind the verdict.
    chapter, title : str
        Name and title of the chapter that shows the number.
    """

    claim: str
    verdict: str
    number: str
    chapter: str
    title: str


def claims(root: Path) -> list[Claim]:
    """The paper's claims against the published records of this repository."""
    values = from_json((root / FINDINGS).read_text())
    records = published(root)
    trained_on = records["expert"]["data"]["train_genes"] / paper()["data"]["train"]
    learning = from_json((root / LEARNING).read_text()) if (root / LEARNING).exists() else None
    return [
        _table(values),
        _best_model(values, records["expert"]["metrics"], trained_on),
        _recurrent(values),
        *_tasks(root, records, trained_on),
        *([_split(learning), _ranking(learning), _data_efficiency(learning)] if learning else []),
    ]


def _table(values: Mapping[str, Any]) -> Claim:
    all_reproduced = values["reproduced"] == values["figures"]
    return Claim(
        "N-grams of order 1 to 8 have the test perplexities of its table",
        CONFIRMED if all_reproduced else REFUTED,
        f"{values['reproduced']} of {values['figures']} figures, to at least {values['fewest_equal_digits']} digits",
        "ngrams",
        "N-gram models",
    )


def _best_model(values: Mapping[str, Any], expert: Mapping[str, Any], trained_on: float) -> Claim:
    """Whether networks predict best; ``trained_on`` is the share of the paper's training genes that are at hand."""
    laplace, best, lstm = values["laplace"], values["best"], values["papers_lstm"]
    low, high = expert["interval"]
    refuted = max(best["high"], high) < lstm
    return Claim(
        f"Recurrent networks predict genes best: LSTM {lstm:.2f}, Transformer "
        f"{paper()['test_perplexity']['transformer']:.2f}, n-grams {laplace['paper_perplexity']:.2f} at best",
        REFUTED if refuted else REFINED,
        f"like for like the 8-gram has {laplace['nucleotide_perplexity']:.3f}; counts and copies alone, from "
        f"{trained_on:.0%} of its training genes, {estimate(expert['nucleotide_perplexity'], low, high)}, with an "
        f"LSTM beside them {estimate(best['nucleotide_perplexity'], best['low'], best['high'])}",
        "experts",
        "Expert models",
    )


def _recurrent(values: Mapping[str, Any]) -> Claim:
    differences = values["transformer_minus_lstm"]
    sides = {ahead(difference) for difference in differences.values()}
    number = "; ".join(
        f"with the {recipe} recipe the Transformer needs {difference['bits_per_base']:+.3f} bits per base beside the "
        f"LSTM ({difference['interval'][0]:+.3f} to {difference['interval'][1]:+.3f})"
        for recipe, difference in differences.items()
    )
    verdict = CONFIRMED if sides == {1} else REFUTED if sides == {-1} else REFINED
    return Claim("An LSTM predicts genes better than a Transformer", verdict, number, "families", "Which family")


DETECTION = ("mutations", "Detecting mutations")


def _tasks(root: Path, records: Mapping[str, Any], trained_on: float) -> list[Claim]:
    table = published_task(root, "mutation-detection")[1]["accuracy"]
    maxima = table[table["by"] == "maximum"].assign(group=table["group"].astype(str))
    kinds = table[(table["by"] == "kind") & (table["run"] == "uniform") & (table["rule"] == "probability")]
    uniform = kinds.set_index("group")["accuracy"]
    expert = maxima[(maxima["rule"] == CALIBRATED) & (maxima["run"] == "expert")].set_index("group")
    return [
        _perplexity_alone(maxima[maxima["rule"] == "perplexity"], records),
        _best_detector(expert, trained_on),
        Claim(
            "The probability of a sequence detects mutations",
            REFUTED if uniform["insertion"] > 0.9 and uniform["deletion"] < 0.1 else REFINED,
            f"it measures length: by it the uniform model ranks {uniform['insertion']:.0%} of the insertions and "
            f"{uniform['deletion']:.0%} of the deletions correctly",
            *DETECTION,
        ),
    ]


def _perplexity_alone(rows: pd.DataFrame, records: Mapping[str, Any]) -> Claim:
    """Whether a model can have the better perplexity and detect fewer mutations, both beyond the intervals."""
    fewest = min(rows["group"], key=int)
    rows = rows[rows["group"] == fewest]
    of_rows = [records[run] for run in rows["run"]]
    rows = rows.assign(
        kind=[group_of(run, record) for run, record in zip(rows["run"], of_rows, strict=True)],
        label=[record["label"] for record in of_rows],
        family=[record["family"] for record in of_rows],
        bits=[record["metrics"]["bits_per_base"] for record in of_rows],
        value=[record["metrics"]["nucleotide_perplexity"] for record in of_rows],
        value_low=[record["metrics"]["interval"][0] for record in of_rows],
        value_high=[record["metrics"]["interval"][1] for record in of_rows],
    )
    rows = rows[np.isfinite(rows["value"]) & (rows["family"] != "reference")]
    kinds = rows.groupby("kind")[["bits", "accuracy"]].mean()
    rank = kinds.corr(method="spearman").iloc[0, 1]
    exceptions = [
        (better, worse)
        for better in rows.itertuples()
        for worse in rows.itertuples()
        if better.value_high < worse.value_low and better.high < worse.low
    ]
    number = (
        f"they mostly agree: over {len(kinds)} kinds of runs perplexity and accuracy at detecting mutations (at most "
        f"{fewest} edit{'' if fewest == '1' else 's'}) have a rank correlation of {rank:.2f}"
    )
    if exceptions:
        better, worse = max(exceptions, key=lambda pair: pair[1].value / pair[0].value)
        number += (
            f"; but not always: beyond the intervals the {better.label} has the lower perplexity, {better.value:.2f} "
            f"beside {worse.value:.2f}, and detects fewer of them, "
            f"{estimate(better.accuracy, better.low, better.high)}, than the {worse.label}, "
            f"{estimate(worse.accuracy, worse.low, worse.high)}"
        )
    claim = "Perplexity alone is not enough: models should be judged by real-life tasks, too"
    return Claim(claim, CONFIRMED if exceptions else REFINED, number, *DETECTION)


def _best_detector(expert: pd.DataFrame, trained_on: float) -> Claim:
    """The expert mixture, by the calibrated rule, beside the paper's LSTM, whose figures have no intervals."""
    papers = papers_means().query("label == \"the paper's LSTM\" and rule == 'perplexity'")
    maxima = papers["maximum"].astype(str).tolist()
    pairs = list(zip(expert.loc[maxima].itertuples(), papers["accuracy"], strict=True))
    beyond = [maximum for maximum, (ours, lstm) in zip(maxima, pairs, strict=True) if ours.low > lstm]
    above, below = (all(side) for side in zip(*((o.low > lstm, o.high < lstm) for o, lstm in pairs), strict=True))
    return Claim(
        f"Its LSTM detects mutations best: {', '.join(f'{accuracy:.3f}' for accuracy in papers['accuracy'])} with at "
        f"most {', '.join(maxima[:-1])} and {maxima[-1]} edits",
        REFUTED if above else CONFIRMED if below else REFINED,
        f"the expert mixture, calibrated, from {trained_on:.0%} of the training genes: "
        + ", ".join(estimate(ours.accuracy, ours.low, ours.high) for ours, _ in pairs)
        + (f"; beyond the interval with at most {' and '.join(beyond)}" if beyond else "; none beyond the interval"),
        *DETECTION,
    )


def _split(learning: Mapping[str, Any]) -> Claim:
    rows = pd.DataFrame(learning["ranking"]).set_index(["label", "group"])
    best = rows.xs(homology.OWN_SPLIT, level="group")["nucleotide_perplexity"].idxmin()
    near, far, family = (rows.loc[(best, group)] for group in (homology.WITH, homology.WITHOUT, homology.FAMILY_SPLIT))
    return Claim(
        "A random split shows how well models predict genes they have not seen",
        REFUTED if near["high"] < far["low"] else CONFIRMED,
        f"{learning['share_with_homolog']:.0%} of the test genes have a homologous training gene; the {best} has "
        f"{near['nucleotide_perplexity']:.2f} on those, {far['nucleotide_perplexity']:.2f} on the others, and "
        f"{estimate(family['nucleotide_perplexity'], family['low'], family['high'])} on a split by family",
        *HOMOLOGY,
    )


HOMOLOGY = ("homology", "What the models remember")


def _ranking(learning: Mapping[str, Any]) -> Claim:
    """With the published recipes, on both splits; on that by family beside the best n-gram, too."""
    sentences = {
        -1: "{first} is better than {second}",
        0: "the difference between {first} and {second} is not resolved",
        1: "{second} is better than {first}",
    }
    text, sides = [], []
    for split, where in ((homology.OWN, "on the random split"), (homology.FAMILY, "On the split by family")):
        pairs = [pair for pair in learning["pairs"] if pair["split"] == split and pair["first"] in PUBLISHED_NETWORKS]
        sides += [ahead(pair) for pair in pairs]
        comparisons = "; ".join(
            sentences[ahead(pair)].format(**pair)
            + f" ({pair['bits_per_base']:+.3f} bits per base, {pair['interval'][0]:+.3f} to {pair['interval'][1]:+.3f})"
            for pair in pairs
        )
        text.append(f"{where} {comparisons}")
    return Claim(
        "The ranking: LSTM before Transformer before n-grams",
        OPEN if not sides else CONFIRMED if set(sides) == {-1} else REFUTED if set(sides) == {1} else REFINED,
        "small networks with the published recipes: " + ". ".join(text) if sides else
        "there is no network with a published recipe",
        *HOMOLOGY,
    )  # fmt: skip


def _data_efficiency(learning: Mapping[str, Any]) -> Claim:
    """From one English text in all its characters and in four symbols: what the last doubling of it saved."""
    texts = ("english", "english-4")
    rows = {(row["label"], row["corpus"]): row for row in learning["efficiency"]}
    models = [name for name in ("LSTM", "Transformer") if all((name, text) in rows for text in texts)]
    verdict, number = OPEN, "there is no English text in 65 and in 4 symbols beside these genes"
    if models:
        pairs = [[rows[model, text] for text in texts] for model in models]
        still_improves = all(four["doubling_low"] > 0 for _, four in pairs)
        improves_less = all(four["doubling_high"] < every["doubling_low"] for every, four in pairs)
        verdict = REFINED if still_improves else REFUTED
        if not improves_less:
            verdict = CONFIRMED if still_improves else OPEN
        number = (
            "one English text: with fewer symbols less is gained by more text" if improves_less else "one English text"
        )
        number += ", and still something" if improves_less and still_improves else ""
        number += ": its last doubling saved " + "; ".join(
            f"{model} {share(every)} of the bits per symbol in all its characters, {share(four)} in four symbols"
            for model, (every, four) in zip(models, pairs, strict=True)
        )
    return Claim(
        "Four letters do not make models less hungry for data",
        verdict,
        number,
        "learning_curves",
        "How much data genes take",
    )


def readme_block(root: Path) -> str:
    """Results in README.md, in Markdown: `findings.results_block`, and what models predict without homologs."""
    return "\n\n".join([results_block(root), *answers(root)[1:]])


def answers(root: Path) -> list[str]:
    """What generative models learn from human genes, in a few sentences, from the published records."""
    values = from_json((root / FINDINGS).read_text())
    by_homology = values["perplexity_by_homology"]
    text = [
        f"**Homologs, first of all.** The best model of the study ({values['best']['model']}) has a perplexity of "
        f"{by_homology['with']:.2f} on test genes with a homologous training gene and of "
        f"{by_homology['without']:.2f} on the others."
    ]
    if not (root / LEARNING).exists():
        return text
    learning = from_json((root / LEARNING).read_text())
    rows = pd.DataFrame(learning["ranking"]).set_index(["label", "group"])
    best, single = (learning["family_split"][name] for name in ("best", "best single order"))
    text.append(
        f"**Without homologs, base composition and repeats within the gene.** On a split by family {best['label']} has "
        f"{estimate(best['nucleotide_perplexity'], *best['interval'])}, where the best single order of context has "
        f"{single['nucleotide_perplexity']:.3f} and the uniform model 4."
    )
    gains = {(row["label"], row["group"]): row["gain"] for row in learning["doubling"]}
    label = rows.xs(homology.OWN_SPLIT, level="group")["nucleotide_perplexity"].idxmin()
    if (label, learning_curve_statistics.BY_FAMILY) in gains:
        random, family = (
            gains[label, learning_curve_statistics.OWN_ALL],
            gains[label, learning_curve_statistics.BY_FAMILY],
        )
        network = ""
        if label != "LSTM" and ("LSTM", learning_curve_statistics.BY_FAMILY) in gains:
            random_lstm, family_lstm = (
                gains["LSTM", group]
                for group in (learning_curve_statistics.OWN_ALL, learning_curve_statistics.BY_FAMILY)
            )
            network = f", the LSTM {random_lstm:.3f} and {family_lstm:.3f}"
        text.append(
            ("**More data of the same kind bring more homologs.** " if random > 2 * family else "**More data.** ")
            + f"The last doubling of the training genes saved the {label} {random:.3f} bits per base on a random "
            f"split, and {family:.3f} on a split by family{network}."
        )
    return text


@dataclass(frozen=True)
class Chapter:
    """What the chapter on the paper's claims shows: published records, whatever genes the page is opened on."""

    study: Study
    root: Path
    claims: list[Claim]

    @classmethod
    def of(cls, study: Study, root: Path) -> Self:
        """The chapter, from the records in ``results/`` of the project's root."""
        return cls(study, root, claims(root))

    def note(self) -> Any:
        """On which genes the figures were computed."""
        genes = from_json((self.root / FINDINGS).read_text())["genes"]
        here = self.study.dataset.description
        return markdown(
            ":::{note}\nEvery figure on this page comes from the run records of the published study, in `results/`: "
            f"{genes}. Rerunning this page on other genes{f' (here: {here})' if here != genes else ''} does not change "
            "it; `dnastudy publish` does.\n:::"
        )

    def claims_table(self) -> Any:
        """Each claim with its verdict, number and chapter."""
        rows = ["| the paper's claim | verdict | the number | chapter |", "|---|---|---|---|"]
        rows += [f"| {c.claim} | **{c.verdict}** | {c.number} | [{c.title}]({c.chapter}) |" for c in self.claims]
        return markdown("\n".join(rows))

    def verdicts_text(self) -> Any:
        """How many claims have each verdict."""
        return markdown(verdicts_sentence([claim.verdict for claim in self.claims]))

    def answers_text(self) -> Any:
        """The answer to the question of the study."""
        return markdown("\n".join(f"- {text}" for text in answers(self.root)))

    def sources_text(self) -> Any:
        """The files that the figures come from, and the commits that computed them."""
        records = published(self.root)
        commits = sorted({record["commit"] for record in records.values()})
        return markdown(
            f"`results/findings.json`, `results/learning.json`, `results/tasks/*`, {len(records)} files of "
            f"`results/runs` computed at commits {', '.join(f'`{commit}`' for commit in commits)}, and the points of "
            f"learning curves in `{FOLDER}`."
        )


def verdicts_sentence(verdicts: Sequence[str]) -> str:
    """How many claims have each verdict, the most frequent first."""
    counts = pd.Series(verdicts).value_counts()
    parts = ", ".join(f"{n} {'is' if n == 1 else 'are'} {verdict}" for verdict, n in counts.items())
    return f"Of {len(verdicts)} claim{'' if len(verdicts) == 1 else 's'} {parts}."
