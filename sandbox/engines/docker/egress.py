"""A job's only way out: a relay on its cell's loopback, and the proxy that the relay forwards to."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from sandbox.egress.proxy import PROXY_IMAGE, PROXY_READY, proxy_profile, squid_rules
from sandbox.egress.relay import RELAY_READY, proxy_environment, relay_profile
from sandbox.engines.docker.attach import start_attached
from sandbox.engines.docker.client import mapped_errors
from sandbox.engines.docker.create_call import create_call
from sandbox.engines.docker.frames import FrameReader
from sandbox.engines.docker.image_choice import find_image
from sandbox.engines.engine import Egress, egress_names
from sandbox.errors import EngineFailed, ImageMissing

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    import docker

    from config import Settings
    from config.hosts import Host
    from sandbox.limits import Limits
    from sandbox.profile import Profile

__all__ = ["open_egress"]

_RECEIVE_BYTES = 64 << 10
# Words that mark the line in which Squid, HAProxy or the shell says why it ends.
_COMPLAINTS = ("FATAL", "ALERT", "not found")
_ENDED = b"has ended"


def open_egress(
    client: docker.APIClient,
    settings: Settings,
    cell: str,
    hosts: Sequence[Host],
    limits: Limits,
    labels: Mapping[str, str],
) -> Egress:
    """Open a way from the running container `cell` to `hosts`.

    Raises:
        ImageMissing: the proxy's image has not been built.
        SandboxUnavailable: the engine failed, or the relay or the proxy did not start.
    """
    image = find_image(client, PROXY_IMAGE)
    if image is None:
        raise ImageMissing(f"The engine has no {PROXY_IMAGE}. Try: cellblock images build proxy")
    relay, proxy = egress_names(cell)
    every: dict[str, Any] = {
        "image": image.id,
        "limits": limits,
        "labels": labels,
        "oci_runtime": settings.oci_runtime,
    }
    of_proxy = proxy_profile(**every, exit_network=settings.network_exit, rules=squid_rules(hosts))
    of_relay = relay_profile(**every, cell=cell, proxy=proxy)
    with ExitStack() as undone, mapped_errors("open a job's way out"):
        connections = {
            name: undone.enter_context(closing(_start(client, name, profile)))
            for name, profile in ((proxy, of_proxy), (relay, of_relay))
        }
        _await_ready("relay", connections[relay], RELAY_READY, settings.engine_margin)
        _await_ready("proxy", connections[proxy], PROXY_READY, settings.engine_margin)
        undone.pop_all()
    return Egress(proxy_environment(), connections)


def _start(client: docker.APIClient, name: str, profile: Profile) -> socket.socket:
    client.create_container_from_config(create_call(profile), name)  # type: ignore[no-untyped-call]
    return start_attached(client, name)


def _await_ready(what: str, connection: socket.socket, ready: bytes, within_s: float) -> None:
    said, frames, until = b"", FrameReader(), time.monotonic() + within_s
    while ready not in said:
        connection.settimeout(max(until - time.monotonic(), 0.001))
        try:
            data = connection.recv(_RECEIVE_BYTES)
        except TimeoutError:
            data = b""
        said += b"".join(piece for _, piece in frames.feed(data))
        if not data or _ENDED in said:
            raise EngineFailed(f"The {what} of a job did not start: {_complaint(said)}.")
    connection.settimeout(None)


def _complaint(said: bytes) -> str:
    """The line of a container's output that says why it ended.

    A proxy image of an earlier release lacks HAProxy. So after "not found" the advice is to build it.
    """
    lines = said.decode("utf-8", "replace").splitlines()
    found = next((line[:200] for line in lines if any(word in line for word in _COMPLAINTS)), "")
    return found.replace("not found", "not found; try: cellblock images build proxy") or "it does not say why"
