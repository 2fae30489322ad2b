"""Build the book: a folder of pages that work without a network."""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from dnastudy.core.atomic import atomic_write, replace_dir
from dnastudy.core.errors import BookError

_MATHJAX = ("sphinx-mathjax-offline", "sphinx-mathjax-offline/static/mathjax/tex-svg-full.js")


def prepare_static(root: Path | str) -> Path:
    """Write the scripts that draw equations and charts to ``book/static/vendor``, from installed packages.

    Does nothing if the folder already holds them in the installed versions.

    Raises
    ------
    BookError
        If a package is not installed.
    """
    from dnastudy.display.charts import VEGA_LITE

    vendor = Path(root) / "book" / "static" / "vendor"
    try:
        mathjax = Path(metadata.distribution(_MATHJAX[0]).locate_file(_MATHJAX[1]))
        versions = [f"{name} {metadata.version(name)}" for name in (_MATHJAX[0], "vl-convert-python")]
    except metadata.PackageNotFoundError as error:
        raise BookError(f"{error.name} is not installed: pip install 'dnastudy[book]'") from None
    stamp = "\n".join([*versions, f"vega-lite {VEGA_LITE}", ""])
    names = ("mathjax.js", "vega.js")
    versions_file = vendor / "versions.txt"
    if versions_file.is_file() and versions_file.read_text() == stamp and all((vendor / n).is_file() for n in names):
        return vendor

    import vl_convert

    vendor.mkdir(parents=True, exist_ok=True)
    atomic_write(vendor / "mathjax.js", mathjax.read_text(encoding="utf-8"))
    # in a function: the bundle's top-level names would collide with those of other scripts
    atomic_write(vendor / "vega.js", f"(()=>{{{vl_convert.javascript_bundle(vl_version=VEGA_LITE)}\n}})();\n")
    atomic_write(versions_file, stamp)  # last: a folder without it is made again
    return vendor


def build(source: Path | str, output: Path | str | None = None, quiet: bool = True) -> Path:
    """Build the book whose ``_config.yml`` is in ``source`` and return its front page.

    Parameters
    ----------
    source
        The project's root, or a copy made by `assemble`.
    output
        Folder of the pages; replaced only by a complete book. ``source/_build/html`` by default.
    quiet
        Whether to keep the builder's messages for ``source/_build/book.log`` alone.

    Raises
    ------
    BookError
        If there is any warning; the message holds them.
    """
    source = Path(source).resolve()
    program = Path(sys.executable).parent / "jupyter-book"
    if not program.exists():
        raise BookError("jupyter-book is not installed: pip install 'dnastudy[book]'")
    if not (source / "_config.yml").is_file():
        raise BookError(f"{source} holds no _config.yml")
    prepare_static(source)
    # -n: every cross-reference must resolve; --all: a page is never older than what it shows
    command = [program, "build", source, "-W", "-n", "--keep-going", "--all"]
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", cwd=source
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if not quiet:
                print(line, end="", file=sys.stderr)
    log = source / "_build" / "book.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("".join(lines))
    if process.returncode:
        plain = [re.sub(r"\x1b\[[\d;]*m", "", line).strip() for line in lines]
        warnings = [line for line in plain if re.search(r"\b(WARNING|ERROR|CRITICAL)\b|error:", line)]
        shown = list(dict.fromkeys(warnings))[:20] or plain[-20:]
        raise BookError("the book has warnings:\n" + "\n".join(shown) + f"\n(see {log})")
    pages = source / "_build" / "html"
    if output is not None and Path(output).resolve() != pages:
        pages = replace_dir(pages, Path(output).resolve())
    return pages / "index.html"


def assemble(root: Path | str, target: Path | str, chapters: Path | str) -> Path:
    """Copy the book's configuration and prose to ``target``, with other executed chapters in ``book/chapters``.

    So a book of another profile is built without touching the published chapters.

    Raises
    ------
    BookError
        If ``chapters`` holds no notebook, or ``target`` is a folder that is not such a copy.
    """
    root, target, chapters = Path(root).resolve(), Path(target).resolve(), Path(chapters).resolve()
    notebooks = sorted(chapters.glob("*.ipynb"))
    if not notebooks:
        raise BookError(f"{chapters} holds no executed chapter")
    if target in (root, *root.parents) or (target / "notebooks").exists():
        raise BookError(f"{target} is not a place for a copy of the book")
    if target.exists() and any(target.iterdir()) and not (target / "_config.yml").is_file():
        raise BookError(f"{target} holds other files; remove them or choose another folder")
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        ignored = shutil.ignore_patterns(".*", "__pycache__")
        shutil.copytree(root / "book", fresh / "book", ignore=ignored)
        shutil.rmtree(fresh / "book" / "chapters", ignore_errors=True)
        (fresh / "book" / "chapters").mkdir()
        for path in (root / "_config.yml", root / "_toc.yml"):
            shutil.copy2(path, fresh)
        for path in notebooks:
            shutil.copy2(path, fresh / "book" / "chapters")
        return replace_dir(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def network_references(html_dir: Path | str) -> list[tuple[str, str]]:
    """Return (page, address) of everything that a built page would load from a network; empty for a good book.

    Raises
    ------
    BookError
        If the folder holds no page.
    """
    html_dir = Path(html_dir)
    pages = sorted(html_dir.rglob("*.html"))
    if not pages:
        raise BookError(f"{html_dir} holds no page")
    remote = r"((?:https?:)?//[^\"'\s)>]+)"
    patterns = {
        "*.html": [
            rf"<(?:script|img|iframe|source|embed|audio|video|object)\b[^>]*\b(?:src|data)=[\"']{remote}",
            rf"<link\b(?=[^>]*rel=[\"'](?:stylesheet|preload|icon|modulepreload|preconnect)[\"'])[^>]*href=[\"']{remote}",
            r"[\"']((?:https?:)?//[^\"'\s]+\.(?:m?js|css|woff2?))(?=[\"'?#])",  # named in a script
        ],
        "*.css": [rf"(?:url\(|@import\s+)[\"']?{remote}"],
    }
    addresses = set()
    for kind, expressions in patterns.items():
        for path in html_dir.rglob(kind):
            text = path.read_text(encoding="utf-8", errors="replace")
            page = path.relative_to(html_dir).as_posix()
            addresses |= {(page, address) for pattern in expressions for address in re.findall(pattern, text)}
    return sorted(addresses)
