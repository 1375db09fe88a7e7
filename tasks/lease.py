"""Leases: a key in Redis says which process runs a job, so that a second delivery starts no second cell."""

from __future__ import annotations

import os
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from tasks._app import app
from tasks.patience import patiently
from tasks.redis_script import RedisScript, Sent
from tasks.settings import this_settings

if TYPE_CHECKING:
    from redis import Redis

    from tasks.results.outcome import Outcome

__all__ = [
    "Answer",
    "Lease",
    "ask_to_cancel",
    "drop_lease_of",
    "is_leased",
    "lease_key",
    "leased_cell",
    "store_outcome",
]

# A cancel request must outlast the time that a job may wait in its queue, which its publisher does not know.
_WISH_S = 30 * 86_400
# A holder gives up by its own clock when this part of the lease is left. To kill its cell may take that long.
_SAFETY = 1 / 4

_ACQUIRE, _RENEW, _CLAIM, _STORE, _RELEASE, _DROP, _CANCEL = (
    RedisScript("lease_functions", f"lease_{name}")
    for name in ("acquire", "renew", "claim", "store", "release", "drop", "cancel")
)


class Answer(StrEnum):
    """What Redis answers to a process that wants to run a job, or runs it."""

    GRANTED = "granted"
    HELD = "held"
    DONE = "done"
    CANCELLED = "cancelled"
    LOST = "lost"


