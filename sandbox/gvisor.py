"""What is different about gVisor's OCI runtime, `runsc`."""

from __future__ import annotations

from pathlib import Path

__all__ = ["gvisor_flags", "host_tasks", "is_gvisor"]

# Measured with the platform ptrace: a cell has 60 tasks on the host, and up to 18 more for each process.
_TASKS = 64
_TASKS_EACH = 24


def is_gvisor(oci_runtime: str) -> bool:
    """Whether it is gVisor, by the name of its program or by its name in the engine's configuration."""
    return any(word in Path(oci_runtime).name for word in ("runsc", "gvisor"))


def gvisor_flags(program: str) -> tuple[str, ...]:
    """The flags that stand before runsc's subcommand; none for another runtime's program.

    runsc has a network stack of its own, which would take over the devices of the cell's network namespace,
    and refuses to start where it has no right to. With this flag it has a loopback device and no other.
    """
    return ("--network=none",) if is_gvisor(program) else ()


def host_tasks(pids: int, oci_runtime: str | None) -> int:
    """How many tasks the host must allow a cell for `pids` processes and threads in it.

    In gVisor these are not the host's tasks: gVisor has tasks of its own, and several for each process. It
    ends with all of the cell when it can't make one.
    """
    return _TASKS + _TASKS_EACH * pids if oci_runtime and is_gvisor(oci_runtime) else pids
