"""Finds the processes that were started since some moment, without a look at each process of the host."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Newcomers"]

# No host starts enough processes in this time to use all numbers.
_SURE_S = 0.1
_FEW = 50
# To count forks takes as long as to look for three processes. An older count is lower, which is as safe.
_COUNT_S = 10.0


class Newcomers:
    """The processes that were started since this object was made.

    Linux numbers processes in turn, and begins anew after the highest number. So a number that is not between
    the newest one of then and that of now belongs to an older process, if fewer were started than there are
    numbers.

    `known` is one of them, if one is known. Not every kernel tells its newest number (gVisor's does not, nor
    one whose files are made up for a container). Where that shows, every process counts as new.
    """

    known: int | None = None

    def __init__(self) -> None:
        self._first = self._last = _newest()
        self._began = time.monotonic()
        self._forks = _recent_forks.at_least(self._began)

    def __call__(self) -> Iterable[int]:
        """Their numbers. There may be older ones among them, and some of processes that have ended."""
        last = self._last = _newest()
        if not self._are_in_turn() or not (self.known is None or self._is_new(self.known)):
            return psutil.pids()
        # To list all processes takes as long as to look for a hundred of them.
        if 0 <= last - self._first < _FEW:
            return range(self._first + 1, last + 1)
        return filter(self._is_new, psutil.pids())

    def are_more(self) -> bool:
        """Whether any process was started since the last look at their numbers began."""
        return _newest() != self._last

    def _is_new(self, pid: int) -> bool:
        if self._first <= self._last:
            return self._first < pid <= self._last
        return pid > self._first or pid <= self._last

    def _are_in_turn(self) -> bool:
        if time.monotonic() - self._began < _SURE_S:
            return True
        return _forks() - self._forks < int(Path("/proc/sys/kernel/pid_max").read_text()) // 2


class _RecentForks:
    """The count of forks, read no more than every few seconds."""

    def __init__(self) -> None:
        self._read: tuple[float, int] = (-math.inf, 0)

    def at_least(self, now: float) -> int:
        """A count that is `_COUNT_S` seconds old at most. There are no fewer by `now`."""
        read_at, count = self._read
        if now - read_at > _COUNT_S:
            count = _forks()
            self._read = (now, count)
        return count


_recent_forks = _RecentForks()


def _newest() -> int:
    """The number of the process that was started last, in this PID namespace."""
    with open("/proc/loadavg", "rb") as file:  # noqa: PTH123  a tenth of Path's time
        return int(file.read().rsplit(b" ", 1)[1])


def _forks() -> int:
    """How many processes and threads the host has started since its boot."""
    with open("/proc/stat", "rb") as file:  # noqa: PTH123
        return int(next(line for line in file if line.startswith(b"processes ")).split()[1])
