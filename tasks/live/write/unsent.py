"""The output of a job that has not been sent to Redis yet."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from tasks.live.entry import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Unsent", "chunks", "cost_bytes"]

# What an entry in Redis, or a piece in this process, takes besides its data.
_ENTRY_BYTES = 100
# With its field names, an entry then fits into 16 KiB, one of the sizes in which Redis allocates.
_CHUNK_BYTES = 15 << 10
# Pieces that were read further apart than this are not joined: each keeps its own time.
_SAME_TIME_S = 0.05


class Unsent:
    """A queue that never makes the job wait. Beyond `limit_bytes` it drops its oldest pieces."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pieces: deque[Piece] = deque()
        self._size_bytes = 0
        self._heard: dict[str, int] = {}
        self._closed = False
        self._lock = threading.Lock()
        self._ready = threading.Event()

    def add(self, kind: str, data: bytes, run: int | None = None) -> None:
        """Add what the job, or one of its runs, has written to the stream `kind`."""
        with self._lock:
            offset = self._heard.get(kind, 0)
            self._heard[kind] = offset + len(data)
            piece = Piece(kind, time.time(), offset, data, run)
            self._pieces.append(piece)
            self._size_bytes += _ENTRY_BYTES + len(data)
            while self._size_bytes > self._limit_bytes and len(self._pieces) > 1:
                self._size_bytes -= cost_bytes(self._pieces.popleft())
            if not self._ready.is_set():
                self._ready.set()

    def close(self) -> None:
        """Declare that nothing will be added any more."""
        with self._lock:
            self._closed = True
            self._ready.set()

    def take(self, most_bytes: int) -> list[Piece]:
        """Take the oldest pieces, about `most_bytes` in all. Waits for a piece; gives none after the end."""
        taken: list[Piece] = []
        self._ready.wait()
        with self._lock:
            while self._pieces and most_bytes > 0:
                piece = self._pieces.popleft()
                most_bytes -= cost_bytes(piece)
                self._size_bytes -= cost_bytes(piece)
                taken.append(piece)
            if not self._pieces and not self._closed:
                self._ready.clear()
        return taken


def cost_bytes(piece: Piece) -> int:
    """The memory that a piece takes, here or in Redis."""
    return _ENTRY_BYTES + len(piece.data)


def chunks(pieces: list[Piece]) -> Iterator[Piece]:
    """The same bytes in the same order: adjacent pieces of one stream joined, up to the size of an entry."""
    run: list[Piece] = []
    for piece in pieces:
        if run and not _continues(run, piece):
            yield from _split(run)
            run = []
        run.append(piece)
    if run:
        yield from _split(run)


def _continues(run: list[Piece], piece: Piece) -> bool:
    last = run[-1]
    return (
        (piece.kind, piece.run) == (last.kind, last.run)
        and piece.offset == last.offset + len(last.data)
        and piece.time_s - run[0].time_s <= _SAME_TIME_S
    )


def _split(run: list[Piece]) -> Iterator[Piece]:
    first, data = run[0], b"".join(piece.data for piece in run)
    for start in range(0, len(data), _CHUNK_BYTES):
        part = data[start : start + _CHUNK_BYTES]
        yield Piece(first.kind, first.time_s, first.offset + start, part, first.run)
