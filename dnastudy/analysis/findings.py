"""What the study answers: the figures behind its sentences, the sentences, and what README.md says of both."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.analysis.generated_genes import BEST, equal_lengths, with_best
from dnastudy.analysis.headline import (
    FINDINGS,
    TOLERANCE,
    headline,
    published,
    published_means,
    published_outcomes,
    reproduction_table,
)
from dnastudy.analysis.mutations import papers_means
from dnastudy.core.atomic import atomic_write
from dnastudy.core.errors import ModelError
from dnastudy.core.provenance import from_json
from dnastudy.data.datasets import Dataset, paper
from dnastudy.evaluation import metrics
from dnastudy.experiments.labels import run_label
from dnastudy.experiments.plan import ENSEMBLE_CONTROLS, NEURAL
from dnastudy.experiments.replicates import ahead, difference, kinds, mean_scores, over_seeds
from dnastudy.experiments.store import Result
from dnastudy.experiments.task_runs import REFERENCE
from dnastudy.tasks.generation_quality import REAL, RELATIVES, SHUFFLED
from dnastudy.tasks.mutation_detection import CALIBRATED


def finding_values(dataset: Dataset, results: Mapping[str, Result], relatives: pd.DataFrame, replicates: int) -> dict:
    """Figures behind the study's answer, ready for JSON; ``relatives`` as `Store.relatives` gives them."""
    records = {name: result.record for name, result in results.items()}
    means, names = over_seeds(results, replicates), kinds(results)
    table = headline(records, means)
    same = [
        records[name]["data"]["train"] == ["train"] and not records[name]["data"]["update"] for name in table["name"]
    ]
    best = table[same].iloc[-1].to_dict()
    of_ngrams = table[[records[name]["family"] == "n-gram" for name in table["name"]]].iloc[-1].to_dict()
    laplace = table[table["kind"] == "laplace"].iloc[0].to_dict()
    reproduced = reproduction_table(results)
    has = np.where(relatives["identity"] > 0, "with", "without")
    # of all its seeds, where the best has several
    best_runs = names.get(best["kind"], [best["name"]])
    scores = mean_scores([results[name] for name in best_runs])
    groups = metrics.by_group(scores, has, replicates).set_index("group")
    bits = {kind: {} for kind in ("witten-bell", "witten-bell-tuned")}
    for name, record in records.items():
        kind, _, order = name.rpartition("-")
        if kind in bits:
            bits[kind][int(order)] = record["metrics"]["nucleotide_perplexity"]
    plain, tuned = bits.values()
    without = {
        order: metrics.nucleotide_perplexity(results[f"witten-bell-tuned-{order}"].scores()[has == "without"])
        for order in (tuned if (has == "without").any() else [])
    }
    least = min(without, key=without.get, default=None)
    return {
        "paper_genes": dataset.name == "paper",
        "genes": dataset.description,
        "counts": dataset.counts_description,
        "best": {key: best[key] for key in ("model", "bits_per_base", "nucleotide_perplexity", "low", "high")},
        "best_ngram": {key: of_ngrams[key] for key in ("model", "bits_per_base", "nucleotide_perplexity")},
        "expert": records["expert"]["metrics"]["nucleotide_perplexity"],
        "networks": {
            row.kind: row.nucleotide_perplexity for row in table.itertuples() if records[row.name]["model"] in NEURAL
        },
        # bits per base, paired over genes: below 0 where the Transformer and where the ensemble is better
        "transformer_minus_lstm": {
            recipe: difference(results, names[f"transformer{kind}"], names[f"lstm{kind}"], replicates)
            for recipe, kind in (("paper", "-paper"), ("today", ""))
        },
        "ensemble_minus_expert": {
            name: difference(results, [name], ["expert"], replicates)
            for name, record in records.items()
            if record["model"] == "ensemble"
        },
        "ensemble_minus_control": {
            name: difference(results, ["ensemble-by-entropy"], [name], replicates) for name in ENSEMBLE_CONTROLS
        },
        "joined": records["expert-joined"]["metrics"]["nucleotide_perplexity"],
        "papers_lstm": paper()["test_perplexity"]["lstm"],
        "figures": len(reproduced),
        "reproduced": int((reproduced["relative_difference"] <= TOLERANCE).sum()),
        "fewest_equal_digits": int(reproduced["equal_digits"].min()),
        "laplace": {key: laplace[key] for key in ("model", "paper_perplexity", "nucleotide_perplexity")},
        "orders": [min(plain), max(plain)],
        "witten_bell": [plain[min(plain)], plain[max(plain)]],
        "witten_bell_tuned": [tuned[min(tuned)], tuned[max(tuned)]],
        "share_with_relative": float((has == "with").mean()),
        "perplexity_by_relative": groups["nucleotide_perplexity"].to_dict(),
        "best_without_relative": {"order": least, "perplexity": without.get(least)},
    }


