"""Tells waiting requests that a result has arrived. All of them share one connection to Redis."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from api.ending import end
from api.outage import note_outage
from tasks.live.place import live_backend, live_redis_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

__all__ = ["Arrival", "Arrivals"]

_log = logging.getLogger("cellblock.api")

# Nobody publishes here. A connection that hears of no channel can't be read.
_NO_CHANNEL = "cellblock.api.nothing"
_READ_S = 5.0
_AGAIN_S = 0.5
# The connection has no stream yet, or two tasks read from one.
_RENEWED = (AttributeError, RuntimeError)


class Arrival:
    """What one waiter is told: there may be a result, or this is one."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._payload: bytes | None = None

    def tell(self, payload: bytes | None) -> None:
        """Wake the waiter, with what was published, if that is what happened."""
        self._payload = payload or self._payload
        self._news.set()

    async def wait(self, within_s: float) -> bytes | None:
        """What was published. None: it is time to look, since the waiter was woken, or has waited so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), within_s)
        self._news.clear()
        payload, self._payload = self._payload, None
        return payload


class Arrivals:
    """Hears of the results that Redis publishes, and wakes those who wait for them.

    They are also woken when the subscription begins, at first and after a lost connection, since what was
    published before that is not heard: then they look. Redis ends the connection of a subscriber to which it
    publishes a result that is too large.

    Two tasks use the connection. While one renews a lost one, redis-py raises an error of `_RENEWED` in the
    other. A request that had such an error is not heard of, so the subscription begins anew.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: dict[str, set[Arrival]] = defaultdict(set)
        # Its types are incomplete. None while there is no connection.
        self._heard: Any = None
        self._is_complete = True

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Arrivals]:
        """Listens for as long as the context lasts."""
        async with live_redis_async() as redis:
            arrivals = cls(redis)
            listening = asyncio.create_task(arrivals._listen())
            try:
                yield arrivals
            finally:
                await end(listening)

    @asynccontextmanager
    async def of(self, job_id: str) -> AsyncIterator[Arrival]:
        """The arrival of a job's result. Nothing is told while Redis can't be heard."""
        channel, arrival = _channel(job_id), Arrival()
        self._waiting[channel].add(arrival)
        try:
            await self._tell("subscribe", channel)
            yield arrival
        finally:
            self._waiting[channel].discard(arrival)
            if not self._waiting[channel]:
                del self._waiting[channel]
                await self._tell("unsubscribe", channel)

    async def _tell(self, command: str, channel: str) -> None:
        if self._heard is None:
            return
        try:
            await getattr(self._heard, command)(channel)
        except (RedisError, OSError, *_RENEWED) as error:
            self._is_complete = False
            _log.debug("Redis did not take %s: %s", command, type(error).__name__)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as heard:
                    await self._subscribe(heard)
                    while self._is_complete:
                        self._wake(await heard.get_message(timeout=_READ_S))
            except _RENEWED as error:
                _log.info("The subscription is lost, and begins anew: %s", error)
            except (RedisError, OSError) as error:
                note_outage(error)
            finally:
                self._heard = None
            await asyncio.sleep(_AGAIN_S)

    async def _subscribe(self, heard: Any) -> None:  # noqa: ANN401
        """Subscribe to all that is waited for, also to what is added meanwhile."""
        asked, self._is_complete = {_NO_CHANNEL}, True
        await heard.subscribe(_NO_CHANNEL)
        while missing := set(self._waiting) - asked:
            await heard.subscribe(*missing)
            asked |= missing
        self._heard = heard

    def _wake(self, message: dict[str, Any] | None) -> None:
        if message and message["type"] in ("message", "subscribe"):
            payload = message["data"] if message["type"] == "message" else None
            for arrival in self._waiting.get(message["channel"].decode(), ()):
                arrival.tell(payload)


def _channel(job_id: str) -> str:
    key: str | bytes = live_backend().get_key_for_task(job_id)
    return key.decode() if isinstance(key, bytes) else key
