"""Renews the leases of the jobs that this process runs, and hears when one of them is not wanted any more."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from tasks.lease import Answer

if TYPE_CHECKING:
    from tasks.lease import Lease

__all__ = ["Heartbeat"]

_log = logging.getLogger("cellblock.heartbeat")

# A job that is cancelled is to be dead within two seconds.
_BEAT_S = 0.5


class Heartbeat:
    """One thread for all leases of the process, which sleeps while there are none."""

    def __init__(self) -> None:
        self._leases: dict[Lease, Answer] = {}
        self._change = threading.Condition()
        self._pause = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        """Renew it from now on."""
        with self._change:
            self._leases[lease] = Answer.GRANTED
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="cellblock-heartbeat", daemon=True)
                self._thread.start()
            self._change.notify()

    def drop(self, lease: Lease) -> None:
        """Renew it no more."""
        with self._change:
            self._leases.pop(lease, None)

    def answer(self, lease: Lease) -> Answer:
        """What Redis said when the lease was renewed last."""
        return self._leases.get(lease, Answer.LOST)

    def _beat(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: bool(self._leases))
            self._pause.wait(_BEAT_S)
            for lease in list(self._leases):
                self._renew(lease)

    def _renew(self, lease: Lease) -> None:
        try:
            answer = lease.renew()
        except RedisError as error:
            # The job goes on: when Redis is back, the lease is as well, unless somebody else has it.
            _log.warning("A lease could not be renewed: %s", error)
            return
        with self._change:
            if lease in self._leases:
                self._leases[lease] = answer
