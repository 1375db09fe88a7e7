"""One process's turn at a job: from the lease that it gets, or not, to the result that is stored."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from celery.exceptions import Ignore

from sandbox import Abandoned, Onlooker
from tasks.heartbeat import Heartbeat
from tasks.lease import Answer, Lease, result_redis
from tasks.log_context import note_job
from tasks.settings import this_settings

if TYPE_CHECKING:
    from sandbox.cell import CellInfo
    from tasks.sandbox_task import SandboxTask

__all__ = ["Turn", "Unwanted"]

# How often somebody who has come second looks whether the first is done.
_LOOK_S = 0.25

_heartbeat = Heartbeat()


class Unwanted(Exception):
    """The job was cancelled before it started."""


class Turn(Onlooker):
    """Follows the job that it has the lease of; without a Redis for results there are no leases."""

    def __init__(self, task: SandboxTask) -> None:
        self._task_id = task.request.id or ""
        self._lease: Lease | None = None
        redis = result_redis()
        if redis is not None and self._task_id:
            self._lease = Lease(redis, self._task_id, task.request.hostname or "")
        self.attempt = task.request.retries + 1

    def begin(self) -> None:
        """Wait until nobody else runs the job.

        Raises:
            celery.exceptions.Ignore: it has its result.
            Unwanted: it was cancelled.
            Abandoned: it was begun too often, and each time its worker did not live to see the end.
        """
        if self._lease is None:
            return
        while (answer := self._lease.acquire()) is Answer.HELD:
            threading.Event().wait(_LOOK_S)
        if answer is Answer.DONE:
            raise Ignore(f"{self._task_id} has its result")
        if answer is Answer.CANCELLED:
            raise Unwanted
        self.attempt += self._lease.begun - 1
        most = this_settings().max_attempts
        if self.attempt > most:
            self._lease.release(done=True)
            raise Abandoned(
                f"The job was begun {most} times, and each time its worker was gone before it ended."
                " It may be what ends them. Try: look for workers that were killed, and for memory."
            )
        _heartbeat.add(self._lease)

    def end(self, *, done: bool) -> None:
        """Give the lease back: the result of the job is stored, or somebody is to run it anew."""
        if self._lease is not None:
            _heartbeat.drop(self._lease)
            self._lease.release(done=done)

    @property
    def is_lost(self) -> bool:
        """Whether somebody else runs the job by now, because this process was not heard of for too long."""
        return self._lease is not None and _heartbeat.answer(self._lease) is Answer.LOST

    def placed(self, info: CellInfo) -> None:
        """Have the lease and the log say where the job runs; the last cell counts, if it has two stages."""
        note_job(container=info.container or "")
        if self._lease is not None:
            self._lease.cell = info.container or ""

    def wants_stop(self) -> bool:
        """Whether the job was cancelled, or is somebody else's by now."""
        if self._lease is None:
            return False
        return _heartbeat.answer(self._lease) in (Answer.CANCELLED, Answer.LOST)
