"""Sends the jobs of one tenant, waits for them and cancels them, without blocking the event loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from api.caps import Caps
from api.mcp.in_thread import in_thread
from api.outage import note_outage
from sandbox import parse_job
from tasks import run_sandboxed
from tasks.headers import LIVE, TENANT
from tasks.lease import ask_to_cancel, lease_key
from tasks.live.place import live_backend, live_redis_async
from tasks.redis_client import open_redis
from tasks.results.reader import read_stored
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from redis.asyncio import Redis

    from tasks.results.reader import Stored

__all__ = ["Jobs"]

_FIRST_LOOK_S, _LATER_LOOK_S, _AGAIN_S = 0.01, 0.25, 1.0
# A longer result is parsed in a thread.
_LARGE_BYTES = 256 << 10


class Jobs:
    """The jobs of one tenant; "" for jobs that name none."""

    def __init__(self, redis: Redis, tenant: str, caps: Caps) -> None:
        self._redis = redis
        self.tenant = tenant
        self._caps = caps

    @classmethod
    @asynccontextmanager
    async def open(cls, tenant: str, caps: Caps | None = None) -> AsyncIterator[Jobs]:
        """The jobs of a tenant, on connections of its own. `caps`: what each may use at most."""
        async with live_redis_async() as redis:
            yield cls(redis, tenant, caps or Caps())

    async def send(self, job_id: str, request: Mapping[str, Any], *, live: bool) -> None:
        """Send a job under this id. `live`: keep its output while it runs.

        Raises:
            InvalidJob: the request is refused.
            QueueFull: as many jobs wait as the operator allows.
            BrokerUnreachable: the broker does not answer.
        """
        headers = {LIVE: live, **({TENANT: self.tenant} if self.tenant else {})}
        await in_thread(lambda: self._send(job_id, request, headers))

    def _send(self, job_id: str, request: Mapping[str, Any], headers: dict[str, Any]) -> None:
        kwargs = dict(request)
        if self._caps.most:
            job = parse_job(**kwargs, settings=this_settings(), catalogue=this_catalogue())
            kwargs = self._caps.lower(kwargs, job.limits)
        run_sandboxed.apply_async(kwargs=kwargs, headers=headers, task_id=job_id)

    async def look(self, job_id: str) -> Stored | None:
        """What is stored of a job that is over. None if it is not.

        Raises:
            redis.exceptions.RedisError, TimeoutError: there was no answer.
        """
        async with _in_time():
            payload = await self._redis.get(live_backend().get_key_for_task(job_id))
        if not payload:
            return None
        large = len(payload) > _LARGE_BYTES
        stored = await in_thread(lambda: read_stored(payload)) if large else read_stored(payload)
        return stored if stored.is_ready else None

    async def ended(self, job_id: str) -> Stored:
        """What is stored of a job, once it is over. Waits for Redis, too."""
        rest_s = _FIRST_LOOK_S
        while True:
            try:
                if stored := await self.look(job_id):
                    return stored
            except (RedisError, OSError) as error:
                note_outage(error)
                await asyncio.sleep(_AGAIN_S)
            await asyncio.sleep(rest_s)
            rest_s = min(1.2 * rest_s, _LATER_LOOK_S)

    async def runs(self, job_id: str) -> bool:
        """Whether a worker runs the job.

        Raises:
            redis.exceptions.RedisError, TimeoutError: there was no answer.
        """
        async with _in_time():
            return bool(await self._redis.exists(lease_key(job_id)))

    async def cancel(self, job_id: str) -> None:
        """Ask that a job end, or not start.

        Raises:
            redis.exceptions.RedisError: there was no answer.
        """
        await in_thread(lambda: _cancel(job_id))


def _cancel(job_id: str) -> None:
    """The same as `tasks.cancel`, which waits for half a minute for a Redis that hangs."""
    settings = this_settings()
    with open_redis(settings.results, within_s=settings.publish_timeout) as client:
        ask_to_cancel(client, job_id)


def _in_time() -> asyncio.Timeout:
    """Raises TimeoutError if Redis does not answer soon: redis-py would try again."""
    return asyncio.timeout(this_settings().publish_timeout)
