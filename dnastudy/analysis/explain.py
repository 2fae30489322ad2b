"""Why a gene is predicted as well as it is: surprisal base by base, and the training genes that were copied."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.core.errors import DataError
from dnastudy.data.datasets import Dataset
from dnastudy.data.sequences import NUCLEOTIDES, encode
from dnastudy.evaluation.metrics import NATS_PER_BIT
from dnastudy.experiments.plan import Run, expert_runs
from dnastudy.experiments.profile import Profile
from dnastudy.experiments.store import Store
from dnastudy.models.expert.model import Expert

TRUSTED = 0.5
"""A base counts as copied where such a copy is right at least this often."""
LEVELS = "▁▂▃▄▅▆▇█"
MARKS = "abcdefghijklmnopqrstuvwxyz"
MOST_BITS = 4.0
FEW = 5
"""Genes copied for fewer bases than this are only counted in the text, unless they are among the first three."""
EXAMPLE_IDENTITIES = (0.72, 0.92)
EXAMPLE_LENGTHS = (250, 900)
EXAMPLE_BASES = 60
"""Bases that each of two sources of an example is copied for, at least."""
MOST_EXAMPLES = 1000


@dataclass(frozen=True)
class Explanation:
    """One test gene, explained.

    Attributes
    ----------
    gene : Series
        Its row of the gene table.
    bases : DataFrame
        One row a base: ``position`` (from 1), ``nucleotide``, ``bits`` (its surprisal), ``copied`` (the nucleotide that
        the best trusted copy predicts, "" without one), ``source`` (row of ``copies``, -1 without one),
        ``source_position`` (from 1 in the copied gene, 0 without one).
    copies : DataFrame
        Training genes that were copied, most bases first: ``id``, ``symbol``, ``type``, ``strand``, ``bases`` for which
        it was the best copy, ``identity`` (share of those that it predicts correctly), ``first`` and ``last`` of them
        in the gene, ``source_first`` and ``source_last`` in the copied gene.
    """

    gene: pd.Series
    bases: pd.DataFrame
    copies: pd.DataFrame

    @property
    def bits_per_base(self) -> float:
        """Mean surprisal."""
        return float(self.bases["bits"].mean())


def find_gene(genes: pd.DataFrame, name: str) -> pd.Series:
    """Row of the gene whose id, or else symbol, is ``name``; DataError if there is none, or more than one."""
    for column in ("id", "symbol"):
        matches = genes[genes[column] == name]
        if len(matches) == 1:
            return matches.iloc[0]
        if len(matches) > 1:
            raise DataError(
                f"{name}: {len(matches)} test genes have this {column}; name one by id: {', '.join(matches['id'][:5])}"
            )
    examples = ", ".join(genes["id"][:3])
    similar = difflib.get_close_matches(name.upper(), [symbol for symbol in genes["symbol"] if symbol], 1)
    raise DataError(
        f"{name}: no test gene has this id or symbol"
        + (f"; did you mean {similar[0]!r}?" if similar else "")
        + f" (there are {len(genes):,} test genes, for instance {examples}; training genes cannot be explained, and "
        "genes from one file are split into both)"
    )


def explain(model: Expert, gene: pd.Series, memory: pd.DataFrame) -> Explanation:
    """Explain the prediction of one gene: the surprisal of each base, and what was copied from where.

    Parameters
    ----------
    model : Expert
        Fitted on ``memory``.
    gene : Series
        A row of a gene table.
    memory : DataFrame
        The genes in the model's memory, in the order it was fitted on them.
    """
    encoded = encode([gene["sequence"]])
    trace = model.trace(encoded)
    best_copy = model.copied(trace)
    length = len(gene["sequence"])
    log_probs = trace.log_probs[:length]
    nats = log_probs[np.arange(length), encoded[0]] - np.logaddexp.reduce(log_probs[:, :4], axis=1)
    trusted = ((best_copy.gene >= 0) & (best_copy.chance >= TRUSTED))[:length]
    symbols = zip(best_copy.symbol[:length], trusted, strict=True)
    bases = pd.DataFrame(
        {
            "position": np.arange(1, length + 1),
            "nucleotide": list(gene["sequence"]),
            "bits": -nats / NATS_PER_BIT,
            "copied": [NUCLEOTIDES[symbol] if is_trusted else "" for symbol, is_trusted in symbols],
            "row": np.where(trusted, best_copy.gene[:length], -1),
            "strand": np.where(best_copy.reverse[:length], "-", "+"),
            "source_position": np.where(trusted, best_copy.position[:length] + 1, 0),
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


def clearest_example(model: Expert, test: pd.DataFrame, memory: pd.DataFrame, identity: pd.Series) -> Explanation:
    """Explain the test gene that shows best how genes are copied: from two genes, one after the other.

    Of genes of `EXAMPLE_LENGTHS` with a nearest homolog of `EXAMPLE_IDENTITIES` it is the one whose second source was
    copied for most bases; without any, the gene with the nearest homolog of all.

    Parameters
    ----------
    identity : Series
        Identity of each test gene's nearest homolog, 0 to 1 (see `homology.mmseqs.nearest_homologs`).
    """
    lengths = test["sequence"].str.len().to_numpy()
    candidates = identity.between(*EXAMPLE_IDENTITIES).to_numpy() & (lengths >= EXAMPLE_LENGTHS[0])
    candidates &= lengths <= EXAMPLE_LENGTHS[1]
    best, most = None, 0
    for _, gene in test[candidates].head(MOST_EXAMPLES).iterrows():
        explanation = explain(model, gene, memory)
        copies = explanation.copies
        sources = copies[(copies["bases"] >= EXAMPLE_BASES) & (copies["identity"] >= 0.8)].head(2)
        if len(sources) < 2 or sources["bases"].min() <= most:
            continue
        # not two that are copied in turns, but one that begins inside the other
        if sources["first"].iloc[1] > sources["first"].iloc[0] + 50:
            best, most = explanation, sources["bases"].min()
    return best or explain(model, test.iloc[int(identity.to_numpy().argmax())], memory)


def expert_run(profile: Profile, add_validation: bool = False) -> Run:
    """The run of the expert mixture that is explained: fitted on training genes, or on validation genes as well."""
    return next(run for run in expert_runs(profile) if not run.prequential and bool(run.update) == add_validation)


def explain_gene(dataset: Dataset, run: Run, name: str, store: Store | None = None) -> Explanation:
    """Explain a test gene, named by id or symbol, by a run of the expert model, computed if it is missing."""
    gene = find_gene(dataset.test, name)
    model = (store or Store()).get(run, dataset).model()
    memory = pd.concat([dataset.splits[split] for split in (*run.train, *run.update)], ignore_index=True)
    return explain(model, gene, memory)


def as_json(explanation: Explanation) -> dict[str, Any]:
    """The whole explanation, ready for JSON."""
    return {
        "id": explanation.gene["id"],
        "symbol": explanation.gene["symbol"],
        "type": explanation.gene["type"],
        "nucleotides": len(explanation.bases),
        "bits_per_base": explanation.bits_per_base,
        "copies": explanation.copies.to_dict("records"),
        "bases": explanation.bases.to_dict("records"),
    }


def as_text(explanation: Explanation, width: int = 100) -> str:
    """Show an explanation like an alignment: nucleotides, surprisal, the best copy, and the gene it comes from."""
    gene, bases = explanation.gene, explanation.bases
    shown = explanation.copies[(explanation.copies["bases"] >= FEW) | (explanation.copies.index < 3)].head(len(MARKS))
    bits = np.clip(bases["bits"] / MOST_BITS * len(LEVELS), 0, len(LEVELS) - 1).astype(int)
    tracks = {
        "gene": "".join(bases["nucleotide"]),
        "surprisal": "".join(LEVELS[level] for level in bits),
        "copied": "".join(
            " " if not copy else "." if copy == nucleotide else copy
            for copy, nucleotide in zip(bases["copied"], bases["nucleotide"], strict=True)
        ),
        "from": "".join(" " if source < 0 else _mark(source, len(shown)) for source in bases["source"]),
    }
    lines = [
        f"{gene['symbol'] or gene['id']} (id {gene['id']}), {gene['type'] or 'type unknown'}, {len(bases)} nt: "
        f"{explanation.bits_per_base:.3f} bits per base",
        f"surprisal: {LEVELS[0]} 0 to {LEVELS[-1]} {MOST_BITS:g} bits and more; copied: . the right nucleotide, "
        "a letter the wrong one, blank none; from: the gene's letter in the table, * a gene that is not in it",
        "",
    ]
    step = max(10, width - 17)
    for at in range(0, len(bases), step):
        for label, text in tracks.items():
            place = at + 1 if label == "gene" else ""
            lines.append(f"{label:<9}{place:>6}  {text[at : at + step]}".rstrip())
        lines.append("")
    if explanation.copies.empty:
        return "\n".join([*lines, f"Nothing was copied with a probability of {TRUSTED:g} or more."])
    lines.append(
        f"{'from':>4} {'id':<12}{'symbol':<16}{'type':<19}{'strand':<7}{'bases':>6}{'identity':>10}  {'here':<10}there"
    )
    for i, row in enumerate(shown.itertuples()):
        lines.append(
            f"{_mark(i):>4} {row.id:<12}{row.symbol:<16}{row.type:<19}{row.strand:<7}{row.bases:>6}"
            f"{row.identity:>10.1%}  {f'{row.first}-{row.last}':<10}{row.source_first}-{row.source_last}"
        )
    if rest := len(explanation.copies) - len(shown):
        total = explanation.copies["bases"].iloc[len(shown) :].sum()
        lines.append(f"     and {rest} more for {total} bases in all")
    return "\n".join(lines)


def _mark(source: int, shown: int = len(MARKS)) -> str:
    return MARKS[source] if source < shown else "*"
