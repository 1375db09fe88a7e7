"""The cell's profile: everything that stands between a job and the host, each line with what it stops.

A comment that begins with "stops:" names the attack that a job could make without the line.
tests/hostile/mutants.py names, for each line, the test that fails without it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.disk_reads import parse_disk_reads
from sandbox.engines.docker.socket_memory import SOCKET_BYTES
from sandbox.supervisor import SUPERVISOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from config import Settings
    from sandbox.limits import Limits

__all__ = ["CELL_USER", "OPEN_FILES", "by_operator", "container_config", "cpu_quota"]

#: nobody: owns no file of any image.
CELL_USER = "65534:65534"

#: How many files one process may have open.
OPEN_FILES = 1024

_CFS_PERIOD_US = 100_000

# A list of what is allowed, in place of the engine's own: the same on every engine, old or new, and nothing
# that a kernel learns later is in it.
_SECCOMP = json.dumps(json.loads(Path(__file__).with_name("seccomp.json").read_text()))

# The engine's own list is replaced, not added to. What is not there on a host is passed over.
_MASKED_PATHS = [
    # The supervisor's memory, and the nonce in it.
    *("/proc/1/mem", "/proc/1/task/1/mem"),
    # Where the kernel keeps what, and how it was set up.
    *("/proc/kcore", "/proc/kallsyms", "/proc/iomem", "/proc/timer_list", "/proc/sched_debug"),
    *("/proc/cmdline", "/proc/config.gz", "/sys/kernel", "/sys/module"),
    # Whose keys the kernel holds, over all cells.
    *("/proc/keys", "/proc/key-users"),
    # The host's hardware.
    *("/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/dmi"),
    # What the neighbours do, from interrupts, timers, disks, pages, locks and the power that they take.
    # Not /proc/stat: Node aborts without it.
    *("/proc/interrupts", "/proc/softirqs", "/proc/schedstat", "/proc/latency_stats", "/proc/timer_stats"),
    *("/proc/diskstats", "/proc/vmstat", "/proc/zoneinfo", "/proc/buddyinfo", "/proc/pagetypeinfo"),
    *("/proc/pressure", "/proc/locks", "/sys/devices/virtual/powercap"),
]


def container_config(
    *,
    image: str,
    limits: Limits,
    labels: Mapping[str, str],
    env: Mapping[str, str],
    volumes: Iterable[str] = (),
    network: str | None = None,
    oci_runtime: str | None = None,
    disk_reads: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The body of the engine's create call (Docker Engine API, "Create a container").

    `volumes` are those that the image declares: each would become a writable folder on the host's disk.
    `network` is one of the engine's; None leaves the cell a loopback device alone. `disk_reads` are bytes a
    second, by the host's device.
    """
    return {
        "Image": image,
        "Entrypoint": ["/bin/sh", "-c", SUPERVISOR, "cell"],
        "Cmd": [],
        "User": CELL_USER,  # stops: a job that is root to the image's files and to the kernel
        "WorkingDir": "/",
        "Hostname": "cell",  # stops: learning the container's id
        "Env": [f"{name}={value}" for name, value in (_BASE_ENV | dict(env)).items()],
        "Labels": dict(labels),
        "NetworkDisabled": not network,  # stops: reaching any network; a loopback device is all there is
        "Healthcheck": {"Test": ["NONE"]},  # stops: an image's health check beside the job
        "StopSignal": "SIGKILL",  # an engine that starts again need not wait for what ignores SIGTERM
        "OpenStdin": True,
        "StdinOnce": True,  # stops: outliving the worker: the supervisor hears the end of input
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "HostConfig": {
            "CapDrop": ["ALL"],  # stops: mount, raw sockets, device nodes, chown, setuid, ptrace of others, …
            "SecurityOpt": [
                "no-new-privileges:true",  # stops: becoming root by a setuid program of the image
                f"seccomp={_SECCOMP}",  # stops: system calls that no job needs, where the kernel's holes are
            ],
            "MaskedPaths": _MASKED_PATHS,  # stops: reading about the host, the neighbours and the supervisor
            "ReadonlyRootfs": True,  # stops: changing the image's programs, filling the host's disk
            "Tmpfs": _tmpfs(limits) | dict.fromkeys(volumes, "ro,size=4k"),
            "ShmSize": limits.disk_bytes,  # stops: filling the host's memory through /dev/shm
            "IpcMode": "private",  # stops: using the shared memory and semaphores of neighbours
            "CgroupnsMode": "private",  # stops: seeing the host's tree of control groups
            "Memory": limits.memory_bytes,  # stops: a memory bomb
            "MemorySwap": limits.memory_bytes,  # stops: the same through swap; this is the sum of both
            "KernelMemoryTCP": SOCKET_BYTES,  # stops: filling socket buffers, which cgroup v1 counts apart
            "OomScoreAdj": 900,  # stops: outliving the worker when the host itself runs out of memory
            "PidsLimit": limits.pids,  # stops: a fork bomb
            "CpuPeriod": cpu_quota(limits)["cpu_period"],
            "CpuQuota": cpu_quota(limits)["cpu_quota"],  # stops: starving neighbours of the processor
            "Ulimits": _ulimits(limits),
            "Sysctls": _sysctls(network),
            "BlkioDeviceReadBps": [  # stops: starving neighbours of the disk that images are on
                {"Path": device, "Rate": bytes_s} for device, bytes_s in (disk_reads or {}).items()
            ],
            "LogConfig": {"Type": "none", "Config": {}},  # stops: filling the host's disk with logs
            "RestartPolicy": {"Name": "no"},
            "AutoRemove": False,  # after the end the engine is asked how it came about
            "Init": False,
            **({"NetworkMode": network} if network else {}),
            **({"Runtime": oci_runtime} if oci_runtime else {}),
        },
    }


