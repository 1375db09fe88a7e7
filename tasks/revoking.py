"""What an app's `control.revoke` does beyond telling the workers that listen at this moment."""

from __future__ import annotations

from typing import Any

from celery.app.control import Control as Celerys
from celery.utils.functional import maybe_list

__all__ = ["Control"]


class Control(Celerys):
    """Leaves the wish that a job end where whoever gets the job finds it, even if no worker hears."""

    def revoke(self, task_id: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401  Celery's own
        """Revoke one task or several; `terminate=True` cancels them, whether they wait or run."""
        from tasks.lease import ask_to_cancel, result_redis

        redis = result_redis()
        if options.get("terminate") and redis is not None:
            for one in maybe_list(task_id) or []:
                ask_to_cancel(redis, one)
        return super().revoke(task_id, *args, **options)
