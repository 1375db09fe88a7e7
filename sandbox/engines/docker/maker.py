"""Makes containers that are hardened, attached and started. Their supervisor waits for its orders."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.cell import CellInfo
from sandbox.engines.docker.client import mapped_errors
from sandbox.engines.docker.clock import EngineClock
from sandbox.engines.docker.image_choice import ImageChoice
from sandbox.engines.docker.socket_memory import bound_sockets
from sandbox.errors import ImageMissing
from sandbox.limits import LIMITS_LABEL
from sandbox.meter import measure
from sandbox.process_mark import this_process
from sandbox.profile import by_operator, container_config

if TYPE_CHECKING:
    import docker

    from config import Runtime, Settings
    from sandbox.limits import Limits

__all__ = ["DockerMaker", "Labels", "OpenCell", "attach", "new_name"]


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a container. They tell whose it is, and until when it may stay, in Unix seconds."""

    state: str
    deadline: float
    task: str = ""
    worker: str = ""


@dataclass(frozen=True, slots=True)
class OpenCell:
    """A started container and the connection that carries its three streams.

    `env` holds variables that the job needs besides the container's own, for example for other limits.
    """

    info: CellInfo
    connection: socket.socket
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The container's name."""
        return self.info.container or ""


def new_name() -> str:
    """A unique name. It is chosen before the create call, which may succeed although it was given up."""
    return f"cellblock-{secrets.token_hex(6)}"


class DockerMaker:
    """Makes containers on one connection to the engine."""

    def __init__(self, client: docker.APIClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._images = ImageChoice(client)
        self.clock = EngineClock(client)

    def make(
        self,
        name: str,
        runtime: Runtime,
        limits: Limits,
        labels: Labels,
        *,
        network: str | None = None,
    ) -> OpenCell:
        """Make a container called `name`. After an error the caller has to remove it by that name.

        Raises:
            SandboxUnavailable: no image, or the engine failed.
        """
        image = self._images.choose(runtime)
        config = container_config(
            image=image.id,
            limits=limits,
            labels=self.written(runtime, labels, limits),
            env=runtime.environment(limits.memory_bytes),
            volumes=image.volumes,
            network=network,
            **by_operator(self._settings),
        )
        info = CellInfo(engine="docker", image=image.name, image_id=image.id, container=name)
        try:
            with mapped_errors("make a cell"):
                made = self._client.create_container_from_config(config, name)  # type: ignore[no-untyped-call]
                connection = self._start(name)
        except ImageMissing:
            self._images.forget(runtime)
            raise
        bound_sockets(made["Id"])
        measure("cellblock_cells_made_total", runtime=runtime.name, state=labels.state)
        return OpenCell(info, connection)

    def written(self, runtime: Runtime, labels: Labels, limits: Limits) -> dict[str, str]:
        """The labels as the engine keeps them."""
        return {
            "cellblock.owner": self._settings.owner,
            "cellblock.task": labels.task,
            "cellblock.worker": labels.worker,
            "cellblock.runtime": runtime.name,
            "cellblock.deadline": f"{labels.deadline:.0f}",
            "cellblock.state": labels.state,
            "cellblock.process": this_process(),
            LIMITS_LABEL: limits.text,
        }

    def _start(self, name: str) -> socket.socket:
        """Attach, then start the container, so that none of its output is missed."""
        connection = attach(self._client, name)
        try:
            self._client.start(name)
        except BaseException:
            connection.close()
            raise
        return connection


def attach(client: docker.APIClient, name: str) -> socket.socket:
    """The raw connection to a container's streams: the SDK's reader takes a broken one for their end."""
    wrapped = client.attach_socket(name, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    try:
        return socket.socket(fileno=os.dup(wrapped.fileno()))
    finally:
        wrapped._response.close()  # noqa: SLF001  else the SDK's pool of connections keeps its end open
        wrapped.close()
