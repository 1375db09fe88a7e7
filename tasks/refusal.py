"""Answers a bad request in the worker's main process, so that it costs no process of the pool its time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery.worker.state import task_ready
from redis.exceptions import RedisError

from tasks.lease import Answer, store_outcome
from tasks.observe.task_metrics import count_failure
from tasks.results.outcome import outcome_of
from tasks.results.worker_backend import result_redis
from tasks.settings import this_settings

if TYPE_CHECKING:
    from sandbox import InvalidJob, QueueFull

__all__ = ["refuse"]

_log = logging.getLogger("cellblock.refusal")


def refuse(request: Any, error: InvalidJob | QueueFull) -> bool:  # noqa: ANN401  a JobRequest, which calls this
    """Store the failure and acknowledge the message. False if a process of the pool must do it.

    It must if that may take long here, in the event loop: Redis does not answer now, or results are not where
    the messages are. It must also if others wait for the task, or another process runs a job of that id.
    """
    settings, redis = this_settings(), result_redis()
    context: Any = getattr(request, "_context")  # noqa: B009  its stubs do not know it
    outcome = outcome_of(request.task, context, error)
    if redis is None or outcome is None or settings.results != settings.broker:
        return False
    try:
        answer = store_outcome(redis, request.id, outcome)
    except RedisError:
        return False
    if answer is Answer.HELD:
        return False
    if answer is Answer.GRANTED:
        _tell(request, error)
    task_ready(request)
    request.acknowledge()
    return True


def _tell(request: Any, error: InvalidJob | QueueFull) -> None:  # noqa: ANN401
    """Report the failure as a process of the pool does."""
    count_failure(error)
    request.send_event("task-failed", exception=f"{type(error).__name__}({str(error)!r})", traceback="")
    _log.info("A request was refused: %s", error, extra={"data": {"id": request.id}})
