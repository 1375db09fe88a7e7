"""Bounds what a cell's sockets hold on cgroup v1, which counts it apart from the memory.

The create call says so too (`KernelMemoryTCP`). crun heeds it, runc from 1.0.0-rc94 on does not. So whoever
makes a cell writes the limit where the hierarchy is in reach: on the engine's host, with the right to. The
kernel holds buffers of UDP and of TCP to it. On cgroup v2 they are part of the job's memory.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["SOCKET_BYTES", "bound_sockets", "bounds_sockets"]

#: For all sockets of one cell together.
SOCKET_BYTES = 32 << 20

_LIMIT = "memory.kmem.tcp.limit_in_bytes"
_HIERARCHY = Path("/sys/fs/cgroup/memory")
# Where the engine puts its containers, by its cgroup driver.
_DRIVERS = {"cgroupfs": "docker/{}", "systemd": "system.slice/docker-{}.scope"}


def bound_sockets(container: str, hierarchy: Path = _HIERARCHY) -> bool:
    """Whether the container of this id has its limit now; it must have no sockets yet."""
    return any(_wrote(hierarchy / place.format(container) / _LIMIT) for place in _DRIVERS.values())


def bounds_sockets(driver: str, hierarchy: Path = _HIERARCHY) -> bool:
    """Whether this process may set the limits of containers that an engine with such a driver makes here."""
    place = _DRIVERS.get(driver)
    return place is not None and os.access((hierarchy / place).parent / _LIMIT, os.W_OK)


def _wrote(limit: Path) -> bool:
    try:
        with limit.open("r+") as file:
            file.write(str(SOCKET_BYTES))
    except OSError:  # cgroup v2, another host, or no right to
        return False
    return True
