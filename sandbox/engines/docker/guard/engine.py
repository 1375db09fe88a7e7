"""The guard's connections to the real engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import h11

from sandbox.engines.docker.guard.call import parse_json
from sandbox.engines.docker.guard.link import READ_BYTES, Link

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EngineAway", "GuardedEngine"]

_NOT_FOUND = 404
_OK = 200
_ANSWER_BYTES = 16 << 20
_MOST_IDLE = 16


class EngineAway(Exception):
    """The engine cannot be reached, or closes the connection during an answer."""


class GuardedEngine:
    """The engine at `address`. Each call has its own connection, which later calls can use again."""

    def __init__(self, address: str, bound_s: float) -> None:
        self._address = urlsplit(address)
        self._bound_s = bound_s
        self._idle: list[Link] = []

    async def open(self) -> Link:
        """A connection for one call.

        Raises:
            EngineAway: the engine does not answer.
        """
        while self._idle:
            link = self._idle.pop()
            if not link.reader.at_eof() and link.reader.exception() is None:
                return link
            link.close()
        try:
            async with asyncio.timeout(self._bound_s):
                return Link(h11.CLIENT, *await self._connect())
        except OSError as error:
            raise EngineAway(f"The engine does not answer: {error}") from error

    def release(self, link: Link) -> None:
        """Take a connection back. Keep it if another call can use it; close it otherwise."""
        if link.is_between_calls and len(self._idle) < _MOST_IDLE:
            link.http.start_next_cycle()
            self._idle.append(link)
        else:
            link.close()

    async def close(self) -> None:
        """Close the connections that wait for another call."""
        for link in self._idle:
            link.close()
            await link.writer.wait_closed()
        self._idle.clear()

    async def inspect(self, *path: str) -> Mapping[str, Any] | None:
        """The engine's description of one object; None if there is none, or the engine rejects the name.

        Raises:
            EngineAway: the engine does not answer in time.
        """
        target = "".join(f"/{quote(part, safe=':@')}" for part in path)
        link = await self.open()
        try:
            async with asyncio.timeout(self._bound_s):
                return await _ask(link, target)
        except (OSError, h11.RemoteProtocolError) as error:
            raise EngineAway(f"The engine does not answer: {error}") from error
        finally:
            self.release(link)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if "unix" in self._address.scheme:
            return await asyncio.open_unix_connection(self._address.path, limit=READ_BYTES)
        return await asyncio.open_connection(
            self._address.hostname, self._address.port or 2375, limit=READ_BYTES
        )


async def _ask(link: Link, target: str) -> Mapping[str, Any] | None:
    await link.send(h11.Request(method="GET", target=target, headers=[("Host", "engine")]))
    await link.send(h11.EndOfMessage())
    answer = await link.next_event()
    body = await link.body(_ANSWER_BYTES)
    if not isinstance(answer, h11.Response) or answer.status_code not in (_OK, 400, _NOT_FOUND):
        raise EngineAway(f"The engine answers {getattr(answer, 'status_code', 'nothing')}")
    found: Mapping[str, Any] | None = parse_json(body) if answer.status_code == _OK else None
    return found
