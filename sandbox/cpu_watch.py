"""Enforces a job's limit of CPU time, which all its processes use together."""

from __future__ import annotations

import math
import os
import time
from functools import cached_property
from typing import TYPE_CHECKING

from sandbox.errors import EngineFailed

if TYPE_CHECKING:
    from sandbox.cell import Cell
    from sandbox.limits import Limits

__all__ = ["CpuWatch"]

# The shortest time between two looks. Meanwhile each core may spend as much.
_LEAST_S = 0.004
# How often the cell itself is asked to look, where nobody outside can.
_WITHIN_S = 0.02


class CpuWatch:
    """Looks at what a job has used as seldom as possible: not before all cores can have used what is left."""

    def __init__(self, cell: Cell, limits: Limits) -> None:
        self._cell = cell
        self._limit_ns = None if limits.cpu_time_s is None else int(limits.cpu_time_s * 1e9)
        self._cpus = limits.cpus
        self._due = math.inf

    @property
    def left_s(self) -> float:
        """The seconds until the next look is due."""
        return self._due - time.monotonic()

    def start(self) -> None:
        """To be called when the command has started."""
        if self._limit_ns is not None:
            self._look_when(self._limit_ns)

    def is_spent(self) -> bool:
        """Whether a look is due, and shows that the job has used up its CPU time.

        Raises:
            EngineFailed: neither this process nor the cell can tell what the job has used.
        """
        if self._limit_ns is None or self.left_s > 0:
            return False
        used_ns = self._cell.cpu_ns()
        if used_ns is not None:
            self._look_when(self._limit_ns - used_ns)
            return used_ns >= self._limit_ns
        if not self._cell.bound_cpu(self._limit_ns):
            raise EngineFailed("The CPU time of this cell can't be read, so that it can't be limited.")
        self._due = time.monotonic() + _WITHIN_S
        return False

    def _look_when(self, left_ns: int) -> None:
        self._due = time.monotonic() + max(_LEAST_S, left_ns / 1e9 / self._cores)

    @cached_property
    def _cores(self) -> int:
        """How many cores it may use within one period of its quota. Only a job with a limit asks for it."""
        return max(math.ceil(self._cpus), os.cpu_count() or 1)
