"""The study's answer: the figures behind its sentences, the sentences, the front page, and the README's results."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import altair as alt
import numpy as np
import pandas as pd

from dnastudy.analysis.generated_genes import BEST, equal_lengths, with_best
from dnastudy.analysis.headline import (
    FINDINGS,
    TOLERANCE,
    headline,
    published,
    published_means,
    published_task,
    reproduction_table,
)
from dnastudy.analysis.mutations import papers_means
from dnastudy.core.atomic import atomic_write
from dnastudy.core.errors import PublicationError
from dnastudy.core.provenance import from_json
from dnastudy.data.datasets import Dataset, paper
from dnastudy.display.charts import family_scale
from dnastudy.display.tables import Table, estimate, markdown, table, with_interval
from dnastudy.evaluation import metrics
from dnastudy.experiments.plan import ENSEMBLE_CONTROLS, MODERN, PUBLISHED, all_runs
from dnastudy.experiments.replicates import ahead, difference, mean_scores, over_seeds
from dnastudy.experiments.store import Result
from dnastudy.experiments.study import Study
from dnastudy.experiments.task_runs import REFERENCE
from dnastudy.tasks.generation_quality import HOMOLOGS, REAL, SHUFFLED
from dnastudy.tasks.mutation_detection import CALIBRATED


def finding_values(dataset: Dataset, results: Mapping[str, Result], homologs: pd.DataFrame, replicates: int) -> dict:
    """Figures behind the study's answer, ready for JSON; ``homologs`` as `Store.homologs` gives them."""
    records = {name: result.record for name, result in results.items()}
    names: dict[str, list[str]] = {}
    for name, record in records.items():
        names.setdefault(record["group"], []).append(name)
    rows = headline(records, over_seeds(results, replicates))
    of_rows = [records[name] for name in rows["name"]]
    # of those with the training genes alone in their memory
    same = [record["data"]["train"] == ["train"] and not record["data"]["update"] for record in of_rows]
    best = rows[same].iloc[-1].to_dict()
    ngram = rows[[record["family"] == "n-gram" for record in of_rows]].iloc[-1].to_dict()
    laplace = rows[rows["kind"] == "laplace"].iloc[0].to_dict()
    reproduced = reproduction_table(results)
    has_homolog = (homologs["identity"] > 0).to_numpy()
    # of all its seeds, where the best has several
    best_runs = names[best["kind"]] if records[best["name"]]["seed"] is not None else [best["name"]]
    scores = mean_scores([results[name] for name in best_runs])
    groups = metrics.by_group(scores, np.where(has_homolog, "with", "without"), replicates).set_index("group")
    plain, tuned = (
        {records[name]["order"]: results[name] for name in names[group]}
        for group in ("witten-bell", "witten-bell-tuned")
    )
    without = {
        order: metrics.nucleotide_perplexity(result.scores()[~has_homolog])
        for order, result in (tuned.items() if not has_homolog.all() else ())
    }
    best_order = min(without, key=without.get, default=None)

    def first_and_last(by_order: Mapping[int, Result]) -> list[float]:
        return [by_order[order].metrics["nucleotide_perplexity"] for order in (min(by_order), max(by_order))]

    return {
        "paper_genes": dataset.name == "paper",
        "genes": dataset.description,
        "counts": dataset.counts_description,
        "best": {key: best[key] for key in ("model", "bits_per_base", "nucleotide_perplexity", "low", "high")},
        "best_ngram": {key: ngram[key] for key in ("model", "bits_per_base", "nucleotide_perplexity")},
        "expert": records["expert"]["metrics"]["nucleotide_perplexity"],
        "networks": {
            row.kind: row.nucleotide_perplexity for row in rows.itertuples() if records[row.name]["seed"] is not None
        },
        # bits per base, paired over genes: below 0 where the Transformer and where the ensemble is better
        "transformer_minus_lstm": {
            recipe: difference(results, names[f"transformer{suffix}"], names[f"lstm{suffix}"], replicates)
            for recipe, suffix in ((PUBLISHED, "-published"), (MODERN, ""))
        },
        "ensemble_minus_expert": {
            name: difference(results, [name], ["expert"], replicates)
            for name, record in records.items()
            if record["model"] == "ensemble"
        },
        "ensemble_minus_control": {
            name: difference(results, ["ensemble-by-entropy"], [name], replicates) for name in ENSEMBLE_CONTROLS
        },
        "expert_updated": records["expert-updated"]["metrics"]["nucleotide_perplexity"],
        "papers_lstm": paper()["test_perplexity"]["lstm"],
        "figures": len(reproduced),
        "reproduced": int((reproduced["relative_difference"] <= TOLERANCE).sum()),
        "fewest_equal_digits": int(reproduced["equal_digits"].min()),
        "laplace": {key: laplace[key] for key in ("model", "paper_perplexity", "nucleotide_perplexity")},
        "orders": [min(plain), max(plain)],
        "witten_bell": first_and_last(plain),
        "witten_bell_tuned": first_and_last(tuned),
        "share_with_homolog": float(has_homolog.mean()),
        "perplexity_by_homology": groups["nucleotide_perplexity"].to_dict(),
        "best_without_homolog": {"order": best_order, "perplexity": without.get(best_order)},
    }


