"""Celery's pool of processes, with limits that rest, and with messages to the parent that are whole."""

from __future__ import annotations

import logging
import signal
import time
from importlib import import_module
from typing import Any

from billiard.pool import ACK, SIG_SOFT_TIMEOUT
from celery.concurrency import prefork
from celery.signals import worker_init

from tasks.limits import RESUME, SUSPEND, limits
from tasks.patience import guard_event_loop
from tasks.settings import this_settings

__all__ = ["Pool"]

# By its name: the stubs of Celery know too little of it.
asynpool: Any = import_module("celery.concurrency.asynpool")

_log = logging.getLogger("cellblock.pool")


class _Worker(asynpool.Worker):  # type: ignore[misc]
    """A pool process. Whole messages leave it, or none."""

    def after_fork(self) -> None:
        """Called by billiard in the new process."""
        super().after_fork()
        put = self.outq.put

        def whole(message: Any) -> None:  # noqa: ANN401
            """A signal whose handler raises would leave half of it, and all that follow would be garbage."""
            if message[0] == ACK:
                limits.accepted(message[1][0])
            before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
            try:
                put(message)
            finally:
                signal.signal(signal.SIGTERM, before)

        self.outq.put = whole
        limits.attach(whole)
        signal.signal(SIG_SOFT_TIMEOUT, limits.strike)


class Pool(asynpool.AsynPool):  # type: ignore[misc]
    """The parent's side."""

    Worker = _Worker

    def create_result_handler(self) -> Any:  # noqa: ANN401  Celery's own
        """Hear of limits that are to rest, too."""
        handler = super().create_result_handler()
        handler.state_handlers.update({SUSPEND: self._suspend, RESUME: self._resume})
        return handler

    def _suspend(self, job: int) -> None:
        result = self._cache.get(job)
        if result is None:
            return
        if not hasattr(result, "own_limits"):
            result.own_limits = (result._soft_timeout, result._timeout)  # noqa: SLF001  billiard's own
        self._rearm(result, None, this_settings().result_expires)
        # At a shutdown billiard reckons by these, and 0 is no limit.
        result._soft_timeout = result._timeout = 0  # noqa: SLF001

    def _resume(self, job: int) -> None:
        result = self._cache.get(job)
        if result is None:
            return
        result._soft_timeout, result._timeout = result.own_limits  # noqa: SLF001
        result._time_accepted = time.monotonic()  # noqa: SLF001
        self._rearm(result, *result.own_limits)

    def flush(self) -> None:
        """Called by Celery when the broker is gone: it forgets each job that no process has begun.

        One that was written to a process runs all the same, so it stays known: it has its limits, and a
        shutdown ends it.
        """
        written = [one for one in self._cache.values() if one._write_to and not one._accepted]  # noqa: SLF001
        for job in written:
            job._accepted = True  # noqa: SLF001
        try:
            super().flush()
        finally:
            for job in written:
                # Its process may have said so meanwhile.
                job._accepted = job._worker_pid is not None  # noqa: SLF001

    def _rearm(self, result: Any, soft_s: float | None, hard_s: float | None) -> None:  # noqa: ANN401
        self.on_timeout_cancel(result)
        self.on_timeout_set(result, soft_s, hard_s)

    def process_flush_queues(self, proc: Any) -> None:  # noqa: ANN401
        """Read what a process that ended has left in its pipe, unless it was killed in the middle of it."""
        handler = self._result_handler
        if not proc.outq._reader.closed and handler._finish_partial_read(proc.outqR_fd, proc):  # noqa: SLF001
            return
        try:
            super().process_flush_queues(proc)
        except Exception as error:  # noqa: BLE001  unpickling garbage raises anything
            _log.warning("A process was killed while it wrote to its parent (%s)", type(error).__name__)


@worker_init.connect
def _use_it(**_: object) -> None:
    guard_event_loop()
    prefork.TaskPool.Pool = Pool
