"""Kernels compiled by Numba, with a cache that knows all their code.

Numba's own cache looks at the file of a function alone: not at the functions and constants which that takes from other
files. Here the folder of the cache is named by the content of the whole package of kernels, so that changed code is
always compiled anew, and unchanged code once in each place where the package lies.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def cache_folder(sources: Path) -> Path:
    """Where kernels of the Python files in ``sources`` are kept: under NUMBA_CACHE_DIR, or the user's cache folder."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(sources.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    base = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dnastudy"
    return base / f"kernels-{digest.hexdigest()[:16]}"


helper = numba.njit(forceinline=True, _nrt=False)
"""Decorator for what kernels call: becomes part of them."""
fast_helper = numba.njit(forceinline=True, _nrt=False, fastmath=True)
"""A helper whose sums may be taken in any order."""


def kernel_compiler(file: str) -> Callable[[Callable], Any]:
    """Decorator for the kernels of a module (``file``: its ``__file__``): compiled once, run without Python's lock.

    Kernels may not allocate: Numba's reference counts are off, as counting those of a few dozen arrays at each symbol
    takes longer than the work itself.
    """
    folder = str(cache_folder(Path(file).parent))

    def compile_kernel(function: Callable) -> Any:
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, folder
        try:
            return numba.njit(cache=True, nogil=True, _nrt=False)(function)
        finally:
            numba.config.CACHE_DIR = before

    return compile_kernel
