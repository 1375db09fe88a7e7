"""Removes what nobody else will: what is past its deadline, and dead containers that nobody fetched."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import docker.errors

from sandbox.deadlines import Deadlines
from sandbox.docker_client import mapped_errors
from sandbox.engine_clock import ask_the_time
from sandbox.errors import SandboxUnavailable
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
    """One look at everything."""

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
    """Remove what this deployment has on the engine and is due, by its labels alone; the names of that.

    Due is what has passed its deadline, what nobody removes because its process is gone, and what
    has been dead for longer than a process on another machine may need to look at it and remove it; and
    what this process made, if it is `leaving`. Any number of reapers may be at it at once; who looks again
    and again keeps the `deadlines` from look to look.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    found = _containers(client, settings)
    deadlines = deadlines or Deadlines(settings)
    deadlines.begin_look(ask_the_time(client), map(_name, found))
    look = _Look(client, settings.margin, deadlines, leaving)
    return [name for container in found if (name := _reap_if_due(look, container))]


def due(client: docker.APIClient, settings: Settings) -> list[str]:
    """The names of the containers that `reap` would remove now.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    found, deadlines = _containers(client, settings), Deadlines(settings)
    deadlines.begin_look(ask_the_time(client), map(_name, found))
    look = _Look(client, settings.margin, deadlines)
    return [_name(container) for container in found if _is_due(look, container)]


def _containers(client: docker.APIClient, settings: Settings) -> list[dict[str, Any]]:
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


def _is_due(look: _Look, container: dict[str, Any]) -> bool:
    if look.deadlines.is_past(_name(container), container["Labels"]):
        return True
    is_dead = container["State"] in _DEAD
    # A warm one outlives its process when a job has claimed it.
    is_orphan = is_gone(container["Labels"].get("cellblock.process", ""))
    if is_orphan and (is_dead or container["Labels"].get("cellblock.state") == "job"):
        return True
    return is_dead and look.deadlines.is_long_dead(_name(container), _dead_since(look.client, container))


def _is_mine(container: dict[str, Any]) -> bool:
    return bool(container["Labels"].get("cellblock.process") == this_process())


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
