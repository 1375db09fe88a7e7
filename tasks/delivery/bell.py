"""Has an event loop turn once more at once."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["Bell"]


class Bell:
    """An event of our own, that is over at once.

    A loop calls what is ready in no fixed order. If the channel takes a message after the pool was asked for
    something to send, the message would wait until the next event, for up to a second.
    """

    def __init__(self, loop: Any) -> None:  # noqa: ANN401  kombu's own
        self._loop = loop
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        loop.add_reader(self._descriptor, os.eventfd_read, self._descriptor)

    def ring(self) -> None:
        """Have the loop turn once more."""
        os.eventfd_write(self._descriptor, 1)

    def close(self) -> None:
        """Be silent from now on."""
        self._loop.remove(self._descriptor)
        os.close(self._descriptor)