@dataclass(slots=True, eq=False)
class Lease:
    """The lease of one task for this process, which belongs to `worker`.

    Once granted, `begun` is the number of attempts that did not end in an orderly way, this one included. A
    holder that could not renew the lease in time has lost it by its own clock, before another can get it.
    """

    redis: Redis
    task_id: str
    worker: str
    begun: int = 0
    cell: str = ""
    _token: str = field(default_factory=lambda: uuid.uuid4().hex)
    # This process's holder name before it lost the lease. With the next request Redis stops counting that
    # attempt, and a lease in that name does not make this process wait.
    _before: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _answer: Answer = Answer.LOST
    _until: float = 0.0
    # When the request was sent whose answer `acquire` is to read.
    _sent_at: float = 0.0
    _sent: Sent | None = None

    def request(self) -> None:
        """Send the request for the lease. `acquire` then reads the answer, or asks again if there is none."""
        self._sent_at = time.monotonic()
        with suppress(RedisError):
            self._sent = _ACQUIRE.send(self.redis, self._keys, *self._arguments(*self._attempt))

    def acquire(self) -> Answer:
        """Ask for the lease until Redis answers. After GRANTED this process holds it, after CANCELLED too."""
        answer, begun = patiently(self._acquire)
        if answer in (Answer.GRANTED, Answer.CANCELLED):
            self.begun, self._before = begun, ""
        return Answer(answer)

    def renew(self) -> Answer:
        """Extend the lease. `LOST` if this process holds it no longer, `CANCELLED` if the job is cancelled.

        Raises:
            redis.exceptions.RedisError: there was no answer.
        """
        if self.answer is not Answer.LOST:
            self._ask(_RENEW, self.cell)
        return self.answer

    def claim(self) -> Answer:
        """Ask, once the job's cell is gone, whether its result may be stored. Repeat until Redis answers.

        It is GRANTED also if the lease has run out since, but no other process holds it.
        """
        return Answer(patiently(lambda: self._ask(_CLAIM))[0])

    def store(self, outcome: Outcome) -> Answer:
        """Store the job's result and give the lease back, in one step. Repeat until Redis answers.

        GRANTED if it is stored. A lease that has run out does not prevent that, if no other process holds it.
        """
        answer = patiently(lambda: store_outcome(self.redis, self.task_id, outcome, self._holder))
        if answer is Answer.GRANTED:
            with self._lock:
                self._answer, self._until = Answer.LOST, 0.0
        return answer

    @property
    def answer(self) -> Answer:
        """The last answer of Redis. `LOST` for good, once the lease could not be renewed in time."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._answer = Answer.LOST
            return self._answer

    def lose(self) -> None:
        """Take a new holder name, which may `acquire` the lease. The attempt that was lost does not count."""
        with self._lock:
            self._before, self._token = self._holder, uuid.uuid4().hex
            self._answer, self._until = Answer.LOST, 0.0

    def release(self, *, done: bool) -> None:
        """Give the lease back. If `done`, delete all keys of the task. Else this attempt does not count.

        Doing it again has no effect.

        Raises:
            redis.exceptions.RedisError: there was no answer. The lease then runs out.
        """
        if sent := self._taken():
            # Else Redis might receive this request before that one.
            sent.answer()
        with self._lock:
            self._answer, self._until = Answer.LOST, 0.0
        _RELEASE(self.redis, _keys(self.task_id), self._holder, "done" if done else "undone")

    def _acquire(self) -> tuple[str, int]:
        """Read the answer to the request that was sent, if there is one. Else ask."""
        if sent := self._taken():
            return self._note(_ACQUIRE, self._sent_at, sent.answer())
        return self._ask(_ACQUIRE, *self._attempt)

    def _taken(self) -> Sent | None:
        sent, self._sent = self._sent, None
        return sent

    def _ask(self, script: RedisScript, *args: str | int) -> tuple[str, int]:
        """Run `script` once and return its answer."""
        asked = time.monotonic()
        return self._note(script, asked, script(self.redis, self._keys, *self._arguments(*args)))

    def _note(self, script: RedisScript, asked: float, said: Any) -> tuple[str, int]:  # noqa: ANN401
        """Keep the answer to a request. The lease counts from when the request was sent."""
        answer = Answer(_text(said[0]))
        with self._lock:
            if script is not _RENEW or self._answer is not Answer.LOST:
                self._answer = answer
            self._until = asked + this_settings().lease_s * (1 - _SAFETY)
        return answer, int(said[1])

    @property
    def _keys(self) -> list[str]:
        return [*_keys(self.task_id), _result_key(self.task_id)]

    def _arguments(self, *args: str | int) -> tuple[str | int, ...]:
        return (self._holder, round(this_settings().lease_s * 1000), *args)

    @property
    def _attempt(self) -> tuple[str, int]:
        """What a request for the lease says of this attempt: who has lost it, and how long it counts."""
        return self._before, round(this_settings().longest.reap_s)

    @property
    def _holder(self) -> str:
        return f"{_process(self.worker, os.getpid())}{self._token}"


def store_outcome(redis: Redis, task_id: str, outcome: Outcome, holder: str = "") -> Answer:
    """Store the result of a task, and delete its lease, if `holder` or nobody has that.

    Raises:
        redis.exceptions.RedisError: there was no answer.
    """
    keys = [*_keys(task_id), _result_key(task_id)]
    said = _STORE.send(redis, keys, holder, outcome.payload, outcome.kept_s).answer()
    return Answer(_text(said[0]))


def lease_key(task_id: str) -> str:
    """The key that is there while a process runs the task."""
    return _keys(task_id)[0]


def is_leased(redis: Redis, task_id: str) -> bool:
    """Whether a process runs the task."""
    return bool(redis.exists(lease_key(task_id)))


def leased_cell(redis: Redis, task_id: str) -> str | None:
    """The container that the task runs in. None until the first renewal after its cell was made."""
    name = redis.hget(lease_key(task_id), "cell")
    return _text(name) or None if name else None


def drop_lease_of(redis: Redis, task_id: str, worker: str, pid: int) -> None:
    """Delete the lease of a dead process, so that no other waits for it to run out.

    Its attempt is no longer counted with the lease: Celery counts it as a retry.
    """
    _DROP(redis, _keys(task_id), _process(worker, pid))


def ask_to_cancel(redis: Redis, task_id: str) -> None:
    """Request that the task does not start, or ends at once. No effect if it has its result.

    The request is kept for 30 days, or as long as results are, if that is longer.
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
