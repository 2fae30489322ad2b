"""Tables and numbers of the chapters as deterministic HTML and Markdown; nothing is computed here."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def markdown(text: str) -> Any:
    """Return text that a notebook shows as Markdown, such as a sentence with numbers."""
    from IPython.display import Markdown

    return Markdown(text)


class Table:
    """A table that is shown as HTML in the book and as text elsewhere; equal frames give equal output."""

    def __init__(self, text: pd.DataFrame, numeric: list[bool], caption: str):
        self.text, self.numeric, self.caption = text, numeric, caption

    def __repr__(self) -> str:
        body = self.text.to_string(index=False)
        return f"{self.caption}\n{body}" if self.caption else body

    def _repr_html_(self) -> str:
        widest = [self.text[name].str.len().max() for name in self.text]
        sides = [
            "number" if numeric else "prose" if width > 32 else "words"
            for numeric, width in zip(self.numeric, widest, strict=True)
        ]
        head = _row("th", self.text.columns, sides, ' scope="col"')
        body = "\n".join(_row("td", row, sides) for row in self.text.itertuples(index=False))
        caption = html.escape(self.caption)
        title = f"<figcaption>{caption}</figcaption>\n" if caption else ""
        return (
            f'<figure class="study-table">\n{title}<div role="region" tabindex="0" aria-label="{caption or "Table"}">\n'
            f"<table>\n<thead>\n{head}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n</figure>"
        )


def table(frame: pd.DataFrame, caption: str = "", formats: Mapping[str, str] | None = None, digits: int = 3) -> Table:
    """Return a tidy table for display.

    Parameters
    ----------
    frame
        The rows to show; a named index becomes the first columns.
    caption
        Sentence above the table.
    formats
        Format of the numbers of a column, such as ``{"share": ".1%"}``.
    digits
        Decimals of floats in the other columns. Integers get thousands separators, missing values a dash.

    Raises
    ------
    ValueError
        If ``formats`` names a column that the frame does not have.
    """
    if any(frame.index.names):
        frame = frame.reset_index()
    formats = dict(formats or {})
    if unknown := set(formats) - set(frame.columns):
        raise ValueError(f"formats for unknown columns {sorted(unknown)}; the columns are {list(frame.columns)}")

    whole = set()  # columns of integers that are floats only because some values are missing
    for name in frame.select_dtypes("float"):
        known = frame[name].dropna()
        if len(known) < len(frame) and (known % 1 == 0).all():
            whole.add(name)

    def shown(value: Any, column: str) -> str:
        if value is None or (np.isscalar(value) and pd.isna(value)):
            return "–"
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        if isinstance(value, int | np.integer):
            return format(int(value), formats.get(column, ","))
        if isinstance(value, float | np.floating):
            return format(float(value), formats.get(column, ",.0f" if column in whole else f",.{digits}f"))
        return str(value)

    columns = {str(name): [shown(value, name) for value in frame[name]] for name in frame.columns}
    numeric = [pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind) for kind in frame.dtypes]
    return Table(pd.DataFrame(columns), numeric, caption)


def with_interval(frame: pd.DataFrame, column: str, digits: int = 4) -> pd.Series:
    """Return ``value (low to high)`` as text for a column and its 95 % interval in the columns ``low`` and ``high``.

    Rows without an interval (both missing) get the value alone.
    """

    def shown(value: float, low: float, high: float) -> str:
        return f"{value:.{digits}f}" if pd.isna(low) else estimate(value, low, high, f".{digits}f")

    triples = zip(frame[column], frame["low"], frame["high"], strict=True)
    return pd.Series([shown(*row) for row in triples], index=frame.index, dtype=object)


def estimate(value: float, low: float, high: float, style: str = ".3f") -> str:
    """Return ``value (low to high)`` as text for a value and its 95 % interval, all three formatted as ``style``."""
    return f"{value:{style}} ({low:{style}} to {high:{style}})"


def _row(tag: str, cells: Any, sides: list[str], extra: str = "") -> str:
    shown = zip((html.escape(str(cell)) for cell in cells), sides, strict=True)
    return "<tr>" + "".join(f'<{tag} class="{side}"{extra}>{cell}</{tag}>' for cell, side in shown) + "</tr>"


def share(row: pd.Series) -> str:
    """Return the relative saving of the last doubling of the data, with its interval, from a row of learning curves."""
    return estimate(row["doubling"], row["doubling_low"], row["doubling_high"], ".1%")


def figure(row: Any, name: str, digits: int = 3) -> str:
    """Return the value ``name`` of a row with its interval, from the columns ``name_low`` and ``name_high``."""
    return estimate(row[name], row[f"{name}_low"], row[f"{name}_high"], f".{digits}f")


def amount(value: float) -> str:
    """Return a number of symbols in words, such as "12 million"; "never" for infinite or unreachable numbers."""
    if not np.isfinite(value) or value > 1e15:
        return "never"
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if value >= 0.9995 * size:  # including what rounds up to it
            return f"{float(f'{value / size:.3g}'):g} {word}"
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """Return a time in words: 8.2 s, 12.5 min, 6.1 hours."""
    for size, word in ((3600, "hours"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {word}"
    return f"{seconds:.1f} s"


def amounts(row: Any, name: str, never: str = "never", unit: str = "") -> str:
    """Return the `amount` ``name`` of a row with its interval; "never" alone where value and interval are all never."""
    middle, low, high = (amount(row[column]) for column in (name, f"{name}_low", f"{name}_high"))
    text = never if middle == "never" else middle + unit
    return text if middle == low == high else f"{text} ({low} to {high})"


def nucleotides(row: Any, name: str) -> str:
    """Return `amounts` of nucleotides, for use in a sentence."""
    return amounts(row, name, "no amount of data", " nucleotides")
