"""The engine's clock. Deadlines are times of this clock, because the clocks of workers may disagree."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HOLDS_S", "EngineClock"]

#: For how many seconds a reading is used. The engine's clock may be set at any time.
HOLDS_S = 10.0


class EngineClock:
    """Asks the engine sometimes, and in between adds the time of this machine's monotonic clock."""

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
