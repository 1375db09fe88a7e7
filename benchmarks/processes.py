"""Measures processor time and memory of the worker and of the engine."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import docker

__all__ = ["cell_pss", "cpu_at_rest", "cpu_of_engine", "cpu_of_processes", "cpu_of_tree", "pss", "tree"]

_ENGINE = ("dockerd", "containerd")
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def tree(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_of_tree(pid: int) -> float:
    """Seconds of processor time of a process and its descendants, including those that have ended."""
    return _sum(tree(pid), _used_s)


def cpu_of_processes(pid: int) -> float:
    """Seconds of processor time of a process and its descendants that run, without those that have ended."""
    return _sum(tree(pid), lambda process: sum(process.cpu_times()[:2]))


def cpu_of_engine() -> float:
    """Seconds of processor time of the engine: daemon, containerd, shims, runc, and what runs in the cells.

    A shim is a child of process 1. When the shim ends, its time and that of its cell are added to process 1.
    """
    every = {p.pid: p for root in _engine() for p in tree(root.pid)}
    return _sum(every.values(), _used_s) + _reaped_s(psutil.Process(1))


def cpu_at_rest(pid: int | None) -> dict[int, float]:
    """Seconds of processor time of each process. The resolution is nanoseconds, for idle processes.

    `pid` is the root of a process tree; None means the engine. Unlike the other functions, this one does not
    count threads and processes that have ended.
    """
    roots = [pid] if pid else [p.pid for p in _engine()]
    return {p.pid: _scheduled_s(p.pid) for root in roots for p in tree(root)}


def pss(pid: int) -> int:
    """Bytes of memory of one process, with its share of shared memory; 0 if the process has ended."""
    try:
        found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def cell_pss(engine: docker.APIClient, name: str) -> tuple[int, int]:
    """Bytes of memory of a container's shim, and of all processes in the container."""
    first: int = engine.inspect_container(name)["State"]["Pid"]
    shim = psutil.Process(first).ppid()
    return pss(shim), sum(pss(process.pid) for process in tree(first))


def _scheduled_s(pid: int) -> float:
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            total += int(thread.read_text().split()[0])
    return total / 1e9


def _engine() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["name"]) if (p.info["name"] or "").startswith(_ENGINE)]


def _used_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def _reaped_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.children_user + times.children_system


def _sum(processes: Iterable[psutil.Process], used_s: Callable[[psutil.Process], float]) -> float:
    total = 0.0
    for process in processes:
        try:
            total += used_s(process)
        except psutil.NoSuchProcess:
            continue
    return total
