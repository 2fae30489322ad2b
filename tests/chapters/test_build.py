import io
import shutil
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("altair")
pytest.importorskip("jupyter_book")

from browser import VIEWS, browser, check_book, pictures
from test_run import OPEN, PARAMETERS, notebook

from dnastudy.chapters import build
from dnastudy.chapters.run import run_chapter

ROOT = Path(__file__).parents[2]

TOC = """format: jb-book
root: book/chapters/index
parts:
  - caption: The study
    chapters:
      - file: book/chapters/plain
  - caption: Appendix
    chapters:
      - file: book/extend
      - file: book/glossary
      - file: book/references
"""

FIRST = """# How predictable are the letters?

A model of order $n$ gives each letter a probability $p(x_i \\mid x_{i-n+1} \\dots x_{i-1})$. Its score is the mean
information of a letter, in {term}`bits per base`, as in {cite:p}`ihtiyar2024`:

$$
H = -\\frac{1}{L} \\sum_{i=1}^{L} \\log_2 p(x_i \\mid x_{i-n+1} \\dots x_{i-1})
$$

```python
scores = evaluate(model, test)
```"""

SWEEP = """import altair as alt
import numpy as np
import pandas as pd

from dnastudy.display import charts, tables

orders = np.arange(1, 9)
losses = {"n-gram": 2 - 0.02 * orders, "expert": 1.97 - 0.015 * orders, "LSTM": 1.9 - 0.024 * orders,
          "Transformer": 1.95 - 0.02 * orders, "ensemble": 1.88 - 0.026 * orders, "reference": 2 + 0 * orders}
sweep = pd.DataFrame([(f, n, b) for f, values in losses.items() for n, b in zip(orders, values)],
                     columns=["family", "context", "bits"])
base = alt.Chart(sweep).encode(
    x=alt.X("context:O", title="Context (nt)", axis=alt.Axis(labelAngle=0)),
    y=alt.Y("bits", title="Bits per base", scale=alt.Scale(zero=False)),
    tooltip=["family", "context", alt.Tooltip("bits", format=".3f")],
)
alt.layer(
    base.mark_line().encode(**charts.family_scale("family", "line")),
    base.mark_point().encode(**charts.family_scale("family")),
).properties(description="Bits per base fall with the length of the context for every model family.")"""

BARS = """models = pd.DataFrame({"model": ["6-gram", "Mixture of experts", "LSTM", "Transformer", "All together"],
                       "family": ["n-gram", "expert", "LSTM", "Transformer", "ensemble"],
                       "bits": [1.95, 1.93, 1.84, 1.90, 1.82]})
models["low"], models["high"] = models.bits - 0.01, models.bits + 0.01
side = alt.Chart(models).encode(y=alt.Y("model", sort=alt.EncodingSortField("bits"), title=None))
alt.layer(
    side.mark_rule(strokeWidth=2).encode(x=alt.X("low", title="Bits per base", scale=alt.Scale(zero=False)), x2="high"),
    side.mark_point(size=110).encode(x="bits", **charts.family_scale("family", families=models.family.tolist())),
).properties(description="Points with intervals: all models together are best, at 1.82 bits per base.")"""

TABLE = """tables.table(models.assign(parameters=[4096, 120000, 3200000, 2100000, None], gain=lambda m: 2 - m.bits),
              caption="Every model on the held-out genes; lower is better.", formats={"gain": "+.3f"})"""

SAY = """best = models.bits.min()
tables.markdown(f"The best model needs **{best:.2f}** bits per base; $2^{{b}}$ is its perplexity.")"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with two chapters, and the executed chapters in ``executed``."""
    root = tmp_path_factory.mktemp("project")
    (root / "notebooks").mkdir()
    nbformat.write(notebook(FIRST, PARAMETERS, OPEN, SWEEP, BARS, TABLE, SAY), root / "notebooks" / "index.ipynb")
    nbformat.write(notebook("# A page without charts", PARAMETERS, OPEN), root / "notebooks" / "plain.ipynb")
    shutil.copy(ROOT / "_config.yml", root)
    (root / "_toc.yml").write_text(TOC)
    shutil.copytree(ROOT / "book", root / "book", ignore=shutil.ignore_patterns("chapters", "vendor"))
    (root / "book" / "chapters").mkdir()
    for name in ("index", "plain"):
        run_chapter(name, root / "executed" / f"{name}.ipynb", root=root, log=io.StringIO())
    return root


@pytest.fixture(scope="module")
def pages(project):
    copy = build.assemble(project, project / "_build" / "quick" / "book-source", project / "executed")
    return build.build(copy, project / "_build" / "quick" / "html").parent


