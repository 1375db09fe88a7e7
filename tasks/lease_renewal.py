"""Renews the leases of the jobs that this process runs, and learns at each renewal if a job is cancelled."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from sandbox.threads import start_thread

if TYPE_CHECKING:
    from tasks.lease import Lease

__all__ = ["LeaseRenewal"]

_log = logging.getLogger("cellblock.lease_renewal")

# A job that is cancelled is to be dead within two seconds.
_BEAT_S = 0.5


class LeaseRenewal:
    """Renews all leases of the process in one thread, which sleeps while there are none.

    Each `Lease` knows by its own clock whether it is still held. So it runs out even if this thread has died.
    """

    def __init__(self) -> None:
        self._leases: set[Lease] = set()
        self._failing: set[Lease] = set()
        self._change = threading.Condition()
        self._pause = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        """Renew it from now on."""
        with self._change:
            self._leases.add(lease)
            # If the thread has died, that was logged, and its leases have run out.
            if self._thread is None or not self._thread.is_alive():
                self._thread = start_thread(self._beat, name="cellblock-lease-renewal", lasting=False)
            self._change.notify()

    def drop(self, lease: Lease) -> None:
        """Stop renewing it."""
        with self._change:
            self._leases.discard(lease)
            self._failing.discard(lease)

    def _beat(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: bool(self._leases))
            self._pause.wait(_BEAT_S)
            for lease in list(self._leases):
                self._renew(lease)

    def _renew(self, lease: Lease) -> None:
        try:
            lease.renew()
        except Exception as error:  # noqa: BLE001  whatever it is: the lease goes on to run out
            if lease not in self._failing:
                # Once, and only the class of the error: a line for each of thousands of tries says no more.
                _log.warning("A lease could not be renewed, and runs out: %s", type(error).__name__)
                self._failing.add(lease)
        else:
            self._failing.discard(lease)
