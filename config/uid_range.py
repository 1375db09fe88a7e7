"""Reads the range of host ids that cells get, such as "100000-6653599"."""

from __future__ import annotations

__all__ = ["IDS_PER_CELL", "parse_uid_range"]

#: A cell needs the ids from root's to nobody's.
IDS_PER_CELL = 65_536
# The kernel's largest id; one more means "none" (setresuid(2)).
_LAST = 2**32 - 2


def parse_uid_range(text: str) -> tuple[int, int]:
    """The first and the last id.

    Raises:
        ValueError: the text is no range, or one that has no room for a cell.
    """
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and int(last) <= _LAST):
        raise ValueError(f"give the first and the last id, up to {_LAST}, such as 100000-6653599")
    if int(last) - int(first) + 1 < IDS_PER_CELL:
        raise ValueError(f"one cell needs {IDS_PER_CELL} ids")
    return int(first), int(last)
