"""The study's conclusion: each claim of the paper, what became of it, the number behind that, and where it stands.

Every figure comes from a published record; `learning_values` makes the one on relatives and learning curves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.analysis import homology, learning_curves
from dnastudy.analysis.findings import results_block
from dnastudy.analysis.headline import FINDINGS, published, published_outcomes
from dnastudy.analysis.mutations import papers_means
from dnastudy.core.provenance import from_json
from dnastudy.data.datasets import Dataset, paper
from dnastudy.display.tables import share
from dnastudy.experiments.curve_plan import curve_runs, text_runs
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.replicates import ahead, difference, kind_of
from dnastudy.experiments.store import Store
from dnastudy.tasks.mutation_detection import CALIBRATED

LEARNING = Path("results") / "learning.json"
CONFIRMED, REFINED, REFUTED, OPEN = "confirmed", "refined", "refuted", "open"
REPLICATES = 1000
PAIRS = [
    ("LSTM", "Transformer"),
    ("LSTM, the paper's recipe", "Transformer, the paper's recipe"),
    ("Transformer, the paper's recipe", "8-gram, Laplace"),
    ("expert mixture", "LSTM"),
]
"""Which is better is asked of these on both splits."""
THEIRS = ["LSTM, the paper's recipe", "Transformer, the paper's recipe"]
"""And of these beside the best n-gram of a single order, on the split by family."""


def learning_values(profile: Profile, dataset: Dataset, store: Store) -> dict[str, Any]:
    """Figures on relatives and learning curves, ready for JSON, from runs that are computed where they are missing."""
    replicates = min(profile.bootstrap_replicates, REPLICATES)
    points, texts = curve_runs(profile), text_runs(profile, dataset)
    results = {run.name: store.get(run, dataset) for run in [*points, *texts]}
    has = (store.relatives(dataset)["identity"] > 0).to_numpy()
    of_model = homology.by_model(results, homology.full_runs(profile))
    pairs = []
    for first, second in PAIRS:
        for split in (homology.OWN, homology.FAMILY) if first in of_model and second in of_model else ():
            gap = difference(results, of_model[first][split], of_model[second][split], profile.bootstrap_replicates)
            pairs.append(
                {"first": first, "second": second, "split": split, "seeds": len(of_model[first][split]), **gap}
            )
    lines = learning_curves.gene_lines(results, points, has, replicates)
    compared = [*learning_curves.text_lines(results, texts, replicates), *lines]
    wanted = paper()["data"]["nucleotides"] * 0.6
    alone = {run.name: store.get(run, dataset) for run in homology.alone_runs(profile)}
    best = min(alone, key=lambda name: alone[name].record["validation_perplexity"])
    orders = {name: result for name, result in alone.items() if result.record["model"] == "ngram"}
    lowest = min(orders, key=lambda name: orders[name].record["validation_perplexity"])
    single = homology.short_label(alone[lowest].record)
    for first in [label for label in THEIRS if label in of_model]:
        names = of_model[first][homology.FAMILY]
        gap = difference({**results, **alone}, names, [lowest], profile.bootstrap_replicates)
        pairs.append({"first": first, "second": single, "split": homology.FAMILY, "seeds": len(names), **gap})
    return {
        "genes": dataset.description,
        "sha256": {name: dataset.hashes[name] for name in ("train", "validation", "test")},
        "points": len(results),
        "share_with_relative": float(has.mean()),
        "ranking": homology.ranking(results, of_model, has, profile.bootstrap_replicates).to_dict("records"),
        "pairs": pairs,
        "alone": {
            name: {
                "run": run,
                "label": homology.short_label(alone[run].record),
                **{key: alone[run].metrics[key] for key in ("nucleotide_perplexity", "interval", "bits_per_base")},
            }
            for name, run in (("best", best), ("best single order", lowest))
        },
        "doubling": [
            {"group": line.group, "label": line.label, "gain": float(line.doubling[0])} for line in lines
        ],
        "backtest": learning_curves.backtest_rows(lines).to_dict("records"),
        "promises": learning_curves.promise_rows(lines, wanted).to_dict("records"),
        "hunger": learning_curves.hunger_rows([learning_curves.renamed(line) for line in compared if line.group != learning_curves.OWN_WITHOUT])
        .to_dict("records"),
    }  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One claim of the paper: what became of it, the number, and the chapter it stands in."""

    claim: str
    verdict: str
    number: str
    chapter: str
    title: str


