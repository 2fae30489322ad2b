"""What the study reports: the paper's table beside ours, the headline table, published records, the README."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dnastudy import evaluation
from dnastudy.datasets import Dataset, paper
from dnastudy.describe import describe_genes
from dnastudy.experiments import Profile, Result, Store, all_runs, ngram_runs
from dnastudy.files import whole_folder, write_whole
from dnastudy.models.base import ModelError
from dnastudy.records import from_json, to_json
from dnastudy.relatives import study_relatives

TOLERANCE = 1e-9
"""Largest relative difference that counts as the paper's figure reproduced."""
RECORDS = Path("results") / "runs"
FINDINGS = Path("results") / "findings.json"
GENES = Path("results") / "genes-real.json"


def compute(profile: Profile, log: Callable[[str], None] | None = None) -> dict[str, Result]:
    """Every run of a profile by name, computed where it is missing."""
    dataset, store = profile.dataset(), Store()
    return {run.name: store.get(run, dataset, log) for run in all_runs(profile)}


def equal_digits(first: float, second: float) -> int:
    """Leading significant digits that two figures share when both are rounded to so many, at most 16."""
    if first == second:
        return 16
    if not (math.isfinite(first) and math.isfinite(second)):
        return 0
    digits = 0
    while digits < 16 and f"{first:.{digits}e}" == f"{second:.{digits}e}":
        digits += 1
    return digits


def reproduction_table(results: Mapping[str, Result]) -> pd.DataFrame:
    """The paper's n-gram figures beside ours.

    Returns
    -------
    DataFrame with ``model``; ``paper`` and ``ours``, paper perplexity on the test split; ``relative_difference``;
    ``equal_digits``; and the like-for-like ``nucleotide_perplexity`` with its 95 % interval ``low``, ``high``.
    """
    rows = []
    for name, figure in paper()["test_perplexity"].items():
        if name not in results:
            continue
        found = results[name].metrics
        ours = found["paper_perplexity"]
        difference = 0.0 if ours == figure else abs(ours / figure - 1) if math.isfinite(figure) else math.inf
        rows.append(
            {
                "model": name,
                "paper": figure,
                "ours": ours,
                "relative_difference": difference,
                "equal_digits": equal_digits(ours, figure),
                "nucleotide_perplexity": found["nucleotide_perplexity"],
                "low": found["interval"][0],
                "high": found["interval"][1],
            }
        )
    return pd.DataFrame(rows)


def reproduce_ngrams(dataset: Dataset, profile: Profile, log: Callable[[str], None] | None = None) -> pd.DataFrame:
    """`reproduction_table` of the paper's rows on its genes; ModelError if ``dataset`` does not hold them."""
    if dataset.name != "paper" or dataset.counts_description == "training and validation genes":
        raise ModelError(
            f"the paper's figures are of its own genes, and these are {dataset.description}; name a folder with its "
            "test split and its training and validation genes or their surrogate (`dnastudy data fetch` fills one)"
        )
    store = Store()
    wanted = paper()["test_perplexity"]
    runs = [run for run in ngram_runs(profile) if run.name in wanted]
    return reproduction_table({run.name: store.get(run, dataset, log) for run in runs})


# published records: the only source of the numbers in README and front page


