"""One client's connection: it is closed if the client sends no request, or does not read its answer."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Connection", "HurriedReaders"]

_log = logging.getLogger("cellblock.api")

# How long a client that was answered, or is new, may take to send the next request. Silence ends sooner.
_HEAD_S = 15.0
# How long a client may take to read one piece of an answer, and at which pace it must read a large one.
_READ_S, _READ_BYTES_S = 30.0, 64 << 10


class Connection(H11Protocol):
    """uvicorn's connection, which also ends if a request comes too slowly, or if the app says so."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  uvicorn's own
        super().__init__(*args, **options)
        self.app_state = {**self.app_state, "abort": self._abort}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio."""
        super().connection_made(transport)
        self._answered: object = None
        self._head = self.loop.call_later(_HEAD_S, self._end_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._head.cancel()
        super().connection_lost(exc)

    def _end_idle(self) -> None:
        """Look every few seconds. End the connection if there is no request since the last look."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self.cycle is self._answered:
            self.transport.abort()
            return
        self._answered = self.cycle if is_idle else self
        self._head = self.loop.call_later(_HEAD_S, self._end_idle)

    def _abort(self) -> None:
        self.transport.abort()


class HurriedReaders:
    """Middleware: ends the connection of a client that does not read its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def send_in_time(message: Message) -> None:
            bound_s = _READ_S + len(message.get("body", b"")) / _READ_BYTES_S
            try:
                async with asyncio.timeout(bound_s):
                    await send(message)
            except TimeoutError:
                _log.info("A client does not read its answer, and is given up")
                scope["state"]["abort"]()
                raise OSError("the client does not read") from None

        await self._app(scope, receive, send_in_time if scope["type"] == "http" else send)
