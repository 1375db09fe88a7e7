"""What Redis holds of the API's jobs: whose each is, whether it runs, and what came of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from api.body import LARGE_BYTES
from tasks.lease import lease_key
from tasks.live.place import live_backend, live_redis_async
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from api.budget import Share

__all__ = ["AT_ONCE", "Claim", "Store"]

#: How many connections to Redis it has at most.
AT_ONCE = 64
# A result is in memory as it is stored, as it is read, and as it is sent.
_COPIES = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose a job is, the digest of the body that asked for it, and whether it is known to be sent."""

    tenant: str
    digest: str
    sent: bool = False


class Store:
    """Asks Redis, with a bounded number of connections."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._turns = asyncio.Semaphore(AT_ONCE)
        settings = this_settings()
        self._kept_s = round(settings.result_expires + settings.longest.reap_s)

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Store]:
        """A store on the result backend."""
        async with live_redis_async() as redis:
            yield cls(redis)

    async def claim(self, job_id: str, claim: Claim) -> Claim:
        """Note whose a job is, before it is sent. Returns the earlier claim, if there is one.

        Raises:
            redis.exceptions.RedisError: there was no answer.
        """
        text = json.dumps(asdict(claim))
        async with self._turn():
            if await self._redis.set(_key(job_id), text, ex=self._kept_s, nx=True):
                return claim
            return _read(await self._redis.get(_key(job_id))) or claim

    async def note_sent(self, job_id: str, claim: Claim) -> None:
        """Note that the job of a claim was sent."""
        sent = Claim(claim.tenant, claim.digest, sent=True)
        async with self._turn():
            await self._redis.set(_key(job_id), json.dumps(asdict(sent)), ex=self._kept_s)

    async def drop(self, job_id: str) -> None:
        """Forget a job that was not sent."""
        async with self._turn():
            await self._redis.delete(_key(job_id))

    async def is_of(self, job_id: str, tenant: str) -> bool:
        """Whether a job is this tenant's. Whose it is is kept for longer with each look."""
        async with self._turn(), self._redis.pipeline(transaction=False) as commands:
            commands.get(_key(job_id))
            commands.expire(_key(job_id), self._kept_s)
            stored, _ = await commands.execute()
        claim = _read(stored)
        return claim is not None and claim.tenant == tenant

    async def payload(self, job_id: str, share: Share) -> bytes | None:
        """What is stored of a job's result, as Celery has it. None if nothing is.

        Raises:
            Problem: it is large, and there is no room for it now.
        """
        key = _result_key(job_id)
        async with self._turn():
            head: Any = await self._redis.getrange(key, 0, LARGE_BYTES - 1)
            if len(head) < LARGE_BYTES:
                return head or None
            share.take(_COPIES * await self._redis.strlen(key))
            whole: Any = await self._redis.get(key)
        return whole or None

    async def runs(self, job_id: str) -> bool:
        """Whether a worker runs the job."""
        async with self._turn():
            return bool(await self._redis.exists(lease_key(job_id)))

    async def answers(self, within_s: float) -> bool:
        """Whether Redis answers within so many seconds."""
        try:
            async with asyncio.timeout(within_s), self._turns:
                return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """A turn to ask Redis. It ends with TimeoutError if that takes too long: redis-py would try again."""
        async with asyncio.timeout(this_settings().publish_timeout), self._turns:
            yield


def _key(job_id: str) -> str:
    return f"cellblock.api.job:{job_id}"


def _result_key(job_id: str) -> Any:  # noqa: ANN401  text or bytes
    return live_backend().get_key_for_task(job_id)


def _read(stored: bytes | str | None) -> Claim | None:
    try:
        about = json.loads(stored or b"")
        return Claim(str(about["tenant"]), str(about["digest"]), about["sent"] is True)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
