"""Tells Redis of a job's output while it runs, and never lets the job wait for that."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Self

from redis.exceptions import RedisError

from sandbox import Onlooker
from sandbox.threads import make_thread
from tasks.live.backlog import Backlog, cost_bytes
from tasks.live.entry import END, STDERR, STDOUT

if TYPE_CHECKING:
    from tasks.live.entry import Piece
    from tasks.live.stream import LiveStream

__all__ = ["LiveOutput"]

_log = logging.getLogger("cellblock")

_KINDS = {1: STDOUT, 2: STDERR}
_BATCH_BYTES = 256 << 10
# Rest nine times as long as the write took: the writer then takes a tenth of the interpreter at most.
_REST = 9.0
_LONGEST_REST_S = 0.1
# After a whole batch, and twice as long after each further one: nobody reads as fast as a flood comes, and
# each write holds the interpreter that the job's output waits for.
_FLOOD_REST_S = 0.01
_LONGEST_FLOOD_REST_S = 0.25
_AFTER_ERROR_S = 1.0
# What a job waits in the end for Redis, which takes its result next.
_LAST_WRITE_S = 1.0


class LiveOutput(Onlooker):
    """Writes one job's stream, from a thread of its own. A context: leaving it ends the thread."""

    def __init__(self, stream: LiveStream, task_id: str, limit_bytes: int) -> None:
        self._stream = stream
        self._task_id = task_id
        self._batch_bytes = min(_BATCH_BYTES, limit_bytes // 4)
        self._backlog = Backlog(limit_bytes)
        self._closing = threading.Event()
        self._flood_rest_s = 0.0
        self._warned = False
        self._thread = make_thread(self._write, name="cellblock-live", lasting=False)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.set()
        self._backlog.close()
        self._thread.join(_LAST_WRITE_S)

    def heard(self, stream: int, data: bytes) -> None:
        """Put it where the thread finds it."""
        self._backlog.add(_KINDS[stream], data)

    def end(self, status: str) -> None:
        """The job is over: the last entry says how."""
        self._backlog.add(END, status.encode())

    def _write(self) -> None:
        """First that there is a job, then what it writes: the first bytes at once, more in batches."""
        self._send([])
        while pieces := self._backlog.take(self._batch_bytes):
            started = time.monotonic()
            if self._send(pieces):
                self._closing.wait(self._rest_s(pieces, time.monotonic() - started))
            elif self._closing.wait(_AFTER_ERROR_S):
                return

    def _send(self, pieces: list[Piece]) -> bool:
        """Whether Redis took them; if not, they are missing."""
        try:
            self._stream.write(pieces)
        except RedisError as error:
            self._warn(error)
            return False
        return True

    def _rest_s(self, pieces: list[Piece], took_s: float) -> float:
        is_whole = sum(map(cost_bytes, pieces)) >= self._batch_bytes
        longer_s = min(2 * self._flood_rest_s or _FLOOD_REST_S, _LONGEST_FLOOD_REST_S)
        self._flood_rest_s = longer_s if is_whole else 0.0
        return max(self._flood_rest_s, min(_REST * took_s, _LONGEST_REST_S))

    def _warn(self, error: RedisError) -> None:
        """Once a job, and without the error's own words, which may quote what was written."""
        if not self._warned:
            self._warned = True
            _log.warning("Live output of job %s has gaps: Redis: %s", self._task_id, type(error).__name__)
