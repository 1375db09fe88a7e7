"""Makes sure that a chord has counted a job that already has its result."""

from __future__ import annotations

from typing import Any

from celery.states import READY_STATES

from tasks.patience import patiently

__all__ = ["has_result"]


def has_result(backend: Any, request: Any) -> bool:  # noqa: ANN401  Celery's own
    """Whether the job of a request has its result. If so, its chord counts it, if it is part of one.

    The process that stored the result may have been killed before the chord counted the job. Counting it a
    second time has no effect.
    """
    meta = patiently(lambda: backend.get_task_meta(request.id, cache=False))
    if meta["status"] not in READY_STATES:
        return False
    if request.chord:
        patiently(lambda: backend.on_chord_part_return(request, meta["status"], meta["result"]))
    return True
