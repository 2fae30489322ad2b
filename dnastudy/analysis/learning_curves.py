"""What the chapter on learning curves shows: curves, what they promise of more data, and the same on other texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from dnastudy.analysis.homology import FAMILY, OWN, short_label
from dnastudy.data.corpora import ENGLISH, SOURCES, source_of
from dnastudy.display.tables import amount, share
from dnastudy.evaluation import bootstrap
from dnastudy.evaluation.scaling_law import EXPONENTS, PowerLaw
from dnastudy.experiments.curve_plan import Point, curve_of, points
from dnastudy.experiments.plan import Run
from dnastudy.experiments.store import Result

FEWEST = 3
"""Points that a curve needs."""
OWN_ALL, OWN_WITHOUT, BY_FAMILY = "own split, all test genes", "own split, without relatives", "split by family"


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
    def told(self) -> bool:
        """Whether the points tell a floor above 0: not where a curve ends as steep as it is in all, or hardly moves."""
        if self.law is None or not self.law.floor[0] > 0:
            return False
        first, last = self.points[0], self.last
        mean = (first.bits[0] - last.bits[0]) / np.log2(last.symbols / first.symbols)
        edge = self.law.exponent[0] in (EXPONENTS[0], EXPONENTS[-1])
        return bool(not edge and self.doubling[0] <= 0.9 * mean)


def gene_lines(results: Mapping[str, Result], runs: Sequence[Run], has: np.ndarray, replicates: int) -> list[Line]:
    """Curves on genes, on the groups `OWN_ALL`, `OWN_WITHOUT` and `BY_FAMILY`; ``has``: test genes with a relative."""
    found = []
    for group, split, chosen in ((OWN_ALL, OWN, None), (OWN_WITHOUT, OWN, ~has), (BY_FAMILY, FAMILY, None)):
        if chosen is not None and (not chosen.any() or chosen.all()):
            continue
        for label, names in _labelled(results, [run for run in runs if run.split == split and not run.corpus]).items():
            found.append(_line(label, group, "genes", [results[name] for name in names], replicates, chosen))
    return [line for line in found if len(line.points) > 1]


def text_lines(results: Mapping[str, Result], runs: Sequence[Run], replicates: int) -> list[Line]:
    """Curves on texts and simulated sources."""
    found = []
    for corpus in dict.fromkeys(run.corpus for run in runs):
        for label, names in _labelled(results, [run for run in runs if run.corpus == corpus]).items():
            given = [results[name] for name in names]
            line = _line(_without_order(label), corpus, corpus, given, replicates, None)
            found.append(line)
    return found


def _labelled(results: Mapping[str, Result], runs: Sequence[Run]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for run in runs:
        found.setdefault(short_label(results[run.name].record), []).append(run.name)
    return found


def _without_order(label: str) -> str:
    """Orders of n-grams differ between alphabets."""
    return "n-gram, Witten-Bell tuned" if label.endswith("Witten-Bell tuned") else label


def _line(label, group, corpus, given: list[Result], replicates, chosen) -> Line:
    found = points(given, replicates, chosen)
    law = curve_of(found) if len(found) >= FEWEST else None
    floor = source_of(corpus).entropy_rate if corpus in SOURCES else None
    return Line(label, given[0].record["family"], group, corpus, found, law, floor)


def promise_rows(lines: Sequence[Line], paper: float, gain: float = 0.1) -> pd.DataFrame:
    """What the fits say: one row a curve that has one.

    Returns
    -------
    DataFrame: ``group``, ``label``; ``now``, ``floor``, ``exponent``, ``at_paper`` (bits after ``paper`` nucleotides),
    ``at_ten`` (after ten times as many as there are), ``needed`` (nucleotides for ``gain`` bits fewer than now), each
    with ``_low`` and ``_high`` (95 %), and the last three also of a straight line (``line_``, see `straight`);
    ``error``, bits; ``told``: whether the points tell a floor.
    """
    rows = []
    for line in lines:
        if line.law is None:
            continue
        law, symbols, now = line.law, line.last.symbols, line.last.bits
        values = {"now": now, "floor": law.floor, "exponent": law.exponent, "at_paper": law.at(paper),
                  "at_ten": law.at(10 * symbols), "needed": law.needed(now - gain),
                  "line_at_paper": straight(line.points, paper), "line_at_ten": straight(line.points, 10 * symbols),
                  "line_needed": _times_two(symbols, gain / np.maximum(_a_doubling(line.points), 1e-9))}  # fmt: skip
        about = {"group": line.group, "label": line.label, "family": line.family, "corpus": line.corpus,
                 "symbols": symbols, "parameters": line.last.parameters, "seeds": line.last.seeds,
                 "error": float(law.error[0]), "told": line.told}  # fmt: skip
        rows.append({**about, **_with_intervals(values)})
    columns = ["group", "label", "family", "corpus", "symbols", "parameters", "seeds", "error", "told"]
    return _frame(rows, columns, ["now", "floor", "exponent", "at_paper", "at_ten", "needed", "line_at_paper",
                                  "line_at_ten", "line_needed"])  # fmt: skip


def straight(found: Sequence[Point], symbols: float, of: int = 3) -> np.ndarray:
    """Bits after so many symbols if each doubling goes on saving what it did over the last points."""
    last = found[-of:]
    logs = np.log2([point.symbols for point in last])
    bits = np.stack([point.bits for point in last])  # (points, replicates + 1)
    centred = logs - logs.mean()
    slope = centred @ bits / (centred @ centred)
    return bits.mean(axis=0) + slope * (np.log2(symbols) - logs.mean())


def _times_two(symbols: float, doublings: np.ndarray) -> np.ndarray:
    return np.where(doublings < 200, symbols * 2.0 ** np.minimum(doublings, 200), np.inf)


def _a_doubling(found: Sequence[Point]) -> np.ndarray:
    """Bits saved by a doubling of the training symbols, over the last points."""
    symbols = found[-1].symbols
    return straight(found, symbols) - straight(found, 2 * symbols)


def backtest_rows(lines: Sequence[Line]) -> pd.DataFrame:
    """Each curve's largest point beside what the smaller ones foretell of it.

    Returns
    -------
    DataFrame: ``group``, ``label``, ``found`` bits, ``times`` (how much further the point is), and by the saturating
    power law (``law``) and by a straight line over the logarithm (``line``) the bits foretold, with ``_low`` and
    ``_high``.
    """
    rows = []
    for line in lines:
        if len(line.points) <= FEWEST:
            continue
        said = {"law": curve_of(line.points[:-1]).at(line.last.symbols),
                "line": straight(line.points[:-1], line.last.symbols)}  # fmt: skip
        about = {"group": line.group, "label": line.label, "found": float(line.last.bits[0]),
                 "times": line.last.symbols / line.points[-2].symbols}  # fmt: skip
        rows.append({**about, **_with_intervals(said)})
    return _frame(rows, ["group", "label", "found", "times"], ["law", "line"])


def excess_rows(lines: Sequence[Line]) -> pd.DataFrame:
    """Excess over the floor at each point: the source's entropy where that is known, else the fit's, if it tells one.

    Returns
    -------
    DataFrame: ``corpus``, ``label``, ``letters_floor`` (bits), ``known`` (floor is exact), ``symbols``, ``parameters``,
    ``ratio`` (training symbols a parameter), ``excess`` (share of the floor) with ``low`` and ``high``.
    """
    rows = []
    for line in lines:
        if not line.told and line.floor is None:
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


def hunger_rows(lines: Sequence[Line], share: float = 0.05) -> pd.DataFrame:
    """Training symbols until a model is within ``share`` of its floor, and what it says of each corpus.

    Returns
    -------
    DataFrame: ``corpus``, ``label``, ``floor``, ``known``, ``told`` (the points tell it), ``a_parameter`` (training
    symbols at hand a parameter); and with ``_low`` and ``_high`` (95 %) ``exponent``, ``needed`` symbols, and
    ``doubling``, what the last doubling saved as a share of the bits.
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
            "error": float(line.law.error[0]), "a_parameter": line.last.symbols / line.last.parameters,
            "told": line.told or line.floor is not None,
        }  # fmt: skip
        doubling = line.doubling / line.last.bits
        measured = {"exponent": line.law.exponent, "needed": needed, "doubling": doubling}
        rows.append({**about, **_with_intervals(measured)})
    columns = ["corpus", "group", "label", "floor", "known", "now", "symbols", "error", "a_parameter", "told"]
    return _frame(rows, columns, ["exponent", "needed", "doubling"])