def claims(root: Path) -> list[Claim]:
    """The paper's claims against the published records of this repository."""
    values = from_json((root / FINDINGS).read_text())
    records = published(root)
    share = records["expert"]["data"]["train_genes"] / paper()["data"]["train"]
    found = [_table(values), _networks_beat(values, records["expert"]["metrics"], share), _recurrent(values)]
    learning = from_json((root / LEARNING).read_text()) if (root / LEARNING).exists() else None
    return [
        *found,
        *_tasks(root, records, share),
        *([_split(learning), _ranking(learning), _hungry(learning)] if learning else []),
    ]


def _table(values: Mapping[str, Any]) -> Claim:
    every = values["reproduced"] == values["figures"]
    return Claim(
        "N-grams of order 1 to 8 have the test perplexities of its table",
        CONFIRMED if every else REFUTED,
        f"{values['reproduced']} of {values['figures']} figures, to at least {values['fewest_equal_digits']} digits",
        "ngrams",
        "N-gram models",
    )


def _networks_beat(values: Mapping[str, Any], expert: Mapping[str, Any], share: float) -> Claim:
    laplace, best, theirs = values["laplace"], values["best"], values["papers_lstm"]
    low, high = expert["interval"]
    beaten = max(best["high"], high) < theirs
    return Claim(
        f"Recurrent networks predict genes best: LSTM {theirs:.2f}, Transformer "
        f"{paper()['test_perplexity']['transformer']:.2f}, n-grams {laplace['paper_perplexity']:.2f} at best",
        REFUTED if beaten else REFINED,
        f"like for like the 8-gram has {laplace['nucleotide_perplexity']:.3f}; counts and copies alone, from "
        f"{share:.0%} of its training genes, {expert['nucleotide_perplexity']:.3f} ({low:.3f} to {high:.3f}), with an "
        f"LSTM beside them {best['nucleotide_perplexity']:.3f} ({best['low']:.3f} to {best['high']:.3f})",
        "experts",
        "Expert models",
    )


def _recurrent(values: Mapping[str, Any]) -> Claim:
    rows = values["transformer_minus_lstm"]
    sides = {recipe: ahead(row) for recipe, row in rows.items()}
    text = "; ".join(
        f"by {'the paper' if recipe == 'paper' else 'today'}'s recipe the Transformer costs "
        f"{row['bits_per_base']:+.3f} bits per base beside the LSTM "
        f"({row['interval'][0]:+.3f} to {row['interval'][1]:+.3f})"
        for recipe, row in rows.items()
    )
    verdict = CONFIRMED if set(sides.values()) == {1} else REFUTED if set(sides.values()) == {-1} else REFINED
    return Claim("An LSTM predicts genes better than a Transformer", verdict, text, "families", "Which family")


def _tasks(root: Path, records: Mapping[str, Any], share: float) -> list[Claim]:
    table = published_outcomes(root, "mutation-detection")[1]["accuracy"]
    maxima = table[table["by"] == "maximum"].assign(group=table["group"].astype(str))
    kinds = table[(table["by"] == "kind") & (table["run"] == "uniform") & (table["rule"] == "probability")]
    blind = kinds.set_index("group")["accuracy"]
    return [
        _perplexity_alone(maxima[maxima["rule"] == "perplexity"], records),
        _detects_best(maxima[(maxima["rule"] == CALIBRATED) & (maxima["run"] == "expert")].set_index("group"), share),
        Claim(
            "The probability of a sequence detects mutations",
            REFUTED if blind["insertion"] > 0.9 and blind["deletion"] < 0.1 else REFINED,
            f"it measures length: by it a model that knows nothing finds {blind['insertion']:.0%} of the insertions "
            f"and {blind['deletion']:.0%} of the deletions",
            *DETECTION,
        ),
    ]


DETECTION = ("mutations", "Detecting mutations")


