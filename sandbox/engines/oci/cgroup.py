"""The control group of a cell, changed and killed from outside of the cell."""

from __future__ import annotations

import errno
import os
import signal
import time
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from sandbox.engines.cgroup import CGROUPS, ControlGroup, number, unless_gone
from sandbox.engines.oci.process_end import ends
from sandbox.engines.oci.state import modified

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["CellGroup", "group_names"]


class CellGroup(ControlGroup):
    """The group of a cell of this engine, which changes, kills and removes it."""

    def __init__(self, path: str, root: Path = CGROUPS) -> None:
        super().__init__(path, root)
        self._root, self._relative = root, path.lstrip("/")

    def set_limits(self, memory_bytes: int, quota_us: int, period_us: int) -> None:
        """Change the limits of a running cell.

        Raises:
            OSError: the kernel refuses.
        """
        if self.is_unified:
            (self.memory_folder / "memory.max").write_text(str(memory_bytes))
            (self.cpu_folder / "cpu.max").write_text(f"{quota_us} {period_us}")
            return
        both = [
            self.memory_folder / "memory.limit_in_bytes",
            self.memory_folder / "memory.memsw.limit_in_bytes",
        ]
        # The limit of memory with swap must never be below the limit of memory.
        if memory_bytes > (number(both[0]) or 0):
            both.reverse()
        for file in both:
            file.write_text(str(memory_bytes))
        (self.cpu_folder / "cpu.cfs_quota_us").write_text(str(quota_us))

    @property
    def made(self) -> float:
        """When the group was made, in Unix seconds; infinity if it is gone."""
        return modified(self.memory_folder)

    @property
    def is_empty(self) -> bool:
        """Whether no process is in the group, or the group is gone."""
        return next(self._pids(), None) is None

    def kill(self) -> None:
        """Send SIGKILL to every process in the group. Do nothing if it is gone."""
        with unless_gone():
            if (self.memory_folder / "cgroup.kill").exists():
                (self.memory_folder / "cgroup.kill").write_text("1")
                return
            # Version 1, or Linux before 5.14. While all are frozen, no process ends by itself, so no id in
            # the list can become another process's.
            with self._frozen():
                for pid in self._pids():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def await_end(self, within_s: float) -> None:
        """Wait until the processes that are in the group now have ended, but no longer than `within_s`."""
        until = time.monotonic() + within_s
        for pid in self._pids():
            with suppress(ProcessLookupError):
                ends(pid, until - time.monotonic())

    def remove(self) -> bool:
        """Remove the groups that have no process. Returns whether all groups are gone."""
        removed = [_is_removed(f"{top}/{self._relative}") for top in self._tops()]
        return all(removed)

    def _tops(self) -> tuple[str, ...]:
        """The roots of its groups. With version 1 a runtime puts a cell into every hierarchy that it sees."""
        return (str(self._root),) if self.is_unified else _hierarchies(self._root)

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        if self.is_unified:
            freezer, frozen, thawed = self._root / self._relative / "cgroup.freeze", "1", "0"
        else:
            freezer = self._root / "freezer" / self._relative / "freezer.state"
            frozen, thawed = "FROZEN", "THAWED"
        freezer.write_text(frozen)
        try:
            yield
        finally:
            freezer.write_text(thawed)

    def _pids(self) -> Iterator[int]:
        listed = ""
        with unless_gone():
            listed = (self.memory_folder / "cgroup.procs").read_text()
        yield from map(int, listed.split())


@cache
def _hierarchies(root: Path) -> tuple[str, ...]:
    """The folders of a host's hierarchies, which do not change while it runs."""
    every = root.iterdir() if root.is_dir() else ()
    return tuple(str(path) for path in every if path.is_dir() and not path.is_symlink())


def _is_removed(folder: str) -> bool:
    try:
        os.rmdir(folder)  # noqa: PTH106  there are ten of them for a cell, and a path takes longer than the call
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise
        return False
    return True


def group_names(parent: str, root: Path = CGROUPS) -> Iterator[str]:
    """The names of the groups within the group `parent`."""
    top = root if (root / "cgroup.controllers").exists() else root / "memory"
    with unless_gone():
        yield from (path.name for path in (top / parent.lstrip("/")).iterdir() if path.is_dir())
