"""Learning curves: points, fits, what they extrapolate to, and how data-efficient models are on each corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.analysis.homology import FAMILY, OWN, short_label
from dnastudy.data.corpora import ENGLISH, SOURCES, markov_source
from dnastudy.display.tables import amount, share
from dnastudy.evaluation import bootstrap, metrics
from dnastudy.evaluation.scaling_law import EXPONENTS, PowerLaw, fit_power_law
from dnastudy.experiments.plan import Run
from dnastudy.experiments.store import Result

FEWEST = 3
"""Points that a curve needs."""
OWN_ALL, OWN_WITHOUT, BY_FAMILY = "own split, all test genes", "own split, without homologs", "split by family"
"""Groups of test genes that curves on genes are of."""


@dataclass(frozen=True)
class Point:
    """One model after so many training symbols: mean bits per symbol of its seeds, and resamples of them.

    Attributes
    ----------
    symbols : float
        Training nucleotides or letters, mean over seeds.
    bits : array, shape (replicates + 1,)
        Held-out bits per symbol: first of all test genes and seeds, then of resamples of both.
    parameters : float
        Parameters of the model, mean over seeds.
    seeds : int
        Seeds that the mean is over.
    """

    symbols: float
    bits: np.ndarray
    parameters: float
    seeds: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % over test genes and seeds."""
        return bootstrap.interval(self.bits[1:])


def points(results: Sequence[Result], replicates: int, chosen: np.ndarray | None = None) -> list[Point]:
    """Points of one curve, from the fewest training symbols to the most.

    Parameters
    ----------
    results : Results of one model on parts of the same training genes; several seeds of a part are one point.
    chosen : array of bool, optional
        Test genes that count. The same resamples are taken for all points of the same genes, so that curves of
        different models are paired.
    """
    by_fraction: dict[float, list[Result]] = {}
    for result in results:
        by_fraction.setdefault(result.record["data"]["fraction"], []).append(result)
    curve = []
    for fraction, runs in sorted(by_fraction.items()):
        bits = []
        for run in runs:
            scores = run.scores()
            scores = scores if chosen is None else scores[chosen].reset_index(drop=True)
            bits.append(np.append(metrics.bits_per_base(scores), metrics.resampled_bits(scores, replicates)))
        curve.append(
            Point(
                symbols=float(np.mean([run.record["data"]["train_nucleotides"] for run in runs])),
                bits=bootstrap.over_seeds(np.stack(bits), round(1 / fraction)),
                parameters=float(np.mean([run.record["parameters"] for run in runs])),
                seeds=len(runs),
            )
        )
    return curve


def fit_curve(curve: Sequence[Point]) -> PowerLaw:
    """Saturating power law through points: first of all test genes and seeds, then of their resamples."""
    return fit_power_law(np.array([point.symbols for point in curve]), np.stack([p.bits for p in curve], axis=1))


@dataclass(frozen=True)
class Line:
    """One learning curve: a model on growing parts of one corpus, on one group of its held-out texts."""

    label: str
    family: str
    group: str
    corpus: str
    points: list[Point]
    law: PowerLaw | None
    """None: too few points for a fit."""
    floor: float | None = None
    """Entropy of the source, bits, where it is known."""
    order: int | None = None
    """Order of an n-gram."""

    @property
    def last(self) -> Point:
        """The point with most training symbols."""
        return self.points[-1]

    @property
    def doubling(self) -> np.ndarray:
        """Bits that the last doubling of the training symbols saved, shape (replicates + 1,)."""
        before, last = self.points[-2:]
        return (before.bits - last.bits) / np.log2(last.symbols / before.symbols)

    @property
    def floor_resolved(self) -> bool:
        """Whether the points resolve a floor above 0: not if the curve ends as steep as it is in all, or is flat."""
        if self.law is None or not self.law.floor[0] > 0:
            return False
        first, last = self.points[0], self.last
        mean = (first.bits[0] - last.bits[0]) / np.log2(last.symbols / first.symbols)
        edge = self.law.exponent[0] in (EXPONENTS[0], EXPONENTS[-1])
        return bool(not edge and self.doubling[0] <= 0.9 * mean)


