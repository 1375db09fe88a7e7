"""Limits the memory of a cell's socket buffers on cgroup v1, which counts it apart from other memory.

The create call sets the same limit (`KernelMemoryTCP`). crun applies it, runc from 1.0.0-rc94 on does not. So
the process that makes a cell also writes the limit itself. It can do so only on the engine's host, and with
permission to write to the cgroup hierarchy. The kernel applies the limit to the buffers of UDP and TCP. On
cgroup v2 they are part of the job's memory.
"""

from __future__ import annotations

import os
from pathlib import Path

from sandbox.profile import SOCKET_BYTES

__all__ = ["bound_sockets", "bounds_sockets"]

_LIMIT = "memory.kmem.tcp.limit_in_bytes"
_HIERARCHY = Path("/sys/fs/cgroup/memory")
# Where the engine puts its containers, by its cgroup driver.
_DRIVERS = {"cgroupfs": "docker/{}", "systemd": "system.slice/docker-{}.scope"}


def bound_sockets(container: str, hierarchy: Path = _HIERARCHY) -> bool:
    """Set the limit of the container with this id, which has no sockets yet. Returns whether it was set."""
    return any(_wrote(hierarchy / place.format(container) / _LIMIT) for place in _DRIVERS.values())


def bounds_sockets(driver: str, hierarchy: Path = _HIERARCHY) -> bool:
    """Whether this process may set the limits of containers that an engine with this cgroup driver makes."""
    place = _DRIVERS.get(driver)
    return place is not None and os.access((hierarchy / place).parent / _LIMIT, os.W_OK)


def _wrote(limit: Path) -> bool:
    try:
        with limit.open("r+") as file:
            file.write(str(SOCKET_BYTES))
    except OSError:  # cgroup v2, another host, or no permission
        return False
    return True
