"""Cuts a text so that, as JSON in UTF-8, it takes at most a given number of bytes.

One byte of a job's output may take six there: a control character becomes an escape. A byte that is not UTF-8
becomes U+FFFD, which takes three.
"""

from __future__ import annotations

from bisect import bisect_right
from json.encoder import encode_basestring

__all__ = ["ENCODED_FACTOR", "encoded_bytes", "first_part", "last_part", "within"]

#: As JSON, each stream of a result takes at most this many times the job's `output_limit`.
ENCODED_FACTOR = 2

_PIECE = 64 << 10


def encoded_bytes(text: str) -> int:
    """How many bytes `text` takes in JSON, without its quotes."""
    return sum(map(_cost, (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))))


def first_part(text: str, most_bytes: int) -> str:
    """The longest beginning of `text` that takes at most `most_bytes` bytes in JSON."""
    left = most_bytes
    for start in range(0, len(text), _PIECE):
        piece = text[start : start + _PIECE]
        cost = _cost(piece)
        if cost > left:
            return text[: start + _fitting(piece, left)]
        left -= cost
    return text


def last_part(text: str, most_bytes: int) -> str:
    """The longest end of `text` that takes at most `most_bytes` bytes in JSON."""
    # Each character takes the same wherever it stands.
    return first_part(text[::-1], most_bytes)[::-1]


def within(text: str, most_bytes: int) -> tuple[str, bool]:
    """`text` with at most `most_bytes` bytes in JSON, cut in its middle if needed, and whether it was cut."""
    if encoded_bytes(text) <= most_bytes:
        return text, False
    return first_part(text, most_bytes - most_bytes // 2) + last_part(text, most_bytes // 2), True


def _cost(piece: str) -> int:
    """How many bytes it takes, with JSON's escapes. A lone surrogate is written and counted as an escape."""
    return len(encode_basestring(piece).encode("utf-8", "backslashreplace")) - 2


def _fitting(piece: str, most_bytes: int) -> int:
    """How many of its first characters fit, found by bisection."""
    return bisect_right(range(len(piece) + 1), most_bytes, key=lambda count: _cost(piece[:count])) - 1
