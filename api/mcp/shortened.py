"""Shortens what a job has written to what a model can read, and says what was left out."""

from __future__ import annotations

__all__ = ["MOST_CHARS", "shortened"]

#: The most characters of one stream in an answer.
MOST_CHARS = 24_000


def shortened(text: str, total_bytes: int, *, is_cut: bool) -> str:
    """The start and the end of a stream of `total_bytes` bytes. `is_cut`: `text` is not all of it."""
    if len(text) <= MOST_CHARS and not is_cut:
        return text
    half = min(MOST_CHARS, len(text)) // 2
    head, tail = text[:half], text[len(text) - half :]
    left_out = max(1, total_bytes - len(head.encode()) - len(tail.encode()))
    return f"{head}\n[… {left_out} of {total_bytes} bytes are left out here …]\n{tail}"
