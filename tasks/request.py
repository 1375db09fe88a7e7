"""The request for a job, as the worker's main process keeps it from the message until the acknowledgement."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request
from celery.worker.state import task_ready

from sandbox import InvalidJob, QueueFull, parse_job
from sandbox.request import bind_request
from sandbox.runs.request import RUN_LIMITS
from tasks import hard_timeout
from tasks.back_off import longest_back_off_s
from tasks.engine_gate import EngineAway
from tasks.headers import RECEIVED_AT, refusal_in, shown_call
from tasks.process import process_state
from tasks.refusal import refuse
from tasks.results.worker_backend import has_result
from tasks.settings import this_catalogue, this_settings

if TYPE_CHECKING:
    from sandbox import Job

__all__ = ["JobRequest"]

_log = logging.getLogger("cellblock")

# A multiple of four, so that base64 stays valid. A shebang fits into it.
_HEAD = 4 * 1024
# The back-off of this retry is some hours long.
_MOST_RETRIES = 14


class JobRequest(Request):
    """Celery's request, with the time limits of its job, and with a result whatever becomes of the process.

    The limits are computed here, from the job. So they also apply to jobs of an app that has no part of
    cellblock, and no publisher can set longer ones.
    """

    def __init__(self, message: Any, **options: Any) -> None:  # noqa: ANN401  Celery's own
        super().__init__(message, **options)
        self.request_dict.setdefault(RECEIVED_AT, time.time())
        #: When a process began the job, by the monotonic clock.
        self.begun = time.monotonic()
        # Celery derives a class from this one, for each task, that has an `on_success` of its own.
        vars(self)["on_success"] = self._succeed
        self._eta: datetime | None = _bounded_eta(self.eta, self.request_dict.get("retries"))
        job = self._refusal = None
        try:
            job = _job_in(message.payload, self.request_dict)
        except (InvalidJob, QueueFull) as error:
            self._refusal = error
        settings = this_settings()
        rungs = job.ladder(settings.engine_margin) if job else settings.longest
        self.time_limits = (rungs.hard_s, rungs.soft_s)
        self._runtime = job.runtime.name if job else ""
        self._is_over = False
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

    def _succeed(self, outcome: Any, **options: Any) -> None:  # noqa: ANN401
        """Called by Celery with the outcome of the job in its process, also if that failed."""
        failed, *_ = outcome
        if not failed:
            process_state.engine_gate.note_success()
        type(self).on_success(self, outcome, **options)

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
        super().on_failure(exc_info, *args, **options)

    def _time_out(self) -> None:
        if not self._is_over:
            self._is_over = True
            lasted_s = time.monotonic() - self.begun
            process_state.background.add(self._store_timed_out, lasted_s)

    def _store_timed_out(self, lasted_s: float) -> None:
        hard_timeout.time_out(self, self._runtime, lasted_s)
        task_ready(self)
        self.acknowledge()


def _bounded_eta(eta: datetime | None, retries: object) -> datetime | None:
    """When a retry is due: at `eta`, but no later than the longest back-off from now.

    `eta` comes from the clock of the worker that asked for the retry. That clock may be ahead.
    """
    if eta is None or eta.tzinfo is None or not isinstance(retries, int) or not 0 < retries < _MOST_RETRIES:
        return eta
    return min(eta, datetime.now(UTC) + timedelta(seconds=longest_back_off_s(retries - 1)))


def _job_in(payload: Any, headers: dict[str, Any]) -> Job | None:  # noqa: ANN401
    """The job in a message. None if that can't be told: then the limits of the longest job apply.

    Raises:
        InvalidJob: the message was no call, or the request is refused.
        QueueFull: too many jobs wait.
    """
    if refusal := refusal_in(headers):
        raise refusal
    args, kwargs = payload[:2]
    whole = bind_request(args, kwargs)
    outline = _outline(whole)
    try:
        return parse_job(**outline, settings=this_settings(), catalogue=this_catalogue())
    except InvalidJob:
        if outline["files"] == whole.get("files"):
            raise
        # The whole files may be right: the pool process looks at them.
        return None
    except Exception as error:  # noqa: BLE001  the process that runs it meets the same, and dies of nothing
        _log.warning("The limits of a job can't be determined: %s", type(error).__name__)
        return None


def _outline(arguments: dict[str, object]) -> dict[str, object]:
    """The arguments of a job with only the beginning of each file: this runs in the worker's event loop.

    The limits depend on no more than that. The pool process checks the whole files.
    """
    files = arguments.get("files")
    if isinstance(files, dict):
        files = {path: _head(content) for path, content in files.items()}
    outline = arguments | {"files": files, "stdin": None}
    if isinstance(runs := arguments.get("runs"), list):
        outline["runs"] = [_run_outline(run) for run in runs]
    return outline


def _run_outline(run: object) -> object:
    """What the time limits of a job depend on in one of its runs."""
    if not isinstance(run, dict):
        return run
    return {name: run[name] for name in RUN_LIMITS if name in run}


def _head(content: object) -> object:
    match content:
        case str():
            return content[:_HEAD]
        case {"base64": str(text)}:
            return {"base64": text[:_HEAD]}
        case _:
            return content
