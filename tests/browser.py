"""Opens a built book in a headless browser without network, and reports what each page shows."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest

WIDTHS = (1400, 390)
THEMES = ("light", "dark")
VIEWS = tuple(product(WIDTHS, THEMES))
EACH_ONCE = tuple(zip(WIDTHS, THEMES, strict=True))
"""Each width and each theme once."""


@dataclass
class PageReport:
    """What one page showed at one width in one theme."""

    page: str
    width: int
    theme: str
    charts: int = 0  # boxes
    drawn: int = 0  # boxes with a live chart of sensible size, and without the static picture
    equations: int = 0
    rendered: int = 0
    overflow: int = 0  # pixels the page is wider than the window
    problems: list[str] = field(default_factory=list)  # console and page errors, requests that are not files

    def complaints(self, expected: int | None) -> list[str]:
        found = list(self.problems)
        wanted = self.charts if expected is None else expected
        if not self.drawn == self.charts == wanted:
            found.append(f"{self.drawn} of {self.charts} charts drawn, expected {wanted}")
        if self.rendered != self.equations:
            found.append(f"{self.rendered} of {self.equations} equations rendered")
        if self.overflow > 0:
            found.append(f"the page is {self.overflow} pixels wider than the window")
        return [f"{self.page} ({self.width} px, {self.theme}): {text}" for text in found]


# In the page. A live chart counts if it is wide and high enough and has marks that can be seen.
_INSPECT = """() => {
  const seen = (node) => { const r = node.getBoundingClientRect(); return r.width > 0 && r.height > 0; };
  const boxes = [...document.querySelectorAll('.vl-chart')];
  const drawn = boxes.filter((box) => {
    const pictures = box.querySelectorAll('.vl-live canvas, .vl-live svg.marks');
    const still = box.querySelector(':scope > img');
    if (pictures.length !== 1 || (still && seen(still))) return false;
    const size = pictures[0].getBoundingClientRect();
    if (size.width < 150 || size.height < 60) return false;
    const marks = [...pictures[0].querySelectorAll('[class*="mark-"] :is(path, text, line)')];
    return pictures[0].tagName === 'CANVAS' || marks.some(seen);
  });
  const math = [...document.querySelectorAll('.math')].filter((node) => !node.parentElement.closest('.math'));
  return {
    charts: boxes.length,
    drawn: drawn.length,
    equations: math.length,
    rendered: math.filter((node) => node.querySelector('mjx-container svg:not(:has([data-mjx-error]))')).length,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
}"""
_SETTLED = """() => [...document.querySelectorAll('.vl-chart')].every((box) => box.classList.contains('vl-drawn'))
  && [...document.querySelectorAll('.math')].every((node) => node.querySelector('mjx-container'))"""


def chromium_path() -> str:
    """Return the browser's path; skip the test without one, or fail if ``DNASTUDY_REQUIRE_BROWSER`` is set."""
    path = os.environ.get("DNASTUDY_CHROMIUM") or "/usr/bin/chromium"
    if shutil.which(path):
        return path
    reason = f"no browser at {path} (install chromium, or name one in DNASTUDY_CHROMIUM)"
    if os.environ.get("DNASTUDY_REQUIRE_BROWSER"):
        pytest.fail(reason)
    return pytest.skip(reason)


@contextmanager
def browser() -> Iterator:
    """Start a headless browser."""
    path = chromium_path()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        running = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield running
        finally:
            running.close()


def pages_of(html_dir: Path | str) -> list[Path]:
    """Return the pages a reader sees; the front page's redirect and the search page are none."""
    html_dir = Path(html_dir)
    pages = [path for path in sorted(html_dir.rglob("*.html")) if "_static" not in path.relative_to(html_dir).parts]
    return [path for path in pages if path.relative_to(html_dir).as_posix() not in ("index.html", "search.html")]


def pictures(name: str) -> Path | None:
    """Where pictures of all pages go, if DNASTUDY_SCREENSHOTS names a folder: they take as long as the checks."""
    folder = os.environ.get("DNASTUDY_SCREENSHOTS")
    return Path(folder) / name if folder else None


def check_book(
    html_dir: Path | str,
    expected: Mapping[str, int] | None = None,
    screenshots: Path | None = None,
    views: Iterable[tuple[int, str]] = VIEWS,
    patience: int = 15,
) -> list[PageReport]:
    """Open every page of a book over file://, with the network off, and fail on whatever is not as it should be.

    Parameters
    ----------
    html_dir
        The built pages.
    expected
        Page → number of charts, such as ``{"book/chapters/index.html": 1}``; a page it does not name may have any
        number, as long as all are drawn.
    screenshots
        Folder for a picture of each page, or none.
    views
        Widths, in pixels, and themes.
    patience
        Seconds to wait for charts and equations.

    Raises
    ------
    AssertionError
        Naming the page, the width, the theme and what is wrong.
    """
    html_dir = Path(html_dir).resolve()
    pages = pages_of(html_dir)
    names = [page.relative_to(html_dir).as_posix() for page in pages]
    assert pages, f"no pages in {html_dir}"
    missing = set(expected or {}) - set(names)
    assert not missing, f"no such pages: {sorted(missing)}; there are {names}"
    reports = []
    with browser() as running:
        for width, theme in views:
            for path, name in zip(pages, names, strict=True):
                report = PageReport(name, width, theme)
                plain = name.removesuffix(".html").replace("/", "-")
                picture = screenshots / f"{plain}-{width}-{theme}.png" if screenshots else None
                _visit(running, path, report, picture, patience)
                reports.append(report)
    complaints = [text for report in reports for text in report.complaints((expected or {}).get(report.page))]
    assert not complaints, "\n".join(complaints)
    return reports


def _visit(running, path: Path, report: PageReport, picture: Path | None, patience: int) -> None:
    context = running.new_context(viewport={"width": report.width, "height": 900}, color_scheme=report.theme)
    context.set_offline(True)
    context.add_init_script(
        f"localStorage.setItem('mode', '{report.theme}'); localStorage.setItem('theme', '{report.theme}')"
    )
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and report.problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: report.problems.append(f"error: {error}"))
    page.on("requestfailed", lambda request: report.problems.append(f"failed: {request.url[:200]}"))
    page.on(
        "request",
        lambda request: (
            request.url.startswith(("file:", "data:", "blob:"))
            or report.problems.append(f"request: {request.url[:200]}")
        ),
    )
    try:
        page.goto(path.as_uri(), wait_until="load")
        try:
            page.wait_for_function(_SETTLED, timeout=patience * 1000)
        except Exception as error:  # the counts below say what is missing
            if type(error).__name__ != "TimeoutError":
                raise
        for name, value in page.evaluate(_INSPECT).items():
            setattr(report, name, value)
        shown = page.evaluate("document.documentElement.dataset.theme")
        if shown != report.theme:
            report.problems.append(f"theme {shown!r}")
        if picture:
            picture.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=picture, full_page=True)
    finally:
        context.close()


def take_picture(page_file: Path | str, picture: Path | str, width: int = 1280, height: int = 1560) -> None:
    """Take a picture of the first screen of a page, for the README."""
    with browser() as running:
        context = running.new_context(viewport={"width": width, "height": height}, color_scheme="light")
        context.set_offline(True)
        page = context.new_page()
        page.goto(Path(page_file).resolve().as_uri(), wait_until="load")
        page.wait_for_function(_SETTLED, timeout=15_000)
        page.screenshot(path=picture)


if __name__ == "__main__":
    take_picture(*sys.argv[1:3])
