"""Decides which calls a worker may make to the engine. All calls that are not listed here are refused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from sandbox.engines.docker.guard.call import Refused, parse_json
from sandbox.engines.docker.guard.cells import GuardedCells
from sandbox.engines.docker.guard.images import GuardedImages
from sandbox.engines.docker.guard.order import Order
from sandbox.engines.docker.guard.owned import Owned
from sandbox.labels import OWNER

if TYPE_CHECKING:
    from config import Catalogue, Settings
    from sandbox.engines.docker.guard.call import Call
    from sandbox.engines.docker.guard.engine import GuardedEngine

__all__ = ["Judge"]

_OWN_NAME = re.compile(r"cellblock-[0-9a-f][0-9a-f-]{11,63}")
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_SWITCH = re.compile(r"0|1|[Tt]rue|[Ff]alse")
_OFF = re.compile(r"0|[Ff]alse")
_SIGNAL = re.compile(r"(SIG)?KILL|9")
_CONDITION = re.compile(r"not-running|next-exit|removed")
_STATUS = ("created", "running", "exited", "dead")
_STREAMS = {"stdin": _SWITCH, "stdout": _SWITCH, "stderr": _SWITCH, "stream": _SWITCH}


class Judge:
    """Checks a deployment's calls, and turns each into the one that the engine gets."""

    def __init__(self, settings: Settings, catalogue: Catalogue, engine: GuardedEngine) -> None:
        self._settings = settings
        self._images = GuardedImages(engine, catalogue)
        self._owned = Owned(engine, settings.owner)
        self._cells = GuardedCells(settings, self._images, self._owned)

    async def __call__(self, call: Call) -> Order:
        """The call that the engine gets in place of `call`.

        Raises:
            Refused: no worker needs this call.
            Missing: the container that it names does not exist.
            EngineAway: the engine does not answer, so that the call can't be checked.
        """
        if call.upgrade and call.path[-1:] != ("attach",):
            raise Refused("only a container's streams can be attached to")
        match call.method, *call.path:
            case [("GET" | "HEAD"), "_ping"] | ["GET", ("version" | "info")]:
                return _plain(call)
            case ["GET", "images", *name, "json"] if self._images.has("/".join(name)):
                await self._images.look("/".join(name))
                return _plain(call)
            case ["POST", "images", "create"]:
                return self._pull(call)
            case ["GET", "containers", "json"]:
                return self._list(call)
            case ["POST", "containers", "create"]:
                return await self._create(call)
            case [_, "containers", name, *action]:
                return await self._own(call, name, action)
        raise Refused("no call that a worker makes")

    def _pull(self, call: Call) -> Order:
        query = _query(call, fromImage=None, tag=None)
        _no_body(call)
        if not self._images.may_pull(query.get("fromImage", ""), query.get("tag", "")):
            raise Refused("the catalogue has no such image to pull")
        return Order.of(call, *call.path, query=query, registry_auth=call.registry_auth)

    def _list(self, call: Call) -> Order:
        """List containers with this deployment's label, even if the call does not ask for the label."""
        query = _query(call, all=_SWITCH, limit=_NUMBER, size=_OFF, trunc_cmd=_SWITCH, filters=None)
        _no_body(call)
        asked = parse_json(query.get("filters", "{}"))
        if not isinstance(asked, dict) or not asked.keys() <= {"label", "status"}:
            raise Refused("containers are found by their label and status")
        labels, status = asked.get("label", []), asked.get("status", [])
        if not _are_texts(labels) or not _are_texts(status) or not set(status) <= set(_STATUS):
            raise Refused("containers are found by their label and status")
        labels = sorted({*labels, f"{OWNER}={self._settings.owner}"})
        filters = {"label": labels} | ({"status": status} if status else {})
        return Order.of(call, *call.path, query=query | {"filters": json.dumps(filters)})

    async def _create(self, call: Call) -> Order:
        query = _query(call, name=_OWN_NAME)
        if "name" not in query:
            raise Refused("a container without a name")
        return Order.of(call, *call.path, query=query, body=await self._cells.made_anew(call.body))

    async def _own(self, call: Call, name: str, action: list[str]) -> Order:
        """The order for a call that acts on one container. It names the container by its id."""
        body, query = None, dict[str, str]()
        match call.method, *action:
            case ["GET", "json"] | ["POST", "start"]:
                query = _query(call)
            case ["GET", "stats"]:
                query = _query(call, stream=_SWITCH, **{"one-shot": _SWITCH})
            case ["POST", "attach"] if call.upgrade:
                query = _query(call, **_STREAMS)
            case ["POST", "kill"]:
                query = _query(call, signal=_SIGNAL)
            case ["POST", "wait"]:
                query = _query(call, condition=_CONDITION)
            case ["POST", "update"]:
                query, body = _query(call), self._cells.adapted(call.body)
            case ["DELETE"]:
                query = _query(call, v=_SWITCH, force=_SWITCH, link=_OFF)
            case _:
                raise Refused("nothing that a worker does with a container")
        if body is None:
            _no_body(call)
        container = await self._owned.container(name)
        if call.method == "DELETE":
            self._owned.forget(name)
        return Order.of(call, "containers", container, *action, query=query, body=body)


def _plain(call: Call) -> Order:
    _no_body(call)
    return Order.of(call, *call.path, query=_query(call))


def _query(call: Call, **allowed: re.Pattern[str] | None) -> dict[str, str]:
    """The call's query. It must have only these names, and values that match their patterns (None: any)."""
    for name, value in call.query.items():
        pattern = allowed.get(name)
        if name not in allowed or (pattern and not pattern.fullmatch(value)):
            raise Refused("a query that no worker makes")
    return dict(call.query)


def _no_body(call: Call) -> None:
    if call.body not in (None, {}):
        raise Refused("this call takes no body")


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
