"""Celery's prefork pool, with limits that can rest, and with pool processes that send only whole messages."""

from __future__ import annotations

import logging
import os
import signal
import time
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from billiard.pool import SIG_SOFT_TIMEOUT
from celery.concurrency import prefork
from kombu.asynchronous import set_event_loop

from tasks.patience import guard_event_loop
from tasks.pool.resting_limits import RESUME, SUSPEND, limits
from tasks.pool.whole_messages import WholeMessages
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pool", "use_our_pool"]

# Looked up by name, because Celery's type stubs declare too little of it.
asynpool: Any = import_module("celery.concurrency.asynpool")

_log = logging.getLogger("cellblock.pool")


class _Worker(asynpool.Worker):  # type: ignore[misc]
    """A pool process. While it lives, it sends only whole messages to its parent."""

    def after_fork(self) -> None:
        """Called by billiard in the new process."""
        super().after_fork()
        self.outq.put = WholeMessages(self.outq.put).send
        limits.attach(self.outq.put)
        signal.signal(SIG_SOFT_TIMEOUT, limits.strike)


class Pool(asynpool.AsynPool):  # type: ignore[misc]
    """The parent's side of the pool."""

    Worker = _Worker
    on_poll_start: Callable[[], None]

    def create_result_handler(self) -> Any:  # noqa: ANN401  Celery's own
        """Handle the messages SUSPEND and RESUME too."""
        handler = super().create_result_handler()
        handler.state_handlers.update({SUSPEND: self._suspend, RESUME: self._resume})
        return handler

    def register_with_event_loop(self, hub: Any) -> None:  # noqa: ANN401  Celery's own
        """Called by Celery when its event loop begins, and again when a lost broker is back."""
        # kombu forgets the loop when the connection is lost.
        set_event_loop(hub)
        super().register_with_event_loop(hub)

    def _create_write_handlers(self, hub: Any) -> None:  # noqa: ANN401
        super()._create_write_handlers(hub)
        self._write = hub.consolidate_callback
        self.on_poll_start = partial(self._watch_pipes, hub, self.on_poll_start)

    def _watch_pipes(self, hub: Any, watch: Callable[[], None]) -> None:  # noqa: ANN401
        """Called in each iteration of the event loop. Celery would take each pipe out of it, there or not."""
        if self.outbound_buffer or not hub.writers.keys().isdisjoint(self._all_inqueues):
            watch()

    def apply_async(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  billiard's own
        """Write the job to an idle process at once, if there is one.

        Celery waits for the next iteration of the event loop, and looks there whether the pipe is writable.
        """
        result = super().apply_async(*args, **options)
        idle = self._all_inqueues - self._busy_workers
        if idle and result is not None:
            self._write([min(idle)])
            # The kernel may have put that process on this CPU, although another one is idle.
            os.sched_yield()
        return result

    def _suspend(self, job: int) -> None:
        result = self._cache.get(job)
        if result is None:
            return
        if not hasattr(result, "own_limits"):
            result.own_limits = (result._soft_timeout, result._timeout)  # noqa: SLF001  billiard's own
        self._rearm(result, None, this_settings().result_expires)
        # At a shutdown billiard applies these. 0 means no limit.
        result._soft_timeout = result._timeout = 0  # noqa: SLF001

    def _resume(self, job: int) -> None:
        result = self._cache.get(job)
        if result is None:
            return
        result._soft_timeout, result._timeout = result.own_limits  # noqa: SLF001
        result._time_accepted = time.monotonic()  # noqa: SLF001
        self._rearm(result, *result.own_limits)

    def flush(self) -> None:
        """Called by Celery when the broker is gone. Celery then forgets each job that no process has begun.

        A job that was already written to a process still runs. So it is kept: its limits apply, and a
        shutdown ends it.
        """
        written = [one for one in self._cache.values() if one._write_to and not one._accepted]  # noqa: SLF001
        for job in written:
            job._accepted = True  # noqa: SLF001
        try:
            super().flush()
        finally:
            for job in written:
                # Its process may have begun it meanwhile.
                job._accepted = job._worker_pid is not None  # noqa: SLF001

    def _rearm(self, result: Any, soft_s: float | None, hard_s: float | None) -> None:  # noqa: ANN401
        self.on_timeout_cancel(result)
        self.on_timeout_set(result, soft_s, hard_s)

    def process_flush_queues(self, proc: Any) -> None:  # noqa: ANN401
        """Read what a dead process left in its pipe, unless it was killed in the middle of a message."""
        handler = self._result_handler
        if not proc.outq._reader.closed and handler._finish_partial_read(proc.outqR_fd, proc):  # noqa: SLF001
            return
        try:
            super().process_flush_queues(proc)
        except Exception as error:  # noqa: BLE001  unpickling garbage raises anything
            _log.warning("A process was killed while it wrote to its parent (%s)", type(error).__name__)


def use_our_pool(**_: object) -> None:
    """Have Celery use this pool where it would use its own. Its event loop then waits for nothing."""
    guard_event_loop()
    prefork.TaskPool.Pool = Pool
