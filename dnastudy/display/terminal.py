"""Output of the command line: results on stdout, progress and messages on stderr."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dnastudy.core.provenance import finite
from dnastudy.training.report import Progress, Report

messages = logging.getLogger("dnastudy")


def say(text: str) -> None:
    """Print one line on stderr."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr, or only its title where stderr is not a terminal.

    Yields a function that advances the bar by a number of steps. ``total`` is the number of steps; None shows a
    spinner.
    """
    if not sys.stderr.isatty():
        say(title)
        yield lambda steps: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = [SpinnerColumn(), TextColumn("{task.description}")]
    columns += [BarColumn(), MofNCompleteColumn()] if total is not None else []
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=total)
        yield lambda steps: bars.advance(task, steps)


def training_lines(title: str, log: Callable[[str], None], every_seconds: float = 30.0) -> Report:
    """Return a training report that logs a line for each epoch, every ``every_seconds``, and at the end."""
    last, epoch = time.perf_counter(), 1

    def report(progress: Progress) -> None:
        nonlocal last, epoch
        if time.perf_counter() - last > every_seconds or progress.epoch > epoch or progress.share == 1:
            last, epoch = time.perf_counter(), progress.epoch
            log(f"{title}: {progress}")

    return report


@contextmanager
def training_progress(title: str) -> Iterator[Report]:
    """Show a training on stderr as a bar with loss, speed and time left, or as lines where stderr is not a terminal.

    Models that do not report their progress show a spinner.
    """
    say(title)
    if not sys.stderr.isatty():
        yield training_lines("training", say)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = [SpinnerColumn(), BarColumn(bar_width=6), TimeElapsedColumn(), TextColumn("{task.fields[facts]}")]
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("", total=None, facts="")
        yield lambda progress: bars.update(task, total=1.0, completed=progress.share, facts=str(progress))


def emit(facts: dict[str, Any], as_json: bool) -> None:
    """Print results as one strict JSON object, or as aligned lines of text."""
    if as_json:
        print(json.dumps(finite(facts), allow_nan=False))
        return
    width = max(map(len, facts))
    for key, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {_short(item)}" for name, item in value.items() if item is not None)
        elif isinstance(value, list):
            numbers = len(value) == 2 and all(isinstance(item, float) for item in value)  # an interval
            value = (" to " if numbers else ", ").join(map(_short, value))
        print(f"{key.replace('_', ' '):<{width}}  {_short(value)}")


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
