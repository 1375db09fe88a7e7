"""Serves sessions over streamable HTTP, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING, Any

import uvicorn

from api.connection import Connection, HurriedReaders
from api.listening import MOST_CONNECTIONS, address_of, listen, tokens_for
from api.mcp.door import PATH, Door
from api.mcp.log import set_up_mcp_log
from api.mcp.sessions import Sessions
from config import InvalidSetting
from tasks.settings import this_catalogue

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from api.tokens import TokenFile

__all__ = ["serve_http"]

_log = logging.getLogger("cellblock.mcp")

_GRACE_S = 10


def serve_http(host: str, port: int, tenant: str) -> None:
    """Serve at this address. `tenant`: for whom the jobs are, if there are no tokens.

    Raises:
        InvalidSetting: the tokens can't be read, or there are none and others can reach the address; or it
            can't be listened on.
    """
    this_catalogue()
    set_up_mcp_log()
    tokens = tokens_for(host)
    if tokens and tenant:
        raise InvalidSetting("--tenant: the tokens in CELLBLOCK_API_TOKENS_FILE say for whom a job is")
    with listen(host, port, "--http") as listener:
        _log.info("Listening on %s%s", address_of(host, listener), PATH)
        asyncio.run(_serve(listener, tokens, tenant))


async def _serve(listener: socket.socket, tokens: TokenFile | None, tenant: str) -> None:
    closing = asyncio.Event()
    sessions = Sessions(closing)
    server = _Server(_config(HurriedReaders(Door(sessions, tokens, tenant))), closing)
    # Else uvicorn ends this process by the signal that it got, and no job is cancelled.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    await server.serve([listener])
    closing.set()
    await sessions.ended()


class _Server(uvicorn.Server):
    """uvicorn's server, which also ends the sessions, and so their streams, when it is told to stop."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called on SIGTERM and SIGINT."""
        super().handle_exit(sig, frame)
        self._loop.call_soon_threadsafe(self._closing.set)


def _config(app: Any) -> uvicorn.Config:  # noqa: ANN401  an ASGI application
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_S,
    )
