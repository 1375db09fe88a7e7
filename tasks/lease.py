"""Who runs a job: a lease in Redis, so that a message that is delivered twice starts no second cell."""

from __future__ import annotations

import os
import threading
import time
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tasks._app import app
from tasks.patience import patiently
from tasks.redis_script import RedisScript
from tasks.results import result_redis
from tasks.settings import this_settings

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["Answer", "Lease", "ask_to_cancel", "drop_lease_of", "is_leased", "leased_cell", "result_redis"]

# As long as a job may wait, for what its publisher knows: a wish that it be cancelled must outlast that.
_WISH_S = 30 * 86_400
# A holder gives up by its own clock when this part of the lease is left, which is what a kill may take.
_SAFETY = 1 / 4

_ACQUIRE, _RENEW, _CLAIM, _RELEASE, _DROP, _CANCEL = (
    RedisScript("lease_functions", f"lease_{name}")
    for name in ("acquire", "renew", "claim", "release", "drop", "cancel")
)


class Answer(StrEnum):
    """What Redis says to somebody who wants to run a job, or runs it."""

    GRANTED = "granted"
    HELD = "held"
    DONE = "done"
    CANCELLED = "cancelled"
    LOST = "lost"


@dataclass(slots=True, eq=False)
class Lease:
    """The lease of one task for one process, which `worker` names.

    `begun` counts, once it is granted, this time and those before it that never came to an orderly end.
    A holder that could not renew it in time has lost it by its own clock, before anybody else can get it.
    """

    redis: Redis
    task_id: str
    worker: str
    begun: int = 0
    cell: str = ""
    _token: str = field(default_factory=lambda: uuid.uuid4().hex)
    # The holder that this one was before it lost the lease: nobody else may count or wait for it.
    _before: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _answer: Answer = Answer.LOST
    _until: float = 0.0

    def acquire(self) -> Answer:
        """Ask for the lease, until Redis answers. It is held with GRANTED, and with CANCELLED too."""
        kept_s = this_settings().longest.reap_s
        answer, begun = patiently(lambda: self._ask(_ACQUIRE, self._before, round(kept_s)))
        if answer in (Answer.GRANTED, Answer.CANCELLED):
            self.begun, self._before = begun, ""
        return Answer(answer)

    def renew(self) -> Answer:
        """Keep it. `LOST` when it is somebody else's or nobody's by now, `CANCELLED` when it is not wanted.

        Raises:
            redis.exceptions.RedisError: there was no answer.
        """
        if self.answer is not Answer.LOST:
            self._ask(_RENEW, self.cell)
        return self.answer

    def claim(self) -> Answer:
        """Ask for it once more when the job's cell is gone, until Redis answers: may its result be stored?

        GRANTED also where the lease ran out since, and nobody else has begun.
        """
        return Answer(patiently(lambda: self._ask(_CLAIM))[0])

    @property
    def answer(self) -> Answer:
        """What Redis said last; `LOST` for good, once it could not be renewed in time."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._answer = Answer.LOST
            return self._answer

    def lose(self) -> None:
        """Be somebody else from now on, who may ask for it anew; what was lost counts as never begun."""
        with self._lock:
            self._before, self._token = self._holder, uuid.uuid4().hex
            self._answer, self._until = Answer.LOST, 0.0

    def release(self, *, done: bool) -> None:
        """Give it back: with all that is kept for the task, if it is `done`; else as if never begun.

        To do it again has no effect.

        Raises:
            redis.exceptions.RedisError: there was no answer, and the lease has to run out.
        """
        with self._lock:
            self._answer, self._until = Answer.LOST, 0.0
        _RELEASE(self.redis, _keys(self.task_id), self._holder, "done" if done else "undone")

    def _ask(self, script: RedisScript, *args: str | int) -> tuple[str, int]:
        """The answer to one call, which counts from when it was sent."""
        asked = time.monotonic()
        keys = [*_keys(self.task_id), _result_key(self.task_id)]
        lease_s = this_settings().lease_s
        said = script(self.redis, keys, self._holder, round(lease_s * 1000), *args)
        answer = Answer(_text(said[0]))
        with self._lock:
            if script is not _RENEW or self._answer is not Answer.LOST:
                self._answer = answer
            self._until = asked + lease_s * (1 - _SAFETY)
        return answer, int(said[1])

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
    _DROP(redis, _keys(task_id), _process(worker, pid))


def ask_to_cancel(redis: Redis, task_id: str) -> None:
    """Have the task not start, or end at once; nothing, if it has its result.

    The wish is kept for 30 days, or as long as results are, if that is longer.
    """
    kept_s = max(_WISH_S, round(this_settings().result_expires))
    _CANCEL(redis, [_keys(task_id)[2], _result_key(task_id)], kept_s)


def _keys(task_id: str) -> list[str]:
    return [f"cellblock.{kind}:{task_id}" for kind in ("lease", "attempts", "cancel", "turns")]


def _result_key(task_id: str) -> str:
    backend: Any = app.backend
    return _text(backend.get_key_for_task(task_id))


def _process(worker: str, pid: int) -> str:
    return f"{worker}|{pid}|"


def _text(value: Any) -> str:  # noqa: ANN401
    return value.decode() if isinstance(value, bytes) else str(value)
