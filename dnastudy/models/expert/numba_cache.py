"""Kernels compiled by Numba, with a cache that depends on all their code.

Numba's own cache depends on the file of a function alone, not on functions and constants from other files. Here the
folder of the cache is named by a hash of all files of the kernels: changed code is always compiled again, unchanged
code once for each place where the package is installed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def cache_folder(sources: Path) -> Path:
    """Return the folder for kernels of the files in ``sources``: under NUMBA_CACHE_DIR, or the user's cache folder."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(sources.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    base = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dnastudy"
    return base / f"kernels-{digest.hexdigest()[:16]}"


helper = numba.njit(forceinline=True, _nrt=False)
"""Decorator for functions that kernels call: they are inlined."""
fast_helper = numba.njit(forceinline=True, _nrt=False, fastmath=True)
"""Decorator for helpers whose sums may be taken in any order."""


def kernel_compiler(file: str) -> Callable[[Callable], Any]:
    """Return a decorator for the kernels of a module (``file``: its ``__file__``): compiled once, run without the GIL.

    Kernels must not allocate: Numba's reference counting is off, since counting references to a few dozen arrays at
    each symbol takes longer than the computation itself.
    """
    folder = str(cache_folder(Path(file).parent))

    def compile_kernel(function: Callable) -> Any:
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, folder
        try:
            return numba.njit(cache=True, nogil=True, _nrt=False)(function)
        finally:
            numba.config.CACHE_DIR = before

    return compile_kernel
