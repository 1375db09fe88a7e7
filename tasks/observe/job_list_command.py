"""The worker's side of the roster: answers the control command that asks which jobs it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.worker import state as of_worker
from celery.worker.request import Request

from tasks.headers import RECEIVED_AT, SENT_AT, TASK
from tasks.observe.job_list import runtime_asked_for

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["jobs"]


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
