"""Reading and writing of FASTA text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TextIO


def read_fasta(lines: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    """Yield (header without ``>``, sequence, line number of the header) for each record of FASTA text.

    White space inside a sequence is dropped, case is kept, lines starting with ``;`` are comments.

    Raises
    ------
    ValueError
        When there is text before the first header.
    """
    header: str | None = None
    header_line, parts = 0, []
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if line.startswith(">"):
            if header is not None:
                yield header, "".join(parts), header_line
            header, header_line, parts = line[1:].strip(), number, []
        elif line and not line.startswith(";"):
            if header is None:
                raise ValueError(f"line {number}: text before the first '>' header")
            parts.append("".join(line.split()))
    if header is not None:
        yield header, "".join(parts), header_line


def write_fasta(records: Iterable[tuple[str, str]], handle: TextIO, width: int = 80) -> None:
    """Write (header, sequence) records, sequences in lines of ``width`` letters."""
    for header, sequence in records:
        handle.write(f">{header}\n")
        for start in range(0, len(sequence), width):
            handle.write(sequence[start : start + width] + "\n")
