import json

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("altair")

from dnastudy.display import charts, tables


def line(y, **properties):
    import altair as alt

    frame = pd.DataFrame({"x": range(len(y)), "y": y, "family": "LSTM"})
    encodings = charts.family_scale("family", "line", ["LSTM", "n-gram"])
    return alt.Chart(frame).mark_line().encode(x="x", y="y", **encodings).properties(**properties).interactive()


def text(chart, **options) -> str:
    return charts.digest(chart.to_dict(**options))["text/plain"]


def test_digest_ignores_noise_but_not_changes():
    charts.setup()
    values = np.array([0.123, 3.87, 1.5])
    told = text(line(values))
    assert told == text(line(values * (1 + 1e-12)))  # another session counter, too: every chart gets a new name
    assert told != text(line(values * [1, 1.001, 1]))
    assert told.startswith("<chart vl-")
    assert told.endswith(": line; 3 rows; family, x, y>"), told
    assert text(charts.loose(line(values))) == text(charts.loose(line(values * 1.01)))
    assert text(charts.loose(line(values))) != text(charts.loose(line(values[:2])))


def test_book_pictures_are_equal_for_equal_charts():
    charts.setup()
    one, two = (charts.book(line([1.0, 2.0], description="a line").to_dict()) for _ in range(2))
    assert one == two
    many = charts.book(line(list(np.arange(2000.0)), description="many").to_dict())["text/html"]
    assert "data:image/png" in many


def test_renderer_name_is_checked(monkeypatch):
    monkeypatch.setenv("DNASTUDY_CHARTS", "bok")
    with pytest.raises(ValueError, match="digest, book, got 'bok'"):
        charts.setup()


def test_unknown_family_or_mark():
    with pytest.raises(ValueError, match="unknown model families"):
        charts.family_scale("family", families=["GRU"])
    with pytest.raises(ValueError, match="mark must be"):
        charts.family_scale("family", "pie")


def linear(color: str) -> np.ndarray:
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def test_family_looks_differ_for_every_eye():
    looks = list(charts.FAMILY_LOOKS.values())
    assert len({look.shape for look in looks}) == len({tuple(look.dash) for look in looks}) == len(looks)
    colors = [look.color for look in looks]
    for paper in ("#ffffff", "#14181e"):
        for color in colors:
            low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (paper, color))
            assert (high + 0.05) / (low + 0.05) >= 3, (color, paper)
    # Machado, Oliveira and Fernandes 2009: full deuteranopia and protanopia
    deuter = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    protan = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    for eye in (np.eye(3), np.array(deuter), np.array(protan)):
        seen = []
        for color in colors:
            x, y, z = np.cbrt(to_xyz @ np.clip(eye @ linear(color), 0, 1) / [0.9505, 1, 1.089])
            seen.append(np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)]))
        distances = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
        assert min(distances) > 20  # CIELAB units; about 2 can just be told apart


def test_table_is_plain_and_safe():
    frame = pd.DataFrame(
        {"model": ["<b>6-gram</b>", None], "parameters": [4096, 12], "bits": [1.95678, np.nan], "ok": [True, False]}
    )
    shown = tables.table(frame, caption="Models & sizes", formats={"bits": ".2f"})
    assert repr(shown).splitlines()[0] == "Models & sizes"
    assert repr(shown).splitlines()[2].split() == ["<b>6-gram</b>", "4,096", "1.96", "yes"]
    page = shown._repr_html_()
    assert "&lt;b&gt;6-gram" in page
    assert "<figcaption>Models &amp; sizes</figcaption>" in page
    assert '<td class="number">4,096</td>' in page
    assert page == tables.table(frame, caption="Models & sizes", formats={"bits": ".2f"})._repr_html_()
    with pytest.raises(ValueError, match="unknown columns"):
        tables.table(frame, formats={"bit": ".2f"})


def test_live_data_cannot_end_its_script():
    charts.setup()
    page = charts.book(line([1.0], description="x", title="</script><b>").to_dict())["text/html"]
    assert page.count("</script>") == 1
    data = page.split('<script type="application/json">')[1].split("</script>")[0]
    assert json.loads(data)["title"] == "</script><b>"


def test_models_look_like_their_family_and_are_told_apart():
    families = {"Transformer": "Transformer", "8-gram": "n-gram", "LSTM": "LSTM", "12-gram": "n-gram"}
    assert charts.FAMILY_LOOKS.keys() == charts.SECOND_LOOKS.keys()
    both = charts.FAMILY_LOOKS["n-gram"], charts.SECOND_LOOKS["n-gram"]
    looks = [*both, *(charts.FAMILY_LOOKS[name] for name in ("LSTM", "Transformer"))]
    for mark, channel, part in (("point", "shape", "shape"), ("line", "strokeDash", "dash")):
        found = charts.model_scale("label", mark, families)
        color, other = (found[name].to_dict()["scale"] for name in ("color", channel))
        assert color["domain"] == other["domain"] == ["8-gram", "12-gram", "LSTM", "Transformer"], "by family"
        assert color["range"] == [look.color for look in looks]
        assert other["range"] == [getattr(look, part) for look in looks]
        assert len({str(look) for look in other["range"]}) == 4
    with pytest.raises(KeyError, match="nobody"):
        charts.model_scale("label", "bar", {"model": "nobody"})
