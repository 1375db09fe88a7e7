"""What a pool process sends to its parent: whole messages only, whatever signal comes meanwhile."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from billiard.pool import ACK

from tasks.pool.resting_limits import limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["WholeMessages"]

# billiard has each of them raise in a pool process, unless it is ignored there.
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class WholeMessages:
    """Sends messages. A signal that ends this process kills it at once if it comes in the middle of one.

    billiard's handlers raise. That would leave half a message in the pipe, and the parent could read none of
    those that follow. It skips the half that a killed process leaves.
    """

    def __init__(self, put: Callable[[Any], object]) -> None:
        self._put, self._is_sending = put, False
        handlers = {number: signal.getsignal(number) for number in _ENDING}
        self._usual = {number: handler for number, handler in handlers.items() if callable(handler)}
        for number in self._usual:
            signal.signal(number, self._end)

    def send(self, message: Any) -> None:  # noqa: ANN401  billiard's own
        """Send it. Called in the main thread."""
        if message[0] == ACK:
            limits.accepted(message[1][0])
        self._is_sending = True
        try:
            self._put(message)
        finally:
            self._is_sending = False

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self._is_sending:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        self._usual[signal.Signals(number)](number, frame)
