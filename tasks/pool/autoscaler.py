"""Celery's autoscaler, which ends idle processes sooner and limits the pool to what the host can hold."""

from __future__ import annotations

import logging
from typing import Any

from celery.worker import autoscale

from sandbox.budget import jobs_that_fit, this_host
from tasks.settings import this_settings

__all__ = ["Autoscaler"]

_log = logging.getLogger("cellblock")

# After this many idle seconds processes end. The check has the same interval, so they end within twice this.
_IDLE_S = 10.0


class Autoscaler(autoscale.Autoscaler):
    """Grows the pool when a job finds no idle process, and shrinks it when no job has come for a while.

    It never ends a process that runs a job. Celery's own takes up to a minute to end an idle process.
    """

    def __init__(self, pool: Any, most: int, least: int, worker: Any, **options: Any) -> None:  # noqa: ANN401
        bound = max(least, jobs_that_fit(this_settings(), this_host()))
        if most > bound:
            _log.warning(
                "This host holds %d jobs of DOCKER_MEMORY_LIMIT and CELLBLOCK_PIDS; the pool grows no"
                " further, although CELLBLOCK_AUTOSCALE=%d,%d",
                *(bound, most, least),
            )
        # The worker computes from this how many jobs it takes.
        worker.max_concurrency = min(most, bound)
        super().__init__(
            pool, worker.max_concurrency, least, **{"worker": worker, "keepalive": _IDLE_S} | options
        )
