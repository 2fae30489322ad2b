import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("altair")

from dnastudy import models
from dnastudy.display import charts, looks, tables


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


def test_unknown_mark():
    with pytest.raises(ValueError, match="mark must be"):
        charts.family_scale("family", "pie")


def linear(color: str) -> np.ndarray:
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


PALETTE = [*looks.SERIES, *looks.SPARE]


def test_every_look_has_its_own_shape_and_dash():
    assert len({look.shape for look in PALETTE}) == len({tuple(look.dash) for look in PALETTE}) == len(PALETTE)
    for look in PALETTE:
        assert all(getattr(look, part) != getattr(look.second, part) for part in ("color", "shape", "dash"))


def test_colours_differ_for_every_eye_and_from_the_page():
    colors = [look.color for look in PALETTE]
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
        distances = np.array([[np.linalg.norm(a - b) for a in seen] for b in seen]) + 100 * np.eye(len(seen))
        series = len(looks.SERIES)
        assert distances[:series, :series].min() > 20  # CIELAB units; a difference of about 2 is just visible
        assert distances.min() > 9


def test_families_keep_their_looks():
    chosen = charts.family_looks()
    assert list(chosen) == ["n-gram", "expert", "LSTM", "Transformer", "ensemble", "reference"], "order of legends"
    assert [look.color for look in chosen.values()] == [
        "#3f63e8", "#c08400", "#b8372a", "#10a56a", "#ab6ec6", "#686868",
    ]  # fmt: skip
    assert [look.second.color for look in chosen.values()] == [
        "#8aa0f2", "#e0b454", "#e0877c", "#6cc9a1", "#cfa3df", "#a8a8a8",
    ]  # fmt: skip


def test_a_new_family_gets_a_spare_look(monkeypatch):
    class State(models.LanguageModel):
        name, family = "state-space", "state space"

    classes = {name: models.model_class(name) for name in models.MODELS}
    monkeypatch.setitem(models.MODELS, "state-space", "")
    monkeypatch.setattr(models, "model_class", lambda name: {**classes, "state-space": State}[name])
    assert charts.family_looks()["state space"] == looks.SPARE[0]
    assert charts.family_looks(["state space", "GRU", "LSTM"]) == {
        "LSTM": looks.RED, "state space": looks.SPARE[0], "GRU": looks.SPARE[1],
    }  # fmt: skip
    color = charts.family_scale("family", "line", ["GRU", "n-gram"])["color"].to_dict()["scale"]
    assert color == {"domain": ["n-gram", "GRU"], "range": [looks.BLUE.color, looks.SPARE[1].color]}


@pytest.mark.slow
def test_looks_and_labels_need_no_torch():
    code = "import sys; from dnastudy import models; from dnastudy.display.looks import family_looks; family_looks(); "
    code += "print([models.model_class(m).label_of({}) for m in models.MODELS], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False"), done.stdout
    assert "'LSTM', 'Transformer'" in done.stdout


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


def test_models_look_like_their_family_and_differ():
    families = {"Transformer": "Transformer", "8-gram": "n-gram", "LSTM": "LSTM", "12-gram": "n-gram"}
    expected = [looks.BLUE, looks.BLUE.second, looks.RED, looks.GREEN]
    for mark, channel, part in (("point", "shape", "shape"), ("line", "strokeDash", "dash")):
        encodings = charts.model_scale("label", mark, families)
        color, other = (encodings[name].to_dict()["scale"] for name in ("color", channel))
        assert color["domain"] == other["domain"] == ["8-gram", "12-gram", "LSTM", "Transformer"], "by family"
        assert color["range"] == [look.color for look in expected]
        assert other["range"] == [getattr(look, part) for look in expected]
        assert len({str(look) for look in other["range"]}) == 4
    unknown = charts.model_scale("label", "bar", {"model": "nobody"})["color"].to_dict()["scale"]
    assert unknown["range"] == [looks.SPARE[0].color]
