"""Colours, point shapes and line dashes: how models and series are distinguished in charts. Needs no chart library.

A model class chooses its look from this palette. Families that choose none, and families that are not registered, get
one of `SPARE`, always the same for the same families. All colours have a contrast of at least 3:1 on white and on the
dark page, and can be distinguished with full red-green colour blindness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import cycle
from typing import NamedTuple


class Look(NamedTuple):
    """Colour, point shape and line dash of a model in charts.

    Attributes
    ----------
    color : str
        "#rrggbb".
    shape : str
        A point shape of Vega, or the path of one.
    dash : list of int
        Lengths of dashes and gaps in pixels.
    second : Look, optional
        Look of a second model of the same family in one chart: a lighter colour, another shape and dash.
    """

    color: str
    shape: str
    dash: list[int]
    second: Look | None = None


HEXAGON = "M0,-1L0.87,-0.5L0.87,0.5L0,1L-0.87,0.5L-0.87,-0.5Z"
STAR = "M0,-1L0.26,-0.36L0.95,-0.31L0.43,0.14L0.59,0.81L0,0.45L-0.59,0.81L-0.43,0.14L-0.95,-0.31L-0.26,-0.36Z"

BLUE = Look("#3f63e8", "circle", [1, 0], Look("#8aa0f2", "triangle-right", [6, 2]))
OCHRE = Look("#c08400", "square", [8, 3], Look("#e0b454", "diamond", [3, 3]))
RED = Look("#b8372a", "triangle-up", [2, 2], Look("#e0877c", "triangle-left", [1, 3]))
GREEN = Look("#10a56a", "diamond", [8, 3, 2, 3], Look("#6cc9a1", "cross", [12, 2, 2, 2]))
PURPLE = Look("#ab6ec6", "cross", [4, 4], Look("#cfa3df", "circle", [2, 4]))
GREY = Look("#686868", "triangle-down", [1, 5], Look("#a8a8a8", "triangle-up", [1, 3]))
STEEL = Look("#6c97a6", "triangle-right", [12, 3], Look("#a7c1ca", "square", [5, 2]))
SLATE = Look("#5b678c", "triangle-left", [6, 2, 1, 2], Look("#9da4ba", "diamond", [2, 6]))
PINK = Look("#c2527e", HEXAGON, [3, 6], Look("#da97b2", "cross", [7, 4]))
BROWN = Look("#8c6246", STAR, [10, 2, 2, 2, 2, 2], Look("#baa190", "triangle-down", [4, 1]))

SERIES = (BLUE, OCHRE, RED, GREEN, PURPLE, GREY)
"""Looks of up to six series that are no model families."""
SPARE = (STEEL, SLATE, PINK, BROWN)
"""Looks of model families that choose none, in turn."""

_sources: list[Callable[[], Mapping[str, Look | None]]] = []


def register(source: Callable[[], Mapping[str, Look | None]]) -> None:
    """Add a function that gives the look of each model family (None: one of `SPARE`), in the order of legends."""
    _sources.append(source)


def family_looks(families: Iterable[str] | None = None) -> dict[str, Look]:
    """Looks of model families, in the order of legends: registered families first, then others by name.

    Parameters
    ----------
    families : iterable of str, optional
        Families, registered or not; by default all that are registered.
    """
    known: dict[str, Look | None] = {}
    for source in _sources:
        known |= source()
    selected = set(known if families is None else families)
    spare = cycle(SPARE)
    everything = {**known, **dict.fromkeys(sorted(selected - set(known)))}
    looks = {family: look or next(spare) for family, look in everything.items()}
    return {family: look for family, look in looks.items() if family in selected}
