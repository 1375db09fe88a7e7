"""One job of a session, from its sending to its end."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any

from api.ending import end
from api.mcp.newest_output import NewestOutput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from api.mcp.jobs import Jobs
    from tasks.results.reader import Stored

__all__ = ["Job"]

_STOP_S = 5.0
_TICK_S = 1.0


class Job:
    """A job that is watched until it ends, whoever waits for it.

    `then` is called once it has ended, with its result. `last` is called in any case, also for a job that was
    given up.
    """

    def __init__(
        self, jobs: Jobs, then: Callable[[Mapping[str, Any]], None], last: Callable[[], None]
    ) -> None:
        self.id = str(uuid.uuid4())
        self.newest = NewestOutput()
        self.stored: Stored | None = None
        #: Why its files were not kept, if so.
        self.not_kept = ""
        self._jobs = jobs
        self._then, self._last = then, last
        self._began_s = time.monotonic()
        self._watching: asyncio.Task[None] | None = None

    async def send(self, request: Mapping[str, Any], *, live: bool) -> None:
        """Send it, and watch it from now on.

        Raises:
            CellblockError: it could not be sent.
        """
        try:
            await self._jobs.send(self.id, request, live=live)
        except BaseException:
            self._last()
            raise
        self._watching = asyncio.create_task(self._watch(live=live))

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or was given up."""
        return self._watching is None or self._watching.done()

    @property
    def seconds(self) -> float:
        """How long ago it was sent."""
        return time.monotonic() - self._began_s

    async def wait(self, until_s: float, tick: Callable[[], Awaitable[None]] | None = None) -> bool:
        """Whether it is over by this time of the monotonic clock. `tick` is called each second until then."""
        while self._watching and not self._watching.done():
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return False
            await asyncio.wait([self._watching], timeout=min(left_s, _TICK_S))
            if tick and not self.is_over:
                await tick()
        return True

    async def stop(self) -> None:
        """Cancel it. A job that does not end within five seconds is given up: it will not start any more.

        Raises:
            redis.exceptions.RedisError: Redis was not told.
        """
        if self.stored:
            return
        await self._jobs.cancel(self.id)
        if self._watching:
            await asyncio.wait([self._watching], timeout=_STOP_S)
        await self.give_up()

    async def give_up(self) -> None:
        """Watch it no longer."""
        if self._watching:
            await end(self._watching)

    async def _watch(self, *, live: bool) -> None:
        following = asyncio.create_task(self.newest.follow(self.id)) if live else None
        try:
            self.stored = await self._jobs.ended(self.id)
            if isinstance(self.stored.result, dict):
                self._then(self.stored.result)
        finally:
            self._last()
            if following:
                await end(following)
