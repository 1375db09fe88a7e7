"""A unique mark for a process. Other processes on its machine can see by the mark whether it still runs."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

__all__ = ["is_gone", "lives_here", "this_process"]


def this_process() -> str:
    """This process's mark: its machine's boot id, its PID namespace, its PID and its start time."""
    return _mark_of(os.getpid())


@cache
def _mark_of(own_pid: int) -> str:
    return f"{_place()}/{own_pid}/{_start(own_pid)}"


def lives_here(mark: str) -> bool:
    """Whether the process with this mark certainly runs, in this PID namespace of this machine."""
    return mark.partition("/")[0] == _place() and not is_gone(mark)


def is_gone(mark: str) -> bool:
    """Whether the process with this mark has certainly ended.

    False for a process of another machine, boot or PID namespace, because it can't be seen from here.
    """
    place, _, process = mark.partition("/")
    pid, _, start = process.partition("/")
    return place == _place() and pid.isdecimal() and _start(int(pid)) != start


@cache
def _place() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"


def _start(pid: int) -> str:
    """When the process started, in clock ticks since the boot (proc_pid_stat(5)); "" if it is dead."""
    try:
        # The second field is the program's name, in parentheses, and may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]
