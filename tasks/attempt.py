"""An attempt of one process to run a job: from the request for the lease until the result is stored."""

from __future__ import annotations

import logging
import math
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from celery.exceptions import Ignore
from redis.exceptions import RedisError

from sandbox import Abandoned, Observer
from tasks._app import app
from tasks.lease import Answer, Lease
from tasks.observe.log_context import note_job
from tasks.pool.resting_limits import limits
from tasks.results.ended_runs import EndedRuns
from tasks.results.outcome import outcome_of, stored_here
from tasks.results.worker_backend import has_result, result_redis
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Task
    from celery.app.task import Context

    from sandbox.cell import CellInfo
    from tasks.lease_renewal import LeaseRenewal

__all__ = ["Attempt", "Unwanted"]

_log = logging.getLogger("cellblock.attempt")

# How often a process asks again while another one holds the lease.
_LOOK_S = 0.25
# The limits of a job rest while a result of more characters is stored, because that may take long.
_LARGE = 1 << 20


class Unwanted(Exception):
    """The job was cancelled before it started."""


class Attempt(Observer):
    """Holds the lease of the job that this process runs. Without a Redis for results there are no leases.

    It ends with the task, in whatever way that ends, after the result is stored.
    """

    def __init__(self, request: Context, renewal: LeaseRenewal) -> None:
        """The attempt that Celery asks for by `request`. `renewal` renews its lease."""
        self._request = request
        self._renewal = renewal
        self.task_id = request.id or ""
        self._lease: Lease | None = None
        # An eager task runs in the app itself. No other process can have it.
        redis = None if request.is_eager else result_redis()
        if redis is not None and self.task_id:
            self._lease = Lease(redis, self.task_id, request.hostname or "")
        #: Whether its cell was stopped because the lease could not be renewed in time.
        self.gave_up = False
        #: What it notes of the job's runs, if the job has several.
        self.run_notes: EndedRuns | None = None
        #: Whether its result is stored and its lease given back.
        self.is_stored = False
        stored_here.task_id = None
        self.number = request.retries + 1

    @property
    def has_lease(self) -> bool:
        """Whether it must be ended, to give back its lease."""
        return self._lease is not None

    def request(self) -> None:
        """Request the lease, and do not wait for it. What `begin` waits for is on its way meanwhile."""
        if self._lease is not None:
            self._lease.request()

    def begin(self) -> None:
        """Wait until no other process runs the job. Its limits rest meanwhile.

        Raises:
            celery.exceptions.Ignore: the job has its result.
            Unwanted: it was cancelled.
            Abandoned: it was begun too often, and each time its worker was gone before the end.
        """
        if self._lease is None:
            return
        while (answer := self._lease.acquire()) is Answer.HELD:
            limits.suspend()
            threading.Event().wait(_LOOK_S)
        if answer is Answer.DONE:
            self._ignore()
        self._renewal.add(self._lease)
        if answer is Answer.CANCELLED:
            raise Unwanted
        self.number = self._request.retries + self._lease.begun
        most = this_settings().max_attempts
        if self.number > most:
            raise Abandoned(
                f"The job was begun {most} times, and each time its worker was gone before it ended."
                " The job itself may be the cause. Try: look for killed workers and for a lack of memory."
            )

    def note_runs(self, kept_s: float) -> EndedRuns | None:
        """Note the runs of the job that end, for `kept_s` seconds. None without a Redis for results."""
        if self._lease is not None:
            self.run_notes = EndedRuns(self._lease.redis, self.task_id, math.ceil(kept_s))
        return self.run_notes

    def may_store(self) -> bool:
        """Whether the outcome of this run may be stored. Waits for Redis.

        False if the cell was stopped for a lost lease, or another process has begun the job meanwhile. Then
        begin again.

        Raises:
            celery.exceptions.Ignore: the job has a result by now.
        """
        limits.suspend()
        return self._lease is None or self._may(self._lease, self._lease.claim)

    def store(self, task: Task[..., Any], result: dict[str, Any]) -> bool:
        """Store what the job has returned, if that is this attempt's to do. Waits for Redis.

        If others wait for the task, Celery stores the result after it has called them. Returns and raises the
        same as `may_store`.
        """
        lease = self._lease
        outcome = outcome_of(task, self._request, result) if lease else None
        if lease is None or outcome is None:
            return self.may_store()
        if len(outcome.payload) > _LARGE:
            limits.suspend()
        self.is_stored = self._may(lease, lambda: lease.store(outcome))
        stored_here.task_id = self.task_id if self.is_stored else None
        return self.is_stored

    def _may(self, lease: Lease, ask: Callable[[], Answer]) -> bool:
        answer = Answer.LOST if self.gave_up else ask()
        if answer is Answer.DONE:
            self._ignore()
        if answer is not Answer.GRANTED:
            _log.warning("The lease was lost while the job ran: it is run again, or another process runs it")
            self.gave_up = False
            self._renewal.drop(lease)
            lease.lose()
        return answer is Answer.GRANTED

    def end(self, *, done: bool) -> None:
        """Give the lease back. `done`: the job's result is stored. Else the job is to run again."""
        if self._lease is None:
            return
        self._renewal.drop(self._lease)
        if self.is_stored:
            return
        try:
            self._lease.release(done=done)
        except RedisError as error:
            _log.info("A lease could not be given back, and runs out: %s", type(error).__name__)

    def placed(self, info: CellInfo) -> None:
        """Note in the lease and the log which container runs the job. For two stages it is the last one."""
        note_job(container=info.container or "")
        if self._lease is not None:
            self._lease.cell = info.container or ""

    def wants_stop(self) -> bool:
        """Whether the job was cancelled, or its lease is lost, so that another process may begin it soon."""
        answer = self._lease.answer if self._lease is not None else Answer.GRANTED
        self.gave_up = self.gave_up or answer is Answer.LOST
        return answer in (Answer.CANCELLED, Answer.LOST)

    def _ignore(self) -> NoReturn:
        if self._request.chord:
            has_result(app.backend, self._request)
        raise Ignore(f"{self.task_id} has its result")
