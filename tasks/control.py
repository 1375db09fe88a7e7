"""Cancelling: what `celery.control.revoke`, Flower's button and `cellblock cancel` do to a job."""

from __future__ import annotations

import logging
from typing import Any

from celery.utils.functional import maybe_list
from celery.worker import control
from redis.exceptions import RedisError

from tasks.lease import ask_to_cancel, is_leased, result_redis

__all__ = ["revoke"]

_log = logging.getLogger("cellblock.control")
# By its name, because its stubs know nothing of it.
_revoke: Any = vars(control)["revoke"]


@control.control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")  # type: ignore[untyped-decorator, unused-ignore]
def revoke(state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **rest: Any) -> Any:  # noqa: ANN401, FBT001, FBT002  Celery's own
    """Revoke tasks, in every worker that hears of it.

    Celery marks as revoked what it does not run itself, although another worker may. That one reports the end
    of its job, and so a job that is running anywhere is told to end instead, if that is wanted.
    """
    task_ids = set(maybe_list(task_id) or [])
    running = _running(task_ids)
    if terminate:
        for one in running:
            _cancel(one)
    return _revoke(state, sorted(task_ids - running), terminate=terminate, signal=signal, **rest)


def _running(task_ids: set[str]) -> set[str]:
    redis = result_redis()
    try:
        return {one for one in task_ids if is_leased(redis, one)} if redis is not None else set()
    except RedisError as error:
        _log.warning("Who runs which job can't be told: %s", error)
        return set()


def _cancel(task_id: str) -> None:
    redis = result_redis()
    if redis is not None:
        ask_to_cancel(redis, task_id)
        _log.info("Cancelling %s", task_id)
