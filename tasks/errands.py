"""What a worker's main process has to ask Redis: by a thread, since its event loop may not wait."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

from sandbox.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["errand"]

_log = logging.getLogger("cellblock.errands")


class _Errands:
    """One thread, so that they are run in their order, each once Redis is there.

    What has not been run when the worker ends is of messages that nobody has acknowledged: they come again.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[..., object], tuple[object, ...]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # The first errand may give another one before its thread is known here.
        self._lock = threading.Lock()

    def add(self, call: Callable[..., object], *args: object) -> None:
        self._calls.put((call, args))
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = start_thread(self._run, name="cellblock-errands")

    def _run(self) -> None:
        while True:
            call, args = self._calls.get()
            try:
                call(*args)
            except BaseException:  # noqa: BLE001  SystemExit, too, is raised by what Celery calls
                # One that fails, for whatever reason, must not keep the others from being run.
                _log.exception("An errand of the worker failed")


_errands = _Errands()


def errand(call: Callable[..., object], *args: object) -> None:
    """Have it called soon, beside the event loop."""
    _errands.add(call, *args)
