"""Removes containers that nobody else removes: those past their deadline, and dead ones left behind."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.engines.docker.client import mapped_errors
from sandbox.engines.docker.clock import ask_the_time
from sandbox.errors import SandboxUnavailable
from sandbox.expiry import Deadlines
from sandbox.meter import count_error, measure
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
    """What one look at all containers needs."""

    client: docker.APIClient
    margin_s: float
    deadlines: Deadlines
    leaving: bool = False


def reap(
    client: docker.APIClient,
    settings: Settings,
    *,
    deadlines: Deadlines | None = None,
    leaving: bool = False,
) -> list[str]:
    """Remove this deployment's containers that are due, and return the names of those removed.

    Only the labels tell which containers are this deployment's. A container is due in these cases: its
    deadline has passed; its process is gone, so that nobody else removes it; it has been dead for longer than
    a process on another machine may need to examine and remove it; or `leaving` is set and this process made
    it. Several reapers may run at the same time. A caller that reaps repeatedly passes the same `deadlines`
    each time.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    found = _containers(client, settings)
    deadlines = deadlines or Deadlines(settings)
    deadlines.begin_look(ask_the_time(client), map(_name, found))
    look = _Look(client, settings.engine_margin, deadlines, leaving)
    return [name for container in found if (name := _reap_if_due(look, container))]


def due(client: docker.APIClient, settings: Settings) -> list[str]:
    """The names of the containers that `reap` would remove now.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    found, deadlines = _containers(client, settings), Deadlines(settings)
    deadlines.begin_look(ask_the_time(client), map(_name, found))
    look = _Look(client, settings.engine_margin, deadlines)
    return [_name(container) for container in found if _is_due(look, container)]


def _containers(client: docker.APIClient, settings: Settings) -> list[dict[str, Any]]:
    with mapped_errors("list its containers"):
        label = f"cellblock.owner={settings.owner}"
        found: list[dict[str, Any]] = client.containers(all=True, filters={"label": label})
    return found


def _name(container: dict[str, Any]) -> str:
    # Not the id: a proxy in front of the engine knows cells by their names. A container that is being removed
    # may have lost its name already.
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


def _is_due(look: _Look, container: dict[str, Any]) -> bool:
    if look.deadlines.is_past(_name(container), container["Labels"]):
        return True
    is_dead = container["State"] in _DEAD
    # Not a warm cell that runs: a job may have claimed it, and then it outlives the process that made it.
    is_orphan = is_gone(container["Labels"].get("cellblock.process", ""))
    if is_orphan and (is_dead or container["Labels"].get("cellblock.state") == "job"):
        return True
    return is_dead and look.deadlines.is_long_dead(_name(container), _dead_since(look.client, container))


def _is_mine(container: dict[str, Any]) -> bool:
    return bool(container["Labels"].get("cellblock.process") == this_process())


def _dead_since(client: docker.APIClient, container: dict[str, Any]) -> float:
    """When the container ended, or was made if it never started, in Unix seconds; infinity if it is gone."""
    if container["State"] == "created":
        return float(container["Created"])
    with mapped_errors("examine a cell"):
        try:
            finished: str = client.inspect_container(_name(container))["State"]["FinishedAt"]
        except docker.errors.NotFound:
            return float("inf")
    return datetime.fromisoformat(finished).timestamp()
