"""The time of one module of the product, where a test has put its own in the place of `time`."""

from __future__ import annotations

__all__ = ["Clock"]


class Clock:
    """Stands still until a test moves it, or somebody sleeps."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s
        self.slept_s: list[float] = []

    def monotonic(self) -> float:
        """As `time.monotonic`."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """As `time.sleep`, in no time."""
        self.slept_s.append(seconds)
        self.now_s += seconds
