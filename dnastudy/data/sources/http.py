"""One file over HTTP: resumed, retried, verified, and never half a file under the final name."""

from __future__ import annotations

import hashlib
import json as jsonlib
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests

from dnastudy.core.errors import FetchError

RETRIED = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}
MAX_WAIT = 300
"""Longest wait between two tries, in seconds; a server that asks for more gets no second try."""
_CHUNK = 1 << 14


class _Again(Exception):
    """A try failed in a way that another one may cure."""

    def __init__(self, what: str, wait: float = 0.0):
        super().__init__(what)
        self.wait = wait


def file_hash(path: str | os.PathLike, kind: str = "sha256") -> str:
    """Hash of a file as hex; ``kind``: ``sha256``, or ``blob`` for git's id (SHA-1 over its header and the content)."""
    path = Path(path)
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode()) if kind == "blob" else hashlib.new(kind)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def wrong_content(
    path: Path,
    blob: str | None = None,
    sha256: str | None = None,
    size: int | None = None,
    check: Callable[[Path], str | None] | None = None,
) -> str | None:
    """What is wrong with a file's content, in words with both values, or None when it is what it should be."""
    if size is not None and path.stat().st_size != size:
        return f"{path.stat().st_size} bytes instead of {size}"
    for kind, expected in (("blob", blob), ("sha256", sha256)):
        if expected is not None and (found := file_hash(path, kind)) != expected.lower():
            return f"{'git blob id' if kind == 'blob' else 'SHA-256'} {found} instead of {expected}"
    return check(path) if check is not None else None


