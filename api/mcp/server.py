"""The MCP server of one tenant, whatever carries its messages."""

from __future__ import annotations

import logging
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, ListToolsResult
from redis.exceptions import RedisError

from api.budget import Budget
from api.mcp.answer import refusal
from api.mcp.refusal import Refused
from api.mcp.tools import INSTRUCTIONS, call_tool, tool_list
from api.outage import note_outage
from api.problems import Problem
from config.quoting import quoted
from sandbox import BrokerUnreachable, CellblockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.context import ServerRequestContext
    from mcp.types import CallToolRequestParams, CallToolResult, PaginatedRequestParams

    from api.mcp.running import Report
    from api.mcp.workspace import Workspace

    Context = ServerRequestContext[Any, Any]

__all__ = ["make_server"]

_log = logging.getLogger("cellblock.mcp")

_AWAY = "The queue cannot be reached now. Try again in some seconds."


def make_server(workspace_of: Callable[[Context], Workspace], calls: Budget | None = None) -> Server[Any]:
    """A server; `workspace_of` gives the workspace of the session that a request belongs to.

    `calls`: what the arguments of all calls may take together, also of those whose client is gone.
    """

    async def list_tools(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=tool_list())

    async def call(context: Context, asked: CallToolRequestParams) -> CallToolResult:
        async def report(seconds: float, message: str) -> None:
            await context.session.report_progress(seconds, None, message)

        with (calls or Budget(sys.maxsize)).share() as share:
            try:
                share.take(_chars(asked.arguments))
            except Problem:
                return refusal(
                    "The server has no room for this call now. Try again when others are answered."
                )
            answer = await _explained(workspace_of(context), asked, report)
        if answer is None:
            raise MCPError(INVALID_PARAMS, f"There is no tool {quoted(asked.name)}.")
        return answer

    return Server(
        "cellblock",
        title="cellblock",
        version=metadata.version("cellblock"),
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call,
    )


def _chars(given: object) -> int:
    """How many characters arguments have."""
    match given:
        case str():
            return len(given)
        case dict():
            return sum(_chars(name) + _chars(value) for name, value in given.items())
        case list():
            return sum(map(_chars, given))
    return 1


async def _explained(
    workspace: Workspace, asked: CallToolRequestParams, report: Report
) -> CallToolResult | None:
    """What the tool answers; an error that the model reads if it can't do what it is asked."""
    try:
        return await call_tool(workspace, asked.name, asked.arguments, report)
    except Refused as error:
        return refusal(str(error))
    except (BrokerUnreachable, RedisError, OSError) as error:
        note_outage(error)
        return refusal(_AWAY)
    except CellblockError as error:
        return refusal(str(error))
    except Exception:  # noqa: BLE001  the SDK would tell the client what the exception says
        _log.exception("The tool %s failed", quoted(asked.name))
        return refusal("The server failed. Its log says more.")
