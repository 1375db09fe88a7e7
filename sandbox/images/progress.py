"""How a build tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

__all__ = ["Progress", "counted", "silent"]

# Told a step, and how much of it is done, of how much. The steps: `lists`, `download` and `merge`
# (packages), `fetch` (sources), `load` (bytes). Called often, so it should return soon.
Progress = Callable[[str, int, int], None]


def silent(step: str, done: int, total: int) -> None:
    """Tell nobody."""


def counted(pieces: Iterable[bytes], total: int, progress: Progress) -> Iterator[bytes]:
    """The pieces unchanged, each told as part of the step `load`; `total` in bytes."""
    done = 0
    for piece in pieces:
        yield piece
        done = min(done + len(piece), total)
        progress("load", done, total)
