"""The soft and the hard limit of the job that a pool process runs, as that process sees them."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from billiard.exceptions import SoftTimeLimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["RESUME", "SUSPEND", "limits"]

#: Messages of a pool process to its parent, beside billiard's own, which are small numbers.
SUSPEND, RESUME = 0xCB0, 0xCB1

# The parent counts from when it hears of the start, and its timers may be early by as much.
_SLACK_S = 0.5


class Limits:
    """They run while the job has its cell, and rest while it waits for a lease or to be stored.

    The parent's timers are what ends a job. It is told to stop and to start them; and as it may hear that
    late, when the broker was away, a soft limit that strikes too early is not heeded here.
    """

    def __init__(self) -> None:
        self._tell: Callable[[tuple[int, tuple[int]]], object] | None = None
        self._job: int | None = None
        self._since = 0.0
        self._rest = False
        self._due = math.inf

    def attach(self, tell: Callable[[tuple[int, tuple[int]]], object]) -> None:
        """From now on the parent is told of changes; a pool of threads has no limits to tell of."""
        self._tell = tell

    def accepted(self, job: int) -> None:
        """The parent counts from now on, for the job that billiard knows by this number."""
        self._job, self._since, self._rest, self._due = job, time.monotonic(), False, 0.0

    def suspend(self) -> None:
        """Have both limits rest until the cell is there."""
        self._due = math.inf
        if not self._rest:
            self._rest = True
            self._send(SUSPEND)

    @contextmanager
    def running(self, soft_s: float) -> Iterator[None]:
        """While the job has its cell: they count from here, if they rested, and rest again behind it."""
        if self._rest:
            self._since, self._rest = time.monotonic(), False
            self._send(RESUME)
        self._due = self._since + soft_s - _SLACK_S
        try:
            yield
        finally:
            self.suspend()

    def strike(self, *_: Any) -> None:  # noqa: ANN401  a signal's
        """The handler of the signal by which the parent says that the soft limit has passed."""
        if time.monotonic() >= self._due:
            raise SoftTimeLimitExceeded

    def _send(self, message: int) -> None:
        if self._tell is not None and self._job is not None:
            self._tell((message, (self._job,)))


limits = Limits()
