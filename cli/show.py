"""The one way to standard output and standard error, by which nothing reaches a terminal raw."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from cli.terminal import json_text, printable

__all__ = ["note", "print_json", "print_line", "print_table", "say"]

# Wide enough that no cell of a table is cut where a program reads it.
_PIPE_COLUMNS = 640
_CELL = 200


def note(message: str) -> None:
    """A message to the person, apart from the data: one line, whoever chose the words in it."""
    sys.stderr.write(f"cellblock: {printable(message)}\n")
    sys.stderr.flush()


def say(line: str) -> None:
    """A line of data on standard output."""
    _write(f"{printable(line)}\n")


def print_json(data: object) -> None:
    """`data` as JSON on standard output."""
    _write(f"{json_text(data, indent=2)}\n")


def print_line(data: object) -> None:
    """`data` as one line of JSON on standard output, where more lines come."""
    _write(f"{json_text(data)}\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output; a cell with nothing in it is shown as a dash."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text("-" if cell in (None, "") else printable(cell, _CELL)) for cell in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS).print(table)


def _write(text: str) -> None:
    """In UTF-8, which JSON is, where the terminal's own encoding has no such character."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
