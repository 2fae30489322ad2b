"""Download of one file over HTTP: resumed, retried, verified, and never an incomplete file under the final name.

The library pooch was considered: it cannot resume a download, send a POST request, honour Retry-After or check a git
blob id, and it replaces a file of other content at the target.
"""

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

RETRIED_STATUS = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}
"""HTTP status codes after which another attempt may succeed."""
MAX_WAIT = 300
"""Longest wait between two attempts, in seconds; there is no further attempt where a server asks for a longer one."""
_CHUNK = 1 << 14


class _TemporaryError(Exception):
    """An attempt failed, and another one may succeed after ``wait`` seconds."""

    def __init__(self, message: str, wait: float = 0.0):
        super().__init__(message)
        self.wait = wait


def file_hash(path: str | os.PathLike, kind: str = "sha256") -> str:
    """Return the hash of a file as hex.

    ``kind`` is an algorithm of hashlib, or ``blob`` for the git blob id (SHA-1 over a header and the content).
    """
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
    """Return what is wrong with a file's content, naming both values, or None if nothing is."""
    if size is not None and path.stat().st_size != size:
        return f"{path.stat().st_size} bytes instead of {size}"
    for kind, expected in (("blob", blob), ("sha256", sha256)):
        if expected is not None and (actual := file_hash(path, kind)) != expected.lower():
            return f"{'git blob id' if kind == 'blob' else 'SHA-256'} {actual} instead of {expected}"
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
    """Download ``url`` to ``target``, complete and verified, or not at all.

    Data are collected in ``target.part``. An interrupted download is resumed, in this call or a later one, if the
    server named the version of the file (strong ETag, or Last-Modified; requested with Range and If-Range); otherwise
    it starts again. Wrong content is deleted and requested once more.

    Parameters
    ----------
    url : str
        Address of the file.
    target : path
        Its final name; missing folders are created. A correct file there is kept, without any request.
    blob, sha256 : str, optional
        Required git blob id or SHA-256 of the content, as hex.
    size : int, optional
        Required size, bytes.
    check : callable, optional
        Takes the path of the complete download and returns what is wrong with it, or None.
    unverified : bool
        Accept content without ``blob``, ``sha256`` or ``check`` to verify it.
    json : dict, optional
        Body of a POST request; such a download is never resumed.
    headers : dict, optional
        Additional request headers.
    retries : int
        Number of attempts after the first.
    timeout : float
        Seconds without a byte (or a connection) after which an attempt fails.
    backoff : float
        Seconds before the second attempt, doubled each time, with jitter; Retry-After is honoured.
    progress : callable, optional
        Called with the bytes received and the total (None: unknown).

    Raises
    ------
    FetchError
        When the file cannot be downloaded or has wrong content, or there is another file at ``target``.
    ValueError
        When nothing could verify the content and ``unverified`` is not set.
    """
    target = Path(target)
    if not (blob or sha256 or check or unverified):
        raise ValueError(f"{url}: no git blob id, SHA-256 or check to verify it with; unverified=True accepts it")
    rules = {"blob": blob, "sha256": sha256, "size": size, "check": check}
    if target.exists():
        if (wrong := wrong_content(target, **rules)) is None:
            return target
        raise FetchError(f"{target} exists but is not {url} ({wrong}); it was left alone: move it and try again")
    failures = refusals = 0
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
                    raise _TemporaryError(
                        f"wrong content, perhaps truncated (the server did not announce its size): {wrong}"
                    )
            except _TemporaryError as error:
                failures += 1
                if failures > retries or error.wait > MAX_WAIT:
                    raise FetchError(f"{url}: {error}; gave up after {_attempts(failures)}. {part.keep()}") from error
                pause = min(backoff * 2 ** (failures - 1), MAX_WAIT) * random.SystemRandom().uniform(0.5, 1.0)
                time.sleep(max(pause, error.wait))
                continue
            if wrong is None:
                part.finish()
                return target
            part.clear()
            refusals += 1
            if refusals > 1:
                raise FetchError(
                    f"{url}: refused, wrong content twice: {wrong}. Nothing was kept; the source has changed, or "
                    "files are altered on the way"
                )
    except requests.RequestException as error:
        raise FetchError(f"{url}: {error}; check the address and your connection. {part.keep()}") from error
    except OSError as error:
        raise FetchError(f"{url}: cannot write {target} ({error}); free some space or choose another folder") from error


def _attempts(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count} attempts"