def finding_sentences(values: Mapping[str, Any]) -> list[str]:
    """The study's answer in five sentences."""
    return [_best(values), _reproduced(values), _networks(values), _contexts(values), _homologs(values)]


def _best(values: Mapping[str, Any]) -> str:
    """The sentence on the best model, beside n-grams and the paper's best."""
    best = values["best"]
    text = (
        f"Of the 2 bits per base of the uniform model, the best model so far ({best['model']}) saves "
        f"{2 - best['bits_per_base']:.3f} where the best n-gram saves {2 - values['best_ngram']['bits_per_base']:.3f}; "
        f"its nucleotide perplexity is {estimate(best['nucleotide_perplexity'], best['low'], best['high'])}"
    )
    if values["expert"] != best["nucleotide_perplexity"]:
        text += f"; the expert mixture alone has {values['expert']:.3f}"
    text += f", and {values['expert_updated']:.3f} once the validation genes are added to its memory"
    if values["paper_genes"]:
        text += f"; the paper's best, an LSTM trained on all of the training genes, has {values['papers_lstm']:.3f}"
    return f"{text}."


def _reproduced(values: Mapping[str, Any]) -> str:
    """The sentence on the paper's n-gram figures."""
    laplace = values["laplace"]
    differ = (
        f"cannot be compared with its neural ones: the {laplace['model'].split(' (')[0]} counts as "
        f"{laplace['paper_perplexity']:.4f} because it must also predict where genes end and spreads its probability "
        f"over seven symbols; like for like it has {laplace['nucleotide_perplexity']:.4f}."
    )
    if not values["paper_genes"]:
        return (
            "These are not the paper's genes: its figures cannot be reproduced on them, only its protocol, by which "
            f"n-gram perplexities {differ}"
        )
    count = "All" if values["reproduced"] == values["figures"] else f"{values['reproduced']} of the"
    return (
        f"{count} {values['figures']} n-gram perplexities of the paper are reproduced, to at least "
        f"{values['fewest_equal_digits']} equal digits, but {differ}"
    )


def _networks(values: Mapping[str, Any]) -> str:
    """The sentence on neural models."""
    perplexity, differences = values["networks"], values["transformer_minus_lstm"]
    figures = (
        f"with the published recipe an LSTM has {perplexity['lstm-published']:.2f} and a Transformer "
        f"{perplexity['transformer-published']:.2f}, with the modern recipe {perplexity['lstm']:.2f} and "
        f"{perplexity['transformer']:.2f}"
    )
    families = {-1: "the Transformer", 0: "neither", 1: "the LSTM"}
    published, modern = (families[ahead(differences[recipe])] for recipe in (PUBLISHED, MODERN))
    if published == modern:
        ranking = f"{published} is ahead either way"
    elif "neither" in (published, modern):
        ranking = f"{published} is ahead with the published and {modern} with the modern one"
    else:
        ranking = "the recipe decides which is ahead"
    beside = f"the expert mixture, which only counts and copies, has {values['expert']:.2f} after seconds"
    return f"Trained on the same genes, {figures}: {ranking}; {beside}."


def _contexts(values: Mapping[str, Any]) -> str:
    """The sentence on long contexts."""
    first, last = values["orders"]
    (plain_first, plain_last), (tuned_first, tuned_last) = values["witten_bell"], values["witten_bell_tuned"]
    text = (
        f"from order {first} to {last}, Witten-Bell smoothing goes from {plain_first:.2f} to {plain_last:.2f}, and "
        f"with its one weight tuned on validation genes from {tuned_first:.2f} to {tuned_last:.2f}."
    )
    if plain_last > plain_first and tuned_last < tuned_first:
        return f"Long contexts help only when counts of rare contexts are smoothed heavily: {text}"
    return text[0].upper() + text[1:]


