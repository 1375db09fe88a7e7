"""Cells that are Docker containers."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from sandbox.cell import CellInfo
from sandbox.engines.cgroup import ControlGroup
from sandbox.engines.docker.attach import start_attached
from sandbox.engines.docker.cell import DockerCell
from sandbox.engines.docker.client import ask_the_time, connect, mapped_errors, ping
from sandbox.engines.docker.common_facts import CommonFacts
from sandbox.engines.docker.create_call import container_config
from sandbox.engines.docker.egress import open_egress
from sandbox.engines.docker.image_choice import ImageChoice
from sandbox.engines.docker.removal import await_end, found_cells, remove_container
from sandbox.engines.engine import OpenCell
from sandbox.errors import ImageMissing
from sandbox.labels import STATE
from sandbox.meter import measure
from sandbox.profile import SOCKET_BYTES, CpuQuota, by_operator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import docker

    from config import Settings
    from config.hosts import Host
    from sandbox.engines.engine import CellSpec, Egress, FoundCell
    from sandbox.limits import Limits

__all__ = ["DockerEngine"]


class DockerEngine:
    """Makes hardened containers on one connection, which is opened at the first call that needs it.

    Each process needs an instance of its own, because a connection does not survive a fork.
    """

    removes_slowly = True
    makes_slowly = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._connection: tuple[docker.APIClient, ImageChoice, CommonFacts] | None = None

    def make(self, spec: CellSpec) -> OpenCell:
        """Make, attach and start a container.

        Raises:
            SandboxUnavailable: no image, or the engine failed.
        """
        client, images, facts = self._on()
        image = images.choose(spec.runtime)
        config = container_config(
            image=image.id,
            limits=spec.limits,
            labels=spec.labels,
            env=spec.runtime.environment(spec.limits.memory_bytes),
            volumes=image.volumes,
            network="bridge" if spec.network else None,
            **by_operator(self._settings),
        )
        try:
            with mapped_errors("make a cell"):
                made = client.create_container_from_config(config, spec.name)  # type: ignore[no-untyped-call]
                connection = start_attached(client, spec.name)
        except ImageMissing:
            images.forget(spec.runtime)
            raise
        facts.learn(spec.name, made["Id"])
        group = facts.group_of(made["Id"])
        if group:
            # Where the worker may not write, the limit is left out, and `doctor` warns of it.
            with suppress(OSError):
                ControlGroup(group).bound_sockets(SOCKET_BYTES)
        measure("cellblock_cells_made_total", runtime=spec.runtime.name, state=spec.labels[STATE])
        oci_runtime = self._settings.oci_runtime or facts.oci_runtime
        info = CellInfo("docker", oci_runtime, image.name, image.id, spec.name)
        return OpenCell(spec.name, info, (connection,), group=group)

    def cell(self, opened: OpenCell) -> DockerCell:
        """The conversation with a container, over its one connection."""
        return DockerCell(opened, self._client, bound_s=self._settings.engine_margin)

    def adopt(self, descriptors: Sequence[int]) -> tuple[socket.socket, ...]:
        """The connection to a container that another process has made."""
        return tuple(socket.socket(fileno=descriptor) for descriptor in descriptors)

    def adapt(self, opened: OpenCell, limits: Limits) -> None:
        """Change the memory and CPU limits of a running container. It takes about 15 ms."""
        cpu = CpuQuota.of(limits)
        with mapped_errors("adapt a warm cell"):
            self._client().update_container(
                opened.name,
                mem_limit=limits.memory_bytes,
                memswap_limit=limits.memory_bytes,
                cpu_period=cpu.period_us,
                cpu_quota=cpu.quota_us,
            )

    def open_egress(
        self, cell: str, hosts: Sequence[Host], limits: Limits, labels: Mapping[str, str]
    ) -> Egress:
        """Start the relay and the proxy of a running container."""
        return open_egress(self._client(), self._settings, cell, hosts, limits, labels)

    def remove(self, name: str, *, ends: bool = False) -> None:
        """Kill and remove a container, and make sure that it is gone."""
        client = self._client()
        if ends:
            await_end(client, name)
        remove_container(client, name, self._settings.engine_margin)

    def list(self) -> list[FoundCell]:
        """The containers with this deployment's label."""
        return found_cells(self._client(), self._settings.owner)

    def now(self) -> float:
        """What the engine's clock says, to the second, in Unix seconds."""
        return ask_the_time(self._client())

    def ping(self) -> None:
        """Return once the engine has answered, on a new connection."""
        ping(self._settings)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection[0].close()

    def _client(self) -> docker.APIClient:
        return self._on()[0]

    def _on(self) -> tuple[docker.APIClient, ImageChoice, CommonFacts]:
        with self._lock:
            if self._connection is None:
                client = connect(self._settings)
                self._connection = client, ImageChoice(client), CommonFacts(client)
            return self._connection