def _with_intervals(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Of each array, all genes first and then resamples: its figure, and its 95 % interval as _low and _high."""
    found = {}
    for name, value in values.items():
        low, high = bootstrap.interval(value[1:])
        found |= {name: float(value[0]), f"{name}_low": low, f"{name}_high": high}
    return found


def _frame(rows: Sequence[Mapping[str, Any]], plain: Sequence[str], measured: Sequence[str] = ()) -> pd.DataFrame:
    """Rows as a table that has its columns where there are no rows, too."""
    return pd.DataFrame(rows, columns=[*plain, *(name + end for name in measured for end in ("", "_low", "_high"))])


def renamed(line: Line) -> Line:
    """A curve on genes under the names that it has beside texts."""
    names = {OWN_ALL: "genes, random split", BY_FAMILY: "genes, split by family"}
    corpus = names.get(line.group, line.corpus)
    return replace(line, corpus=corpus, label=_without_order(line.label))


def answer(rows: pd.DataFrame, model: str) -> str:
    """Whether a small alphabet needs less data, in words: from `hunger_rows`."""
    of = rows[rows["label"] == model].set_index("corpus")
    english = [name for name in ENGLISH if name in of.index]
    text = []
    if len(english) > 1:
        most, least = of.loc[english[0]], of.loc[english[-1]]
        each = ", ".join(f"{name} {share(of.loc[name])}" for name in english)
        text.append(
            f"One text in fewer and fewer symbols: what the last doubling of it saved {model}, as a share of the bits "
            f"that a symbol costs, was {each}. With {english[-1].rpartition('-')[2]} symbols the model is "
            + ("still learning" if least["doubling_low"] > 0 else "done learning")
            + f" after {amount(least['symbols'])} of them, {least['a_parameter']:.1f} symbols a parameter"
            + (
                ", and by less than with all characters."
                if least["doubling_high"] < most["doubling_low"]
                else ", and by no less than with all characters, as far as the intervals tell."
            )
        )
    sources = [name for name in SOURCES if name in of.index]
    if sources:
        above = [of.loc[name, "now"] - of.loc[name, "floor"] for name in sources]
        each = ", ".join(f"{name} {bits:.3f}" for name, bits in zip(sources, above, strict=True))
        rising = len(above) > 1 and above == sorted(set(above))
        start = "Nor is it the number of letters in sources of four:" if text else "In sources of four letters,"
        text.append(
            f"{start} after as many symbols {model} is above the entropy by, in bits, {each}"
            + ("; the longer what a letter depends on, the more." if rising else ".")
        )
    genes = [name for name in of.index if name.startswith("genes")]
    if genes:
        each = ", ".join(f"{name.removeprefix('genes, ')} {share(of.loc[name])}" for name in genes)
        text.append(f"On genes the last doubling saved {each}.")
    return " ".join(text)
