"""Removes what nobody else will: what is past its deadline, and dead containers that nobody fetched."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.docker_client import mapped_errors
from sandbox.errors import SandboxUnavailable
from sandbox.meter import count_error, measure
from sandbox.outlet import remove_network
from sandbox.process_mark import is_gone, this_process
from sandbox.remover import remove_container

if TYPE_CHECKING:
    import docker

    from config import Settings

__all__ = ["due", "reap"]

_log = logging.getLogger("cellblock.reaper")

_DEAD = ("created", "exited", "dead")


def reap(client: docker.APIClient, settings: Settings, *, leaving: bool = False) -> list[str]:
    """Remove what this deployment has on the engine and is due, by its labels alone; the names of that.

    Due is what has passed its deadline, what nobody removes because its process is gone, and what
    has been dead for longer than a process on another machine may need to look at it and remove it; and
    what this process made, if it is `leaving`. Any number of reapers may be at it at once.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    found = _ours(client, settings)
    removed = [
        name for container in found if (name := _reap_if_due(client, container, settings.margin, leaving))
    ]
    return removed + _reap_networks(client, settings, leaving=leaving)


def due(client: docker.APIClient, settings: Settings) -> list[str]:
    """The names of the containers that `reap` would remove now.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    found = _ours(client, settings)
    return [_name(container) for container in found if _is_due(client, container, settings.margin)]


def _ours(client: docker.APIClient, settings: Settings) -> list[dict[str, Any]]:
    with mapped_errors("list its containers"):
        label = f"cellblock.owner={settings.owner}"
        found: list[dict[str, Any]] = client.containers(all=True, filters={"label": label})
    return found


def _name(container: dict[str, Any]) -> str:
    # By which a proxy before the engine knows cells; one that is being removed may have lost it already.
    name: str = (container["Names"] or [container["Id"]])[0]
    return name.removeprefix("/")


def _reap_if_due(
    client: docker.APIClient,
    container: dict[str, Any],
    margin_s: float,
    leaving: bool,  # noqa: FBT001
) -> str | None:
    name = _name(container)
    try:
        if not (_is_due(client, container, margin_s) or (leaving and _is_mine(container))):
            return None
        remove_container(client, name, margin_s)
    except SandboxUnavailable as error:
        _log.error("The container %s is due but stays for now: %s", name, error)
        measure("cellblock_leaks_total", where="reaper")
        count_error("reaper", error)
        return None
    _log.warning("Removed the container %s, which nobody else had removed", name)
    measure("cellblock_reaps_total")
    return name


def _reap_networks(client: docker.APIClient, settings: Settings, *, leaving: bool) -> list[str]:
    """After the containers in them, which have the same labels."""
    with mapped_errors("list its networks"):
        found = client.networks(filters={"label": f"cellblock.owner={settings.owner}"})
    return [network["Name"] for network in found if _reap_network(client, network, settings.margin, leaving)]


def _reap_network(
    client: docker.APIClient,
    network: dict[str, Any],
    margin_s: float,
    leaving: bool,  # noqa: FBT001
) -> bool:
    is_orphan = is_gone(network["Labels"].get("cellblock.process", ""))
    if not (is_orphan or time.time() > _deadline(network) or (leaving and _is_mine(network))):
        return False
    try:
        remove_network(client, network["Name"], margin_s)
    except SandboxUnavailable as error:
        _log.error("The network %s is due but stays for now: %s", network["Name"], error)
        measure("cellblock_leaks_total", where="reaper")
        count_error("reaper", error)
        return False
    _log.warning("Removed the network %s, which nobody else had removed", network["Name"])
    return True


def _is_due(client: docker.APIClient, container: dict[str, Any], margin_s: float) -> bool:
    now = time.time()
    if now > _deadline(container):
        return True
    is_dead = container["State"] in _DEAD
    # A warm one outlives its process when a job has claimed it.
    is_orphan = is_gone(container["Labels"].get("cellblock.process", ""))
    if is_orphan and (is_dead or container["Labels"].get("cellblock.state") == "job"):
        return True
    return is_dead and now > _dead_since(client, container) + 2 * margin_s


def _is_mine(container: dict[str, Any]) -> bool:
    return bool(container["Labels"].get("cellblock.process") == this_process())


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
            finished: str = client.inspect_container(_name(container))["State"]["FinishedAt"]
        except docker.errors.NotFound:
            return float("inf")
    # Nanoseconds and a Z: more digits than Python reads.
    return datetime.fromisoformat(finished[:19] + "+00:00").timestamp()