def finding_sentences(values: Mapping[str, Any]) -> list[str]:
    """The study's answer in five sentences."""
    best, laplace = values["best"], values["laplace"]
    row = laplace["model"].split(" (")[0]
    apart = (
        f"cannot be set beside its neural ones: the {row} counts as {laplace['paper_perplexity']:.4f} because it must "
        "also predict where genes end and spreads its belief over seven symbols; like for like it stands at "
        f"{laplace['nucleotide_perplexity']:.4f}."
    )
    if not values["paper_genes"]:
        reproduced = (
            "These are not the paper's genes: its figures cannot be reproduced on them, only its protocol, by which "
            f"n-gram perplexities {apart}"
        )
    else:
        count = "All" if values["reproduced"] == values["figures"] else f"{values['reproduced']} of the"
        reproduced = (
            f"{count} {values['figures']} n-gram perplexities of the paper are reproduced, to at least "
            f"{values['fewest_equal_digits']} equal digits, but {apart}"
        )
    (first, last), (plain, worse), (tuned, better) = (
        values[key] for key in ("orders", "witten_bell", "witten_bell_tuned")
    )
    goes = (
        f"from order {first} to {last}, Witten-Bell smoothing goes from {plain:.2f} to {worse:.2f}, and with its one "
        f"weight tuned on validation genes from {tuned:.2f} to {better:.2f}."
    )
    believed = worse > plain and better < tuned
    return [
        f"Of the 2 bits a nucleotide costs a model that knows nothing, the best model so far ({best['model']}) saves "
        f"{2 - best['bits_per_base']:.3f} where the best n-gram saves {2 - values['best_ngram']['bits_per_base']:.3f}; "
        f"its nucleotide perplexity is {best['nucleotide_perplexity']:.3f} ({best['low']:.3f} to {best['high']:.3f})"
        + _beside_the_paper(values),
        reproduced,
        _networks(values),
        f"Long contexts help only if rare ones are not believed: {goes}" if believed else goes[0].upper() + goes[1:],
        _memory(values),
    ]


def _networks(values: Mapping[str, Any]) -> str:
    """The sentence on neural models."""
    found = values["networks"]
    lstm, transformer, *papers = (found[kind] for kind in ("lstm", "transformer", "lstm-paper", "transformer-paper"))
    figures = (
        f"by the paper's recipe an LSTM comes to {papers[0]:.2f} and a Transformer to {papers[1]:.2f}, by today's to "
        f"{lstm:.2f} and {transformer:.2f}"
    )
    families = {-1: "the Transformer", 0: "neither", 1: "the LSTM"}
    before, after = (families[ahead(values["transformer_minus_lstm"][recipe])] for recipe in ("paper", "today"))
    if before == after:
        ranking = f"{before} is ahead either way"
    elif "neither" in (before, after):
        ranking = f"{before} is ahead by the paper's and {after} by today's"
    else:
        ranking = "the recipe decides which is ahead"
    beside = f"the expert mixture, which only counts and copies, has {values['expert']:.2f} after seconds"
    return f"Trained on the same genes, {figures}: {ranking}; {beside}."


def _beside_the_paper(values: Mapping[str, Any]) -> str:
    alone = "" if values["expert"] == values["best"]["nucleotide_perplexity"] else (
        f"; the expert mixture alone has {values['expert']:.3f}"
    )  # fmt: skip
    joined = f"{alone}, and {values['joined']:.3f} once the validation genes have joined its memory"
    if not values["paper_genes"]:
        return f"{joined}."
    lstm = f"an LSTM that learned from all of the training genes, has {values['papers_lstm']:.3f}"
    return f"{joined}; the paper's best, {lstm}."


def _memory(values: Mapping[str, Any]) -> str:
    """The sentence on relatives, whatever these genes are."""
    near, share, least = (values[k] for k in ("perplexity_by_relative", "share_with_relative", "best_without_relative"))
    if not 0 < share < 1:
        return (
            f"{'All' if share else 'None'} of the test genes have a relative among the training genes: no comparison."
        )
    sides = (
        f"{share:.0%} of the test genes have a relative among the training genes, and the best model has a perplexity "
        f"of {near['with']:.2f} on those and of {near['without']:.2f} on the others"
    )
    beside = f"{sides}, where n-grams of order {least['order']} have {least['perplexity']:.2f}."
    if near["without"] > least["perplexity"]:
        return f"The gain is memory: {beside}"
    # savings beside 2 bits, in all and on the genes that nothing could be remembered of
    saved = 2 - math.log2(near["without"])
    if near["with"] < near["without"] and saved < (2 - values["best"]["bits_per_base"]) / 2:
        return f"Most of the gain is memory: {beside}"
    return f"Relatives help: {beside}" if near["with"] < near["without"] else beside


