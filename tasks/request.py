"""The request for a job, as the worker's main process keeps it from the message until the acknowledgement."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request
from celery.worker.state import task_ready

from tasks import hard_timeout
from tasks.back_off import longest_back_off_s
from tasks.engine_gate import EngineAway
from tasks.headers import RECEIVED_AT, shown_call
from tasks.outline import Outline
from tasks.process import process_state
from tasks.refusal import refuse
from tasks.results.worker_backend import has_result
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JobRequest"]

# The back-off of this retry is some hours long.
_MOST_RETRIES = 14


class JobRequest(Request):
    """Celery's request, with the time limits of its job, and with a result whatever becomes of the process.

    The limits are computed here, from the job. So they also apply to jobs of an app that has no part of
    cellblock, and no publisher can set longer ones.
    """

    def __init_subclass__(cls) -> None:
        """Note successes also in the class that Celery derives for each task: it has its own `on_success`."""
        super().__init_subclass__()
        setattr(cls, "on_success", _noting(cls.on_success))  # noqa: B010  mypy lets nobody assign to a method

    def __init__(self, message: Any, **options: Any) -> None:  # noqa: ANN401  Celery's own
        super().__init__(message, **options)
        self.request_dict.setdefault(RECEIVED_AT, time.time())
        #: When a process began the job, by the monotonic clock.
        self.begun = time.monotonic()
        self._eta: datetime | None = _bounded_eta(self.eta, self.request_dict.get("retries"))
        # The transport may have read the job already, while Redis recorded the message.
        outline = getattr(message, "outline", None) or Outline(message.payload, self.request_dict)
        job, self._refusal = outline.job, outline.refusal
        settings = this_settings()
        rungs = job.ladder(settings.engine_margin) if job else settings.longest
        self.time_limits = (rungs.hard_s, rungs.soft_s)
        self._runtime = job.runtime.name if job else ""
        self._is_over = self._holds_ack = self._owes_ack = False
        # The publisher's own may contain the whole command, and logs, events and Flower show them.
        shown = shown_call(self._runtime, message.payload[1] if job else {})
        self._argsrepr, self._kwargsrepr = shown["argsrepr"], shown["kwargsrepr"]

    def refuse(self) -> bool:
        """Answer a bad request here. False if a process of the pool is to run the job, or to refuse it."""
        return self._refusal is not None and refuse(self, self._refusal)

    def info(self, safe: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002  Celery's own
        """What `celery inspect` and Flower get, without the contents of the job even if they ask for them."""
        return super().info(safe=True)

    def on_accepted(self, pid: Any, time_accepted: float) -> None:  # noqa: ANN401
        """Called by Celery when a process has begun the job."""
        self.begun = time_accepted
        super().on_accepted(pid, time_accepted)

    def acknowledge(self) -> None:
        """Acknowledge the message, now or once what Celery does about a lost process is done."""
        if self._holds_ack:
            self._owes_ack = True
        else:
            super().acknowledge()

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Called by Celery in the worker's event loop when the job raised an error or lost its process."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, TimeLimitExceeded):
            self._time_out()
        elif isinstance(error, WorkerLostError | SystemExit):
            process_state.background.add(self._end_lost, exc_info, args, options)
        else:
            if isinstance(error, EngineAway) and not error.outage.is_over:
                # Shut the gate before the message is back in its queue. Else it comes here again at once.
                process_state.engine_gate.shut(error.outage.why)
            super().on_failure(exc_info, *args, **options)

    def on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001  Celery's own
        """Called by Celery when a limit has passed. It may report the hard limit by `on_failure` too."""
        if soft:
            super().on_timeout(soft, timeout)
        else:
            self._time_out()

    def terminate(self, pool: Any, signal: Any = None) -> None:  # noqa: ANN401
        """End a running job as cancelled, with its output, instead of killing its process."""
        process_state.background.add(self._cancel, pool, signal)

    def _announce_revoked(self, *args: Any) -> None:  # noqa: ANN401  Celery's own
        """Called by Celery in the event loop, for a revoked job and for one that has expired."""
        self._already_revoked = True
        process_state.background.add(super()._announce_revoked, *args)  # type: ignore[misc]  # its stubs do not know it

    def _cancel(self, pool: Any, signal: Any) -> None:  # noqa: ANN401
        if self.time_start is None or not hard_timeout.cancel(self.id):
            super().terminate(pool, signal)

    def _end_lost(self, exc_info: Any, args: Any, options: Any) -> None:  # noqa: ANN401
        """The process was killed. If no result is stored, the job is tried again, or fails for good."""
        hard_timeout.forget_lease(self)
        context: Any = getattr(self, "_context")  # noqa: B009  its stubs do not know it
        if has_result(self.task.backend, context):
            task_ready(self)
            self.acknowledge()
            return
        if self.request_dict.get("retries", 0) >= (self.task.max_retries or 0):
            exc_info = hard_timeout.abandoned((self.task.max_retries or 0) + 1)
        # Celery acknowledges before it stores a failure: a worker that ends in between would lose the job.
        self._holds_ack = True
        super().on_failure(exc_info, *args, **options)
        self._holds_ack = False
        if self._owes_ack:
            self.acknowledge()

    def _time_out(self) -> None:
        if not self._is_over:
            self._is_over = True
            lasted_s = time.monotonic() - self.begun
            process_state.background.add(self._store_timed_out, lasted_s)

    def _store_timed_out(self, lasted_s: float) -> None:
        hard_timeout.time_out(self, self._runtime, lasted_s)
        task_ready(self)
        self.acknowledge()


def _noting(on_success: Callable[..., None]) -> Callable[..., None]:
    """The same, for the outcome of a job in its process. A job that had its cell ends an outage."""

    def note_and_go_on(request: JobRequest, outcome: Any, **options: Any) -> None:  # noqa: ANN401
        failed, *_ = outcome
        if not failed:
            process_state.engine_gate.note_success()
        on_success(request, outcome, **options)

    return note_and_go_on


def _bounded_eta(eta: datetime | None, retries: object) -> datetime | None:
    """When a retry is due: at `eta`, but no later than the longest back-off from now.

    `eta` comes from the clock of the worker that asked for the retry. That clock may be ahead.
    """
    if eta is None or eta.tzinfo is None or not isinstance(retries, int) or not 0 < retries < _MOST_RETRIES:
        return eta
    return min(eta, datetime.now(UTC) + timedelta(seconds=longest_back_off_s(retries - 1)))