@pytest.mark.slow
def test_book_is_built_beside_the_published_chapters(project, pages):
    assert pages == project / "_build" / "quick" / "html"
    assert (pages / "index.html").is_file()
    assert not list((project / "book" / "chapters").iterdir())
    assert build.network_references(pages) == []
    page = (pages / "book" / "chapters" / "index.html").read_text()
    assert "Parameters of this chapter" not in page
    assert "CC BY 4.0" in page
    assert page.count('class="vl-chart"') == 2


@pytest.mark.browser
def test_every_page_works_without_a_network(pages):
    expected = {"book/chapters/index.html": 2, "book/chapters/plain.html": 0}
    reports = check_book(pages, expected, pictures("sample"))
    assert len(reports) == 6 * len(VIEWS)  # those in the contents, and the glossary's index
    assert all(report.equations >= 4 for report in reports if report.page == "book/chapters/index.html")


@pytest.mark.browser
def test_pictures_are_shown_without_scripts(pages):
    with browser() as running:
        context = running.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto((pages / "book" / "chapters" / "index.html").as_uri())
        stills = page.locator(".vl-chart > img")
        assert stills.count() == 2
        for picture in stills.all():
            assert picture.is_visible()
            assert picture.bounding_box()["width"] > 300
            assert len(picture.get_attribute("alt")) > 30
        assert page.locator(".vl-live").count() == 0


@pytest.mark.browser
def test_charts_follow_the_theme_switch(pages):
    with browser() as running:
        page = running.new_context(color_scheme="light").new_page()
        page.goto((pages / "book" / "chapters" / "index.html").as_uri())
        ink = "document.querySelector('.vl-live .role-axis-title text')?.getAttribute('fill')"
        page.wait_for_function("document.querySelectorAll('.vl-drawn').length === 2")
        before = page.evaluate(ink)
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.wait_for_function(f"{ink} && {ink} !== {before!r}")
        assert page.locator(".vl-live").count() == 2


@pytest.mark.browser
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda page: page.replace("</body>", "<img src='http://example.org/x.png'></body>"), "example.org"),
        (lambda page: page.replace("</body>", "<script>throw Error('broken')</script></body>"), "broken"),
        (lambda page: page.replace('"$schema"', '"$schema'), "0 of 2 charts drawn"),
        (lambda page: page.replace("vendor/mathjax.js", "vendor/none.js"), "equations rendered"),
        (lambda page: page.replace("</h1>", "</h1><div style='width:3000px'>x</div>"), "wider than the window"),
    ],
)
def test_the_check_notices(pages, tmp_path, harm, words):
    copy = tmp_path / "html"
    shutil.copytree(pages, copy)
    for path in (copy / "book").rglob("*.html"):
        if path.name == "index.html":
            path.write_text(harm(path.read_text()))
        else:
            path.unlink()
    with pytest.raises(AssertionError, match=words):
        check_book(copy, views=VIEWS[:1], patience=4)


@pytest.mark.slow
def test_a_warning_stops_the_book(project, pages, tmp_path):
    copy = build.assemble(project, tmp_path / "copy", project / "executed")
    (copy / "book" / "extend.md").write_text("# Extend\n\n{term}`no such word`\n")
    with pytest.raises(build.BookError, match="no such word"):
        build.build(copy, tmp_path / "html")
    assert not (tmp_path / "html").exists()


@pytest.mark.slow
def test_vendor_scripts_are_written_once(tmp_path):
    (tmp_path / "book").mkdir()
    vendor = build.prepare_static(tmp_path)
    times = {path.name: path.stat().st_mtime_ns for path in vendor.iterdir()}
    assert set(times) == {"mathjax.js", "vega.js", "versions.txt"}
    build.prepare_static(tmp_path)
    assert times == {path.name: path.stat().st_mtime_ns for path in vendor.iterdir()}
    (vendor / "versions.txt").write_text("older")
    build.prepare_static(tmp_path)
    assert (vendor / "versions.txt").read_text() != "older"


def test_assemble_keeps_away_from_other_folders(project, tmp_path):
    with pytest.raises(build.BookError, match="not a place"):
        build.assemble(project, project, project / "executed")
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(build.BookError, match="holds other files"):
        build.assemble(project, tmp_path, project / "executed")
    with pytest.raises(build.BookError, match="no executed chapter"):
        build.assemble(project, tmp_path / "copy", tmp_path)


def test_network_references_are_found(tmp_path):
    with pytest.raises(build.BookError, match="no page"):
        build.network_references(tmp_path)
    (tmp_path / "a.html").write_text(
        '<a href="https://example.org/">fine</a><script src="https://example.org/a.js"></script>'
        '<link rel="stylesheet" href="//example.org/a.css"><img src="local.png">'
        '<script>load("https://example.org/b.mjs")</script>'
    )
    (tmp_path / "b.css").write_text("@import 'http://example.org/b.css'; a { background: url(c.png) }")
    assert [address for _, address in build.network_references(tmp_path)] == [
        "//example.org/a.css",
        "https://example.org/a.js",
        "https://example.org/b.mjs",
        "http://example.org/b.css",
    ]
