"""Has a job not wait for its own log line: it is written when the job is on its way to its process."""

from __future__ import annotations

import os
from collections import deque
from logging import Filter
from typing import TYPE_CHECKING

from celery.app.trace import LOG_RECEIVED
from kombu.asynchronous import get_event_loop

if TYPE_CHECKING:
    from logging import Handler, LogRecord

__all__ = ["LateLines"]


class LateLines(Filter):
    """Holds the lines of received messages until the loop's next iteration, or their handler's next line."""

    def __init__(self, handler: Handler) -> None:
        """For `handler`, which is to have this filter."""
        super().__init__()
        self._handler = handler
        self._held: deque[LogRecord] = deque()

    def filter(self, record: LogRecord) -> bool:
        """Whether to write the line now. The lines before it are written first."""
        loop = get_event_loop() if record.msg is LOG_RECEIVED else None
        if loop is not None:
            self._held.append(record)
            loop.call_soon(self.write)
            return False
        if self._held:
            self.write()
        return True

    def write(self) -> None:
        """Write the lines that are held. A forked process leaves those of its parent to that."""
        # Several threads may write the lines that one thread holds.
        self._handler.acquire()
        try:
            while self._held:
                record = self._held.popleft()
                if record.process == os.getpid():
                    self._handler.emit(record)
        finally:
            self._handler.release()