def gene_lines(
    results: Mapping[str, Result], runs: Sequence[Run], has_homolog: np.ndarray, replicates: int
) -> list[Line]:
    """Curves on genes, on the groups `OWN_ALL`, `OWN_WITHOUT` and `BY_FAMILY`.

    ``has_homolog`` is whether each test gene of the own split has a homolog among all training genes.
    """
    lines = []
    for group, split, chosen in ((OWN_ALL, OWN, None), (OWN_WITHOUT, OWN, ~has_homolog), (BY_FAMILY, FAMILY, None)):
        if chosen is not None and (not chosen.any() or chosen.all()):
            continue
        for label, names in _labelled(results, [run for run in runs if run.split == split and not run.corpus]).items():
            lines.append(_line(label, group, "genes", [results[name] for name in names], replicates, chosen))
    return [line for line in lines if len(line.points) > 1]


def text_lines(results: Mapping[str, Result], runs: Sequence[Run], replicates: int) -> list[Line]:
    """Curves on texts and simulated sources."""
    lines = []
    for corpus in dict.fromkeys(run.corpus for run in runs):
        for label, names in _labelled(results, [run for run in runs if run.corpus == corpus]).items():
            lines.append(_without_order(_line(label, corpus, corpus, [results[name] for name in names], replicates)))
    return lines


def _labelled(results: Mapping[str, Result], runs: Sequence[Run]) -> dict[str, list[str]]:
    """Names of the runs of each model by its label."""
    names: dict[str, list[str]] = {}
    for run in runs:
        names.setdefault(short_label(results[run.name].record), []).append(run.name)
    return names


def _line(
    label: str, group: str, corpus: str, results: list[Result], replicates: int, chosen: np.ndarray | None = None
) -> Line:
    record = results[0].record
    curve = points(results, replicates, chosen)
    law = fit_curve(curve) if len(curve) >= FEWEST else None
    floor = markov_source(corpus).entropy_rate if corpus in SOURCES else None
    return Line(label, record["family"], group, corpus, curve, law, floor, record["settings"].get("order"))


def extrapolation_rows(lines: Sequence[Line], paper: float, gain: float = 0.1) -> pd.DataFrame:
    """What the fits extrapolate to: one row for each curve that has a fit.

    Returns
    -------
    DataFrame: ``group``, ``label``; ``now``, ``floor``, ``exponent``, ``at_paper`` (bits after ``paper`` nucleotides),
    ``at_ten`` (after ten times as many as there are), ``needed`` (nucleotides for ``gain`` bits fewer than now), each
    with ``_low`` and ``_high`` (95 %), and the last three also of a straight line (``line_``, see `straight`);
    ``error``, bits; ``floor_resolved``, whether the points resolve a floor.
    """
    rows = []
    for line in lines:
        if line.law is None:
            continue
        law, symbols, now = line.law, line.last.symbols, line.last.bits
        values = {"now": now, "floor": law.floor, "exponent": law.exponent, "at_paper": law.at(paper),
                  "at_ten": law.at(10 * symbols), "needed": law.needed(now - gain),
                  "line_at_paper": straight(line.points, paper), "line_at_ten": straight(line.points, 10 * symbols),
                  "line_needed": _doubled(symbols, gain / np.maximum(_per_doubling(line.points), 1e-9))}  # fmt: skip
        about = {"group": line.group, "label": line.label, "family": line.family, "corpus": line.corpus,
                 "symbols": symbols, "parameters": line.last.parameters, "seeds": line.last.seeds,
                 "error": float(law.error[0]), "floor_resolved": line.floor_resolved}  # fmt: skip
        rows.append({**about, **_with_intervals(values)})
    columns = ["group", "label", "family", "corpus", "symbols", "parameters", "seeds", "error", "floor_resolved"]
    return _frame(rows, columns, ["now", "floor", "exponent", "at_paper", "at_ten", "needed", "line_at_paper",
                                  "line_at_ten", "line_needed"])  # fmt: skip


