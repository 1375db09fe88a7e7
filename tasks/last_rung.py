"""What a worker's main process does about a job whose own process can't: the last rung before the reaper.

It runs beside Celery's event loop, where nothing may wait: the engine is asked in threads.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, NoReturn

from billiard.einfo import ExceptionInfo
from celery.states import READY_STATES
from redis.exceptions import RedisError

from sandbox import Abandoned, CellblockError, CommandFailed, Result, SandboxUnavailable, Status
from tasks.lease import ask_to_cancel, drop_lease_of, leased_cell, result_redis
from tasks.live import heard_so_far
from tasks.result_metrics import count_result
from tasks.settings import this_settings

__all__ = ["abandoned", "cancel", "forget_lease", "time_out"]

_log = logging.getLogger("cellblock.last_rung")


def time_out(request: Any, runtime: str) -> None:  # noqa: ANN401  Celery's own
    """Store the result of a job whose process had to be killed, and see that its cell is gone."""
    settings, cell = this_settings(), _cell_of(request.id)
    if cell and settings.enable_docker:
        threading.Thread(target=_remove, args=(cell,), name="cellblock-last-rung", daemon=True).start()
    stdout, stderr = _heard(request.id)
    lasted_s = time.time() - (request.time_start or time.time())
    answer = Result.without_report(
        Status.TIMED_OUT,
        runtime=runtime,
        engine="docker" if settings.enable_docker else "host",
        worker=request.hostname,
        attempt=request._context.retries + 1,  # noqa: SLF001
        container=cell,
        duration_s=round(lasted_s, 6),
        stdout=stdout,
        stderr=stderr,
    ).to_dict()
    count_result(answer)
    _log.error("A job's process had to be killed %.0f s after its start: %s", lasted_s, request.id)
    # It may have stored the result and been held up afterwards.
    if request.task.backend.get_state(request.id) not in READY_STATES:
        _store(request, answer)
    forget_lease(request)


def forget_lease(request: Any) -> None:  # noqa: ANN401
    """Drop the lease that a dead process held, so that whoever runs the job next need not wait for it."""
    redis = result_redis()
    if redis is None or not request.worker_pid:
        return
    try:
        drop_lease_of(redis, request.id, request.hostname, request.worker_pid)
    except RedisError as error:
        _log.warning("The lease of a dead process has to run out: %s", error)


def cancel(task_id: str) -> bool:
    """Whether a running job could be told to end as cancelled."""
    redis = result_redis()
    if redis is None:
        return False
    try:
        ask_to_cancel(redis, task_id)
    except RedisError as error:
        _log.warning("A job can't be cancelled in an orderly way: %s", error)
        return False
    return True


def abandoned(times: int) -> ExceptionInfo:
    """What the caller of a job gets that has ended its process each time."""
    try:
        _give_up(times)
    except Abandoned:
        return ExceptionInfo()


def _give_up(times: int) -> NoReturn:
    raise Abandoned(
        f"The job was begun {times} times, and each time its process was killed before it ended."
        " Try: look for what kills processes on the worker's host, such as a lack of memory."
    )


def _cell_of(task_id: str) -> str | None:
    redis = result_redis()
    try:
        return leased_cell(redis, task_id) if redis is not None else None
    except RedisError as error:
        _log.warning("Where a job ran can't be told, and its cell is left to the reaper: %s", error)
        return None


def _heard(task_id: str) -> tuple[str, str]:
    """What the job wrote and was streamed, for nobody else holds it any more."""
    try:
        heard = heard_so_far(task_id)
    except (RedisError, CellblockError) as error:
        _log.warning("What a job wrote can't be told: %s", error)
        return "", ""
    return heard.stdout.decode(errors="replace"), heard.stderr.decode(errors="replace")


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
