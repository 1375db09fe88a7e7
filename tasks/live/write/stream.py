"""Writes a job's live stream, which has a size limit and expires some time after the job."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from tasks.live.entry import END, START, Piece
from tasks.live.write.unsent import chunks, cost_bytes

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["LiveStream"]


class LiveStream:
    """Keeps the newest `limit_bytes` of one attempt.

    The key expires `lasts_s` seconds after the last write, `lingers_s` seconds after the end.
    """

    def __init__(
        self, client: Redis, key: str, *, attempt: int, limit_bytes: int, lasts_s: float, lingers_s: float
    ) -> None:
        self._client = client
        self._key = key
        self._limit_bytes = limit_bytes
        self._lasts_s = lasts_s
        self._lingers_s = lingers_s
        self._first = [Piece(START, time.time(), 0, str(attempt).encode())]
        self._held: deque[tuple[bytes, int]] = deque()
        self._held_bytes = 0
        # The first write removes the entries of an earlier attempt.
        self._overdue = True

    def write(self, pieces: list[Piece]) -> None:
        """Add `pieces`, and remove the oldest ones that there is no more room for.

        Raises:
            RedisError: Redis has not confirmed that the pieces were added.
        """
        entries = [*self._first, *chunks(pieces)]
        self._make_room(sum(map(cost_bytes, entries)))
        # One transaction, so that the key never exists without an expiry.
        pipe = self._client.pipeline(transaction=True)
        if self._overdue:
            pipe.xtrim(self._key, approximate=False, **self._bound())
        for entry in entries:
            pipe.xadd(self._key, entry.fields())
        ended = any(entry.kind == END for entry in entries)
        pipe.expire(self._key, math.ceil(self._lingers_s if ended else self._lasts_s))
        replies = pipe.execute()
        ids = replies[-1 - len(entries) : -1]
        self._first, self._overdue = [], False
        for entry_id, entry in zip(ids, entries, strict=True):
            self._held.append((entry_id, cost_bytes(entry)))
            self._held_bytes += cost_bytes(entry)

    def _make_room(self, for_bytes: int) -> None:
        while self._held and self._held_bytes + for_bytes > self._limit_bytes:
            self._held_bytes -= self._held.popleft()[1]
            self._overdue = True

    def _bound(self) -> dict[str, Any]:
        return {"minid": self._held[0][0]} if self._held else {"maxlen": 0}
