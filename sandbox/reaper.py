"""Removes what nobody else will: containers past their deadline, and dead ones that their worker has left."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.docker_client import mapped_errors
from sandbox.errors import SandboxUnavailable
from sandbox.remover import remove_container

if TYPE_CHECKING:
    import docker

    from config import Settings

__all__ = ["reap"]

_log = logging.getLogger("cellblock.reaper")

_DEAD = ("created", "exited", "dead")


def reap(client: docker.APIClient, settings: Settings) -> list[str]:
    """Remove this deployment's containers that are due, by their labels alone; the names of those removed.

    Due is what has passed its deadline, and what has been dead for longer than its worker may need to look
    at it and remove it. Any number of reapers may be at it at once, whoever made the containers.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    with mapped_errors("list its containers"):
        label = f"cellblock.owner={settings.owner}"
        found = client.containers(all=True, filters={"label": label})
    return [name for container in found if (name := _reap_if_due(client, container, settings.margin))]


def _reap_if_due(client: docker.APIClient, container: dict[str, Any], margin_s: float) -> str | None:
    # One that is being removed may have lost its name already.
    name = (container["Names"] or [container["Id"]])[0].removeprefix("/")
    try:
        if not _is_due(client, container, margin_s):
            return None
        remove_container(client, name, margin_s)
    except SandboxUnavailable as error:
        _log.error("The container %s is due but stays for now: %s", name, error)
        return None
    _log.warning("Removed the container %s, which nobody else had removed", name)
    return str(name)


def _is_due(client: docker.APIClient, container: dict[str, Any], margin_s: float) -> bool:
    now = time.time()
    if now > _deadline(container):
        return True
    return container["State"] in _DEAD and now > _dead_since(client, container) + 2 * margin_s


def _deadline(container: dict[str, Any]) -> float:
    """What the label says; nothing can be made of any other text, and so it protects nothing."""
    try:
        return float(container["Labels"].get("cellblock.deadline", "inf"))
    except ValueError:
        return 0.0


def _dead_since(client: docker.APIClient, container: dict[str, Any]) -> float:
    """When it ended, in Unix seconds, or was made, if it never started."""
    if container["State"] == "created":
        return float(container["Created"])
    with mapped_errors("examine a cell"):
        try:
            finished: str = client.inspect_container(container["Id"])["State"]["FinishedAt"]
        except docker.errors.NotFound:
            return float("inf")
    # Nanoseconds and a Z: more digits than Python reads.
    return datetime.fromisoformat(finished[:19] + "+00:00").timestamp()
