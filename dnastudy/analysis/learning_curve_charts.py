"""Charts of the chapter on learning curves, from finished lines and rows (see `learning_curve_statistics`)."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from dnastudy.analysis.learning_curve_statistics import Line
from dnastudy.display.charts import loose, model_scale, series_scale
from dnastudy.evaluation import bootstrap


def curve_chart(lines: Sequence[Line], until: float) -> alt.TopLevelMixin:
    """Bits per base against training nucleotides, a panel a group: points, and fits that reach up to ``until``."""
    marks, fits = [], []
    for line in lines:
        about = {"label": line.label, "family": line.family, "group": line.group}
        for point in line.points:
            low, high = point.interval
            marks.append({**about, "symbols": point.symbols, "bits": float(point.bits[0]), "low": low, "high": high})
        if line.law is not None:
            for symbols in np.geomspace(line.points[0].symbols, until, 24):
                values = line.law.at(symbols)
                low, high = bootstrap.interval(values[1:])
                fits.append({**about, "symbols": float(symbols), "bits": float(values[0]), "low": low, "high": high})
    families = {line.label: line.family for line in lines}
    groups = list(dict.fromkeys(line.group for line in lines))
    panels = []
    for group in groups:
        x = alt.X("symbols:Q", title="training nucleotides", scale=alt.Scale(type="log", nice=False),
                  axis=alt.Axis(format="~s", tickCount=4))  # fmt: skip
        y = alt.Y("bits:Q", title="bits per base", scale=alt.Scale(zero=False))
        layers = []
        for rows, draw in ((fits, True), (marks, False)):
            frame = pd.DataFrame([row for row in rows if row["group"] == group])
            if frame.empty:
                continue
            base = alt.Chart(frame).encode(x=x)
            if draw:
                band = model_scale("label", "bar", families)
                layers.append(
                    base.mark_area(fillOpacity=0.15).encode(
                        y=alt.Y("low:Q", title="bits per base", scale=alt.Scale(zero=False)), y2="high:Q", **band
                    )
                )
                layers.append(base.mark_line().encode(y=y, **model_scale("label", "line", families)))
            else:
                tips = ["label", alt.Tooltip("symbols", format=",.0f", title="training nt"),
                        alt.Tooltip("bits", format=".4f"), alt.Tooltip("low", format=".4f"),
                        alt.Tooltip("high", format=".4f")]  # fmt: skip
                layers.append(base.mark_point(size=50).encode(
                    y=y, tooltip=tips, **model_scale("label", "point", families)))  # fmt: skip
        panels.append(alt.layer(*layers).properties(title=group, height=260))
    chart = alt.vconcat(*panels).properties(
        description="Bits per base on held-out genes against training nucleotides for each model, with saturating "
        "power laws and their 95 % bands; a panel each: " + "; ".join(groups) + ".",
    )
    return loose(chart)


def excess_chart(rows: pd.DataFrame, corpora: Sequence[str]) -> alt.TopLevelMixin:
    """Excess over the floor against training symbols per parameter, logarithmic; a panel a model, a line a corpus."""
    rows = rows[(rows["excess"] > 0) & rows["corpus"].isin(corpora)]
    rows = rows.assign(low=rows["low"].clip(lower=rows["excess"] / 20))
    y = alt.Y("excess:Q", title="excess over the floor, share of it", scale=alt.Scale(type="log"),
              axis=alt.Axis(format="~%", tickCount=5))  # fmt: skip
    tips = ["corpus", alt.Tooltip("symbols", format=",.0f"), alt.Tooltip("ratio", format=".3g"),
            alt.Tooltip("excess", format=".1%")]  # fmt: skip
    panels = []
    for model, frame in rows.groupby("label", sort=False):
        base = alt.Chart(frame).encode(
            x=alt.X(
                "ratio:Q",
                title="training symbols per parameter",
                scale=alt.Scale(type="log"),
                axis=alt.Axis(format="~g", tickCount=4),
            ),
            detail="corpus:N",
        )
        lines = base.mark_line().encode(y=y, **series_scale("corpus", list(corpora), "line"))
        bars = base.mark_rule().encode(y=alt.Y("low:Q", scale=alt.Scale(type="log")), y2="high:Q",
                                       **series_scale("corpus", list(corpora), "bar"))  # fmt: skip
        marks = base.mark_point(size=50).encode(y=y, tooltip=tips, **series_scale("corpus", list(corpora), "point"))
        panels.append(alt.layer(bars, lines, marks).properties(title=model, height=300))
    models = rows["label"].unique()
    chart = alt.vconcat(*panels).properties(
        description="Excess of held-out bits per symbol over the floor, as a share of it, against training symbols per "
        f"parameter, both on logarithmic scales; a panel each: {', '.join(models)}; a line each: {', '.join(corpora)}.",
    )
    return loose(chart)
