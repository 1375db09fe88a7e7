"""The worker's own commands: `revoke`, also for Flower's *Terminate* button, and the list of its jobs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery.utils.functional import maybe_list
from celery.worker import control
from celery.worker import state as of_worker
from celery.worker.request import Request

from tasks import hard_timeout
from tasks.headers import RECEIVED_AT, SENT_AT, TASK
from tasks.lease import is_leased
from tasks.observe.job_list import runtime_asked_for
from tasks.patience import patiently
from tasks.process import process_state
from tasks.results.worker_backend import result_redis

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["jobs", "revoke"]

_log = logging.getLogger("cellblock.control")
# Looked up by name, because the type stubs do not declare it.
_revoke: Any = vars(control)["revoke"]


def revoke(state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **rest: Any) -> Any:  # noqa: ANN401, FBT001, FBT002  Celery's own
    """Revoke tasks, in every worker that receives this, as soon as Redis can say who runs them."""
    task_ids = set(maybe_list(task_id) or [])
    process_state.background.add(_carry_out, state, task_ids, terminate, signal, rest)
    return {"ok": f"tasks {task_ids} flagged as revoked"}


def _carry_out(state: Any, task_ids: set[str], terminate: bool, signal: Any, rest: dict[str, Any]) -> None:  # noqa: ANN401, FBT001
    """Cancel the running jobs, if `terminate` is set, and have Celery revoke the others.

    Celery's own command marks every job as revoked that this worker does not run, even if another worker runs
    it. That other worker reports the end of its job itself.
    """
    running = {task_id for task_id in task_ids if _is_running(task_id)}
    if terminate:
        for task_id in running:
            hard_timeout.cancel(task_id)
            _log.info("Cancelling %s", task_id)
    _revoke(state, sorted(task_ids - running), terminate=terminate, signal=signal, **rest)


def _is_running(task_id: str) -> bool:
    redis = result_redis()
    return redis is not None and patiently(lambda: is_leased(redis, task_id))


def jobs(state: Any, **_: object) -> list[dict[str, Any]]:  # noqa: ANN401  Celery's own
    """The jobs that this worker has, without what they run."""
    running = set(state.tset(of_worker.active_requests))
    rows = {request.id: _row(request, "running") for request in running if request.type == TASK}
    others = [("reserved", request) for request in state.tset(of_worker.reserved_requests)]
    others += [("retrying", request) for request in _scheduled(state.consumer.timer)]
    for name, request in others:
        if request.type == TASK:
            rows.setdefault(request.id, _row(request, name))
    return list(rows.values())


def _scheduled(timer: Any) -> Iterator[Request]:  # noqa: ANN401
    for waiting in timer.schedule.queue:
        yield from (argument for argument in (waiting.entry.args or ())[:1] if isinstance(argument, Request))


def _row(request: Any, state: str) -> dict[str, Any]:  # noqa: ANN401
    headers = request.request_dict
    return {
        "id": request.id,
        "state": state,
        "runtime": runtime_asked_for(request.args, request.kwargs),
        "sent": headers.get(SENT_AT) or headers.get(RECEIVED_AT),
        "started": request.time_start if state == "running" else None,
        "attempt": (headers.get("retries") or 0) + 1,
    }
