"""Serves one session over the standard input and output of this process."""

from __future__ import annotations

import asyncio
import os
import signal

from mcp.server.stdio import stdio_server

from api.mcp.jobs import Jobs
from api.mcp.log import set_up_mcp_log
from api.mcp.server import make_server
from api.mcp.workspace import Workspace
from tasks.settings import this_catalogue

__all__ = ["serve_stdio"]


def serve_stdio(tenant: str) -> None:
    """Serve until the client closes the input. Jobs that still run then are cancelled."""
    this_catalogue()
    set_up_mcp_log()
    asyncio.run(_serve(tenant))


async def _serve(tenant: str) -> None:
    async with Jobs.open(tenant) as jobs:
        workspace = Workspace(jobs)
        server = make_server(lambda _: workspace)
        ending = _end_by_signal(workspace)
        try:
            async with stdio_server() as (read, write):
                await server.run(read, write, server.create_initialization_options())
        finally:
            await workspace.end()
        await asyncio.gather(*ending)


def _end_by_signal(workspace: Workspace) -> set[asyncio.Task[None]]:
    """End this process by a signal only after its jobs were cancelled. Returns the tasks that do so.

    To cancel the server would not help: a thread of it reads from the client, who may say nothing.
    """
    loop, ending = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def end(number: int) -> None:
        await workspace.end()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def begin_to_end(number: int) -> None:
        ending.add(loop.create_task(end(number)))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin_to_end, number)
    return ending
