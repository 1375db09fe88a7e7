"""What a job has used of its cell, by the kernel's count outside of the cell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.events import Usage

if TYPE_CHECKING:
    from sandbox.engines.cgroup import ControlGroup

__all__ = ["JobUsage"]

# The CPU time that a supervisor may need between the orders and the start of the job: measured are 8 ms, and
# 2 ns for each byte that it unpacks.
_SETUP_NS = 20_000_000
_UNPACK_NS = 4


class JobUsage:
    """Reads the control group of a cell when its job is handed over, when it starts, and at its end.

    The cell's supervisor reports the CPU time too, and more exactly, because it reads the count at the very
    start of the command. But a job may forge the report. So the report counts only within bounds: at most
    what the cell has used since the hand-over, and at least that without what a supervisor may need before
    the start. Without a group that can be read here, the report is all that is known.
    """

    def __init__(self, group: ControlGroup | None) -> None:
        self._group = group
        self._handed_over_ns: int | None = None
        self._started_ns: int | None = None
        self._setup_ns = 0

    def hand_over(self, orders_bytes: int) -> None:
        """To be called just before orders of this size are written."""
        self._handed_over_ns = self._group.cpu_ns() if self._group else None
        self._setup_ns = _SETUP_NS + _UNPACK_NS * orders_bytes

    def start(self) -> None:
        """To be called once the supervisor has reported the start."""
        self._started_ns = self._group.cpu_ns() if self._group else None

    def so_far_ns(self) -> int | None:
        """The CPU time that the job has used until now. None if nothing of the group can be read."""
        now_ns = self._group.cpu_ns() if self._group else None
        since_ns = self._handed_over_ns if self._started_ns is None else self._started_ns
        return None if now_ns is None or since_ns is None else now_ns - since_ns

    def at_end(self, reported: Usage = Usage()) -> Usage:  # noqa: B008  it can't be changed
        """What the job has used until now. It is `reported` if nothing of the group can be read.

        What the kernel does not count outside of the cell, it does not count inside either.
        """
        usage = self._group.usage() if self._group else Usage()
        if usage == Usage():
            return reported
        return replace(usage, cpu_ns=self._of_job(usage.cpu_ns, reported.cpu_ns))

    def _of_job(self, now_ns: int | None, reported_ns: int | None) -> int | None:
        if now_ns is None or self._handed_over_ns is None:
            return reported_ns
        most_ns = now_ns - self._handed_over_ns
        if reported_ns is None:
            reported_ns = most_ns if self._started_ns is None else now_ns - self._started_ns
        return min(max(reported_ns, most_ns - self._setup_ns), most_ns)
