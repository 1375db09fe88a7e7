"""Says whether the memory of a cell's socket buffers can be limited on cgroup v1, which counts it apart.

The create call sets the limit (`KernelMemoryTCP`). crun applies it, runc from 1.0.0-rc94 on does not. So
the process that makes a cell also writes the limit itself. It can do so only on the engine's host, and with
permission to write to the cgroup hierarchy. The kernel applies the limit to the buffers of UDP and TCP. On
cgroup v2 they are part of the job's memory.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sandbox.engines.cgroup import CGROUPS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["bounds_sockets"]

# Where the engine puts its containers, by its cgroup driver.
_DRIVERS = {"cgroupfs": "docker", "systemd": "system.slice"}


def bounds_sockets(driver: str, root: Path = CGROUPS) -> bool:
    """Whether this process may set the limits of containers that an engine with this cgroup driver makes."""
    place = _DRIVERS.get(driver)
    return place is not None and os.access(
        root / "memory" / place / "memory.kmem.tcp.limit_in_bytes", os.W_OK
    )
