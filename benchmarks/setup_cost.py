"""What the README's commands cost a newcomer: a clean clone, `make study`, `make test`, with time, memory and disk.

    python benchmarks/setup_cost.py [--write]

Clones the last commit into a temporary folder. ``--write`` stores the record in results/ and the table in README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dnastudy.analysis.findings import write_readme_part
from dnastudy.core.atomic import atomic_write
from dnastudy.core.provenance import surroundings

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "results" / "setup_cost.json"
COMMANDS = {"make study": "the study on simulated genes and its book", "make test": "all tests, notebooks and browser"}


def measure(folder: Path, command: str) -> dict:
    """Run a command; its seconds, the largest process in MB, and the folder's size afterwards in MB."""
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV" and "DNASTUDY" not in key}
    start = time.perf_counter()
    process = subprocess.Popen(
        command.split(), cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{command} failed in {folder}")
    size = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
    return {
        "seconds": seconds,
        "largest_process_mb": usage.ru_maxrss / 2**10,
        "folder_mb": size / 2**20,
    }


def readme_lines(record: dict) -> str:
    """The README's table of a record."""
    lines = ["| command | does | minutes | memory, largest process | disk |", "|---|---|---:|---:|---:|"]
    for command, does in COMMANDS.items():
        cost = record[command]
        lines.append(
            f"| `{command}` | {does} | {cost['seconds'] / 60:.1f} | {cost['largest_process_mb'] / 1000:.1f} GB "
            f"| {cost['folder_mb'] / 1000:.1f} GB |"
        )
    return "\n".join(
        [*lines, "", f"Measured one after the other in a clean clone, installing included, on {record['device']}."]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="store the record and the README's table")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "dnastudy"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        record = {command: measure(folder, command) for command in COMMANDS} | surroundings()
    print(json.dumps(record, indent=1))
    if given.write:
        atomic_write(RECORD, json.dumps(record, indent=1) + "\n")
        write_readme_part(ROOT, "cost", readme_lines(record))


if __name__ == "__main__":
    main()
