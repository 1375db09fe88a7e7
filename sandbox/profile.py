"""The cell's profile: everything that protects the host from a job, each line with what it stops.

A comment that begins with "stops:" names the attack that a job could make without the line. Each engine
derives its own form from this description. tests/hostile/mutants.py names, for each line, the test that fails
without it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.disk_reads import parse_disk_reads
from sandbox.gvisor import host_tasks
from sandbox.supervisor import SUPERVISOR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from config import Settings
    from sandbox.limits import Limits

__all__ = [
    "CELL_USER",
    "OPEN_FILES",
    "SOCKET_BYTES",
    "CpuQuota",
    "Profile",
    "Tmpfs",
    "by_operator",
    "cell_profile",
]

#: The user nobody, who owns no file of any image.
CELL_USER = 65534

#: How many files one process may have open.
OPEN_FILES = 1024

#: The memory of all sockets of one cell together, where the kernel counts it apart (cgroup v1).
SOCKET_BYTES = 32 << 20

_CFS_PERIOD_US = 100_000

# The list of allowed system calls. It replaces the engine's own, so that it is the same on every engine. A
# system call that a later kernel adds is not allowed.
_SECCOMP = json.dumps(json.loads(Path(__file__).with_name("seccomp.json").read_text()))

# This list replaces the engine's own. A path that the host does not have is ignored.
_MASKED_PATHS = (
    # The supervisor's memory, and the nonce in it.
    *("/proc/1/mem", "/proc/1/task/1/mem"),
    # The kernel's addresses, and its configuration.
    *("/proc/kcore", "/proc/kallsyms", "/proc/iomem", "/proc/timer_list", "/proc/sched_debug"),
    *("/proc/cmdline", "/proc/config.gz", "/sys/kernel", "/sys/module"),
    # The owners of the kernel's keys, from all cells.
    *("/proc/keys", "/proc/key-users"),
    # The host's hardware.
    *("/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/dmi"),
    # The activity of neighbours, seen in interrupts, timers, disks, pages, locks and electric power.
    # Not /proc/stat: Node aborts without it.
    *("/proc/interrupts", "/proc/softirqs", "/proc/schedstat", "/proc/latency_stats", "/proc/timer_stats"),
    *("/proc/diskstats", "/proc/vmstat", "/proc/zoneinfo", "/proc/buddyinfo", "/proc/pagetypeinfo"),
    *("/proc/pressure", "/proc/locks", "/sys/devices/virtual/powercap"),
)

_BASE_ENV = {
    # What a program installs for its user must be able to start, and no file is shared with other users here.
    "HOME": "/workspace",
    # What it only caches would come back among the artifacts.
    "XDG_CACHE_HOME": "/tmp/.cache",  # noqa: S108
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "TZ": "UTC",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmpfs:
    """A file system in the cell's own memory, which belongs to the cell's user."""

    size_bytes: int
    inodes: int
    mode: int
    exec: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuQuota:
    """Processor time for the scheduler's bandwidth control, in microseconds."""

    quota_us: int
    period_us: int = _CFS_PERIOD_US

    @classmethod
    def of(cls, limits: Limits) -> CpuQuota:
        """The quota for a job's number of cores."""
        return cls(quota_us=max(1000, round(limits.cpus * _CFS_PERIOD_US)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The description of a container, for every engine.

    `network` is a network of the engine's, or the container whose network namespace is joined. With None
    there is only a loopback device. `ulimits` hold for each process, soft and hard. `volumes` are paths that
    the image declares as volumes. `disk_reads` are bytes per second, for each device of the host. `seccomp`
    is JSON in the format of Docker.
    """

    image: str
    program: tuple[str, ...] = ("/bin/sh", "-c", SUPERVISOR, "cell")
    labels: Mapping[str, str]
    env: Mapping[str, str]
    user: int = CELL_USER  # stops: a job that is root for the image's files and for the kernel
    hostname: str | None = "cell"  # stops: learning the container's id
    network: str | None  # stops: reaching any network, if it is None
    ipc: str = "private"  # stops: using the shared memory and semaphores of neighbours
    seccomp: str = _SECCOMP  # stops: holes in the kernel, through system calls that no job needs
    # stops: reading about the host, the neighbours and the supervisor
    masked_paths: tuple[str, ...] = _MASKED_PATHS
    tmpfs: Mapping[str, Tmpfs]
    volumes: tuple[str, ...]  # stops: writing to the host's disk, if an image declares a volume
    shm_bytes: int  # stops: filling the host's memory through /dev/shm
    memory_bytes: int  # stops: a memory bomb
    socket_bytes: int = SOCKET_BYTES  # stops: filling socket buffers, which cgroup v1 counts apart
    oom_score_adj: int = 900  # stops: outliving the worker when the host itself runs out of memory
    pids: int  # stops: a fork bomb
    cpu: CpuQuota  # stops: starving neighbours of the processor
    ulimits: Mapping[str, int]
    sysctls: Mapping[str, str]
    disk_reads: Mapping[str, int]  # stops: starving neighbours of the disk that images are on
    oci_runtime: str | None


def cell_profile(
    *,
    image: str,
    limits: Limits,
    labels: Mapping[str, str],
    env: Mapping[str, str],
    volumes: Iterable[str] = (),
    network: str | None = None,
    oci_runtime: str | None = None,
    disk_reads: Mapping[str, int] | None = None,
) -> Profile:
    """The profile of a cell with these limits.

    What is the same for every container has no value here, and each engine sets it itself: no capabilities,
    no new privileges, a read-only root, private namespaces, no swap, no log, no restart.
    """
    return Profile(
        image=image,
        labels=labels,
        env=_BASE_ENV | dict(env),
        network=network,
        tmpfs=_tmpfs(limits),
        volumes=tuple(volumes),
        shm_bytes=limits.disk_bytes,
        memory_bytes=limits.memory_bytes,
        pids=host_tasks(limits.pids, oci_runtime),
        cpu=CpuQuota.of(limits),
        ulimits=_ulimits(limits),
        sysctls=_sysctls(network),
        disk_reads=disk_reads or {},
        oci_runtime=oci_runtime,
    )


def by_operator(settings: Settings) -> dict[str, Any]:
    """The arguments of `cell_profile` that depend on the settings alone."""
    return {"oci_runtime": settings.oci_runtime, "disk_reads": parse_disk_reads(settings.disk_reads)}


def _tmpfs(limits: Limits) -> dict[str, Tmpfs]:
    """The only two places that a job can write to. Both are in the cell's own memory.

    The sizes stop a full disk. The inodes stop a million empty files. Programs can start from /workspace, but
    not from /tmp.
    """
    size, inodes = limits.disk_bytes, max(1024, limits.disk_bytes // 4096)
    return {
        "/workspace": Tmpfs(size_bytes=size, inodes=inodes, mode=0o700, exec=True),
        "/tmp": Tmpfs(size_bytes=size, inodes=inodes, mode=0o1777, exec=False),  # noqa: S108
    }


def _sysctls(network: str | None) -> dict[str, str]:
    """Limits of the cell's own namespaces, for what no control group counts, at least in older kernels."""
    own = {
        "kernel.sem": "250 32000 100 128",  # stops: making a thousand million semaphores
    }
    if network:
        return own
    return own | {
        # stops: many connections. Each takes its smallest buffer even beyond `socket_bytes`.
        "net.ipv4.tcp_rmem": "4096 16384 65536",
        "net.ipv4.tcp_wmem": "4096 16384 65536",
        "net.ipv4.tcp_max_tw_buckets": "4096",  # stops: the same with connections that have ended
    }


def _ulimits(limits: Limits) -> dict[str, int]:
    """Limits of each process. Not `nproc`: it counts the user's processes in all cells."""
    return {
        # stops: a core file as large as memory. With 0, a core_pattern that is a pipe would still get one.
        "core": 1,
        "nofile": OPEN_FILES,  # stops: filling the kernel's table of open files
        "fsize": limits.disk_bytes,  # stops: sparse files that look larger than the cell
        "memlock": 64 << 10,  # stops: memory that cannot be reclaimed
        "msgqueue": 0,  # stops: filling the message queues, which the kernel counts per user, over all cells
        # stops: running on when no worker is left to enforce the deadline
        "cpu": math.ceil((limits.timeout_s + limits.grace_s) * max(1.0, limits.cpus)) + 5,
    }