def _perplexity_alone(rows: pd.DataFrame, records: Mapping[str, Any]) -> Claim:
    """Whether a model can be better at perplexity and worse at detecting, both beyond the intervals."""
    fewest = min(rows["group"], key=int)
    rows = rows[rows["group"] == fewest]
    of = [records[run] for run in rows["run"]]
    rows = rows.assign(
        kind=[kind_of(run, record) for run, record in zip(rows["run"], of, strict=True)],
        family=[record["family"] for record in of],
        bits=[record["metrics"]["bits_per_base"] for record in of],
        value=[record["metrics"]["nucleotide_perplexity"] for record in of],
        value_low=[record["metrics"]["interval"][0] for record in of],
        value_high=[record["metrics"]["interval"][1] for record in of],
    )
    rows = rows[np.isfinite(rows["value"]) & (rows["family"] != "reference")]
    kinds = rows.groupby("kind")[["bits", "accuracy"]].mean()
    rank = kinds.corr(method="spearman").iloc[0, 1]
    turned = [
        (one, other)
        for one in rows.itertuples()
        for other in rows.itertuples()
        if one.value_high < other.value_low and one.high < other.low
    ]
    number = (
        f"they mostly agree: over {len(kinds)} kinds of runs perplexity and accuracy at detecting mutations (at most "
        f"{fewest} edit{'' if fewest == '1' else 's'}) have a rank correlation of {rank:.2f}"
    )
    if turned:
        one, other = max(turned, key=lambda pair: pair[1].value / pair[0].value)
        number += (
            f"; but not always: beyond the intervals {one.run} has the lower perplexity, {one.value:.2f} beside "
            f"{other.value:.2f}, and finds fewer of them, {one.accuracy:.3f} ({one.low:.3f} to {one.high:.3f}), than "
            f"{other.run}, {other.accuracy:.3f} ({other.low:.3f} to {other.high:.3f})"
        )
    claim = "Perplexity alone is not enough: models should be judged by real-life tasks, too"
    return Claim(claim, CONFIRMED if turned else REFINED, number, *DETECTION)


def _detects_best(ours: pd.DataFrame, share: float) -> Claim:
    """The expert mixture, by the calibrated rule, beside the paper's LSTM, whose figures have no intervals."""
    theirs = papers_means().query("label == \"the paper's LSTM\" and rule == 'perplexity'")
    maxima = theirs["maximum"].astype(str).tolist()
    beside = list(zip(ours.loc[maxima].itertuples(), theirs["accuracy"], strict=True))
    beyond = [maximum for maximum, (mine, other) in zip(maxima, beside, strict=True) if mine.low > other]
    return Claim(
        "Its LSTM detects mutations best: " + ", ".join(f"{a:.3f}" for a in theirs["accuracy"])
        + f" with at most {', '.join(maxima[:-1])} and {maxima[-1]} edits",
        REFUTED if all(mine.low > other for mine, other in beside) else
        CONFIRMED if all(mine.high < other for mine, other in beside) else REFINED,
        f"the expert mixture, calibrated, from {share:.0%} of the training genes: "
        + ", ".join(f"{mine.accuracy:.3f} ({mine.low:.3f} to {mine.high:.3f})" for mine, _ in beside)
        + (f"; beyond the interval with at most {' and '.join(beyond)}" if beyond else "; none beyond the interval"),
        *DETECTION,
    )  # fmt: skip


def _split(learning: Mapping[str, Any]) -> Claim:
    rows = pd.DataFrame(learning["ranking"]).set_index(["label", "group"])
    best = rows.xs("own split", level="group")["nucleotide_perplexity"].idxmin()
    near, far, family = (
        rows.loc[(best, group)] for group in ("own split, with", "own split, without", homology.FAMILY_SPLIT)
    )
    apart = near["high"] < far["low"]
    return Claim(
        "A random split tells how well models predict genes they have not seen",
        REFUTED if apart else CONFIRMED,
        f"{learning['share_with_relative']:.0%} of the test genes have a training relative; {best} has "
        f"{near['nucleotide_perplexity']:.2f} on those, {far['nucleotide_perplexity']:.2f} on the others, and "
        f"{family['nucleotide_perplexity']:.3f} ({family['low']:.3f} to {family['high']:.3f}) on a split by family",
        "relatives",
        "What the models remember",
    )


