"""The call that the engine gets. The guard writes it anew and copies none of the client's bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import h11

if TYPE_CHECKING:
    from h11._events import Event

    from sandbox.engines.docker.guard.call import Call

__all__ = ["Order"]


@dataclass(frozen=True, slots=True)
class Order:
    """A call to the engine. With `upgrade` the connection then carries a container's streams."""

    method: str
    target: str
    body: object = None
    upgrade: bool = False
    registry_auth: str | None = None

    @classmethod
    def of(
        cls,
        call: Call,
        *path: str,
        query: Mapping[str, str],
        body: object = None,
        registry_auth: str | None = None,
    ) -> Order:
        """An order with the method and version of `call`, and with this path, query and body."""
        target = call.version + "".join(f"/{quote(part, safe=':@')}" for part in path)
        target += f"?{urlencode(query)}" if query else ""
        return cls(call.method, target, body, call.upgrade, registry_auth)

    def events(self) -> tuple[Event, ...]:
        """The HTTP events that send the call to the engine."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        headers = [("Host", "engine"), ("Content-Length", str(len(body)))]
        headers += [("Content-Type", "application/json")] if body else []
        headers += [("Connection", "Upgrade"), ("Upgrade", "tcp")] if self.upgrade else []
        headers += [("X-Registry-Auth", self.registry_auth)] if self.registry_auth else []
        head = h11.Request(method=self.method, target=self.target, headers=headers)
        return head, h11.Data(data=body), h11.EndOfMessage()
