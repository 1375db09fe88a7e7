"""Finds the control groups of an engine's containers, if this host shows them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.engines.cgroup import CGROUPS, ControlGroup
from sandbox.engines.docker.client import mapped_errors
from sandbox.errors import SandboxUnavailable

if TYPE_CHECKING:
    import docker

__all__ = ["ControlGroups", "group_path"]

_log = logging.getLogger("cellblock.engine")

_PROC = Path("/proc")


class ControlGroups:
    """The control groups of one engine's containers. All have the same path but for the container's id.

    The path depends on the engine's cgroup driver, on its settings, and on where the engine itself runs. So
    the engine is asked once for a process of a container, and the kernel then says in which group it is.
    """

    def __init__(self, client: docker.APIClient) -> None:
        self._client = client
        self._has_asked = False
        # A container's id, and the path of its group.
        self._example: tuple[str, str] | None = None

    def path_of(self, name: str, container_id: str) -> str | None:
        """The path of a running container's group; None if its files can't be read here."""
        if not self._has_asked:
            self._ask(name, container_id)
        return self._example[1].replace(self._example[0], container_id) if self._example else None

    def _ask(self, name: str, container_id: str) -> None:
        try:
            with mapped_errors("examine a cell"):
                process = self._client.inspect_container(name)["State"]["Pid"]
        except SandboxUnavailable as error:
            _log.debug("The control group of %s is not known: %s", name, error)
            return
        path = group_path(process, container_id)
        self._example = (container_id, path) if path else None
        self._has_asked = True


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
