"""The container engine: what it is, what it can limit, and who has access to it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

from cli.checks import oci
from cli.checks.finding import ok, problem, warning
from config import load_settings
from sandbox.engines.docker.client import connect, docker_address, mapped_errors
from sandbox.engines.docker.socket_memory import bounds_sockets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.checks.finding import Finding

__all__ = ["about_engine", "engine", "engine_client", "socket"]

_OLDEST = (20, 10)
# crun applies the limit in the create call. In gVisor, sockets use the cell's own memory.
_BOUND_SOCKETS = ("crun", "runsc")
_FEATURES = {"MemoryLimit": "memory", "PidsLimit": "pids", "CpuCfsQuota": "cpu"}
# Each copies whole images, or was removed from the engine.
_SLOW_DRIVERS = ("vfs", "devicemapper", "aufs", "overlay")


def engine_client() -> closing[docker.APIClient]:
    """A connection to the engine of these settings, which is closed at the end of the context."""
    return closing(connect(load_settings()))


def about_engine() -> dict[str, Any]:
    """What the engine says of itself and its host.

    Raises:
        SandboxUnavailable: it does not answer, or refuses to tell.
    """
    with engine_client() as client, mapped_errors("describe itself"):
        about: dict[str, Any] = client.info()
    return about


def engine() -> Iterator[Finding]:
    """The engine answers, is recent enough, filters system calls and can keep every limit."""
    settings = load_settings()
    if settings.engine_name == "oci":
        yield from oci.runtime()
        return
    about = about_engine()
    yield _version(about, docker_address(settings))
    yield _storage(about["Driver"])
    yield _system_calls(about)
    yield from _limits(about)
    yield from _sockets(about, settings.oci_runtime)
    runtime = settings.oci_runtime
    if runtime and runtime not in (about.get("Runtimes") or {}):
        yield problem(
            f"the engine has no OCI runtime {runtime!r}; it has {', '.join(about['Runtimes'])}",
            "add it to the engine's daemon.json, or correct CELLBLOCK_OCI_RUNTIME",
        )


def _version(about: dict[str, Any], address: str) -> Finding:
    version = about["ServerVersion"]
    says = f"engine {version} at {address}, cgroup version {about.get('CgroupVersion', '1')}"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < _OLDEST:
        return problem(says, "use Docker Engine 20.10 or newer")
    return ok(says)


def _storage(driver: str) -> Finding:
    if driver in _SLOW_DRIVERS:
        return warning(
            f"storage driver {driver}: every cell is slow to make, or takes the disk of a whole image",
            "use overlay2: set storage-driver in the engine's daemon.json",
        )
    return ok(f"storage driver {driver}")


def _system_calls(about: dict[str, Any]) -> Finding:
    security = _security_of(about)
    if "seccomp" not in security:
        return problem("the engine filters no system calls", "use an engine built with seccomp")
    besides = sorted(security & {"apparmor", "selinux", "userns", "rootless"})
    return ok(f"system calls are filtered (seccomp){', besides ' if besides else ''}{', '.join(besides)}")


def _security_of(about: dict[str, Any]) -> set[str]:
    """The names in entries such as "name=seccomp,profile=default"."""
    options = about.get("SecurityOptions") or []
    return {option.partition(",")[0].removeprefix("name=") for option in options}


def _limits(about: dict[str, Any]) -> Iterator[Finding]:
    if about.get("CgroupDriver") == "none":
        yield problem(
            "the engine keeps no limits at all (cgroup driver none)",
            "delegate the cgroup v2 controllers to the rootless engine",
        )
    for feature, what in _FEATURES.items():
        if not about.get(feature, True):
            yield problem(f"the engine cannot limit {what}", f"enable the {what} cgroup controller")
    if not about.get("SwapLimit", True) and _has_swap():
        yield problem("the engine cannot keep jobs out of swap", "turn swap off, or boot with swapaccount=1")


def _sockets(about: dict[str, Any], runtime: str | None) -> Iterator[Finding]:
    """With cgroup v2, socket buffers count as the job's memory. v1 counts them separately, if told to."""
    if about.get("CgroupVersion", "1") != "1":
        return
    if (runtime or about.get("DefaultRuntime")) in _BOUND_SOCKETS:
        yield ok(f"cgroup version 1: what a cell's sockets hold is bounded by {runtime or 'its OCI runtime'}")
    elif bounds_sockets(about.get("CgroupDriver", "")):
        yield ok(
            "cgroup version 1: what a cell's sockets hold is bounded by the worker, if it runs as this user"
        )
    else:
        yield warning(
            "cgroup version 1: what a cell's TCP and UDP sockets hold is in no limit, and can fill the host",
            "boot with systemd.unified_cgroup_hierarchy=1; or CELLBLOCK_OCI_RUNTIME=crun or runsc;"
            " or run the worker on the engine's host with the right to write to /sys/fs/cgroup/memory",
        )


def _has_swap() -> bool:
    return len(Path("/proc/swaps").read_text().splitlines()) > 1


def socket() -> Iterator[Finding]:
    """A proxy filters the worker's requests to the engine, or the engine's root has no rights on the host."""
    if load_settings().engine_name == "oci":
        yield ok("the engine oci has no socket: workers start its runtime themselves")
        return
    address = docker_address(load_settings())
    raw = _is_raw()
    path = Path(address.partition("://")[2])
    if raw and address.startswith("unix://") and path.stat().st_mode & 0o002:
        yield problem(f"every user of this host may use {path}, and so be root", f"sudo chmod 660 {path}")
    if not raw:
        yield ok(f"{address} is filtered by a proxy")
    elif _security_of(about_engine()) & {"rootless", "userns"}:
        yield ok(f"{address} is the engine's own, but root in it is nobody on the host")
    else:
        yield warning(
            f"{address} is the engine's own, unfiltered: whoever takes over the worker owns the host",
            "put `cellblock guard` between, as compose.yaml does; or run the engine rootless",
        )


def _is_raw() -> bool:
    """Whether the engine answers a request that no worker makes. A proxy that filters refuses it."""
    with engine_client() as client, mapped_errors("list its plugins"):
        try:
            client.plugins()  # type: ignore[no-untyped-call]
        except docker.errors.APIError as error:
            if error.is_client_error():
                return False
            raise
    return True