def straight(curve: Sequence[Point], symbols: float, number: int = 3) -> np.ndarray:
    """Bits after so many symbols if each doubling goes on saving what it did over the last ``number`` points."""
    last = curve[-number:]
    logs = np.log2([point.symbols for point in last])
    bits = np.stack([point.bits for point in last])  # (points, replicates + 1)
    centred = logs - logs.mean()
    slope = centred @ bits / (centred @ centred)
    return bits.mean(axis=0) + slope * (np.log2(symbols) - logs.mean())


def _doubled(symbols: float, doublings: np.ndarray) -> np.ndarray:
    return np.where(doublings < 200, symbols * 2.0 ** np.minimum(doublings, 200), np.inf)


def _per_doubling(curve: Sequence[Point]) -> np.ndarray:
    """Bits saved by a doubling of the training symbols, over the last points."""
    symbols = curve[-1].symbols
    return straight(curve, symbols) - straight(curve, 2 * symbols)


def backtest_rows(lines: Sequence[Line]) -> pd.DataFrame:
    """Each curve's largest point beside what the smaller ones predict for it.

    Returns
    -------
    DataFrame: ``group``, ``label``, ``observed`` bits, ``times`` (how much further the point is), and the bits
    predicted by the saturating power law (``law``) and by a straight line over the logarithm (``line``), each with
    ``_low`` and ``_high``.
    """
    rows = []
    for line in lines:
        if len(line.points) <= FEWEST:
            continue
        predicted = {"law": fit_curve(line.points[:-1]).at(line.last.symbols),
                     "line": straight(line.points[:-1], line.last.symbols)}  # fmt: skip
        about = {"group": line.group, "label": line.label, "observed": float(line.last.bits[0]),
                 "times": line.last.symbols / line.points[-2].symbols}  # fmt: skip
        rows.append({**about, **_with_intervals(predicted)})
    return _frame(rows, ["group", "label", "observed", "times"], ["law", "line"])


def excess_rows(lines: Sequence[Line]) -> pd.DataFrame:
    """Excess over the floor at each point: the source's entropy where it is known, else the fit's if that is resolved.

    Returns
    -------
    DataFrame: ``corpus``, ``group``, ``label``, ``floor`` (bits), ``known`` (floor is exact), ``symbols``,
    ``parameters``, ``ratio`` (training symbols per parameter), ``excess`` (share of the floor), ``low``, ``high``.
    """
    rows = []
    for line in lines:
        if not line.floor_resolved and line.floor is None:
            continue
        floor = np.full(len(line.last.bits), line.floor) if line.floor is not None else line.law.floor
        for point in line.points:
            share = (point.bits - floor) / np.maximum(floor, 1e-9)
            low, high = bootstrap.interval(share[1:])
            rows.append(
                {"corpus": line.corpus, "group": line.group, "label": line.label, "floor": float(floor[0]),
                 "known": line.floor is not None, "symbols": point.symbols, "parameters": point.parameters,
                 "ratio": point.symbols / point.parameters, "excess": float(share[0]), "low": low, "high": high}
            )  # fmt: skip
    return _frame(rows, ["corpus", "group", "label", "floor", "known", "symbols", "parameters", "ratio", "excess",
                         "low", "high"])  # fmt: skip


