"""The state of this process. It may be a worker, a process of its pool, or an app that sends jobs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded

from sandbox import Sandbox
from tasks.background import Background
from tasks.engine_gate import EngineGate
from tasks.lease_renewal import LeaseRenewal
from tasks.settings import this_settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from sandbox.warm import KeeperProcess, Sight
    from tasks.attempt import Attempt
    from tasks.observe.exporter import ServedMetrics

__all__ = ["ProcessState", "process_state"]


class ProcessState:
    """The state of one process. A pool process gets a copy of its parent's state when it is forked."""

    def __init__(self) -> None:
        #: Whether this is a worker or a process of its pool.
        self.is_worker = False
        #: The worker's name in its log lines. Empty in an app.
        self.worker_name = ""
        #: The keeper runs beside the worker's main process. Pool processes use its path.
        self.keeper: KeeperProcess | None = None
        #: The measurements of this worker. None if the operator has set no CELLBLOCK_METRICS_PORT.
        self.metrics: ServedMetrics | None = None
        #: Sends traces. None if CELLBLOCK_TRACES is "off", and in processes that run no jobs.
        self.tracer_provider: TracerProvider | None = None
        self.engine_gate = EngineGate()
        self.lease_renewal = LeaseRenewal()
        self.background = Background()
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None
        # The pool `threads` runs several tasks in one process.
        self._thread = threading.local()

    def sandbox(self) -> Sandbox:
        """The sandbox, made at the first call: an engine's connection does not survive a fork."""
        with self._lock:
            if self._sandbox is None:
                keeper = self.keeper.path if self.keeper else None
                self._sandbox = Sandbox(this_settings(), keeper=keeper, interrupts=(SoftTimeLimitExceeded,))
            return self._sandbox

    def close_sandbox(self, **_: object) -> None:
        """Close the sandbox, if it was made."""
        with self._lock:
            sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            sandbox.close()

    def keeper_sight(self) -> Sight | None:
        """The last state of the engine that the keeper saw. None if there is no keeper or no state yet."""
        return self.keeper.sight() if self.keeper else None

    def keeper_is_alive(self) -> bool | None:
        """Whether the keeper of this worker runs. None if there is no keeper, as in the legacy mode."""
        return self.keeper.is_alive if self.keeper else None

    def begin_attempt(self, attempt: Attempt) -> None:
        """Keep the attempt of the task that this thread runs until `end_attempt`, if it has a lease.

        A task without a lease has nothing to give back. It may run inside another task, as eager tasks do.
        """
        if attempt.has_lease:
            self._thread.attempt = attempt

    def end_attempt(self, task_id: str | None, *, done: bool) -> None:
        """Give back the lease of the task, if this thread has it. `done`: the task's result is stored."""
        attempt: Attempt | None = getattr(self._thread, "attempt", None)
        if attempt is not None and attempt.task_id == task_id:
            self._thread.attempt = None
            attempt.end(done=done)


process_state = ProcessState()
