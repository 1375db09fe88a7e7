"""The engine's clock. Deadlines are times of this clock, because the clocks of workers may disagree."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HOLDS_S", "EngineClock"]

#: How long a reading is used, in seconds. Somebody may set the engine's clock at any time.
HOLDS_S = 10.0


class EngineClock:
    """Asks the engine now and then, and counts on by this machine's monotonic clock, which nobody sets."""

    def __init__(self, ask: Callable[[], float]) -> None:
        self._ask = ask
        self._offset = 0.0
        self._until = 0.0

    def now(self) -> float:
        """The engine's time in Unix seconds.

        Raises:
            SandboxUnavailable: the engine does not answer.
        """
        if time.monotonic() >= self._until:
            self._offset = self._ask() - time.monotonic()
            self._until = time.monotonic() + HOLDS_S
        return self._offset + time.monotonic()
