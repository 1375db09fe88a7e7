"""The sessions over HTTP: each caller has an MCP server of its own, and sees no other's sessions."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.types import UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from api.mcp.connection import workspace_of_connection
from api.mcp.jobs import Jobs
from api.mcp.server import make_server
from tasks.settings import this_settings

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

    from api.caps import Caps

__all__ = ["MOST_BODY_BYTES", "Sessions"]

#: The largest request. Larger files reach a workspace in several parts, or by a job.
MOST_BODY_BYTES = 8 << 20

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Sessions:
    """The sessions of each caller, by any key that tells callers apart. They end when `closing` is set."""

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing
        self._managers: dict[object, asyncio.Future[StreamableHTTPSessionManager]] = {}
        self._hosts: set[asyncio.Task[None]] = set()

    async def of(self, caller: object, tenant: str, caps: Caps) -> StreamableHTTPSessionManager:
        """The sessions of a caller whose jobs are this tenant's."""
        if caller not in self._managers:
            ready = self._managers[caller] = asyncio.get_running_loop().create_future()
            self._hosts.add(asyncio.create_task(self._host(ready, tenant, caps)))
        return await self._managers[caller]

    async def ended(self) -> None:
        """Return once all sessions have ended, and their jobs were cancelled."""
        await asyncio.gather(*self._hosts)

    async def _host(
        self, ready: asyncio.Future[StreamableHTTPSessionManager], tenant: str, caps: Caps
    ) -> None:
        async with Jobs.open(tenant, caps) as jobs:
            manager = _manager(jobs)
            async with manager.run():
                ready.set_result(manager)
                await self._closing.wait()


def _manager(jobs: Jobs) -> StreamableHTTPSessionManager:
    settings = this_settings()
    server = make_server(partial(workspace_of_connection, jobs=jobs))
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
