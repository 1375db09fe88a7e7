"""How a build or a pull reports its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

__all__ = ["Progress", "counted", "silent"]

# Called with a step, how much of it is done, and how much there is in all (0: not known). The steps of a
# build: `lists`, `download` and `merge` (packages), `fetch` (sources), `load` (bytes). It is called often, so
# it should return soon.
Progress = Callable[[str, int, int], None]


def silent(step: str, done: int, total: int) -> None:
    """Report nothing."""


def counted(pieces: Iterable[bytes], total: int, progress: Progress) -> Iterator[bytes]:
    """The pieces unchanged, each reported as progress of the step `load`; `total` in bytes."""
    done = 0
    for piece in pieces:
        yield piece
        done = min(done + len(piece), total)
        progress("load", done, total)
