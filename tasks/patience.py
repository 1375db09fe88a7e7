"""Waits for a Redis that is away for now: `is_away` classifies its errors, and `patiently` repeats a call."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import TimeoutError as RedisSilent
from redis.retry import Retry

from tasks.pool.resting_limits import limits
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PatientRetry", "guard_event_loop", "is_away", "may_wait", "patiently", "refuses_writes"]

_log = logging.getLogger("cellblock.redis")

T = TypeVar("T")

# redis-py raises a `ConnectionError` also while Redis loads, for a wrong password and for too many clients.
_AWAY = (
    RedisGone,
    RedisSilent,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
# redis-py has no class for the other codes. In the error of a script the code is not at the start.
_CODES = re.compile(
    r"(?:^|[\s-])(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOAUTH|NOPERM|NOREPLICAS|OOM|READONLY|TRYAGAIN"
    r"|UNBLOCKED|WRONGPASS)\b"
)
_NO_ROOM = re.compile(r"\b(OOM|MISCONF|NOREPLICAS)\b")
# A pipeline's error begins with the command, which contains what a job wrote. The cause follows this.
_CAUSE = " caused error: "
_HEAD = 300

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_LOOP_PATIENCE_S = 2.0


def is_away(error: BaseException) -> bool:
    """Whether a Redis that raises this is expected back: it restarts, fails over, is full, or read-only."""
    if isinstance(error, _AWAY):
        return True
    if not isinstance(error, ResponseError):
        return False
    return bool(_CODES.search(str(error).rpartition(_CAUSE)[2][:_HEAD]))


def refuses_writes(error: BaseException) -> bool:
    """Whether Redis refuses a write because its memory is full, its disk fails or its replicas are missing.

    The refused command has changed nothing, and a new connection would not help.
    """
    return is_away(error) and bool(_NO_ROOM.search(f"{getattr(error, 'status_code', '')} {error}"[:_HEAD]))


def patiently(call: Callable[[], T], within_s: float | None = None) -> T:
    """Repeat `call` until its Redis is there, and return what it returns. The job's limits rest meanwhile.

    After `within_s` seconds, by default as long as a result is kept, the error of `call` is raised. The event
    loop of a worker never waits for more than two seconds.
    """
    with _calls as is_outermost:
        until: float | None = None
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                answer = call()
            except Exception as error:
                if not is_away(error):
                    raise
                _outage.lasts(error)
                limits.suspend()
                now = time.monotonic()
                until = now + _bound_s(within_s) if until is None else until
                if now + pause_s > until:
                    raise
            else:
                if is_outermost:
                    _outage.is_over()
                return answer
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class PatientRetry(Retry):
    """Calls every command of a redis-py client with `patiently`, such as those of the result backend."""

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 0)

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., object],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,  # noqa: FBT001, FBT002  redis-py's own
    ) -> T:
        """Return what `do` returns. After each error, call `fail`, which closes the connection."""
        failures = 0

        def once() -> T:
            nonlocal failures
            try:
                return do()
            except Exception as error:
                if is_away(error) and (is_retryable is None or is_retryable(error)):
                    failures += 1
                    fail(error, failures) if with_failure_count else fail(error)
                raise

        return patiently(once)

    def __deepcopy__(self, memo: object) -> PatientRetry:
        """Return this object: it has no state."""
        return self


def guard_event_loop() -> None:
    """Note that this thread of this process is a worker's event loop, which must not wait."""
    _loop.update(process=os.getpid(), thread=threading.get_ident())


_loop: dict[str, int] = {}


def may_wait() -> bool:
    """Whether this process or thread belongs to a worker and is not the worker's event loop."""
    return bool(_loop) and _loop != {"process": os.getpid(), "thread": threading.get_ident()}


def _bound_s(within_s: float | None) -> float:
    if _loop and not may_wait():
        return _LOOP_PATIENCE_S
    return this_settings().result_expires if within_s is None else within_s


class _Calls(threading.local):
    """Counts the nested patient calls of this thread. Only the outermost shows that an outage is over.

    An inner call may be one that only connects. The outer one has no answer yet.
    """

    depth = 0

    def __enter__(self) -> bool:
        self.depth += 1
        return self.depth == 1

    def __exit__(self, *exc_info: object) -> None:
        self.depth -= 1


_calls = _Calls()


class _Outage:
    """Logs one line when Redis goes away and one when it is back, not one for each of thousands of tries.

    It never logs the text of the error, which may contain what was to be stored.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began: float | None = None
        self._tries = 0

    def lasts(self, error: BaseException) -> None:
        with self._lock:
            self._tries += 1
            if self._began is None:
                self._began = time.monotonic()
                name = type(error).__name__
                _log.warning("Redis is away for now (%s): what needs it waits until it is back", name)

    def is_over(self) -> None:
        if self._began is None:
            return
        with self._lock:
            if self._began is not None:
                lasted_s = time.monotonic() - self._began
                _log.warning("Redis is back after %.1f s and %d tries", lasted_s, self._tries)
                self._began, self._tries = None, 0


_outage = _Outage()
