"""Files and folders that appear whole under their name, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def atomic_write(path: str | os.PathLike, data: str | bytes) -> Path:
    """Write a file through a hidden neighbour and one rename; folders above it are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with half.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())  # or the name may be on disk before the bytes are
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return path


def replace_dir(new: Path, target: Path) -> Path:
    """Move a complete folder to its place, over an older one, which stays if that fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        target.replace(old)
    try:
        shutil.move(new, target)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        if old.exists():
            old.replace(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return target


@contextmanager
def atomic_dir(folder: str | os.PathLike) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well it takes the name, and the place of what had it."""
    folder = Path(folder)
    half = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    try:
        yield half
        replace_dir(half, folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)
