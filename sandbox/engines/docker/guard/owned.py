"""Which containers are this deployment's own."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from sandbox.engines.docker.guard.call import Refused
from sandbox.labels import OWNER

if TYPE_CHECKING:
    from sandbox.engines.docker.guard.engine import GuardedEngine

__all__ = ["Missing", "Owned"]

_REMEMBERED = 4096


class Missing(Exception):
    """The engine has no container with that name."""


class Owned:
    """Finds the ids of this deployment's containers, by the label that is written at creation.

    The engine gets calls with the id, because another container may get the same name later.
    """

    def __init__(self, engine: GuardedEngine, owner: str) -> None:
        self._engine = engine
        self._owner = owner
        self._ids: OrderedDict[str, str] = OrderedDict()

    async def container(self, name: str) -> str:
        """The id of the container called `name`.

        Raises:
            Refused: the container belongs to somebody else.
            Missing: there is no such container.
        """
        if name not in self._ids:
            found = await self._engine.inspect("containers", name, "json")
            if found is None:
                raise Missing(f"No such container: {name[:64]}")
            if (found["Config"]["Labels"] or {}).get(OWNER) != self._owner:
                raise Refused("the container is none of this deployment's")
            self._ids[name] = found["Id"]
            if len(self._ids) > _REMEMBERED:
                self._ids.popitem(last=False)
        return self._ids[name]

    def forget(self, name: str) -> None:
        """Forget the id: the engine has no container by this name any more, or may soon have another."""
        self._ids.pop(name, None)
