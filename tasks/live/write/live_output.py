"""Writes a job's output to Redis while the job runs, and never makes the job wait for Redis."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Self

from redis.exceptions import RedisError

from sandbox import Observer
from sandbox.threads import make_thread
from tasks.live.entry import END, STDERR, STDOUT
from tasks.live.write.unsent import Unsent, cost_bytes

if TYPE_CHECKING:
    from tasks.live.entry import Piece
    from tasks.live.write.stream import LiveStream

__all__ = ["LiveOutput"]

_log = logging.getLogger("cellblock")

_KINDS = {1: STDOUT, 2: STDERR}
_BATCH_BYTES = 256 << 10
# The writer rests nine times as long as its write took, so that it uses a tenth of the interpreter at most.
_REST = 9.0
_LONGEST_REST_S = 0.1
# The rest after a full batch. It doubles with each further full batch: no follower can read a flood that
# fast, and while a write holds the interpreter, the job's output must wait.
_FLOOD_REST_S = 0.01
_LONGEST_FLOOD_REST_S = 0.25
_AFTER_ERROR_S = 1.0
# How long a job waits at its end for the last write. Its result goes to the same Redis next.
_LAST_WRITE_S = 1.0


class LiveOutput(Observer):
    """Writes one job's stream in a thread of its own. A context manager: its exit ends the thread."""

    def __init__(self, stream: LiveStream, task_id: str, limit_bytes: int) -> None:
        self._stream = stream
        self._task_id = task_id
        self._batch_bytes = min(_BATCH_BYTES, limit_bytes // 4)
        self._unsent = Unsent(limit_bytes)
        self._closing = threading.Event()
        self._flood_rest_s = 0.0
        self._warned = False
        self._thread = make_thread(self._write, name="cellblock-live", lasting=False)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.set()
        self._unsent.close()
        self._thread.join(_LAST_WRITE_S)

    def heard(self, stream: int, data: bytes, run: int | None = None) -> None:
        """Put the output into the backlog, from which the thread takes it."""
        self._unsent.add(_KINDS[stream], data, run)

    def end(self, status: str) -> None:
        """Add the last entry: the job is over, with this status."""
        self._unsent.add(END, status.encode())

    def _write(self) -> None:
        """Write the start entry, then the output: the first bytes at once, later ones in batches."""
        self._send([])
        while pieces := self._unsent.take(self._batch_bytes):
            started = time.monotonic()
            if self._send(pieces):
                self._closing.wait(self._rest_s(pieces, time.monotonic() - started))
            elif self._closing.wait(_AFTER_ERROR_S):
                return

    def _send(self, pieces: list[Piece]) -> bool:
        """Whether Redis took the pieces. If not, they are missing in the stream."""
        try:
            self._stream.write(pieces)
        except RedisError as error:
            if not self._warned:
                self._warned = True
                # Once for each job, without the error's text, which may quote the job's output.
                what = type(error).__name__
                _log.warning("Live output of job %s has gaps: Redis: %s", self._task_id, what)
            return False
        return True

    def _rest_s(self, pieces: list[Piece], took_s: float) -> float:
        is_whole = sum(map(cost_bytes, pieces)) >= self._batch_bytes
        longer_s = min(2 * self._flood_rest_s or _FLOOD_REST_S, _LONGEST_FLOOD_REST_S)
        self._flood_rest_s = longer_s if is_whole else 0.0
        return max(self._flood_rest_s, min(_REST * took_s, _LONGEST_REST_S))
