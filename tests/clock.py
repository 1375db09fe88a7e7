"""A clock that tests put in place of `time` in one module of the product."""

from __future__ import annotations

__all__ = ["Clock"]


class Clock:
    """Its time changes only when a test sets it, or when the module sleeps."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s
        self.slept_s: list[float] = []

    def monotonic(self) -> float:
        """Like `time.monotonic`."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Like `time.sleep`, but returns at once."""
        self.slept_s.append(seconds)
        self.now_s += seconds
