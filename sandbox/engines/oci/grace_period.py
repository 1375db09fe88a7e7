"""Begins early what the kernel waits for before it puts a process into another control group.

Such a move locks out forks on all processors. For that the kernel waits for a grace period of RCU, some 7 to
20 ms, unless it has moved another process within the last few milliseconds. So the wait is caused on purpose
while other parts of a cell are made. The runtime then finds it over.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from sandbox.engines.cgroup import CGROUPS, ControlGroup
from sandbox.engines.small_files import write_small
from sandbox.threads import start_thread

__all__ = ["GracePeriod"]

# For at least this long after a move, the next one needs no wait.
_STAYS_S = 0.005
_OWN = Path("/proc/self/cgroup")


class GracePeriod:
    """The wait of one engine. It is begun for each cell, and noted as over once the cell is made."""

    def __init__(self, root: Path = CGROUPS, own: Path = _OWN) -> None:
        self._root, self._own = root, own
        self._over_until = 0.0

    def begin(self) -> None:
        """Have the kernel wait from now on, in a thread, unless it need not wait."""
        if time.monotonic() > self._over_until:
            start_thread(self._move, name="cellblock-grace-period", lasting=False)

    def note_move(self) -> None:
        """A process has just been moved, for instance by the runtime."""
        self._over_until = time.monotonic() + _STAYS_S

    def _move(self) -> None:
        """Put this process into the group in which it is, which changes nothing."""
        # Who may not do it, or can't tell the group, has to wait, as before.
        with suppress(OSError, KeyError):
            write_small(self._group().memory_folder / "cgroup.procs", "0")

    def _group(self) -> ControlGroup:
        """This process's own group, of version 2 or of one hierarchy of version 1: all share the lock."""
        groups = dict(line.split(":", 2)[1:] for line in self._own.read_text().splitlines())
        name = "" if ControlGroup("", self._root).is_unified else "memory"
        return ControlGroup(groups[name], self._root)
