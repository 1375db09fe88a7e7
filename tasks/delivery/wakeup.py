"""Makes an event loop run its next iteration at once."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["Wakeup"]


class Wakeup:
    """An event that is ready as soon as `wake` is called.

    A loop calls what is ready in no fixed order. If the channel takes a message after the pool was asked for
    something to send, and no process is idle, the message would wait until the next event, for up to a
    second. So would its line in the log.
    """

    def __init__(self, loop: Any) -> None:  # noqa: ANN401  kombu's own
        self._loop = loop
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        loop.add_reader(self._descriptor, os.eventfd_read, self._descriptor)

    def wake(self) -> None:
        """Make the loop run one more iteration at once."""
        os.eventfd_write(self._descriptor, 1)

    def close(self) -> None:
        """Remove the event from the loop, and close its descriptor."""
        self._loop.remove(self._descriptor)
        os.close(self._descriptor)
