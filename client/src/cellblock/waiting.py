"""When to look for a result again, and when to give up."""

from __future__ import annotations

import time

__all__ = ["Waiting"]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.25


class Waiting:
    """One caller that waits for a result. Does no I/O.

    It polls, because Redis disconnects a subscriber as soon as a published result is too large. The pauses
    are a part of the time that it has waited, so that a fast job is not made slow.
    """

    def __init__(self, timeout_s: float | None) -> None:
        self._began_s = time.monotonic()
        self._timeout_s = timeout_s

    def pause_s(self) -> float:
        """The seconds until the next look.

        Raises:
            TimeoutError: the time is over.
        """
        waited_s = time.monotonic() - self._began_s
        pause_s = min(max(waited_s / 4, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        if self._timeout_s is None:
            return pause_s
        if waited_s >= self._timeout_s:
            raise TimeoutError(
                f"There is no result after {self._timeout_s:g} s; the job goes on."
                " Try: get() again later, or cancel()."
            )
        return min(pause_s, self._timeout_s - waited_s)
