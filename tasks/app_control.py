"""Extends an app's `control.revoke`, which by itself reaches only the workers that listen at that moment."""

from __future__ import annotations

from typing import Any

from celery.app.control import Control as Celerys
from celery.utils.functional import maybe_list

__all__ = ["Control"]


class Control(Celerys):
    """Also stores a cancel request. The worker that gets the job finds it, even if no worker listens now."""

    def revoke(self, task_id: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401  Celery's own
        """Revoke one task or several; `terminate=True` cancels them, whether they wait or run."""
        from tasks.lease import ask_to_cancel
        from tasks.results.worker_backend import result_redis

        redis = result_redis()
        if options.get("terminate") and redis is not None:
            for one in maybe_list(task_id) or []:
                ask_to_cancel(redis, one)
        return super().revoke(task_id, *args, **options)