def _homologs(values: Mapping[str, Any]) -> str:
    """The sentence on homologs, whatever these genes are."""
    by_group, share = values["perplexity_by_homology"], values["share_with_homolog"]
    ngram = values["best_without_homolog"]
    if not 0 < share < 1:
        return f"{'All' if share else 'None'} of the test genes have a homolog among the training genes: no comparison."
    text = (
        f"{share:.0%} of the test genes have a homolog among the training genes, and the best model has a perplexity "
        f"of {by_group['with']:.2f} on those and of {by_group['without']:.2f} on the others, where n-grams of order "
        f"{ngram['order']} have {ngram['perplexity']:.2f}."
    )
    if by_group["without"] > ngram["perplexity"]:
        return f"The gain comes from homologs: {text}"
    if by_group["with"] >= by_group["without"]:
        return text
    # savings beside 2 bits, on all genes and on those without a homolog
    saved, saved_without = 2 - values["best"]["bits_per_base"], 2 - math.log2(by_group["without"])
    return f"{'Most of the gain comes from homologs' if saved_without < saved / 2 else 'Homologs help'}: {text}"


def answer_list(values: Mapping[str, Any]) -> str:
    """The five sentences as a numbered list in Markdown."""
    return "\n".join(f"{number}. {text}" for number, text in enumerate(finding_sentences(values), 1))


@dataclass(frozen=True)
class Chapter:
    """What the front page shows."""

    study: Study
    results: dict[str, Result]

    @classmethod
    def of(cls, study: Study) -> Self:
        """The front page, all runs of the profile computed where they are missing."""
        return cls(study, study.run(all_runs(study.profile)))

    @cached_property
    def _rows(self) -> pd.DataFrame:
        records = {name: result.record for name, result in self.results.items()}
        return headline(records, over_seeds(self.results, self.study.profile.bootstrap_replicates))

    def answer(self) -> Any:
        """The answer in five sentences."""
        study = self.study
        homologs = study.store.homologs(study.dataset)
        values = finding_values(study.dataset, self.results, homologs, study.profile.bootstrap_replicates)
        return markdown(answer_list(values))

    def headline_chart(self) -> alt.TopLevelMixin:
        """Nucleotide perplexity of each kind of model."""
        rows = self._rows[np.isfinite(self._rows["nucleotide_perplexity"])].copy()
        rows["family"] = [self.results[name].record["family"] for name in rows["name"]]
        rows["trained on"] = [f"{n:,} nt" for n in rows["trained_on"]]
        base = alt.Chart(rows.drop(columns=["paper", "paper_perplexity"]))
        y = alt.Y("model:N", sort=rows["model"].tolist(), title=None, axis=alt.Axis(labelLimit=200))
        marks = base.mark_point(size=110).encode(
            x=alt.X(
                "nucleotide_perplexity:Q",
                title="nucleotide perplexity, test genes",
                scale=alt.Scale(zero=False, nice=False, padding=24),
            ),
            y=y,
            tooltip=[
                "model",
                "trained on",
                alt.Tooltip("nucleotide_perplexity", format=".4f"),
                alt.Tooltip("low", format=".4f"),
                alt.Tooltip("high", format=".4f"),
                alt.Tooltip("bits_per_base", format=".4f", title="bits per base"),
            ],
            **family_scale("family", "point", sorted(set(rows["family"]))),
        )
        spans = base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q", y=y)
        return (spans + marks).properties(
            description="Nucleotide perplexity on the test genes of the best order of each kind of model so far, with "
            "95 % intervals; lower is better and 4 is the uniform model."
        )

    def headline_table(self) -> Table:
        """The main table."""
        rows = self._rows
        shown = pd.DataFrame(
            {
                "model": rows["model"],
                "trained on, Mnt": rows["trained_on"] / 1e6,
                "nucleotide perplexity (95 %)": with_interval(rows, "nucleotide_perplexity"),
                "bits per base": rows["bits_per_base"],
                "paper perplexity": rows["paper_perplexity"],
                "the paper's": rows["paper"],
            }
        )
        return table(
            shown,
            "Lower is better. Each row is the order of its kind that is best on the validation genes (train + val., "
            "which is trained on these too: on the test genes). Nucleotide perplexity compares all models; paper "
            "perplexity is the paper's protocol, computed here and, on its genes, by the paper. MLE: maximum "
            "likelihood.",
            formats={
                "trained on, Mnt": ".1f",
                "bits per base": ".4f",
                "paper perplexity": ".4f",
                "the paper's": ".4f",
            },
        )


