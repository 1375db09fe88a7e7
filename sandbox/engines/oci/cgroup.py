"""The control group of a cell, read and killed from outside of the cell."""

from __future__ import annotations

import errno
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.engines.oci.state import modified
from sandbox.events import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ROOT", "CellGroup", "group_names"]

ROOT = Path("/sys/fs/cgroup")


class CellGroup:
    """The groups of one cell: one with cgroup version 2, one for each controller with version 1."""

    def __init__(self, path: str, root: Path = ROOT) -> None:
        relative = path.lstrip("/")
        if (root / "cgroup.controllers").exists():
            self._folders = [root / relative]
            self._memory = self._cpu = self._cpu_time = self._folders[0]
        else:
            # The runtime puts a container into every hierarchy that the host has.
            self._folders = [top / relative for top in _hierarchies(root)]
            self._memory, self._cpu = root / "memory" / relative, root / "cpu" / relative
            self._cpu_time = root / "cpuacct" / relative
            self._freezer = root / "freezer" / relative / "freezer.state"

    def usage(self) -> Usage:
        """What the cell has used until now, as far as the kernel reports it."""
        cpu_us = _field(self._cpu_time / "cpu.stat", "usage_usec")
        cpu_ns = _number(self._cpu_time / "cpuacct.usage") if cpu_us is None else cpu_us * 1000
        peak = _first(self._memory, "memory.peak", "memory.max_usage_in_bytes")
        return Usage(cpu_ns, peak, self.oom_kills())

    def oom_kills(self) -> int | None:
        """How many of its processes the kernel has killed for lack of memory."""
        kills = _field(self._memory / "memory.events", "oom_kill")
        return _field(self._memory / "memory.oom_control", "oom_kill") if kills is None else kills

    def memory(self) -> dict[str, Any]:
        """A sample of its memory, with the names of Docker's statistics."""
        return {
            "usage": _first(self._memory, "memory.current", "memory.usage_in_bytes") or 0,
            "limit": _first(self._memory, "memory.max", "memory.limit_in_bytes") or 0,
            "stats": _fields(self._memory / "memory.stat"),
        }

    def bound_sockets(self, most_bytes: int) -> None:
        """Limit the memory of the cell's sockets, if the kernel counts it apart. runc does not set it."""
        with suppress(FileNotFoundError):
            (self._memory / "memory.kmem.tcp.limit_in_bytes").write_text(str(most_bytes))

    def set_limits(self, memory_bytes: int, quota_us: int, period_us: int) -> None:
        """Change the limits of a running cell.

        Raises:
            OSError: the kernel refuses.
        """
        if (self._memory / "memory.max").exists():
            (self._memory / "memory.max").write_text(str(memory_bytes))
            (self._cpu / "cpu.max").write_text(f"{quota_us} {period_us}")
            return
        both = [self._memory / "memory.limit_in_bytes", self._memory / "memory.memsw.limit_in_bytes"]
        # The limit of memory with swap must never be below the limit of memory.
        if memory_bytes > (_number(both[0]) or 0):
            both.reverse()
        for file in both:
            file.write_text(str(memory_bytes))
        (self._cpu / "cpu.cfs_quota_us").write_text(str(quota_us))

    @property
    def made(self) -> float:
        """When the group was made, in Unix seconds; infinity if it is gone."""
        return modified(self._memory)

    @property
    def is_empty(self) -> bool:
        """Whether no process is in the group, or the group is gone."""
        return next(self._pids(), None) is None

    def kill(self) -> None:
        """Send SIGKILL to every process in the group. Do nothing if it is gone."""
        with suppress(FileNotFoundError):
            if (self._memory / "cgroup.kill").exists():
                (self._memory / "cgroup.kill").write_text("1")
                return
            # While all are frozen, no process ends, so no id in the list can become another process's.
            self._freezer.write_text("FROZEN")
            try:
                for pid in self._pids():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            finally:
                self._freezer.write_text("THAWED")

    def remove(self) -> bool:
        """Remove the groups that have no process. Returns whether all groups are gone."""
        for folder in self._folders:
            with suppress(FileNotFoundError):
                try:
                    folder.rmdir()
                except OSError as error:
                    if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                        raise
        return not any(folder.exists() for folder in self._folders)

    def _pids(self) -> Iterator[int]:
        with suppress(FileNotFoundError):
            yield from map(int, (self._memory / "cgroup.procs").read_text().split())


def _hierarchies(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []


def group_names(parent: str, root: Path = ROOT) -> Iterator[str]:
    """The names of the groups within the group `parent`."""
    top = root if (root / "cgroup.controllers").exists() else root / "memory"
    with suppress(FileNotFoundError):
        yield from (path.name for path in (top / parent.lstrip("/")).iterdir() if path.is_dir())


def _first(folder: Path, *names: str) -> int | None:
    return next((value for name in names if (value := _number(folder / name)) is not None), None)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _field(file: Path, name: str) -> int | None:
    return _fields(file).get(name)


def _fields(file: Path) -> dict[str, int]:
    try:
        words = file.read_text().split()
    except OSError:
        return {}
    return {
        name: int(value) for name, value in zip(words[::2], words[1::2], strict=False) if value.isdecimal()
    }
