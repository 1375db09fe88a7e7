"""Removes containers, and lists those that are left."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions

from sandbox.engines.docker.client import mapped_errors, says_away
from sandbox.engines.engine import FoundCell
from sandbox.errors import EngineFailed
from sandbox.labels import OWNER, FoundLabels

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker

__all__ = ["await_end", "found_cells", "remove_container", "remove_until_gone"]

# For how many seconds a cell may end by itself before it is killed.
_LAST_WORDS_S: Any = 0.25  # the SDK's stub forbids fractions, but requests accepts them
_DEAD = ("exited", "dead")


def await_end(client: docker.APIClient, name: str) -> None:
    """Wait a moment until the supervisor ends by itself. It costs the engine a tenth less than a kill."""
    with suppress(docker.errors.APIError, requests.exceptions.RequestException):
        client.wait(name, timeout=_LAST_WORDS_S)


def remove_container(client: docker.APIClient, name: str, bound_s: float) -> None:
    """Kill and remove a container with its volumes, and make sure that it is gone.

    Raises:
        EngineFailed: it is still there after `bound_s` seconds.
        EngineUnreachable: the engine does not answer.
    """
    # Both are tried again: 409 (a removal is in progress) and 500 (the container ended during the removal).
    with mapped_errors("remove a cell"):
        remove_until_gone(lambda: client.remove_container(name, v=True, force=True), name, bound_s)


def remove_until_gone(remove: Callable[[], None], name: str, bound_s: float) -> None:
    """Call `remove` until it succeeds, or the engine does not know the container.

    Raises:
        EngineFailed: the engine still refuses after `bound_s` seconds.
    """
    until = time.monotonic() + bound_s
    while True:
        try:
            remove()
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if says_away(error):
                raise
            if time.monotonic() > until:
                raise EngineFailed(f"The engine could not remove {name}: {error.explanation}.") from error
            time.sleep(0.05)
        else:
            return


def found_cells(client: docker.APIClient, owner: str) -> list[FoundCell]:
    """The containers of the deployment called `owner`, dead ones included.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    with mapped_errors("list its containers"):
        found = client.containers(all=True, filters={"label": f"{OWNER}={owner}"})
    return [_found(client, container) for container in found]


def _found(client: docker.APIClient, container: dict[str, Any]) -> FoundCell:
    # Not the id: a proxy in front of the engine knows cells by their names. A container that is being removed
    # may have lost its name already.
    name: str = (container["Names"] or [container["Id"]])[0].removeprefix("/")
    state = container["State"]
    dead_since: Callable[[], float] | None = None
    if state == "created":
        # A container that never started counts as dead since it was made.
        dead_since = partial(float, container["Created"])
    elif state in _DEAD:
        dead_since = partial(_ended_at, client, name)
    return FoundCell(name, FoundLabels(container["Labels"]), dead_since)


def _ended_at(client: docker.APIClient, name: str) -> float:
    with mapped_errors("examine a cell"):
        try:
            finished: str = client.inspect_container(name)["State"]["FinishedAt"]
        except docker.errors.NotFound:
            return float("inf")
    return datetime.fromisoformat(finished).timestamp()
