"""The worker's `revoke` command, which `celery.control.revoke` and Flower's *Terminate* button send."""

from __future__ import annotations

import logging
from typing import Any

from celery.utils.functional import maybe_list
from celery.worker import control

from tasks.lease import ask_to_cancel, is_leased
from tasks.patience import patiently
from tasks.process import process_state
from tasks.results.worker_backend import result_redis

__all__ = ["revoke"]

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
            _cancel(task_id)
    _revoke(state, sorted(task_ids - running), terminate=terminate, signal=signal, **rest)


def _is_running(task_id: str) -> bool:
    redis = result_redis()
    return redis is not None and patiently(lambda: is_leased(redis, task_id))


def _cancel(task_id: str) -> None:
    redis = result_redis()
    if redis is not None:
        patiently(lambda: ask_to_cancel(redis, task_id))
        _log.info("Cancelling %s", task_id)