def _ranking(learning: Mapping[str, Any]) -> Claim:
    """By the paper's recipes, on both splits; on that without relatives beside the best n-gram, too."""
    words = {-1: "{first} is better than {second}", 0: "{first} and {second} cannot be told apart",
             1: "{second} is better than {first}"}  # fmt: skip
    text, sides = [], []
    for split, where in ((homology.OWN, "on the random split"), (homology.FAMILY, "without relatives")):
        pairs = [pair for pair in learning["pairs"] if pair["split"] == split and pair["first"] in THEIRS]
        sides += [ahead(pair) for pair in pairs]
        each = "; ".join(
            words[ahead(pair)].format(**pair)
            + f" ({pair['bits_per_base']:+.3f} bits per base, {pair['interval'][0]:+.3f} to {pair['interval'][1]:+.3f})"
            for pair in pairs
        )
        text.append(f"{where} {each}")
    return Claim(
        "The ranking: LSTM before Transformer before n-grams",
        OPEN if not sides else CONFIRMED if set(sides) == {-1} else REFUTED if set(sides) == {1} else REFINED,
        "small networks by the paper's recipes: " + ". ".join(text) if sides else "no network by the paper's recipes",
        "relatives",
        "What the models remember",
    )


def _hungry(learning: Mapping[str, Any]) -> Claim:
    texts = ("english", "english-4")
    rows = {(row["label"], row["corpus"]): row for row in learning["hunger"]}
    models = [name for name in ("LSTM", "Transformer") if all((name, text) in rows for text in texts)]
    verdict, number = OPEN, "there is no English text in 65 and in 4 symbols beside these genes"
    if models:
        each = [[rows[model, text] for text in texts] for model in models]
        still = all(least["doubling_low"] > 0 for _, least in each)
        less = all(least["doubling_high"] < most["doubling_low"] for most, least in each)
        verdict = (REFINED if still else REFUTED) if less else CONFIRMED if still else OPEN
        number = "one English text: with fewer symbols less is gained by more text" if less else "one English text"
        number += ", and still something" if less and still else ""
        number += ": its last doubling saved " + "; ".join(
            f"{model} {share(most)} of the bits a symbol costs in all its characters, {share(least)} in four symbols"
            for model, (most, least) in zip(models, each, strict=True)
        )
    return Claim(
        "Four letters do not make models less hungry for data", verdict, number, "curves", "How much data genes take"
    )


def readme_block(root: Path) -> str:
    """What README.md says of the results, in Markdown: `findings.results_block`, and what is left without relatives."""
    return "\n\n".join([results_block(root), *answers(root)[1:]])


def answers(root: Path) -> list[str]:
    """What generative models learn from human genes, in a few sentences, from the published records."""
    values = from_json((root / FINDINGS).read_text())
    best, near = values["best"], values["perplexity_by_relative"]
    text = [
        f"**Relatives, first of all.** The best model of the study ({best['model']}) has a perplexity of "
        f"{near['with']:.2f} on test genes with a training relative and of {near['without']:.2f} on the others."
    ]
    if not (root / LEARNING).exists():
        return text
    learning = from_json((root / LEARNING).read_text())
    rows = pd.DataFrame(learning["ranking"]).set_index(["label", "group"])
    alone, single = learning["alone"]["best"], learning["alone"]["best single order"]
    low, high = alone["interval"]
    text.append(
        f"**Some composition, and what a gene says of itself.** On a split by family {alone['label']} comes to "
        f"{alone['nucleotide_perplexity']:.3f} ({low:.3f} to {high:.3f}), where the best single order of context has "
        f"{single['nucleotide_perplexity']:.3f} and knowing nothing 4."
    )
    gains = {(row["label"], row["group"]): row["gain"] for row in learning["doubling"]}
    label = rows.xs("own split", level="group")["nucleotide_perplexity"].idxmin()
    if (label, learning_curves.BY_FAMILY) in gains:
        own, family = gains[label, learning_curves.OWN_ALL], gains[label, learning_curves.BY_FAMILY]
        beside = "LSTM"
        more = (
            f", LSTM {gains[beside, learning_curves.OWN_ALL]:.3f} and {gains[beside, learning_curves.BY_FAMILY]:.3f}"
            if label != beside and (beside, learning_curves.BY_FAMILY) in gains
            else ""
        )
        text.append(
            ("**More data of the same kind bring more relatives.** " if own > 2 * family else "**More data.** ")
            + f"The last doubling of the training genes saved {label} {own:.3f} bits per base on a random split, and "
            f"{family:.3f} on a split by family{more}."
        )
    return text
