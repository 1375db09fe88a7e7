"""Removes what nobody else will: what is past its deadline, and dead containers that nobody fetched."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.docker_client import mapped_errors
from sandbox.engine_clock import EngineClock
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


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at everything, at `now` by the engine's clock."""

    client: docker.APIClient
    margin_s: float
    now: float
    leaving: bool = False


def reap(client: docker.APIClient, settings: Settings, *, leaving: bool = False) -> list[str]:
    """Remove what this deployment has on the engine and is due, by its labels alone; the names of that.

    Due is what has passed its deadline, what nobody removes because its process is gone, and what
    has been dead for longer than a process on another machine may need to look at it and remove it; and
    what this process made, if it is `leaving`. Any number of reapers may be at it at once.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    found = _ours(client, settings)
    look = _Look(client, settings.margin, EngineClock(client).now(), leaving)
    removed = [name for container in found if (name := _reap_if_due(look, container))]
    return removed + _reap_networks(look, settings.owner)


def due(client: docker.APIClient, settings: Settings) -> list[str]:
    """The names of the containers that `reap` would remove now.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    found = _ours(client, settings)
    look = _Look(client, settings.margin, EngineClock(client).now())
    return [_name(container) for container in found if _is_due(look, container)]


def _ours(client: docker.APIClient, settings: Settings) -> list[dict[str, Any]]:
    with mapped_errors("list its containers"):
        label = f"cellblock.owner={settings.owner}"
        found: list[dict[str, Any]] = client.containers(all=True, filters={"label": label})
    return found


def _name(container: dict[str, Any]) -> str:
    # By which a proxy before the engine knows cells; one that is being removed may have lost it already.
    name: str = (container["Names"] or [container["Id"]])[0]
    return name.removeprefix("/")


def _reap_if_due(look: _Look, container: dict[str, Any]) -> str | None:
    name = _name(container)
    try:
        if not (_is_due(look, container) or (look.leaving and _is_mine(container))):
            return None
        remove_container(look.client, name, look.margin_s)
    except SandboxUnavailable as error:
        _log.error("The container %s is due but stays for now: %s", name, error)
        measure("cellblock_leaks_total", where="reaper")
        count_error("reaper", error)
        return None
    _log.warning("Removed the container %s, which nobody else had removed", name)
    measure("cellblock_reaps_total")
    return name


def _reap_networks(look: _Look, owner: str) -> list[str]:
    """After the containers in them, which have the same labels."""
    with mapped_errors("list its networks"):
        found = look.client.networks(filters={"label": f"cellblock.owner={owner}"})
    return [network["Name"] for network in found if _reap_network(look, network)]


def _reap_network(look: _Look, network: dict[str, Any]) -> bool:
    is_orphan = is_gone(network["Labels"].get("cellblock.process", ""))
    if not (is_orphan or look.now > _deadline(network) or (look.leaving and _is_mine(network))):
        return False
    try:
        remove_network(look.client, network["Name"], look.margin_s)
    except SandboxUnavailable as error:
        _log.error("The network %s is due but stays for now: %s", network["Name"], error)
        measure("cellblock_leaks_total", where="reaper")
        count_error("reaper", error)
        return False
    _log.warning("Removed the network %s, which nobody else had removed", network["Name"])
    return True


def _is_due(look: _Look, container: dict[str, Any]) -> bool:
    if look.now > _deadline(container):
        return True
    is_dead = container["State"] in _DEAD
    # A warm one outlives its process when a job has claimed it.
    is_orphan = is_gone(container["Labels"].get("cellblock.process", ""))
    if is_orphan and (is_dead or container["Labels"].get("cellblock.state") == "job"):
        return True
    return is_dead and look.now > _dead_since(look.client, container) + 2 * look.margin_s


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
    return datetime.fromisoformat(finished).timestamp()
