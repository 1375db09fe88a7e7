"""A name for a process that no other ever has, by which others on its machine can tell whether it lives."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

__all__ = ["is_gone", "lives_here", "this_process"]


def this_process() -> str:
    """This process's mark: the boot of its machine, its namespace of processes, its number and its start."""
    return f"{_place()}/{os.getpid()}/{_start(os.getpid())}"


def lives_here(mark: str) -> bool:
    """Whether the process of a mark certainly runs, on this machine."""
    return mark.partition("/")[0] == _place() and not is_gone(mark)


def is_gone(mark: str) -> bool:
    """Whether the process of a mark has certainly ended. Of one on another machine nobody here knows."""
    place, _, process = mark.partition("/")
    pid, _, start = process.partition("/")
    return place == _place() and pid.isdecimal() and _start(int(pid)) != start


@cache
def _place() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"


def _start(pid: int) -> str:
    """In clock ticks since the boot, as proc_pid_stat(5) has it; "" of a process that is dead."""
    try:
        # The second field is the program's name, in parentheses, and may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]
