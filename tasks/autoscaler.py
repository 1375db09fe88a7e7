"""Celery's autoscaler, which also lets go of idle processes soon and knows what the host can hold."""

from __future__ import annotations

import logging
from typing import Any

from celery.worker import autoscale

from sandbox.budget import jobs_that_fit, this_host
from tasks.settings import this_settings

__all__ = ["Autoscaler"]

_log = logging.getLogger("cellblock")

# Seconds of idleness after which processes end, looked for as often: they are gone within twice that.
_IDLE_S = 10.0


class Autoscaler(autoscale.Autoscaler):
    """Grows the pool with each job that finds no idle process, and shrinks it once no job comes for a while.

    A process that runs a job is never ended. Celery's own needs up to a minute to see that it is idle.
    """

    def __init__(self, pool: Any, most: int, least: int, worker: Any, **options: Any) -> None:  # noqa: ANN401
        bound = max(least, jobs_that_fit(this_settings(), this_host()))
        if most > bound:
            _log.warning(
                "This host holds %d jobs of DOCKER_MEMORY_LIMIT and CELLBLOCK_PIDS; the pool grows no"
                " further, although CELLBLOCK_AUTOSCALE=%d,%d",
                *(bound, most, least),
            )
        # By which the worker decides how many jobs it takes.
        worker.max_concurrency = min(most, bound)
        super().__init__(
            pool, worker.max_concurrency, least, **{"worker": worker, "keepalive": _IDLE_S} | options
        )
