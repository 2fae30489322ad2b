"""The workflow (workflow/Snakefile): genes, runs, chapters and book as jobs that run in parallel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_workflow(
    root: Path,
    profile: str,
    cores: int,
    words: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run jobs of the workflow with Snakemake and return its exit status.

    Parameters
    ----------
    root : Path
        The project's root.
    profile : str
        Name or file of the profile.
    cores : int
        Jobs that run in parallel.
    words : sequence of str
        Further arguments of Snakemake.
    environment : mapping, optional
        Environment variables of the jobs that differ from this process's.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", root / "workflow" / "Snakefile", "--directory", root]
    # the store and all outputs appear whole or not at all, so a lock or a mark left by a killed run is no danger
    command += ["--cores", cores, "--nolock", "--rerun-incomplete", "--quiet", "host", "reason"]
    command += ["--config", f"profile={profile}", *words]
    # the jobs call `dnastudy`: let them find the one of this environment first
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.run(
        list(map(str, command)), cwd=root, env={**os.environ, **(environment or {}), "PATH": path}
    ).returncode
