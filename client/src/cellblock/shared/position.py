# Made by `python docs/generate.py` from tasks/live/read/position.py. Change it there.
"""The state of a follower: how far it has read, what is missing, and whether more entries can come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cellblock.shared.entry import END, START, LiveEntry, key_of, read_piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from redis.typing import KeyT, StreamIdT

    from cellblock.shared.stored import Stored

__all__ = ["FIRST", "Position"]

#: The id before all others.
FIRST = "0"

LOST = "lost"
_BLOCK_MS = 1000


class Position:
    """One follower's position in one stream. This class does no I/O."""

    def __init__(self, task_id: str, after: str = FIRST) -> None:
        self.key = key_of(task_id)
        self.ended = False
        self._last_id = after
        # A follower that resumes can't know how many bytes came before.
        self._whole = after == FIRST
        self._expected: dict[str, int] = {}
        self._seen = False
        self._asked = False
        self._status: str | None = None

    def position(self) -> dict[KeyT, StreamIdT]:
        """What to read next, as XREAD takes it."""
        return {self.key: self._last_id}

    def block_ms(self) -> int | None:
        """How long to wait for entries.

        None: no wait, before the result is looked up for the first time and once it is known.
        """
        return _BLOCK_MS if self._asked and self._status is None else None

    def take(self, entries: Iterable[tuple[bytes, Mapping[bytes, bytes]]]) -> Iterator[LiveEntry]:
        """The entries that Redis gave."""
        for entry_id, fields in entries:
            self._seen, self._last_id = True, entry_id.decode()
            piece = read_piece(fields)
            if piece is None:
                continue
            if piece.kind == START:
                self._whole, self._expected = True, {}
            skipped = self._skipped(piece.kind, piece.offset, len(piece.data))
            if skipped >= 0:
                yield LiveEntry(self._last_id, piece.kind, piece.time_s, piece.data, skipped, piece.run)
            if piece.kind == END:
                self.ended = True
                return

    def nothing(self, stored: Stored | None, *, held: bool) -> Iterator[LiveEntry]:
        """Handle a reply without entries. `stored` is the job's stored result; `held`: the stream exists.

        The worker stores the result after the last entry. So once there is a result, one more read of the
        stream is enough.
        """
        self._asked = True
        if self._status is not None:
            self.ended = True
            yield LiveEntry(self._last_id, END, time.time(), self._status.encode())
        elif stored and stored.is_ready:
            self._status = _status_of(stored)
        elif self._seen and not held:
            self._status = LOST

    def _skipped(self, kind: str, offset: int, length: int) -> int:
        """The number of bytes missing before these; below 0 for bytes that Redis has stored twice."""
        if kind in (START, END):
            return 0
        before = self._expected.get(kind, 0 if self._whole else offset)
        self._expected[kind] = max(before, offset + length)
        return offset - before


def _status_of(stored: Stored) -> str:
    answer = stored.result
    if isinstance(answer, dict) and isinstance(answer.get("status"), str):
        return str(answer["status"])
    return stored.state or LOST