def efficiency_rows(lines: Sequence[Line], share: float = 0.05) -> pd.DataFrame:
    """How data-efficient each model is on each corpus: training symbols until it is within ``share`` of its floor.

    Returns
    -------
    DataFrame: ``corpus``, ``group``, ``label``, ``floor`` (bits), ``known`` (floor is exact), ``now`` (bits),
    ``symbols``, ``error`` (bits), ``symbols_per_parameter``, ``floor_resolved`` (known, or by the points); and with
    ``_low`` and ``_high`` (95 %) ``exponent``, ``needed`` symbols, and ``doubling``, what the last doubling saved as a
    share of the bits.
    """
    rows = []
    for line in lines:
        if line.law is None:
            continue
        floor = line.law.floor if line.floor is None else np.full(len(line.law.floor), line.floor)
        needed = line.law.needed(floor * (1 + share))
        about = {
            "corpus": line.corpus, "group": line.group, "label": line.label, "floor": float(floor[0]),
            "known": line.floor is not None, "now": float(line.last.bits[0]), "symbols": line.last.symbols,
            "error": float(line.law.error[0]),
            "symbols_per_parameter": line.last.symbols / line.last.parameters,
            "floor_resolved": line.floor_resolved or line.floor is not None,
        }  # fmt: skip
        doubling = line.doubling / line.last.bits
        measured = {"exponent": line.law.exponent, "needed": needed, "doubling": doubling}
        rows.append({**about, **_with_intervals(measured)})
    columns = ["corpus", "group", "label", "floor", "known", "now", "symbols", "error", "symbols_per_parameter",
               "floor_resolved"]  # fmt: skip
    return _frame(rows, columns, ["exponent", "needed", "doubling"])


def _with_intervals(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Of each array, all genes first and then resamples: its figure, and its 95 % interval as _low and _high."""
    row = {}
    for name, value in values.items():
        low, high = bootstrap.interval(value[1:])
        row |= {name: float(value[0]), f"{name}_low": low, f"{name}_high": high}
    return row


def _frame(rows: Sequence[Mapping[str, Any]], plain: Sequence[str], measured: Sequence[str] = ()) -> pd.DataFrame:
    """Rows as a table that has its columns where there are no rows, too."""
    return pd.DataFrame(rows, columns=[*plain, *(name + end for name in measured for end in ("", "_low", "_high"))])


def among_corpora(line: Line) -> Line:
    """A curve on genes under the names that it has beside curves on texts."""
    names = {OWN_ALL: "genes, random split", BY_FAMILY: "genes, split by family"}
    return _without_order(replace(line, corpus=names.get(line.group, line.corpus)))


def _without_order(line: Line) -> Line:
    """The curve of an n-gram under a label without its order, which differs between alphabets."""
    return replace(line, label=line.label.replace(f"{line.order}-gram", line.family)) if line.order else line


def alphabet_text(rows: pd.DataFrame, model: str) -> str:
    """Whether a small alphabet needs less data, in words: from `efficiency_rows`."""
    by_corpus = rows[rows["label"] == model].set_index("corpus")
    english = [name for name in ENGLISH if name in by_corpus.index]
    text = []
    if len(english) > 1:
        most, least = by_corpus.loc[english[0]], by_corpus.loc[english[-1]]
        each = ", ".join(f"{name} {share(by_corpus.loc[name])}" for name in english)
        text.append(
            f"One text in fewer and fewer symbols: what the last doubling of it saved {model}, as a share of the bits "
            f"that a symbol costs, was {each}. With {english[-1].rpartition('-')[2]} symbols the model is "
            + ("still learning" if least["doubling_low"] > 0 else "done learning")
            + f" after {amount(least['symbols'])} of them, {least['symbols_per_parameter']:.1f} symbols per parameter"
            + (
                ", and by less than with all characters."
                if least["doubling_high"] < most["doubling_low"]
                else ", and by no less than with all characters, as far as the intervals show."
            )
        )
    sources = [name for name in SOURCES if name in by_corpus.index]
    if sources:
        above = [by_corpus.loc[name, "now"] - by_corpus.loc[name, "floor"] for name in sources]
        each = ", ".join(f"{name} {bits:.3f}" for name, bits in zip(sources, above, strict=True))
        rising = len(above) > 1 and above == sorted(set(above))
        start = "Nor is it the number of letters in sources of four:" if text else "In sources of four letters,"
        text.append(
            f"{start} after as many symbols {model} is above the entropy by, in bits, {each}"
            + ("; the longer what a letter depends on, the more." if rising else ".")
        )
    genes = [name for name in by_corpus.index if name.startswith("genes")]
    if genes:
        each = ", ".join(f"{name.removeprefix('genes, ')} {share(by_corpus.loc[name])}" for name in genes)
        text.append(f"On genes the last doubling saved {each}.")
    return " ".join(text)
