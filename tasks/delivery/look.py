"""Makes an event loop look again later, for what no event tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Look"]

# How soon a worker sees that a tenant has ended a job in another worker, and may run the next.
_SOON_S = 0.05


class Look:
    """The timers of one channel."""

    def __init__(self, loop: Any, wake: Callable[[], None]) -> None:  # noqa: ANN401  kombu's own
        self._loop = loop
        self._wake = wake
        self._is_due = False
        self._repeated: list[Any] = []

    def soon(self) -> None:
        """Have the loop run an iteration soon, unless that was asked for already."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_later(_SOON_S, self._due)

    def repeat(self, every_s: float, call: Callable[[], None]) -> None:
        """Have the loop call `call` again and again."""
        self._repeated.append(self._loop.call_repeatedly(every_s, call))

    def close(self) -> None:
        """End what is repeated, and wake the loop no more."""
        self._is_due = False
        for timer in self._repeated:
            timer.cancel()

    def _due(self) -> None:
        if self._is_due:
            self._is_due = False
            self._wake()