_BASE_ENV = {"HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "TZ": "UTC"}  # noqa: S108


def by_operator(settings: Settings) -> dict[str, Any]:
    """What the settings alone say of every cell, for `container_config`."""
    return {"oci_runtime": settings.oci_runtime, "disk_reads": parse_disk_reads(settings.disk_reads)}


def cpu_quota(limits: Limits) -> dict[str, int]:
    """The cores of a job as the scheduler's bandwidth control takes them, in microseconds."""
    return {"cpu_period": _CFS_PERIOD_US, "cpu_quota": max(1000, round(limits.cpus * _CFS_PERIOD_US))}


def _tmpfs(limits: Limits) -> dict[str, str]:
    """The only places to write to, both held in the cell's own memory.

    The sizes stop a full disk, the inodes a million empty files. Mode and owner are said because the engine
    copies those of the image's folder otherwise. Programs start from /workspace alone.
    """
    room = f"size={limits.disk_bytes},nr_inodes={max(1024, limits.disk_bytes // 4096)},nosuid,nodev"
    return {
        "/workspace": f"rw,exec,{room},mode=0700,uid=65534,gid=65534",
        "/tmp": f"rw,noexec,{room},mode=1777,uid=65534,gid=65534",  # noqa: S108
    }


def _sysctls(network: str | None) -> dict[str, str]:
    """Of the cell's own namespaces: what is counted for no control group, or was not by older kernels."""
    own = {
        "kernel.sem": "250 32000 100 128",  # stops: making a thousand million semaphores
    }
    if network:
        return own
    return own | {
        # stops: many connections, each of which takes its least size whatever KernelMemoryTCP says.
        "net.ipv4.tcp_rmem": "4096 16384 65536",
        "net.ipv4.tcp_wmem": "4096 16384 65536",
        "net.ipv4.tcp_max_tw_buckets": "4096",  # stops: the same by connections that have ended
    }


def _ulimits(limits: Limits) -> list[dict[str, Any]]:
    """Per process, beneath the cgroup's limits. Not `nproc`: it counts the user's processes in all cells."""
    cpu_s = math.ceil((limits.timeout_s + limits.grace_s) * max(1.0, limits.cpus)) + 5
    limits_of = {
        # stops: a core file as large as memory. 0 would let one pass to a core_pattern that is a pipe.
        "core": 1,
        "nofile": OPEN_FILES,  # stops: filling the kernel's table of open files
        "fsize": limits.disk_bytes,  # stops: sparse files that look larger than the cell
        "memlock": 64 << 10,  # stops: memory that cannot be reclaimed
        "msgqueue": 0,  # stops: filling the message queues, which the kernel counts per user, over all cells
        "cpu": cpu_s,  # stops: running on when nobody is left to keep the deadline
    }
    return [{"Name": name, "Soft": most, "Hard": most} for name, most in limits_of.items()]
