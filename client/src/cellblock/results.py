"""What the result backend has of jobs: their results and their live output. Also cancels them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from cellblock.errors import UnreadableResult, error_of
from cellblock.outage import Outage
from cellblock.redis_clients import open_redis, open_redis_async
from cellblock.result import Result, read_result
from cellblock.shared.position import Position
from cellblock.shared.reply import COUNT, entries_in
from cellblock.shared.scripts import CANCEL
from cellblock.shared.stored import Stored, read_stored
from cellblock.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from cellblock.shared.address import Address
    from cellblock.shared.entry import LiveEntry

__all__ = ["Results"]

_ERRORS = (RedisError, OSError)
# A cancel request must outlast the time that a job may wait in its queue.
_CANCEL_S = 30 * 86_400
# A read of live output waits a second for more.
_LEAST_TIMEOUT_S = 3.0


class Results:
    """The results in one Redis. May be used by several threads; each call for asyncio connects anew."""

    def __init__(self, backend: Address, within_s: float) -> None:
        self._backend = backend
        self._within_s = within_s
        self._timeout_s = max(within_s, _LEAST_TIMEOUT_S)
        self._redis = open_redis(backend, self._timeout_s)

    def find(self, task_id: str) -> Stored | None:
        """What is stored of a job, if it is over.

        Raises:
            BrokerUnreachable: Redis does not answer.
        """
        outage = self._outage()
        while True:
            try:
                return _ready(self._redis.get(_result_key(task_id)))
            except _ERRORS as error:
                time.sleep(outage.pause_s(error))

    def wait(self, task_id: str, timeout_s: float | None) -> Result:
        """The result of a job, once it is over. Raises what `Job.get` raises."""
        waiting = Waiting(timeout_s)
        while (found := self.find(task_id)) is None:
            time.sleep(waiting.pause_s())
        return _outcome(found)

    async def wait_async(self, task_id: str, timeout_s: float | None) -> Result:
        """The same, for asyncio."""
        waiting, outage, found = Waiting(timeout_s), self._outage(), None
        async with open_redis_async(self._backend, self._timeout_s) as redis:
            while found is None:
                try:
                    found = _ready(await redis.get(_result_key(task_id)))
                    outage.over()
                except _ERRORS as error:
                    await asyncio.sleep(outage.pause_s(error))
                else:
                    await asyncio.sleep(0 if found else waiting.pause_s())
        return _outcome(found)

    def follow(self, task_id: str, after: str) -> Iterator[LiveEntry]:
        """The live output of a job, until it is over. Raises what `Job.follow` raises."""
        reading, outage = Position(task_id, after), self._outage()
        while not reading.ended:
            try:
                entries = entries_in(
                    self._redis.xread(reading.position(), count=COUNT, block=reading.block_ms())
                )
                stored = None if entries else _ready(self._redis.get(_result_key(task_id)))
                held = bool(entries or self._redis.exists(reading.key))
                outage.over()
            except _ERRORS as error:
                time.sleep(outage.pause_s(error))
            else:
                yield from reading.take(entries) if entries else reading.nothing(stored, held=held)

    async def follow_async(self, task_id: str, after: str) -> AsyncIterator[LiveEntry]:
        """The same, for asyncio."""
        reading, outage = Position(task_id, after), self._outage()
        async with open_redis_async(self._backend, self._timeout_s) as redis:
            while not reading.ended:
                try:
                    entries = entries_in(
                        await redis.xread(reading.position(), count=COUNT, block=reading.block_ms())
                    )
                    stored = None if entries else _ready(await redis.get(_result_key(task_id)))
                    held = bool(entries or await redis.exists(reading.key))
                    outage.over()
                except _ERRORS as error:
                    await asyncio.sleep(outage.pause_s(error))
                else:
                    for entry in reading.take(entries) if entries else reading.nothing(stored, held=held):
                        yield entry

    def cancel(self, task_id: str) -> None:
        """Ask that a job end. Raises what `Job.cancel` raises."""
        outage = self._outage()
        while True:
            try:
                self._redis.eval(CANCEL, 2, f"cellblock.cancel:{task_id}", _result_key(task_id), _CANCEL_S)
            except _ERRORS as error:
                time.sleep(outage.pause_s(error))
            else:
                return

    def _outage(self) -> Outage:
        return Outage(self._backend, self._within_s, "CELLBLOCK_RESULT_BACKEND")


def _result_key(task_id: str) -> str:
    return f"celery-task-meta-{task_id}"


def _ready(payload: Any) -> Stored | None:  # noqa: ANN401  redis-py's
    """The stored outcome in a payload, if it is final."""
    stored = read_stored(payload) if payload else None
    return stored if stored and stored.is_ready else None


def _outcome(stored: Stored) -> Result:
    if not stored.is_readable:
        raise UnreadableResult("What is stored of the job is not what a worker writes.")
    if stored.failure:
        raise error_of(stored.failure)
    return read_result(stored.result)
