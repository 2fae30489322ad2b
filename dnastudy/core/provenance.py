"""What a record says of its origin (code, commit, versions, device, memory), and how it is written as JSON."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from dnastudy import __version__
from dnastudy.core.code import PACKAGE


def to_json(record: Mapping[str, Any]) -> str:
    """Strict JSON text; infinite floats become the text "Infinity", NaN null."""
    return json.dumps(finite(record), indent=1, allow_nan=False) + "\n"


def finite(value: Any) -> Any:
    """Make a value fit for strict JSON: infinite floats become the text "Infinity", numpy numbers plain ones."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def reset_peak_memory() -> None:
    """Let `peak_memory_mb` count from here on, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb() -> float:
    """Largest resident memory of this process, in MB, since its start or `reset_peak_memory`; NaN if unknown."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if platform.system() == "Darwin" else 2**10)


def json_line(value: Any) -> str:
    """A record as JSON on one line, read by `from_json`."""
    return json.dumps(finite(value), allow_nan=False)


def from_json(text: str) -> Any:
    """Value of `to_json` text, infinite floats restored."""
    return _infinite(json.loads(text))


def _infinite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _infinite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_infinite(item) for item in value]
    return float(value) if value in ("Infinity", "-Infinity") else value


@functools.cache
def surroundings() -> dict[str, Any]:
    """Commit, versions and device of this process."""
    return {
        "commit": git_commit(),
        "versions": {"dnastudy": __version__, "python": platform.python_version(), "numpy": np.__version__,
                     "pandas": version("pandas")},
        "device": f"{_processor()}, {os.cpu_count()} cores",
    }  # fmt: skip


def git_commit() -> str:
    """Commit of the code, twelve digits, "-dirty" added where package or notebooks differ; "unknown" outside git."""
    root = PACKAGE.parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=20)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        changed = commit and git("status", "--porcelain", "--untracked-files=no", "--", "dnastudy", "notebooks")
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return f"{commit}{'-dirty' if changed else ''}" if commit else "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
