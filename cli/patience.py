"""Waits for a job, and says once if no worker takes it, instead of waiting in silence for ever."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cli.checks.workers import served_queues
from cli.show import note
from config import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Patience"]

# A free worker takes a job much sooner.
_MOMENT_S = 2.0


class Patience:
    """A wait for a job that was just sent."""

    def __init__(self, task_id: str, request: Mapping[str, Any]) -> None:
        self._task_id = task_id
        self._request = request
        self._look_at = time.monotonic() + _MOMENT_S

    def wear(self) -> None:
        """Called again and again while there is no result. It looks once, after a moment."""
        if time.monotonic() >= self._look_at:
            self._look_at = float("inf")
            self.look()

    def look(self) -> None:
        """Say so if no worker takes jobs from the queue of this job."""
        queue, served = _queue_of(self._request), served_queues(load_settings())
        if served is None or queue in served:
            return
        why, mend = "none is alive", "cellblock worker"
        if served:
            why = f"none takes from {queue!r}, but from {', '.join(sorted(served))}"
            mend = f"CELLBLOCK_QUEUES={queue} cellblock worker"
        note(f"job {self._task_id} is waiting for a worker: {why}. Try: {mend}")


def _queue_of(request: Mapping[str, Any]) -> str:
    from sandbox import parse_job
    from tasks.settings import this_catalogue, this_settings

    settings = this_settings()
    job = parse_job(**request, settings=settings, catalogue=this_catalogue())
    return settings.queue_of(job.runtime.name) or settings.queues.split(",")[0]