class _Part:
    """The received part of one file (``.part``), and which version of the file it is of (``.part.json``)."""

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
        """Number of bytes received so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def complete(self) -> bool:
        """Whether all bytes were received, correct or not."""
        return self.total is not None and self.path.exists() and self.held == self.total

    def start(self, validator: str | None, total: int | None) -> None:
        """Begin a version of the file, with nothing received."""
        self.clear()
        self.validator, self.total = (validator if self.resumable else None), total
        self.announced = total is not None
        if self.validator is not None:
            self.note.write_text(jsonlib.dumps({"url": self.url, "validator": self.validator, "total": total}))

    def clear(self) -> None:
        """Delete all that was received."""
        self.validator = self.total = None
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def keep(self) -> str:
        """Keep what a later call can resume, delete the rest, and return advice for a message."""
        if self.validator is None or not self.held:
            self.clear()
            return "Try again later"
        return f"{self.held} bytes are kept in {self.path}: try again later to resume"

    def finish(self) -> None:
        """Give the verified file its final name, after its content has reached the disk."""
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
    """Make one attempt to receive what is missing; `_TemporaryError` if another attempt may help, FetchError if not."""
    headers = {"Accept-Encoding": "identity", **headers}
    if part.validator is None:
        part.clear()
    elif part.held:
        headers |= {"Range": f"bytes={part.held}-", "If-Range": part.validator}
    method = "GET" if json is None else "POST"
    try:
        with requests.request(method, url, json=json, headers=headers, timeout=timeout, stream=True) as response:
            _read_head(url, part, response)
            with part.path.open("ab") as stream:
                held = stream.tell()
                for chunk in response.iter_content(_CHUNK):
                    stream.write(chunk)
                    held += len(chunk)
                    if progress is not None:
                        progress(held, part.total)
                    if size is not None and held > size:
                        part.total = held  # too long, and will be refused: the rest is not needed
                        return
    except requests.exceptions.SSLError:
        raise
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ContentDecodingError) as error:
        raise _TemporaryError(f"no complete answer within {timeout:g} s ({_reason(error)})") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise _TemporaryError(f"the connection broke after {part.held} bytes ({_reason(error)})") from error
    if part.total is not None and held != part.total:
        if held > part.total:
            part.clear()
        raise _TemporaryError(f"{held} bytes were received instead of {part.total}")
    part.total = held


def _read_head(url: str, part: _Part, response: requests.Response) -> None:
    """Read the head of a response: prepare the part for its body, or raise why there is none."""
    status = response.status_code
    if status == 206 and part.validator is not None:
        first, total = _content_range(response.headers.get("Content-Range", ""))
        if first != part.held or (part.total is not None and total not in (None, part.total)):
            part.clear()
            raise _TemporaryError(
                f"the server sent a range that was not requested ({response.headers.get('Content-Range')})"
            )
        return
    if status == 416:
        part.clear()
        raise _TemporaryError("the server no longer has the requested range")
    if status == 200:
        encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() and not encoded else None
        tag = response.headers.get("ETag", "")
        strong = tag if tag.startswith('"') else response.headers.get("Last-Modified")
        ranges = "bytes" in response.headers.get("Accept-Ranges", "").lower()
        part.start(strong if ranges and not encoded else None, total)
        return
    answer = f"HTTP {status} {response.reason or ''}".strip()
    if status in RETRIED_STATUS:
        wait = _retry_after(response.headers.get("Retry-After"))
        raise _TemporaryError(
            f"the server answered {answer}" + (f" and asks to wait {wait:.0f} s" if wait else ""), wait
        )
    hint = {
        401: "it requires a login or a key",
        403: "it refuses access; a key may be missing or wrong",
        404: "there is no such file; check the address (has the source moved?)",
        410: "the file was removed",
    }.get(status, "another attempt would fail as well")
    raise FetchError(f"{url}: the server answered {answer}: {hint}. {part.keep()}")


def _content_range(text: str) -> tuple[int | None, int | None]:
    """Return first byte and total size of a Content-Range header, None where it does not say."""
    span, _, total = text.removeprefix("bytes").strip().partition("/")
    first = span.partition("-")[0]
    return (int(first) if first.isdigit() else None), (int(total) if total.isdigit() else None)


def _retry_after(text: str | None) -> float:
    """Return the seconds that a Retry-After header (a number or a date) asks for; 0 without one."""
    if not text:
        return 0.0
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _reason(error: Exception) -> str:
    """Return the innermost reason of a failed request, shortened."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return str(error)[:200] or type(error).__name__
