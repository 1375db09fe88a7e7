"""The outcome of a task as Celery stores it, for those who store it together with something else."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from celery.states import FAILURE, SUCCESS

from tasks._app import app

__all__ = ["Outcome", "outcome_of", "stored_here"]

# If others wait for the task, Celery calls them in its own order before or after it stores the outcome.
_FOLLOWERS = ("callbacks", "errbacks", "chain", "chord")


class _StoredHere(threading.local):
    """The last task whose outcome this thread has stored itself: Celery need not store it again."""

    task_id: str | None = None


stored_here = _StoredHere()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is stored, and for how many seconds; 0: without end."""

    payload: str | bytes | bytearray
    kept_s: int


def outcome_of(task: Any, request: Any, result: Any) -> Outcome | None:  # noqa: ANN401  Celery's own
    """What to store of the task, which has returned `result`, or failed with it if that is an exception.

    None if Celery must store it, or refuse to: somebody waits for the task, or wants no result of it, or
    Redis can't hold the result.
    """
    if any(request.get(name) for name in _FOLLOWERS) or request.get("ignore_result", task.ignore_result):
        return None
    backend: Any = app.backend
    state = FAILURE if isinstance(result, BaseException) else SUCCESS
    encoded = backend.encode_result(result, state)
    meta = backend._get_result_meta(encoded, state, None, request)  # noqa: SLF001  there is no public way
    kept = backend.failure_expires if state == FAILURE else backend.expires
    payload = backend.encode(meta | {"task_id": request.id})
    if len(payload) > backend._MAX_STR_VALUE_SIZE:  # noqa: SLF001
        return None
    return Outcome(payload, int(kept or 0))
