"""Charts of the chapters: one theme, one look per model family, outputs that can be compared.

`setup` installs one of two chart renderers, chosen by the environment variable ``DNASTUDY_CHARTS``:

- ``book`` (default): a static picture and the chart's description as JSON, which ``book/static/charts.js`` makes
  interactive.
- ``digest``: one line of text with a hash of the chart, for the stored source notebooks: they stay small, and a rerun
  that draws the same chart prints the same line.

Nothing here computes a result: charts get finished numbers.
"""

import base64
import hashlib
import html
import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any

import altair as alt

from dnastudy.display.looks import BLUE, SERIES, Look, family_looks

#: Colours that follow the page: `charts.js` replaces them by those of the page's light or dark theme.
INK, MUTED, GRID, PAPER = "#1f2933", "#52606d", "#d5dbe1", "#fffffe"

VEGA_LITE = "6.4"
PICTURE_ROWS = 1000  # above this many rows the static picture is a bitmap: a vector picture would be larger
_FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"  # known to the drawer of static pictures


@alt.theme.register("dnastudy", enable=False)
def theme() -> alt.theme.ThemeConfig:
    """Return the one chart theme: transparent, quiet axes, legend on top."""
    text = {"labelColor": MUTED, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": 500}
    return alt.theme.ThemeConfig(
        {
            "config": {
                "background": "transparent",
                "font": _FONT,
                "padding": 8,
                "view": {
                    "continuousWidth": 600,
                    "discreteWidth": 600,
                    "continuousHeight": 300,
                    "discreteHeight": {"step": 24},
                    "stroke": None,
                },
                "axis": {**text, "domainColor": MUTED, "tickColor": MUTED, "gridColor": GRID, "titlePadding": 10},
                "axisBand": {"grid": False},
                "axisQuantitative": {"tickCount": 6, "labelOverlap": "greedy", "labelSeparation": 8},
                "legend": {**text, "orient": "top", "symbolSize": 90, "labelLimit": 220, "columnPadding": 18},
                "header": text,
                "title": {"color": INK, "subtitleColor": MUTED, "fontSize": 15, "anchor": "start", "offset": 12},
                "bar": {"color": BLUE.color},
                "line": {"color": BLUE.color, "strokeWidth": 2.2},
                "point": {"color": BLUE.color, "filled": True, "size": 80, "opacity": 1},
                "area": {"opacity": 0.3},
                "rule": {"color": MUTED},
                "text": {"color": INK, "fontSize": 12},
                "errorbar": {"color": MUTED, "thickness": 1.5},
                "range": {"category": [look.color for look in SERIES]},
            }
        }
    )


def family_scale(field: str, mark: str = "point", families: list[str] | None = None) -> dict[str, Any]:
    """Return the encodings that give each model family its own colour, and shape or dash.

    Use as ``chart.mark_line().encode(x=..., y=..., **family_scale("family", "line"))``.

    Parameters
    ----------
    field
        The column that holds the family.
    mark
        "point" (colour and shape), "line" (colour and dash) or "bar" (colour).
    families
        The families to name in the legend, registered or not (see `looks`); by default all registered ones.

    Raises
    ------
    ValueError
        For an unknown mark.
    """
    named = family_looks(families)
    return _encodings(field, list(named), "Model family", mark, list(named.values()))


def model_scale(field: str, mark: str, families: Mapping[str, str]) -> dict[str, Any]:
    """Return the encodings of models by name, each with the look of its family; see `family_scale`.

    ``families``: model → its family. A second model of a family has a lighter colour and another shape or dash;
    further models of the family look like the second.
    """
    named = family_looks(families.values())
    order = list(named)
    names = sorted(families, key=lambda name: order.index(families[name]))  # stable: within a family as they are given
    seen, looks = set(), []
    for name in names:
        look = named[families[name]]
        looks.append(look.second or look if families[name] in seen else look)
        seen.add(families[name])
    encodings = _encodings(field, names, None, mark, looks)
    for channel in encodings.values():
        channel.legend = alt.Legend(columns=3)  # in one row they are wider than a page
    return encodings


def series_scale(field: str, names: list[str], mark: str = "point", title: str | None = None) -> dict[str, Any]:
    """Return the encodings that distinguish up to six named series by colour, and shape or dash; see `family_scale`."""
    return _encodings(field, names, title, mark, list(SERIES[: len(names)]))


def _encodings(field: str, names: list[str], title: str | None, mark: str, looks: list[Look]) -> dict[str, Any]:
    def scale(part: str) -> alt.Scale:
        return alt.Scale(domain=names, range=[getattr(look, part) for look in looks])

    encodings = {"color": alt.Color(field, type="nominal", title=title, scale=scale("color"))}
    if mark == "point":
        encodings["shape"] = alt.Shape(field, type="nominal", title=title, scale=scale("shape"))
    elif mark == "line":
        encodings["strokeDash"] = alt.StrokeDash(field, type="nominal", title=title, scale=scale("dash"))
    elif mark != "bar":
        raise ValueError(f"mark must be 'point', 'line' or 'bar', got {mark!r}")
    return encodings


def loose(chart: alt.TopLevelMixin, digits: int = 0) -> alt.TopLevelMixin:
    """Return the chart, its digest counting only ``digits`` significant digits of each float (0: no floats at all).

    For numbers that differ a little between processors, such as those of a network trained on the spot.
    """
    return chart.properties(usermeta={"digest_digits": digits})


def chart_mode() -> str:
    """Name of the renderer that ``DNASTUDY_CHARTS`` chooses."""
    return os.environ.get("DNASTUDY_CHARTS") or "book"


def setup() -> None:
    """Turn on the theme and the renderer that ``DNASTUDY_CHARTS`` names.

    Raises
    ------
    ValueError
        If the variable names no renderer.
    """
    name = chart_mode()
    if name not in _RENDERERS:
        raise ValueError(f"DNASTUDY_CHARTS must be one of {', '.join(_RENDERERS)}, got {name!r}")
    for known, renderer in _RENDERERS.items():
        alt.renderers.register(f"dnastudy-{known}", renderer)
    alt.renderers.enable(f"dnastudy-{name}")
    alt.theme.enable("dnastudy")
    alt.data_transformers.disable_max_rows()


def digest(spec: dict[str, Any], **_: Any) -> dict[str, str]:
    """Render a chart as one line of text: a hash of what is drawn, the mark, the number of rows and the fields."""
    digits = spec.get("usermeta", {}).get("digest_digits", 5)
    marks = ", ".join(dict.fromkeys(_find(spec, "mark"))) or "chart"
    fields = ", ".join(dict.fromkeys(_find(spec, "field")))
    text = f"<chart {_identity(_stable(spec, digits))}: {marks}; {_rows(spec)} rows; {fields}>"
    return {"text/plain": text}


def book(spec: dict[str, Any], **_: Any) -> dict[str, str]:
    """Render a chart for the book: a static picture with its alternative text, and the JSON of the live chart.

    Raises
    ------
    ValueError
        If the chart has no description.
    """
    description = str(spec.get("description") or "").strip()
    if not description:
        raise ValueError(
            "a chart of the book needs alternative text: add .properties(description='a sentence on what it shows')"
        )
    live = _stable(spec, digits=9)
    name, rows = _identity(live), _rows(spec)
    # JSON inside <script>: neither a closing tag nor a comment may start in it
    data = json.dumps(live, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    picture = (
        f'<div class="vl-chart" id="{name}" data-rows="{rows}" data-ink="{INK}" data-muted="{MUTED}" data-grid="{GRID}"'
        f' data-paper="{PAPER}"><img alt="{html.escape(description)}" src="{_picture(live, name, rows)}">'
        f'<script type="application/json">{data}</script></div>'
    )
    return {"text/html": picture, **digest(spec)}


_RENDERERS = {"digest": digest, "book": book}


def _stable(spec: dict[str, Any], digits: int) -> dict[str, Any]:
    """Return the chart with rounded floats and with names that do not depend on what was drawn before."""

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items()}
        if isinstance(value, list):
            return [rounded(item) for item in value]
        if isinstance(value, float) and math.isfinite(value):
            return float(f"{value:.{digits}g}") if digits else 0.0
        return value

    text = json.dumps(rounded({key: value for key, value in spec.items() if key != "usermeta"}))
    names = list(spec.get("datasets", {}))  # named by a hash of the unrounded data
    names += dict.fromkeys(re.findall(r'"name": "((?:param|view)_\d+)"', text))  # numbered by a counter of the session
    if names:  # not data_0 and so on: those are Vega's own
        short = {name: f"{re.match('[a-z]+', name)[0]}_no_{position}" for position, name in enumerate(names)}
        text = re.sub(rf"\b(?:{'|'.join(map(re.escape, names))})\b", lambda m: short[m[0]], text)
    return json.loads(text)


def _identity(spec: dict[str, Any]) -> str:
    text = json.dumps({key: value for key, value in spec.items() if key != "$schema"}, sort_keys=True)
    return "vl-" + hashlib.sha256(text.encode()).hexdigest()[:12]


def _rows(spec: dict[str, Any]) -> int:
    inline = [values for values in _find({**spec, "datasets": {}}, "values") if isinstance(values, list)]
    return sum(len(values) for values in [*spec.get("datasets", {}).values(), *inline])


def _find(node: Any, key: str) -> list[Any]:
    """Return every value under ``key`` in a chart, depth first; for marks the mark's name."""
    if isinstance(node, list):
        return [value for item in node for value in _find(item, key)]
    if not isinstance(node, dict):
        return []
    values = []
    for name, value in node.items():
        if name in ("datasets", "config"):
            continue
        if name == key and key == "mark":
            values.append(value["type"] if isinstance(value, dict) else value)
        elif name == key and not isinstance(value, dict):
            values.append(value)
        else:
            values += _find(value, key)
    return values


def _picture(spec: dict[str, Any], name: str, rows: int) -> str:
    """Return the static picture on white as a data URL."""
    import vl_convert

    fixed = json.loads(json.dumps(spec).replace('"width": "container", ', "").replace(', "width": "container"', ""))
    fixed["background"] = "white"
    if rows > PICTURE_ROWS:
        data, kind = vl_convert.vegalite_to_png(fixed, vl_version=VEGA_LITE, scale=2), "png"
    else:
        svg = vl_convert.vegalite_to_svg(fixed, vl_version=VEGA_LITE)
        seen: dict[str, str] = {}  # clip paths are numbered by a counter of the process
        svg = re.sub(r"\b(?:clip|gradient_?)\d+\b", lambda m: seen.setdefault(m[0], f"{name}-{len(seen)}"), svg)
        data, kind = svg.encode(), "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
