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

#: Types of messages from a pool process to its parent. billiard's own types are small numbers.
SUSPEND, RESUME = 0xCB0, 0xCB1

# The parent counts from the moment when it learns of the start. Its timers may be early by this much.
_SLACK_S = 0.5


class Limits:
    """Both limits run while the job has its cell, and rest while it waits for its lease or stores its result.

    The parent's timers end a job. This process tells the parent to stop and to start them. The parent hears
    that late if the broker was away. So this process ignores a soft limit that comes too early. To tell the
    parent costs both of them time, so whoever stores a result does that only if it may take long.
    """

    def __init__(self) -> None:
        self._tell: Callable[[tuple[int, tuple[int]]], object] | None = None
        self._job: int | None = None
        self._since = 0.0
        self._rest = False
        self._has_run = False
        self._due = math.inf
        self._soft_s = math.inf

    def attach(self, tell: Callable[[tuple[int, tuple[int]]], object]) -> None:
        """Tell the parent of changes from now on. Not called in a pool of threads, which has no limits."""
        self._tell = tell

    def accepted(self, job: int) -> None:
        """The parent counts the limits of billiard's job number `job` from now on."""
        self._job, self._since, self._due = job, time.monotonic(), 0.0
        self._rest = self._has_run = False

    def suspend(self) -> None:
        """Stop both limits until the job has its cell."""
        self._due = math.inf
        if not self._rest:
            self._rest = True
            self._send(SUSPEND)

    @contextmanager
    def running(self, soft_s: float) -> Iterator[None]:
        """Run both limits inside the block. They start anew if they rested or ran before.

        After it the soft limit strikes no more.
        """
        self._soft_s = soft_s
        if self._has_run:
            self.suspend()
        self._run()
        try:
            yield
        finally:
            self._due, self._has_run = math.inf, True

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Rest both limits in the block, in which the job waits for something. They start anew after it."""
        self.suspend()
        try:
            yield
        finally:
            self._run()

    def _run(self) -> None:
        if self._rest:
            self._since, self._rest = time.monotonic(), False
            self._send(RESUME)
        self._due = self._since + self._soft_s - _SLACK_S

    def strike(self, *_: Any) -> None:  # noqa: ANN401  a signal's
        """The handler of the signal that the parent sends when the soft limit has passed."""
        if time.monotonic() >= self._due:
            raise SoftTimeLimitExceeded

    def _send(self, message: int) -> None:
        if self._tell is not None and self._job is not None:
            self._tell((message, (self._job,)))


limits = Limits()
