"""What the kernel counts for a cell, read from the cell's control group outside of the cell."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.engines.small_files import read_small, write_small
from sandbox.events import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CGROUPS", "ControlGroup", "number", "unless_gone"]

#: Where a host shows its control groups.
CGROUPS = Path("/sys/fs/cgroup")


class ControlGroup:
    """The groups of one cell: one with cgroup version 2, one for each controller with version 1."""

    def __init__(self, path: str, root: Path = CGROUPS) -> None:
        relative = path.lstrip("/")
        #: Whether it is version 2. The folders with the files of a controller are the same then.
        self.is_unified = _is_unified(root)
        # Texts, because every job waits while several of these files are read.
        if self.is_unified:
            self._memory = self._cpu = self._cpu_time = f"{root}/{relative}"
        else:
            self._memory, self._cpu = f"{root}/memory/{relative}", f"{root}/cpu/{relative}"
            self._cpu_time = f"{root}/cpuacct/{relative}"

    @property
    def memory_folder(self) -> Path:
        """Where its memory is limited and counted."""
        return Path(self._memory)

    @property
    def cpu_folder(self) -> Path:
        """Where its share of the processors is limited."""
        return Path(self._cpu)

    def usage(self) -> Usage:
        """What the cell has used until now, as far as the kernel reports it."""
        peak = "memory.peak" if self.is_unified else "memory.max_usage_in_bytes"
        return Usage(self.cpu_ns(), number(f"{self._memory}/{peak}"), self.oom_kills())

    def cpu_ns(self) -> int | None:
        """The CPU time that all its processes have used, in nanoseconds."""
        if self.is_unified:
            cpu_us = _fields(f"{self._cpu_time}/cpu.stat").get("usage_usec")
            return None if cpu_us is None else cpu_us * 1000
        return number(f"{self._cpu_time}/cpuacct.usage")

    def oom_kills(self) -> int | None:
        """How many of its processes the kernel has killed for lack of memory."""
        events = "memory.events" if self.is_unified else "memory.oom_control"
        return _fields(f"{self._memory}/{events}").get("oom_kill")

    def memory(self) -> dict[str, Any]:
        """A sample of its memory, with the names of Docker's statistics."""
        usage, limit = ("current", "max") if self.is_unified else ("usage_in_bytes", "limit_in_bytes")
        return {
            "usage": number(f"{self._memory}/memory.{usage}") or 0,
            "limit": number(f"{self._memory}/memory.{limit}") or 0,
            "stats": _fields(f"{self._memory}/memory.stat"),
        }

    def bound_sockets(self, most_bytes: int) -> None:
        """Limit the memory of the cell's sockets, if the kernel counts it apart. runc does not set it."""
        if not self.is_unified:
            with unless_gone():
                write_small(f"{self._memory}/memory.kmem.tcp.limit_in_bytes", str(most_bytes))


@contextmanager
def unless_gone() -> Iterator[None]:
    """Leave the block if the group is removed meanwhile. A file of it that is open then gives ENODEV."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise


@cache
def _is_unified(root: Path) -> bool:
    """Whether a host has version 2 alone, which does not change while it runs."""
    return (root / "cgroup.controllers").exists()


def number(file: str | Path) -> int | None:
    """The number in a file; None if there is none."""
    try:
        return int(read_small(file))
    except (OSError, ValueError):
        return None


def _fields(file: str) -> dict[str, int]:
    try:
        words = read_small(file).decode().split()
    except OSError:
        return {}
    return {
        name: int(value) for name, value in zip(words[::2], words[1::2], strict=False) if value.isdecimal()
    }