def download(
    url: str,
    target: str | os.PathLike,
    *,
    blob: str | None = None,
    sha256: str | None = None,
    size: int | None = None,
    check: Callable[[Path], str | None] | None = None,
    unverified: bool = False,
    json: dict | None = None,
    headers: dict[str, str] | None = None,
    retries: int = 5,
    timeout: float = 30,
    backoff: float = 1.0,
    progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """Download ``url`` to ``target``, whole and verified or not at all.

    Data are collected in ``target.part``. A break is resumed with Range and If-Range when the server named a version of
    the file (strong ETag, or Last-Modified), in this call or a later one; else the next try starts from zero. Content
    that is wrong is thrown away and asked for once more.

    Parameters
    ----------
    url : str
        Where the file is.
    target : path
        Its final name; missing folders are made. A right file there is kept, without any request.
    blob, sha256 : str, optional
        Git blob id or SHA-256 the content must have, as hex.
    size : int, optional
        Bytes the content must have.
    check : callable, optional
        Takes the path of the whole part, returns what is wrong with it or None.
    unverified : bool
        Take content that none of ``blob``, ``sha256`` and ``check`` can verify.
    json : dict, optional
        Sent by POST; such a download is never resumed.
    headers : dict, optional
        Further request headers.
    retries : int
        Tries after the first one.
    timeout : float
        Seconds without a byte (or a connection) before a try is given up.
    backoff : float
        Seconds before the first retry, doubled each time, with jitter; Retry-After is honoured.
    progress : callable, optional
        Called with bytes held and bytes in all (None: unknown).

    Raises
    ------
    FetchError
        When the file cannot be had, has wrong content, or another file stands at ``target``.
    ValueError
        When nothing says what the content must be and ``unverified`` is not set.
    """
    target = Path(target)
    if not (blob or sha256 or check or unverified):
        raise ValueError(f"{url}: no git blob id, SHA-256 or check to verify it with; say unverified=True to take it")
    rules = {"blob": blob, "sha256": sha256, "size": size, "check": check}
    if target.exists():
        if (wrong := wrong_content(target, **rules)) is None:
            return target
        raise FetchError(f"{target} exists but is not {url} ({wrong}); it was left alone: move it away and try again")
    failures = wrongs = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = _Part(target, url, resumable=json is None)
        while True:
            try:
                if not part.complete:
                    _receive(url, part, json, headers or {}, timeout, size, progress)
                wrong = wrong_content(part.path, **rules)
                if wrong is not None and not part.announced:
                    part.clear()
                    raise _Again(f"wrong content, perhaps cut off (the server did not say how long it is): {wrong}")
            except _Again as error:
                failures += 1
                if failures > retries or error.wait > MAX_WAIT:
                    raise FetchError(f"{url}: {error}; gave up after {_times(failures)}. {part.keep()}") from error
                pause = min(backoff * 2 ** (failures - 1), MAX_WAIT) * random.SystemRandom().uniform(0.5, 1.0)
                time.sleep(max(pause, error.wait))
                continue
            if wrong is None:
                part.finish()
                return target
            part.clear()
            wrongs += 1
            if wrongs > 1:
                raise FetchError(
                    f"{url}: refused, wrong content twice: {wrong}. Nothing was kept; the source has changed or "
                    "something between it and you alters files"
                )
    except requests.RequestException as error:
        raise FetchError(f"{url}: {error}; check the address and your connection. {part.keep()}") from error
    except OSError as error:
        raise FetchError(f"{url}: cannot write {target} ({error}); make room or choose another folder") from error


def _times(count: int) -> str:
    return "1 try" if count == 1 else f"{count} tries"


class _Part:
    """What has been received of one file, and which version of it (``.part`` and ``.part.json``)."""

    def __init__(self, target: Path, url: str, resumable: bool):
        self.target, self.url, self.resumable = target, url, resumable
        self.path = target.with_name(target.name + ".part")
        self.note = target.with_name(target.name + ".part.json")
        self.validator: str | None = None
        self.total: int | None = None
        self.announced = True
        try:
            note = jsonlib.loads(self.note.read_text())
            if resumable and note["url"] == url and self.path.exists():
                self.validator, self.total = note["validator"], note["total"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        if self.validator is None:
            self.clear()

    @property
    def held(self) -> int:
        """Bytes received so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def complete(self) -> bool:
        """Whether all bytes are there (not yet whether they are right)."""
        return self.total is not None and self.path.exists() and self.held == self.total

    def start(self, validator: str | None, total: int | None) -> None:
        """Begin a new version of the file with nothing received."""
        self.clear()
        self.validator, self.total = (validator if self.resumable else None), total
        self.announced = total is not None
        if self.validator is not None:
            self.note.write_text(jsonlib.dumps({"url": self.url, "validator": self.validator, "total": total}))

    def clear(self) -> None:
        """Forget all that was received."""
        self.validator = self.total = None
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def keep(self) -> str:
        """Keep what a later call can resume, drop the rest, and say which."""
        if self.validator is None or not self.held:
            self.clear()
            return "Try again later"
        return f"{self.held} bytes are kept in {self.path}: try again later to resume"

    def finish(self) -> None:
        """Give the verified file its final name, on disk before it is seen."""
        with self.path.open("rb+") as stream:
            os.fsync(stream.fileno())
        self.path.replace(self.target)
        self.note.unlink(missing_ok=True)
        if hasattr(os, "O_DIRECTORY"):
            folder = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _receive(url, part: _Part, json, headers, timeout, size, progress) -> None:
    """One try: receive what is missing into the part; `_Again` when another try may help, FetchError when not."""
    headers = {"Accept-Encoding": "identity", **headers}
    if part.validator is None:
        part.clear()
    elif part.held:
        headers |= {"Range": f"bytes={part.held}-", "If-Range": part.validator}
    method = "GET" if json is None else "POST"
    try:
        with requests.request(method, url, json=json, headers=headers, timeout=timeout, stream=True) as response:
            _judge(url, part, response)
            with part.path.open("ab") as stream:
                held = stream.tell()
                for chunk in response.iter_content(_CHUNK):
                    stream.write(chunk)
                    held += len(chunk)
                    if progress is not None:
                        progress(held, part.total)
                    if size is not None and held > size:
                        part.total = held  # too long: no need to see the rest, it will be refused
                        return
    except requests.exceptions.SSLError:
        raise
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ContentDecodingError) as error:
        raise _Again(f"no answer or a broken one within {timeout:g} s ({_plain(error)})") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise _Again(f"the connection broke after {part.held} bytes ({_plain(error)})") from error
    if part.total is not None and held != part.total:
        if held > part.total:
            part.clear()
        raise _Again(f"{held} bytes came instead of {part.total}")
    part.total = held


def _judge(url: str, part: _Part, response: requests.Response) -> None:
    """Take an answer's head: set up the part for its body, or say why there is none."""
    status = response.status_code
    if status == 206 and part.validator is not None:
        first, total = _content_range(response.headers.get("Content-Range", ""))
        if first != part.held or (part.total is not None and total not in (None, part.total)):
            part.clear()
            raise _Again(f"the server sent another range than asked for ({response.headers.get('Content-Range')})")
        return
    if status == 416:
        part.clear()
        raise _Again("the server no longer has the range asked for")
    if status == 200:
        encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() and not encoded else None
        tag = response.headers.get("ETag", "")
        strong = tag if tag.startswith('"') else response.headers.get("Last-Modified")
        ranges = "bytes" in response.headers.get("Accept-Ranges", "").lower()
        part.start(strong if ranges and not encoded else None, total)
        return
    said = f"HTTP {status} {response.reason or ''}".strip()
    if status in RETRIED:
        wait = _retry_after(response.headers.get("Retry-After"))
        raise _Again(f"the server answered {said}" + (f" and asks to wait {wait:.0f} s" if wait else ""), wait)
    hint = {
        401: "it wants a login or a key",
        403: "it refuses access; a key may be missing or wrong",
        404: "nothing is there; check the address (has the source moved?)",
        410: "it is gone for good",
    }.get(status, "another try would end the same way")
    raise FetchError(f"{url}: the server answered {said}: {hint}. {part.keep()}")


def _content_range(text: str) -> tuple[int | None, int | None]:
    """(first byte, bytes in all) of a Content-Range header, None for what it does not say."""
    span, _, total = text.removeprefix("bytes").strip().partition("/")
    first = span.partition("-")[0]
    return (int(first) if first.isdigit() else None), (int(total) if total.isdigit() else None)


def _retry_after(text: str | None) -> float:
    """Seconds a Retry-After header asks for (a number or a date); 0 without one."""
    if not text:
        return 0.0
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _plain(error: Exception) -> str:
    """Innermost reason of a request's failure, short."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return str(error)[:200] or type(error).__name__