def results_block(root: Path) -> str:
    """Results of the published runs and tasks, in Markdown: the answer, the main table and a paragraph a task."""
    values = from_json((root / FINDINGS).read_text())
    genes = (
        f"These are {values['genes']}; rows train + val. are trained on {values['counts']}. "
        "`dnastudy data fetch paper` downloads the whole training split, which changes the figures of all other rows."
    )
    rows = readme_table(published(root), published_means(root))
    return f"{answer_list(values)}\n\n{rows} {genes}\n\n" + "\n\n".join(task_sentences(root))


def task_sentences(root: Path) -> list[str]:
    """Paragraphs on the published real-life tasks: detecting mutations, and generated genes."""
    labels = {name: record["label"] for name, record in published(root).items()}
    accuracy = published_task(root, "mutation-detection")[1]["accuracy"]
    rows = accuracy.set_index(["run", "rule", "by", "group"]).sort_index()["accuracy"]
    uniform = rows["uniform", "probability", "kind"]
    papers = papers_means().query("label == \"the paper's LSTM\" and rule == 'perplexity'")
    maxima = papers["maximum"].astype(str).tolist()
    ours = rows["expert", CALIBRATED, "maximum"][maxima]  # one model, not the best of many on the test genes

    measures = with_best(equal_lengths(published_task(root, "generation-quality")[1]["measures"]))
    auc, homologs = (
        measures[measures["measure"] == name].set_index(["run", "set"])["value"] for name in (BEST, HOMOLOGS)
    )
    closest = auc.drop(REFERENCE, level="run").idxmin()
    recall = published_task(root, "gene-types")[1]["scores"].set_index("what")["macro_recall"]
    edits = f"{', '.join(maxima[:-1])} or {maxima[-1]}"
    return [
        f"**Detecting mutations.** On pairs of a gene and a copy with at most {edits} random edits, the expert "
        f"mixture, calibrated on validation genes, has an accuracy of {_list(ours)}; the paper's LSTM, trained on all "
        f"of the training genes, of {_list(papers['accuracy'])}. The paper's rule of probability measures length: by "
        f"it the uniform model ranks {uniform['insertion']:.0%} of the insertions and {uniform['deletion']:.0%} of the "
        "deletions correctly.",
        f"**Generated genes.** At the lengths of real genes, those of the {labels[closest[0]]}, are the hardest to "
        f"distinguish from real ones: the best of the classifiers has an AUC of {auc[closest]:.2f}, on other real "
        f"genes {auc[REFERENCE, REAL]:.2f}, on shuffled real genes {auc[REFERENCE, SHUFFLED]:.2f}. "
        f"{homologs[closest]:.0%} of them have a homolog among the training genes, of real genes "
        f"{homologs[REFERENCE, REAL]:.0%}. The requested gene type is recognised in at most "
        f"{recall['recovered'].max():.0%} of generated genes, mean over types, and in "
        f"{recall[f'recovered: {REAL}']:.0%} of real ones.",
    ]


def _list(values: Iterable[float]) -> str:
    *first, last = (f"{value:.3f}" for value in values)
    return f"{', '.join(first)} and {last}"


def readme_table(records: Mapping[str, Mapping[str, Any]], means: Mapping[str, Mapping[str, Any]]) -> str:
    """The README's main table, in Markdown."""
    rows = headline(records, means)
    genes = next(iter(records.values()))["metrics"]["genes"]
    lines = [
        "| model | trained on, nt | nucleotide perplexity (95 % interval) | bits per base | paper perplexity, ours "
        "| the paper's |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row, perplexity in zip(rows.itertuples(), with_interval(rows, "nucleotide_perplexity"), strict=True):
        lines.append(
            f"| {row.model} | {row.trained_on:,} | {perplexity} | {row.bits_per_base:.4f} "
            f"| {_figure(row.paper_perplexity)} | {_figure(row.paper)} |"
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
    """Match of the generated part ``name`` in the README's text; PublicationError if its marks are missing."""
    match = re.search(rf"(<!-- {name}: begin[^\n]*-->\n)(.*?)(<!-- {name}: end -->)", readme, re.DOTALL)
    if match is None:
        raise PublicationError(f"README.md: the lines <!-- {name}: begin --> and <!-- {name}: end --> are missing")
    return match


def write_readme_part(root: Path, name: str, block: str) -> None:
    """Put generated text between the marks of the part ``name`` of README.md."""
    readme = (root / "README.md").read_text()
    match = readme_part(readme, name)
    atomic_write(root / "README.md", f"{readme[: match.start(2)]}{block}\n{readme[match.end(2) :]}")
