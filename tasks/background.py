"""A thread for calls of a worker's main process that wait for Redis: its event loop must not wait."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

from sandbox.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Background"]

_log = logging.getLogger("cellblock.background")


class Background:
    """Runs the calls one after the other in a thread. Each waits until Redis is there.

    The message of a job is not acknowledged before its call has run. If the worker ends earlier, the broker
    delivers the message again. A revoke command that has not been carried out by then is lost.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[..., object], tuple[object, ...]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # The first call may add another one before `_thread` is set.
        self._lock = threading.Lock()

    def add(self, call: Callable[..., object], *args: object) -> None:
        """Have `call(*args)` run soon, outside of the event loop."""
        self._calls.put((call, args))
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = start_thread(self._run, name="cellblock-background")

    def _run(self) -> None:
        while True:
            call, args = self._calls.get()
            try:
                call(*args)
            except BaseException:  # noqa: BLE001  SystemExit, too, is raised by what Celery calls
                # A call that fails, for any reason, must not stop the others.
                _log.exception("A call in the background failed")
