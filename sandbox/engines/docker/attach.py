"""Starts a container, with a connection that carries its three streams."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

__all__ = ["start_attached"]


def start_attached(client: docker.APIClient, name: str) -> socket.socket:
    """Attach, then start the container, so that none of its output is missed."""
    connection = _attach(client, name)
    try:
        client.start(name)
    except BaseException:
        connection.close()
        raise
    return connection


def _attach(client: docker.APIClient, name: str) -> socket.socket:
    """The raw connection to a container's streams. The SDK's reader would take an error for their end."""
    wrapped = client.attach_socket(name, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    try:
        return socket.socket(fileno=os.dup(wrapped.fileno()))
    finally:
        wrapped._response.close()  # noqa: SLF001  or the SDK's pool of connections keeps it open
        wrapped.close()
