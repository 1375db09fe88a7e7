"""A Celery app without cellblock, with one task that does nothing: the least that a task can cost.

celery -A benchmarks.noop_worker worker
"""

from __future__ import annotations

import os

from celery import Celery

__all__ = ["NOOP", "app"]

_URL = os.environ.get("CELLBLOCK_BROKER_URL", "redis://localhost:6379/0")
#: The name of the task.
NOOP = "noop"

app = Celery("noop", broker=_URL, backend=_URL, set_as_current=False)
# As in cellblock: a message is acknowledged when its task is done, and a worker takes no others meanwhile.
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1)


@app.task(name=NOOP)
def _noop() -> None:
    """Do nothing."""
