"""How nbval compares the outputs of a notebook with those stored in it: words exactly, numbers with a tolerance.

A pytest plugin (see `conftest.py`). It replaces nbval's comparison, which compares text character by character, so that
nothing but cells that show times or machines needs to be ignored. HTML is not compared: the same table is stored as
text beside it.

By default words must be equal, whole numbers too, and other numbers within one unit of the last digit shown or
`RELATIVE`. A cell tagged ``approximate`` shows numbers of networks that are trained on the spot, which differ between
processors: its numbers may differ as `APPROXIMATE` says, the rows of a table may be in another order, of a chart only
the marks, fields and the number of rows are compared, and since the name of the best model may be another one, some
words of its sentences may differ.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from typing import Any, NamedTuple

import pytest

RELATIVE = 0.005
"""Largest relative difference of a number that is not whole."""


@dataclass(frozen=True)
class Approximation:
    """How far a cell tagged ``approximate`` may differ.

    With other instructions of the same processor (AVX2 for AVX-512) perplexities of the networks of the profile `quick`
    differ by 1e-8 and nothing that is shown does; this leaves room for other processors.
    """

    relative: float = 0.02
    """Largest relative difference of a number ..."""
    absolute: float = 0.02
    """... or this absolute one of a number that is not whole; a share of 71 % counts as 0.71 ..."""
    whole: int = 1
    """... or this one of a whole number."""
    words: float = 0.85
    """Least share of equal words."""


APPROXIMATE = Approximation()
TAG = "approximate"
COMPARED = ("text/plain", "text/markdown", "text/latex", "application/json", "ename", "evalue")
_TOKEN = re.compile(
    r"(?P<number>(?<![\w.-])[+−-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?(?:\s?%)?(?![\w-]*[A-Za-z]))"
    r"|[^\s()\[\];,:]+|\S"
)
_CHART = re.compile(r"<chart vl-[0-9a-f]+:")


class Number(NamedTuple):
    """A number of a text."""

    text: str
    value: float
    unit: float
    """Unit of the last digit shown; 0 for a whole number."""


def tokens(text: str) -> list[str | Number]:
    """Words and numbers of a text in their order; the 8 of "8-gram" is part of a word."""
    return [_number(match[0]) if match["number"] else match[0] for match in _TOKEN.finditer(text)]


def _number(text: str) -> Number:
    digits = text.replace(",", "").replace("−", "-").rstrip("% ")
    mantissa, _, exponent = digits.partition("e")
    decimals = len(mantissa.partition(".")[2])
    percent = 0.01 if text.endswith("%") else 1.0
    whole = not decimals and not exponent and percent == 1
    return Number(text, float(digits) * percent, 0.0 if whole else percent * 10.0 ** (int(exponent or 0) - decimals))


def difference(computed: str, stored: str, approximate: bool = False) -> str | None:
    """The first difference between two texts that matters, in words; None if there is none."""
    return _approximately(computed, stored) if approximate else _exactly(tokens(computed), tokens(stored))


def _exactly(computed: list[str | Number], stored: list[str | Number]) -> str | None:
    for place, (new, old) in enumerate(zip(computed, stored, strict=False)):
        if isinstance(new, Number) and isinstance(old, Number):
            if abs(new.value - old.value) > (max(1.01 * old.unit, RELATIVE * abs(old.value)) if old.unit else 0):
                return f"{new.text} is not {old.text}, after: {_before(stored, place)}"
        elif new != old:
            return f"{_text(new)!r} is not {_text(old)!r}, after: {_before(stored, place)}"
    if len(computed) != len(stored):
        longer = max(computed, stored, key=len)[min(len(computed), len(stored)) :]
        return f"{'more' if len(computed) > len(stored) else 'less'} than is stored: {_before(longer, len(longer))}"
    return None


def _approximately(computed: str, stored: str) -> str | None:
    new_lines, old_lines = (sorted(_CHART.sub("<chart", text).splitlines(), key=_key) for text in (computed, stored))
    if len(new_lines) != len(old_lines):
        return f"{len(new_lines)} lines, stored are {len(old_lines)}"
    new, old = tokens("\n".join(new_lines)), tokens("\n".join(old_lines))
    matcher = SequenceMatcher(None, *([_kind(token) for token in side] for side in (old, new)), autojunk=False)
    if matcher.ratio() < APPROXIMATE.words:
        return f"only {matcher.ratio():.0%} of the words are those stored"
    for block in matcher.get_matching_blocks():
        for place in range(block.size):
            one, other = old[block.a + place], new[block.b + place]
            if isinstance(one, Number) and abs(one.value - other.value) > max(
                APPROXIMATE.relative * abs(one.value), APPROXIMATE.absolute if one.unit else APPROXIMATE.whole
            ):
                return f"{other.text} is far from {one.text}, after: {_before(old, block.a + place)}"
    return None


def _key(line: str) -> list[str]:
    return [_kind(token) for token in tokens(line)]


def _kind(token: str | Number) -> str:
    return "#" if isinstance(token, Number) else token


def _text(token: str | Number) -> str:
    return token.text if isinstance(token, Number) else token


def _before(shown: list[str | Number], place: int) -> str:
    return " ".join(map(_text, shown[max(0, place - 8) : place])) or "(the beginning)"


def texts(outputs: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What is compared of the outputs of a cell: texts by their type, or by the name of their stream."""
    found = defaultdict(list)
    for output in outputs:
        if output["output_type"] == "stream":
            found[output["name"]].append(output["text"])
            continue
        for kind, content in {**output, **output.get("data", {})}.items():
            if kind in COMPARED:
                found[kind].append(content if isinstance(content, str) else str(content))
    return dict(found)


def compare(computed: Iterable[Mapping[str, Any]], stored: Iterable[Mapping[str, Any]], approximate: bool) -> list[str]:
    """What differs between the outputs of a cell and those stored, a line each."""
    new, old = texts(computed), texts(stored)
    lines = [f"{kind}: not in the computed output" for kind in old if kind not in new]
    lines += [f"{kind}: not in the stored output" for kind in new if kind not in old]
    for kind in old.keys() & new.keys():
        if len(old[kind]) != len(new[kind]):
            lines.append(f"{kind}: {len(new[kind])} outputs, stored are {len(old[kind])}")
            continue
        for one, other in zip(new[kind], old[kind], strict=True):
            if (what := difference(one, other, approximate)) is not None:
                lines += [f"{kind}: {what}", "stored:", other, "computed:", one]
    return lines


def _compare_cell(item: Any, computed: list, stored: list) -> bool:
    """Take the place of the comparison of nbval's cell, which shows ``comparison_traceback``."""
    tags = item.cell.metadata.get("tags", [])
    item.comparison_traceback = compare(computed, stored, TAG in tags)
    return not item.comparison_traceback


@pytest.hookimpl
def pytest_itemcollected(item: Any) -> None:
    """Let cells of notebooks be compared as this module says."""
    if hasattr(item, "cell") and hasattr(item, "compare_outputs"):
        item.compare_outputs = partial(_compare_cell, item)
