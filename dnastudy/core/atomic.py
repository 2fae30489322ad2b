"""Atomic writes: a file or folder appears under its name complete, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def atomic_write(path: str | os.PathLike, data: str | bytes) -> Path:
    """Write a file under a temporary name and rename it; missing parent folders are created."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())  # otherwise the name could reach the disk before the content
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def replace_dir(new: Path, target: Path) -> Path:
    """Move a complete folder to ``target`` and return it; an older folder there is replaced, or kept if that fails."""
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
    """Yield an empty folder to fill, which replaces ``folder`` when the block ends without an error."""
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        replace_dir(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
