"""What a worker's main process does for a job whose pool process can't. After that comes only the reaper.

These functions wait for Redis. So they run in the background, outside of Celery's event loop.
"""

from __future__ import annotations

import logging
from typing import Any

from billiard.einfo import ExceptionInfo
from celery.states import READY_STATES

from sandbox import Abandoned, CommandFailed, SandboxUnavailable, Status
from sandbox.threads import start_thread
from tasks.lease import ask_to_cancel, drop_lease_of, leased_cell
from tasks.observe.task_metrics import count_result
from tasks.patience import patiently
from tasks.results.so_far import result_so_far
from tasks.results.worker_backend import result_redis
from tasks.settings import this_settings

__all__ = ["abandoned", "cancel", "forget_lease", "time_out"]

_log = logging.getLogger("cellblock.hard_timeout")


def time_out(request: Any, runtime: str, lasted_s: float) -> None:  # noqa: ANN401  Celery's own
    """Store the result of a job whose process had to be killed, and have its cell removed."""
    settings, cell = this_settings(), _cell_of(request.id)
    if cell and settings.isolates:
        start_thread(_remove, cell, name="cellblock-hard-timeout", lasting=False)
    answer = result_so_far(
        request.id,
        Status.TIMED_OUT,
        runtime=runtime,
        engine=settings.engine_name,
        worker=request.hostname,
        attempt=request._context.retries + 1,  # noqa: SLF001
        container=cell,
        duration_s=round(lasted_s, 6),
    ).to_dict()
    _log.error("A job's process had to be killed %.0f s after its start: %s", lasted_s, request.id)
    # The process may have stored the result before it was killed.
    if request.task.backend.get_state(request.id) not in READY_STATES:
        count_result(answer)
        _store(request, answer)
    forget_lease(request)


def forget_lease(request: Any) -> None:  # noqa: ANN401
    """Drop the lease that a dead process held, so that the next process with the job need not wait for it."""
    redis = result_redis()
    if redis is not None and request.worker_pid:
        patiently(lambda: drop_lease_of(redis, request.id, request.hostname, request.worker_pid))


def cancel(task_id: str) -> bool:
    """Cancel a running job. False if results are not in a Redis: then no cancel request can be stored."""
    redis = result_redis()
    if redis is None:
        return False
    patiently(lambda: ask_to_cancel(redis, task_id))
    return True


def abandoned(times: int) -> ExceptionInfo:
    """The error for the caller of a job whose process was killed at each of `times` attempts."""
    try:
        raise Abandoned(  # noqa: TRY301  only a raised error has a traceback
            f"The job was begun {times} times, and each time its process was killed before it ended."
            " Try: look for what kills processes on the worker's host, such as a lack of memory."
        )
    except Abandoned:
        return ExceptionInfo()


def _cell_of(task_id: str) -> str | None:
    redis = result_redis()
    return patiently(lambda: leased_cell(redis, task_id)) if redis is not None else None


def _store(request: Any, answer: dict[str, Any]) -> None:  # noqa: ANN401
    backend, context = request.task.backend, request._context  # noqa: SLF001
    if request.kwargs.get("check"):
        error = CommandFailed("The command timed out.", answer)
        backend.mark_as_failure(request.id, error, request=context)
        request.send_event("task-failed", exception=repr(error), traceback="")
    else:
        backend.mark_as_done(request.id, answer, request=context)
        request.send_event("task-succeeded", result="timed_out", runtime=answer["duration"])


def _remove(cell: str) -> None:
    from sandbox.remover import count_leak, remove_cell

    try:
        remove_cell(this_settings(), cell)
    except SandboxUnavailable as error:
        _log.error("The cell %s is left to the reaper: %s", cell, error)
        count_leak(error)
    except Exception:  # noqa: BLE001  a thread says why it dies
        _log.exception("The cell %s is left to the reaper", cell)
