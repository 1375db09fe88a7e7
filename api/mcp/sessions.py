"""The sessions over HTTP: each caller has an MCP server of its own, and sees no other's sessions."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.types import UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from api.budget import Budget
from api.mcp.connection import workspace_of_connection
from api.mcp.jobs import Jobs
from api.mcp.server import make_server
from tasks.settings import this_settings

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

    from api.caps import Caps

__all__ = ["MOST_BODY_BYTES", "MOST_HELD_BYTES", "Hosted", "Sessions"]

#: The largest request. Larger files reach a workspace in several parts, or by a job.
MOST_BODY_BYTES = 8 << 20
#: What all requests of a caller may hold together, and again what all its calls may.
MOST_HELD_BYTES = 8 * MOST_BODY_BYTES

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Hosted(NamedTuple):
    """The sessions of one caller, and what the bodies of its requests may take."""

    manager: StreamableHTTPSessionManager
    bodies: Budget


class Sessions:
    """The sessions of each caller, by any key that tells callers apart. They end when `closing` is set."""

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing
        self._hosted: dict[object, asyncio.Future[Hosted]] = {}
        self._hosts: dict[object, asyncio.Task[None]] = {}

    async def of(self, caller: object, tenant: str, caps: Caps) -> Hosted:
        """The sessions of a caller whose jobs are this tenant's."""
        if caller not in self._hosted:
            ready = self._hosted[caller] = asyncio.get_running_loop().create_future()
            hosting = asyncio.create_task(self._host(ready, tenant, caps))
            self._hosts[caller] = hosting
            hosting.add_done_callback(lambda _: self._forget(caller))
        return await asyncio.shield(self._hosted[caller])

    async def ended(self) -> None:
        """Return once all sessions have ended, and their jobs were cancelled."""
        await asyncio.gather(*self._hosts.values())

    def _forget(self, caller: object) -> None:
        """Give a caller whose sessions have ended, whyever, new ones with the next request."""
        ready, hosting = self._hosted.pop(caller), self._hosts.pop(caller)
        if not ready.done():
            ready.set_exception(hosting.exception() or RuntimeError("the server is told to stop"))

    async def _host(self, ready: asyncio.Future[Hosted], tenant: str, caps: Caps) -> None:
        async with Jobs.open(tenant, caps) as jobs:
            manager = _manager(jobs)
            async with manager.run():
                ready.set_result(Hosted(manager, Budget(MOST_HELD_BYTES)))
                await self._closing.wait()


def _manager(jobs: Jobs) -> StreamableHTTPSessionManager:
    settings = this_settings()
    server = make_server(partial(workspace_of_connection, jobs=jobs), Budget(MOST_HELD_BYTES))
    server.middleware.append(_refuse_sessionless)
    # No tool has an argument that comes as a header. Else the list of tools would be asked for each call.
    server.get_tool_input_schema = lambda _: None
    return StreamableHTTPSessionManager(
        server,
        security_settings=_security(),
        session_idle_timeout=settings.mcp_idle,
        max_request_body_size=MOST_BODY_BYTES,
        max_sessions=settings.mcp_sessions,
    )


async def _refuse_sessionless(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Refuse the protocol that has no sessions over HTTP. Clients that know it try the one before it then."""
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(
            UNSUPPORTED_PROTOCOL_VERSION,
            "A workspace needs a session, which this version of the protocol does not have over HTTP.",
            {"supported": list(HANDSHAKE_PROTOCOL_VERSIONS), "requested": ctx.protocol_version},
        )
    return await call_next(ctx)


def _security() -> TransportSecuritySettings:
    """Answer only under names of this server, so that no web page reaches it through a browser."""
    names = [*_LOOPBACK, *this_settings().mcp_host_names]
    hosts = [form for name in names for form in (name, f"{name}:*")]
    return TransportSecuritySettings(
        allowed_hosts=hosts,
        allowed_origins=[f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts],
    )
