# Made by `python docs/generate.py` from config/units.py. Change it there.
"""Sizes as people write them, in the units that `docker run --memory` takes."""

from __future__ import annotations

import re

from cellblock.shared.quoting import quoted

__all__ = ["format_bytes", "parse_bytes"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MOST_DIGITS = 30


def parse_bytes(size: object) -> int:
    """The number of bytes that `size` stands for: an int, or text such as "512m" (binary multiples).

    Raises:
        ValueError: when it is neither, or not a whole positive number of bytes.
    """
    if isinstance(size, bool) or not isinstance(size, int | str):
        raise ValueError(f"{quoted(size)} is not a size: give bytes as an int, or text such as '512m'")
    count = size if isinstance(size, int) else _parse_text(size)
    if count <= 0:
        raise ValueError(f"{quoted(size)} is not a size: it must be above 0")
    return count


def format_bytes(count: int) -> str:
    """`count` bytes in the shortest unit that keeps it readable, such as "1.5 MiB"."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"


def _parse_text(size: str) -> int:
    match = _SIZE.fullmatch(size.strip())
    if match is None:
        raise ValueError(
            f"{quoted(size)} is not a size: give bytes, or a number with k, m or g, such as '512m'"
        )
    number, unit = match.groups()
    if len(number) > _MOST_DIGITS:
        raise ValueError(f"{quoted(size)} is not a size: it has too many digits")
    return int(float(number) * _UNITS[unit.lower()]) if "." in number else int(number) * _UNITS[unit.lower()]
