"""Has an event loop turn once more at once."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["Bell"]


class Bell:
    """For what a turn of the loop has begun and the next one goes on with.

    The order within a turn is that of a set. What the channel takes after the pool has looked for something
    to send would wait for the next event, up to a second.
    """

    def __init__(self, loop: Any) -> None:  # noqa: ANN401  kombu's own
        self._loop = loop
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        loop.add_reader(self._descriptor, os.eventfd_read, self._descriptor)

    def ring(self) -> None:
        """Be an event that has happened."""
        os.eventfd_write(self._descriptor, 1)

    def close(self) -> None:
        """Be silent from now on."""
        self._loop.remove(self._descriptor)
        os.close(self._descriptor)
