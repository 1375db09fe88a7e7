"""The only way to standard output and standard error: text is escaped, so it controls no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from cli.terminal import json_text, printable

__all__ = ["note", "print_json", "print_line", "print_table", "say"]

# Wide enough that no cell of a table is cut if a program reads it.
_PIPE_COLUMNS = 640
_CELL = 200


def note(message: str) -> None:
    """Write a message for the user to standard error, as one line, whatever text is in it."""
    sys.stderr.write(f"cellblock: {printable(message)}\n")
    sys.stderr.flush()


def say(line: str) -> None:
    """A line of data on standard output."""
    _write(f"{printable(line)}\n")


def print_json(data: object) -> None:
    """`data` as JSON on standard output."""
    _write(f"{json_text(data, indent=2)}\n")


def print_line(data: object) -> None:
    """`data` as one line of JSON on standard output, which may have more lines."""
    _write(f"{json_text(data)}\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output, of which no screen cuts anything; an empty cell is shown as a dash."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(*(Column(name, overflow="fold") for name in columns), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text("-" if cell in (None, "") else printable(cell, _CELL)) for cell in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS).print(table)


def _write(text: str) -> None:
    """Write in UTF-8, as JSON needs, even if the terminal's encoding lacks such characters."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
