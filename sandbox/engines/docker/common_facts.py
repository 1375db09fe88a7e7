"""What all containers of an engine have in common: their OCI runtime, and where their control groups are."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engines.cgroup import CGROUPS, ControlGroup
from sandbox.engines.docker.client import mapped_errors
from sandbox.errors import SandboxUnavailable

if TYPE_CHECKING:
    import docker

__all__ = ["CommonFacts", "group_path"]

_log = logging.getLogger("cellblock.engine")

_PROC = Path("/proc")


class CommonFacts:
    """Learns from the first container by which program all are made, and where their control groups are.

    All groups have the same path but for the container's id. The path depends on the engine's cgroup driver,
    on its settings, and on where the engine itself runs. So the engine is asked once for a process of a
    container, and the kernel then says in which group it is.
    """

    def __init__(self, client: docker.APIClient) -> None:
        self._client = client
        self._is_known = False
        # A container's id, and the path of its group.
        self._example: tuple[str, str] | None = None
        #: The OCI runtime that makes the containers; None if the engine has not told it yet.
        self.oci_runtime: str | None = None

    def learn(self, name: str, container_id: str) -> None:
        """Ask the engine about a running container, if it has not told of another one before."""
        if self._is_known:
            return
        try:
            with mapped_errors("examine a cell"):
                about = self._client.inspect_container(name)
        except SandboxUnavailable as error:
            _log.debug("Nothing is known of %s and of others like it: %s", name, error)
            return
        path = group_path(about["State"]["Pid"], container_id)
        self._example = (container_id, path) if path else None
        self.oci_runtime = about["HostConfig"].get("Runtime")
        self._is_known = True

    def group_of(self, container_id: str) -> str | None:
        """The path of a container's control group; None if its files can't be read here."""
        return self._example[1].replace(self._example[0], container_id) if self._example else None


def group_path(pid: int, container_id: str, proc: Path = _PROC, root: Path = CGROUPS) -> str | None:
    """The path of the control group of a container that has this process; None if it can't be read here.

    Without the container's id in the path, it is another process: the engine runs on another host, or this
    process is in a container itself.
    """
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return None
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
    # With both versions mounted, the engine uses version 1, and only there are the controllers.
    path = paths.get("memory", paths.get("", ""))
    readable = container_id in path and ControlGroup(path, root).cpu_ns() is not None
    return path if readable else None