def headline(records: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The study's main table: one row a kind of model, its best order, nucleotide perplexity, and the paper's own.

    ``records`` by run name, as `published` or a store gives them.
    """
    best: dict[str, str] = {}
    for name, record in records.items():
        kind = name.rpartition("-")[0] or name
        if kind not in best or _criterion(record) < _criterion(records[best[kind]]):
            best[kind] = name
    rows = []
    for kind, name in best.items():
        record = records[name]
        found = record["metrics"]
        rows.append(
            {
                "kind": kind,
                "name": name,
                "model": _label(record),
                "learned_from": record["data"]["train_nucleotides"],
                "nucleotide_perplexity": found["nucleotide_perplexity"],
                "low": found["interval"][0],
                "high": found["interval"][1],
                "bits_per_base": found["bits_per_base"],
                "paper_perplexity": found["paper_perplexity"],
                "paper": paper()["test_perplexity"].get(name),
            }
        )
    return pd.DataFrame(rows).sort_values("nucleotide_perplexity", ascending=False, ignore_index=True)


def _criterion(record: Mapping[str, Any]) -> float:
    """Perplexity an order is chosen by: of the validation genes, or of the test genes where it learned from those."""
    validated = record["validation_perplexity"]
    return record["metrics"]["nucleotide_perplexity"] if validated is None else validated


def _label(record: Mapping[str, Any]) -> str:
    settings = record["settings"]
    if record["model"] != "ngram":
        return {"uniform": "knows nothing"}.get(record["model"], record["model"])
    smoothing = {"mle": "MLE", "laplace": "Laplace"}.get(settings["smoothing"])
    if smoothing is None:
        smoothing = "Witten-Bell" if settings["novelty"] else "Witten-Bell tuned"
    more = " (train + val.)" if record["data"]["train"] == ["counts"] else ""
    return f"{settings['order']}-gram, {smoothing}{more}"


def finding_values(dataset: Dataset, results: Mapping[str, Result], relatives: pd.DataFrame, replicates: int) -> dict:
    """Figures behind the study's answer, ready for JSON; ``relatives`` as `Store.relatives` gives them."""
    records = {name: result.record for name, result in results.items()}
    table = headline(records)
    best = table.iloc[-1].to_dict()
    laplace = table[table["kind"] == "laplace"].iloc[0].to_dict()
    reproduced = reproduction_table(results)
    has = np.where(relatives["identity"] > 0, "with", "without")
    groups = evaluation.by_group(results[best["name"]].scores(), has, replicates).set_index("group")
    bits = {kind: {} for kind in ("witten-bell", "witten-bell-tuned")}
    for name, record in records.items():
        kind, _, order = name.rpartition("-")
        if kind in bits:
            bits[kind][int(order)] = record["metrics"]["nucleotide_perplexity"]
    plain, tuned = bits.values()
    without = {
        order: evaluation.nucleotide_perplexity(results[f"witten-bell-tuned-{order}"].scores()[has == "without"])
        for order in (tuned if (has == "without").any() else [])
    }
    least = min(without, key=without.get, default=None)
    return {
        "paper_genes": dataset.name == "paper",
        "genes": dataset.description,
        "counts": dataset.counts_description,
        "best": {key: best[key] for key in ("model", "bits_per_base", "nucleotide_perplexity", "low", "high")},
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
    if not values["paper_genes"]:
        reproduced = "These are not the paper's genes: its figures cannot be reproduced on them, only its protocol."
    else:
        count = "All" if values["reproduced"] == values["figures"] else f"{values['reproduced']} of the"
        reproduced = (
            f"{count} {values['figures']} n-gram perplexities of the paper are reproduced, to at least "
            f"{values['fewest_equal_digits']} equal digits."
        )
    (first, last), (plain, worse), (tuned, better) = (
        values[key] for key in ("orders", "witten_bell", "witten_bell_tuned")
    )
    row = laplace["model"].split(" (")[0]
    goes = (
        f"from order {first} to {last}, Witten-Bell smoothing goes from {plain:.2f} to {worse:.2f}, and with its one "
        f"weight tuned on validation genes from {tuned:.2f} to {better:.2f}."
    )
    believed = worse > plain and better < tuned
    return [
        f"Only n-grams so far: of the 2 bits a nucleotide costs a model that knows nothing, the best of them "
        f"({best['model']}) saves {2 - best['bits_per_base']:.3f}; its nucleotide perplexity is "
        f"{best['nucleotide_perplexity']:.3f} ({best['low']:.3f} to {best['high']:.3f}).",
        reproduced,
        f"N-gram perplexities of the paper cannot be set beside its neural ones: the {row} counts as "
        f"{laplace['paper_perplexity']:.4f} because it must also predict where genes end and spreads its belief over "
        f"seven symbols; like for like it stands at {laplace['nucleotide_perplexity']:.4f}.",
        f"Long contexts help only if rare ones are not believed: {goes}" if believed else goes[0].upper() + goes[1:],
        _memory(values),
    ]


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
    if near["without"] > least["perplexity"]:
        return f"The gain is memory: {sides}, where order {least['order']} has {least['perplexity']:.2f}."
    return f"Relatives help: {sides}."


def published(root: Path) -> dict[str, dict[str, Any]]:
    """Records of the published study by run name; ModelError if there are none."""
    files = sorted((root / RECORDS).glob("*.json"))
    if not files:
        raise ModelError(f"{root / RECORDS}: no published records; `dnastudy publish` writes them")
    return {path.stem: from_json(path.read_text()) for path in files}


def genes_record(dataset: Dataset) -> dict[str, Any]:
    """Aggregated figures of a study's genes, no sequences and no ids: what the simulation is set beside."""
    splits = {name: dataset.splits[name] for name in ("train", "validation", "test")}
    hashes = {name: dataset.hashes[name] for name in splits}
    about = {"description": dataset.description, "sha256": hashes}
    return {"data": about, **describe_genes(splits, study_relatives(splits))}


def publish_records(
    root: Path, results: Mapping[str, Result], findings: Mapping[str, Any], genes: Mapping[str, Any]
) -> Path:
    """Replace the published records, the figures behind the answer, and those of the genes by these."""
    with whole_folder(root / RECORDS) as half:
        for name, result in results.items():
            (half / f"{name}.json").write_text(to_json(result.record))
    write_whole(root / FINDINGS, to_json(dict(findings)))
    write_whole(root / GENES, to_json(dict(genes)))
    return root / RECORDS


def readme_block(root: Path) -> str:
    """What README.md says of the results, in Markdown: the answer and the headline table."""
    values = from_json((root / FINDINGS).read_text())
    answer = "\n".join(f"{number}. {text}" for number, text in enumerate(finding_sentences(values), 1))
    genes = (
        f"These are {values['genes']}; rows train + val. learned from {values['counts']}. `dnastudy data fetch paper` "
        "brings the whole training split, and with it other figures in all other rows."
    )
    return f"{answer}\n\n{readme_table(published(root))} {genes}"


def readme_table(records: Mapping[str, Mapping[str, Any]]) -> str:
    """The README's headline table, in Markdown."""
    table = headline(records)
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
        "validation genes (train + val.: on the test genes). MLE: maximum likelihood.",
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
    write_whole(root / "README.md", f"{readme[: found.start(2)]}{block}\n{readme[found.end(2) :]}")
