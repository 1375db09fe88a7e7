"""One process's turn at a job: from the request for the lease until the result is stored."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from celery.exceptions import Ignore
from celery.signals import task_postrun
from celery.states import READY_STATES
from redis.exceptions import RedisError

from sandbox import Abandoned, Observer
from tasks.heartbeat import Heartbeat
from tasks.lease import Answer, Lease, result_redis
from tasks.observe.log_context import note_job
from tasks.pool.time_limits import limits
from tasks.results.chord_part import has_result
from tasks.settings import this_settings

if TYPE_CHECKING:
    from sandbox.cell import CellInfo
    from tasks.sandbox_task import SandboxTask

__all__ = ["Attempt", "Unwanted"]

_log = logging.getLogger("cellblock.attempt")

# How often a process asks again while another one holds the lease.
_LOOK_S = 0.25

_heartbeat = Heartbeat()


class Unwanted(Exception):
    """The job was cancelled before it started."""


class Attempt(Observer):
    """Holds the lease of the job that this process runs. Without a Redis for results there are no leases.

    It ends with the task, in whatever way that ends, after the result is stored.
    """

    def __init__(self, task: SandboxTask) -> None:
        self._task = task
        self._lease: Lease | None = None
        # An eager task runs in the app itself. No other process can have it.
        redis = None if task.request.is_eager else result_redis()
        task_id = task.request.id or ""
        if redis is not None and task_id:
            self._lease = Lease(redis, task_id, task.request.hostname or "")
        #: Whether its cell was stopped because the lease could not be renewed in time.
        self.gave_up = False
        self.attempt = task.request.retries + 1
        vars(task.request)["turn"] = self

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
        _heartbeat.add(self._lease)
        if answer is Answer.CANCELLED:
            raise Unwanted
        self.attempt = self._task.request.retries + self._lease.begun
        most = this_settings().max_attempts
        if self.attempt > most:
            raise Abandoned(
                f"The job was begun {most} times, and each time its worker was gone before it ended."
                " The job itself may be the cause. Try: look for killed workers and for a lack of memory."
            )

    def may_store(self) -> bool:
        """Whether the outcome of this run may be stored. Waits for Redis.

        False if the cell was stopped for a lost lease, or another process has begun the job meanwhile. Then
        begin again.

        Raises:
            celery.exceptions.Ignore: the job has a result by now.
        """
        if self._lease is None:
            return True
        answer = Answer.LOST if self.gave_up else self._lease.claim()
        if answer is Answer.DONE:
            self._ignore()
        if answer is not Answer.GRANTED:
            self._start_over(self._lease)
        return answer is Answer.GRANTED

    def end(self, *, done: bool) -> None:
        """Give the lease back. `done`: the job's result is stored. Else the job is to run again."""
        if self._lease is None:
            return
        _heartbeat.drop(self._lease)
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

    def _start_over(self, lease: Lease) -> None:
        _log.warning("The lease was lost while the job ran: it is run again, or another process runs it")
        self.gave_up = False
        _heartbeat.drop(lease)
        lease.lose()

    def _ignore(self) -> NoReturn:
        request: Any = self._task.request
        if request.chord:
            has_result(self._task.backend, request)
        raise Ignore(f"{request.id} has its result")


@task_postrun.connect
def _end_turn(task: Any, state: str | None, **_: object) -> None:  # noqa: ANN401  Celery's own
    """Called by Celery at the end of every task, after it has stored the result, if there is one."""
    turn = task.request.get("turn")
    if turn is not None:
        turn.end(done=state in READY_STATES)
