"""A job's only way out: a network of its own with no route anywhere, and a proxy that stands in it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.docker_client import mapped_errors
from sandbox.docker_frames import FrameReader
from sandbox.docker_maker import attach
from sandbox.errors import EngineFailed, ImageMissing
from sandbox.image_choice import find_image
from sandbox.proxy import PROXY_IMAGE, READY, proxy_environment, proxy_request, squid_rules
from sandbox.remover import remove_until_gone

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    import docker

    from config import Settings
    from config.hosts import Host
    from sandbox.limits import Limits

__all__ = ["Outlet", "open_outlet", "remove_network"]

# The cell's own loopback, where nobody answers. Without it some engines ask the host's resolver, though the
# network has no way out (CVE-2024-29018): whatever can be written as a name would leave by it.
_NO_RESOLVER = "127.0.0.1"
_RECEIVE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Outlet:
    """An open way out: the network that the cell joins, and the environment that tells its programs how."""

    network: str
    env: Mapping[str, str]
    connection: socket.socket

    @property
    def reach(self) -> dict[str, Any]:
        """What the cell's maker is to know of it."""
        return {"network": self.network, "resolver": _NO_RESOLVER, "env": self.env}


def open_outlet(
    client: docker.APIClient,
    settings: Settings,
    name: str,
    hosts: Sequence[Host],
    limits: Limits,
    labels: Mapping[str, str],
) -> Outlet:
    """A network and a running proxy, both called `name`, by which they are removed after an error.

    Raises:
        ImageMissing: the proxy's image has not been built.
        SandboxUnavailable: the engine failed, or the proxy did not start.
    """
    image = find_image(client, PROXY_IMAGE)
    if image is None:
        raise ImageMissing(f"The engine has no {PROXY_IMAGE}. Try: cellblock images build proxy")
    with mapped_errors("make a job's network"):
        subnet = _make_network(client, name, labels)
        body = proxy_request(
            image=image.id,
            limits=limits,
            labels=labels,
            exit_network=settings.network_exit,
            rules=squid_rules(hosts, subnet),
            oci_runtime=settings.oci_runtime,
        )
        client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        client.connect_container_to_network(name, name)
        connection = attach(client, name)
        try:
            client.start(name)
            _await_ready(connection, settings.margin)
            about = client.inspect_container(name)["NetworkSettings"]["Networks"]
        except BaseException:
            connection.close()
            raise
        return Outlet(name, proxy_environment(about[name]["IPAddress"]), connection)


def remove_network(client: docker.APIClient, name: str, bound_s: float) -> None:
    """Remove a job's network, once the containers in it are gone.

    Raises:
        EngineFailed, EngineUnreachable: when it is still there after `bound_s` seconds.
    """
    # 403: the engine has not taken the last container out of it yet.
    with mapped_errors("remove a job's network"):
        remove_until_gone(lambda: client.remove_network(name), name, bound_s)


def _make_network(client: docker.APIClient, name: str, labels: Mapping[str, str]) -> str:
    """Its subnet. The bridge gets no address: a cell could reach whatever listens on the host by it."""
    made: dict[str, Any] = client.create_network(
        name,
        driver="bridge",
        internal=True,
        options={"com.docker.network.bridge.inhibit_ipv4": "true"},
        labels=dict(labels),
    )
    about = client.inspect_network(made["Id"])
    subnet: str = about["IPAM"]["Config"][0]["Subnet"]
    return subnet


def _await_ready(connection: socket.socket, within_s: float) -> None:
    said, frames, until = b"", FrameReader(), time.monotonic() + within_s
    while READY not in said:
        connection.settimeout(max(until - time.monotonic(), 0.001))
        try:
            data = connection.recv(_RECEIVE_BYTES)
        except TimeoutError:
            data = b""
        if not data or b"has ended" in said:
            why = next((line for line in said.decode("utf-8", "replace").splitlines() if "FATAL" in line), "")
            raise EngineFailed(f"The proxy of a job did not start: {why or 'it does not say why'}.")
        said += b"".join(piece for _, piece in frames.feed(data))
    connection.settimeout(None)
