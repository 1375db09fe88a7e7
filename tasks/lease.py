"""Who runs a job: a lease in Redis, so that a message that is delivered twice starts no second cell."""

from __future__ import annotations

import os
import threading
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import TimeoutError as RedisSilent
from redis.retry import Retry

from tasks._app import app
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

__all__ = ["Answer", "Lease", "ask_to_cancel", "drop_lease_of", "is_leased", "leased_cell", "result_redis"]

# The result comes first: a job that has one is never run again. Then cancellation, then who was here first.
_ACQUIRE = """
local state = string.match(redis.call('GETRANGE', KEYS[4], 0, 40), '"status": "(%u+)"')
if state == 'SUCCESS' or state == 'FAILURE' or state == 'REVOKED' then return {'done', 0} end
if redis.call('EXISTS', KEYS[3]) == 1 then return {'cancelled', 0} end
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then return {'held', 0} end
redis.call('HSET', KEYS[1], 'holder', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if not holder then redis.call('INCR', KEYS[2]) end
redis.call('EXPIRE', KEYS[2], ARGV[3])
return {'granted', tonumber(redis.call('GET', KEYS[2]))}
"""
_RENEW = """
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then return 'lost' end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'cell', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('EXISTS', KEYS[2]) == 1 and 'cancelled' or 'granted'
"""
_RELEASE = """
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and string.sub(holder, 1, string.len(ARGV[1])) ~= ARGV[1] then return end
if ARGV[2] == 'done' then return redis.call('DEL', unpack(KEYS)) end
redis.call('DEL', KEYS[1])
if redis.call('DECR', KEYS[2]) <= 0 then redis.call('DEL', KEYS[2]) end
"""


class Answer(StrEnum):
    """What Redis says to somebody who wants to run a job, or runs it."""

    GRANTED = "granted"
    HELD = "held"
    DONE = "done"
    CANCELLED = "cancelled"
    LOST = "lost"


@cache
def result_redis() -> Redis | None:
    """The Redis that results go to; None where they go somewhere else, and leases are not to be had."""
    client = getattr(app.backend, "client", None)
    return client if type(client).__module__.startswith("redis") else None


@dataclass(slots=True, eq=False)
class Lease:
    """The lease of one task for one process, which `worker` names.

    `begun` counts, once it is granted, this time and those before it that never came to an orderly end.
    """

    redis: Redis
    task_id: str
    worker: str
    begun: int = 0
    cell: str = ""
    _token: str = field(default_factory=lambda: uuid.uuid4().hex)
    # Renewed in one thread and released in another: a renewal that came late would take it anew.
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _released: bool = False

    def acquire(self) -> Answer:
        """Ask for the lease.

        Raises:
            redis.exceptions.RedisError: there was no answer within a margin.
        """
        keys = [*_keys(self.task_id), _result_key(self.task_id)]
        ttl_s = this_settings().longest.reap_s
        answer, begun = _call(self.redis, _ACQUIRE, keys, self._holder, _lease_ms(), round(ttl_s))
        self.begun = begun
        return Answer(_text(answer))

    def renew(self) -> Answer:
        """Keep it. `LOST` when somebody else has it by now, `CANCELLED` when the job is not wanted.

        Raises:
            redis.exceptions.RedisError: there was no answer.
        """
        lease, _, cancel = _keys(self.task_id)
        with self._lock:
            if self._released:
                return Answer.LOST
            said = self.redis.eval(_RENEW, 2, lease, cancel, self._holder, _lease_ms(), self.cell)
        return Answer(_text(said))

    def release(self, *, done: bool) -> None:
        """Give it back: with all that is kept for the task, if it is `done`; else as if never begun."""
        with self._lock:
            self._released = True
            _call(self.redis, _RELEASE, _keys(self.task_id), self._holder, "done" if done else "undone")

    @property
    def _holder(self) -> str:
        return f"{_process(self.worker, os.getpid())}{self._token}"


def is_leased(redis: Redis, task_id: str) -> bool:
    """Whether a process runs the task."""
    return bool(redis.exists(_keys(task_id)[0]))


def leased_cell(redis: Redis, task_id: str) -> str | None:
    """The container that the task runs in, if it has been running for a moment."""
    name = redis.hget(_keys(task_id)[0], "cell")
    return _text(name) or None if name else None


def drop_lease_of(redis: Redis, task_id: str, worker: str, pid: int) -> None:
    """Take the lease from a process that has died: nobody waits until it runs out, and Celery counts this."""
    redis.eval(_RELEASE, 3, *_keys(task_id), _process(worker, pid), "undone")


def ask_to_cancel(redis: Redis, task_id: str) -> None:
    """Have the task not start, or end at once. It is forgotten when the longest job would be over."""
    redis.set(_keys(task_id)[2], 1, ex=round(this_settings().longest.reap_s))


def _keys(task_id: str) -> list[str]:
    return [f"cellblock.{kind}:{task_id}" for kind in ("lease", "attempts", "cancel")]


def _result_key(task_id: str) -> str:
    backend: Any = app.backend
    return _text(backend.get_key_for_task(task_id))


def _process(worker: str, pid: int) -> str:
    return f"{worker}|{pid}|"


def _lease_ms() -> int:
    """Shorter than it takes the others to notice that a worker is gone, so that no job waits for this too."""
    return round(this_settings().margin * 1000 * 2 / 3)


def _call(redis: Redis, script: str, keys: Sequence[str], *args: object) -> Any:  # noqa: ANN401
    """Patiently: a broker that restarts is back within seconds, and a job must not fail of that."""
    waits = Retry(ExponentialBackoff(cap=1.0, base=0.05), round(this_settings().margin))
    return waits.call_with_retry(
        lambda: redis.eval(script, len(keys), *keys, *args),  # type: ignore[arg-type]
        lambda _: None,
        (RedisGone, RedisSilent),  # type: ignore[arg-type]
    )


def _text(value: Any) -> str:  # noqa: ANN401
    return value.decode() if isinstance(value, bytes) else str(value)
