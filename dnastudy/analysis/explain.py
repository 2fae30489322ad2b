"""Why a gene is predicted as well as it is: surprise base by base, and the training genes that were copied."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.core.errors import StudyError
from dnastudy.data.datasets import Dataset
from dnastudy.data.sequences import NUCLEOTIDES, encode
from dnastudy.evaluation.metrics import NATS_PER_BIT
from dnastudy.experiments.plan import Run
from dnastudy.experiments.store import Store
from dnastudy.models.expert.model import Expert

TRUSTED = 0.5
"""A base counts as copied where such a copy is right at least this often."""
LEVELS = "▁▂▃▄▅▆▇█"
MARKS = "abcdefghijklmnopqrstuvwxyz"
MOST_BITS = 4.0
FEW = 5
"""Genes copied for fewer bases than this are only counted in the text, unless they are among the first three."""


class ExplainError(StudyError, ValueError):
    """A gene that cannot be explained as asked."""


@dataclass(frozen=True)
class Explanation:
    """One test gene, explained.

    Attributes
    ----------
    gene : Series
        Its row of the gene table.
    bases : DataFrame
        One row a nucleotide: ``position`` (from 1), ``nucleotide``, ``bits`` (its surprise), ``copied`` (what the best
        trusted copy said, "" without one), ``source`` (row of ``copies``, -1 without one), ``source_position`` (from 1
        in the copied gene, 0 without one).
    copies : DataFrame
        Training genes that were copied, most bases first: ``id``, ``symbol``, ``type``, ``strand``, ``bases`` for which
        it was the best copy, ``identity`` (share of those it got right), ``first`` and ``last`` of them in the gene,
        ``source_first`` and ``source_last`` in the copied gene.
    """

    gene: pd.Series
    bases: pd.DataFrame
    copies: pd.DataFrame

    @property
    def bits_per_base(self) -> float:
        """Mean surprise."""
        return float(self.bases["bits"].mean())


def find_gene(genes: pd.DataFrame, wanted: str) -> pd.Series:
    """Row of the gene whose id, or else symbol, is ``wanted``; ExplainError if there is none, or more than one."""
    for column in ("id", "symbol"):
        found = genes[genes[column] == wanted]
        if len(found) == 1:
            return found.iloc[0]
        if len(found) > 1:
            raise ExplainError(
                f"{wanted}: {len(found)} test genes have this {column}; name one by id: {', '.join(found['id'][:5])}"
            )
    some = ", ".join(genes["id"][:3])
    near = difflib.get_close_matches(wanted.upper(), [name for name in genes["symbol"] if name], 1)
    raise ExplainError(
        f"{wanted}: no test gene has this id or symbol"
        + (f"; did you mean {near[0]!r}?" if near else "")
        + f" (there are {len(genes):,}, for instance {some}; genes learned from cannot be explained, and one file is "
        "split into both)"
    )


def explain(model: Expert, gene: pd.Series, memory: pd.DataFrame) -> Explanation:
    """Take the prediction of one gene apart.

    Parameters
    ----------
    model : Expert
        Fitted on ``memory``.
    gene : Series
        A row of a gene table.
    memory : DataFrame
        The genes the model remembers, in the order it got them.
    """
    encoded = encode([gene["sequence"]])
    trace = model.trace(encoded)
    found = model.copied(trace)
    length = len(gene["sequence"])
    rows = trace.log_probs[:length]
    nats = rows[np.arange(length), encoded[0]] - np.logaddexp.reduce(rows[:, :4], axis=1)
    trusted = (found.gene >= 0) & (found.chance >= TRUSTED)
    bases = pd.DataFrame(
        {
            "position": np.arange(1, length + 1),
            "nucleotide": list(gene["sequence"]),
            "bits": -nats / NATS_PER_BIT,
            "copied": [NUCLEOTIDES[s] if yes else "" for s, yes in zip(found.symbol[:length], trusted, strict=False)],
            "row": np.where(trusted, found.gene, -1)[:length],
            "strand": np.where(found.reverse[:length], "-", "+"),
            "source_position": np.where(trusted, found.position + 1, 0)[:length],
        }
    )
    copied = bases[bases["row"] >= 0].assign(right=lambda frame: frame["copied"] == frame["nucleotide"])
    copies = (
        copied.groupby(["row", "strand"])
        .agg(
            bases=("right", "size"),
            identity=("right", "mean"),
            first=("position", "min"),
            last=("position", "max"),
            source_first=("source_position", "min"),
            source_last=("source_position", "max"),
        )
        .reset_index()
        .sort_values(["bases", "first"], ascending=[False, True], ignore_index=True)
    )
    places = {key: i for i, key in enumerate(copies[["row", "strand"]].itertuples(index=False, name=None))}
    bases["source"] = [places.get(key, -1) for key in bases[["row", "strand"]].itertuples(index=False, name=None)]
    names = memory.iloc[copies["row"]].reset_index(drop=True)[["id", "symbol", "type"]]
    copies = pd.concat([names, copies.drop(columns="row")], axis=1)
    return Explanation(gene, bases.drop(columns=["row", "strand"]), copies)


def explain_gene(dataset: Dataset, run: Run, wanted: str, store: Store | None = None) -> Explanation:
    """Explain a test gene of a data set by a run of the expert model, which is computed if it is missing."""
    gene = find_gene(dataset.test, wanted)
    model = (store or Store()).get(run, dataset).model()
    memory = pd.concat([dataset.splits[name] for name in (*run.train, *run.update)], ignore_index=True)
    return explain(model, gene, memory)


def as_json(found: Explanation) -> dict[str, Any]:
    """All of it, ready for JSON."""
    return {
        "id": found.gene["id"],
        "symbol": found.gene["symbol"],
        "type": found.gene["type"],
        "nucleotides": len(found.bases),
        "bits_per_base": found.bits_per_base,
        "copies": found.copies.to_dict("records"),
        "bases": found.bases.to_dict("records"),
    }


def as_text(found: Explanation, width: int = 100) -> str:
    """The alignment-style view: nucleotides, surprise, what the best copy said, and which gene it follows."""
    gene, bases = found.gene, found.bases
    shown = found.copies[(found.copies["bases"] >= FEW) | (found.copies.index < 3)].head(len(MARKS))
    bits = np.clip(bases["bits"] / MOST_BITS * len(LEVELS), 0, len(LEVELS) - 1).astype(int)
    tracks = {
        "gene": "".join(bases["nucleotide"]),
        "surprise": "".join(LEVELS[level] for level in bits),
        "copied": "".join(
            " " if not said else "." if said == true else said
            for said, true in zip(bases["copied"], bases["nucleotide"], strict=True)
        ),
        "from": "".join(" " if source < 0 else _mark(source, len(shown)) for source in bases["source"]),
    }
    lines = [
        f"{gene['symbol'] or gene['id']} (id {gene['id']}), {gene['type'] or 'type unknown'}, {len(bases)} nt: "
        f"{found.bits_per_base:.3f} bits per base",
        f"surprise: {LEVELS[0]} 0 to {LEVELS[-1]} {MOST_BITS:g} bits and more; copied: . the right nucleotide, "
        "a letter the wrong one, blank nothing; from: the letters of the table, * a gene not in it",
        "",
    ]
    step = max(10, width - 17)
    for at in range(0, len(bases), step):
        for label, text in tracks.items():
            place = at + 1 if label == "gene" else ""
            lines.append(f"{label:<9}{place:>6}  {text[at : at + step]}".rstrip())
        lines.append("")
    if found.copies.empty:
        return "\n".join([*lines, f"Nothing was copied with a chance of {TRUSTED:g} or more."])
    lines.append(
        f"{'from':>4} {'id':<12}{'symbol':<16}{'type':<19}{'strand':<7}{'bases':>6}{'identity':>10}  {'here':<10}there"
    )
    for i, row in enumerate(shown.itertuples()):
        lines.append(
            f"{_mark(i):>4} {row.id:<12}{row.symbol:<16}{row.type:<19}{row.strand:<7}{row.bases:>6}"
            f"{row.identity:>10.1%}  {f'{row.first}-{row.last}':<10}{row.source_first}-{row.source_last}"
        )
    if rest := len(found.copies) - len(shown):
        total = found.copies["bases"].iloc[len(shown) :].sum()
        lines.append(f"     and {rest} more for {total} bases in all")
    return "\n".join(lines)


def _mark(source: int, known: int = len(MARKS)) -> str:
    return MARKS[source] if source < known else "*"
