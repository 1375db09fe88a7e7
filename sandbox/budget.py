"""Compares what all cells of a worker may use together with what the host has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from config import format_bytes
from sandbox.profile import OPEN_FILES

if TYPE_CHECKING:
    from config import Settings

__all__ = ["Host", "jobs_that_fit", "most_jobs", "overcommitments", "this_host"]


@dataclass(frozen=True, slots=True)
class Host:
    """The resources of a host that its cells share."""

    memory_bytes: int
    processes: int
    files: int


def this_host() -> Host:
    """The host that this process runs on. An engine on another host may have more or less."""
    threads = Path("/proc/sys/kernel/threads-max").read_text()
    pids = Path("/proc/sys/kernel/pid_max").read_text()
    files = Path("/proc/sys/fs/file-max").read_text()
    return Host(psutil.virtual_memory().total, min(int(threads), int(pids)), int(files))


def most_jobs(settings: Settings) -> int:
    """How many jobs a worker with these settings runs at a time, at the most."""
    if settings.autoscale:
        return int(settings.autoscale.split(",")[0])
    return settings.concurrency or os.cpu_count() or 1


def jobs_that_fit(settings: Settings, host: Host) -> int:
    """How many jobs with default limits fit on the host at a time; at least one."""
    return max(1, min(host.memory_bytes // settings.docker_memory_limit, host.processes // settings.pids))


def overcommitments(settings: Settings, host: Host) -> list[str]:
    """One sentence, with figures, for each resource of which all cells together may use more than there is.

    Disk is not counted: a cell's files lie in memory and count against its memory limit, as its processes do.
    """
    jobs = most_jobs(settings)
    found = []
    for what, each in (
        ("as much as they get by default", settings.docker_memory_limit),
        ("as much as they may ask for", settings.max_memory),
    ):
        if jobs * each > host.memory_bytes:
            found.append(
                f"{jobs} jobs with {what} take {format_bytes(jobs * each)} of memory, more than the host's"
                f" {format_bytes(host.memory_bytes)}."
            )
            break
    processes = jobs * settings.max_pids
    if processes > host.processes:
        found.append(f"{jobs} jobs may have {processes} processes, more than the host's {host.processes}.")
    files = processes * OPEN_FILES
    if files > host.files:
        found.append(f"{jobs} jobs may open {files} files, more than the host's {host.files} (fs.file-max).")
    return found