def results_block(root: Path) -> str:
    """What the published runs and tasks say, in Markdown: the answer, the headline table and a paragraph a task."""
    values = from_json((root / FINDINGS).read_text())
    answer = "\n".join(f"{number}. {text}" for number, text in enumerate(finding_sentences(values), 1))
    genes = (
        f"These are {values['genes']}; rows train + val. learned from {values['counts']}. `dnastudy data fetch paper` "
        "brings the whole training split, and with it other figures in all other rows."
    )
    table = readme_table(published(root), published_means(root))
    return f"{answer}\n\n{table} {genes}\n\n" + "\n\n".join(task_sentences(root))


def task_sentences(root: Path) -> list[str]:
    """What the published outcomes of real-life tasks say: on detecting mutations, and on generated genes."""
    labels = {name: run_label(record) for name, record in published(root).items()}
    accuracy = published_outcomes(root, "mutation-detection")[1]["accuracy"]
    rows = accuracy.set_index(["run", "rule", "by", "group"]).sort_index()["accuracy"]
    blind = rows["uniform", "probability", "kind"]
    theirs = papers_means().query("label == \"the paper's LSTM\" and rule == 'perplexity'")
    maxima = theirs["maximum"].astype(str).tolist()
    ours = rows["expert", CALIBRATED, "maximum"][maxima]  # one model, not the best of many on the test genes

    measures = with_best(equal_lengths(published_outcomes(root, "generation-quality")[1]["measures"]))
    told, near = (
        measures[measures["measure"] == name].set_index(["run", "set"])["value"] for name in (BEST, RELATIVES)
    )
    closest = told.drop(REFERENCE, level="run").idxmin()
    scores = published_outcomes(root, "gene-types")[1]["scores"].set_index("what")["macro_recall"]
    edits = f"{', '.join(maxima[:-1])} or {maxima[-1]}"
    return [
        f"**Detecting mutations.** Of a gene and a copy with at most {edits} random edits, the expert mixture finds "
        f"the gene in {_list(ours)} of the pairs, calibrated on validation genes; the paper's LSTM, after all of the "
        f"training genes, in {_list(theirs['accuracy'])}. The paper's rule of probability measures length: by it a "
        f"model that knows nothing finds {blind['insertion']:.0%} of the insertions and {blind['deletion']:.0%} of the "
        "deletions.",
        f"**Generated genes.** At the lengths of real genes, those of {labels[closest[0]]} are the hardest to tell "
        f"from real ones: the best of the classifiers has an AUC of {told[closest]:.2f}, on other real genes "
        f"{told[REFERENCE, REAL]:.2f}, on shuffled real genes {told[REFERENCE, SHUFFLED]:.2f}. {near[closest]:.0%} of "
        f"them have a relative among the training genes, of real genes {near[REFERENCE, REAL]:.0%}. The gene type "
        f"asked for is recognised in at most {scores['recovered'].max():.0%} of generated genes, mean over types, and "
        f"in {scores[f'recovered: {REAL}']:.0%} of real ones.",
    ]


def _list(values: Iterable[float]) -> str:
    *first, last = (f"{value:.3f}" for value in values)
    return f"{', '.join(first)} and {last}"


def readme_table(records: Mapping[str, Mapping[str, Any]], means: Mapping[str, Mapping[str, Any]]) -> str:
    """The README's headline table, in Markdown."""
    table = headline(records, means)
    genes = next(iter(records.values()))["metrics"]["genes"]
    lines = [
        "| model | learned from, nt | nucleotide perplexity (95 % interval) | bits per base | paper perplexity, ours "
        "| the paper's |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in table.itertuples():
        lines.append(
            f"| {row.model} | {row.learned_from:,} | {row.nucleotide_perplexity:.4f} ({row.low:.4f} to {row.high:.4f}) "
            f"| {row.bits_per_base:.4f} | {_figure(row.paper_perplexity)} | {_figure(row.paper)} |"
        )
    lines += [
        "",
        f"Test split of {genes:,} genes. Lower is better. Each row is the order of its kind that is best on the "
        "validation genes (train + val.: on the test genes); networks: mean over seeds. MLE: maximum likelihood.",
    ]
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.12f}" if math.isfinite(value) else "infinite"


def readme_part(readme: str, name: str) -> re.Match:
    """Where the generated part ``name`` stands in the README's text; ModelError if its marks are missing."""
    found = re.search(rf"(<!-- {name}: begin[^\n]*-->\n)(.*?)(<!-- {name}: end -->)", readme, re.DOTALL)
    if found is None:
        raise ModelError(f"README.md: the lines <!-- {name}: begin --> and <!-- {name}: end --> are missing")
    return found


def write_readme_part(root: Path, name: str, block: str) -> None:
    """Put generated text between the marks of the part ``name`` of README.md."""
    readme = (root / "README.md").read_text()
    found = readme_part(readme, name)
    atomic_write(root / "README.md", f"{readme[: found.start(2)]}{block}\n{readme[found.end(2) :]}")
