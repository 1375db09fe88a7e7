"""Sends the jobs evenly over the run, like an app that has only Celery."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.jobs import ChaosJob

__all__ = ["Publisher"]

_AGAIN_S = 0.2
_TASK = "cellblock.run_sandboxed"


class Publisher:
    """A context that sends from its start on. A job whose sending failed may have been sent nevertheless."""

    def __init__(self, broker_url: str, jobs: Sequence[ChaosJob], every_s: float) -> None:
        self._app = Celery("elsewhere", broker=broker_url, set_as_current=False)
        self._app.conf.update(
            broker_transport_options={"socket_timeout": 2, "socket_connect_timeout": 2},
            task_publish_retry=False,
            task_default_queue="cellblock",
        )
        self._jobs = jobs
        self._every_s = every_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        #: The time of each sent job in Unix seconds, by the job's id.
        self.sent_at: dict[str, float] = {}
        #: How many jobs were sent again because it was unknown whether they had been sent.
        self.sent_again = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.set()
        self._thread.join()
        self._app.close()

    @property
    def is_done(self) -> bool:
        """Whether all jobs have been sent."""
        return len(self.sent_at) == len(self._jobs)

    def _work(self) -> None:
        due = time.monotonic()
        for job in self._jobs:
            while not self._closing.is_set() and not self._send(job):
                self.sent_again += 1
                self._closing.wait(_AGAIN_S)
            due += self._every_s
            self._closing.wait(max(0.0, due - time.monotonic()))

    def _send(self, job: ChaosJob) -> bool:
        try:
            self._app.send_task(_TASK, job.args, job.kwargs, task_id=job.id)
        except (OperationalError, OSError, RedisError):
            return False
        self.sent_at[job.id] = time.time()
        return True
