"""Files and folders that appear whole under their name, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: str | os.PathLike, data: str | bytes) -> Path:
    """Write a file through a hidden neighbour and one rename; folders above it are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        half.write_bytes(data.encode() if isinstance(data, str) else data)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return path


@contextmanager
def whole_folder(folder: str | os.PathLike) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well it takes the name, and the place of what had it."""
    folder = Path(folder)
    half, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    try:
        yield half
        if folder.exists():
            folder.replace(old)
        try:
            half.replace(folder)
        except BaseException:
            if old.exists():
                old.replace(folder)
            raise
    finally:
        shutil.rmtree(half, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
