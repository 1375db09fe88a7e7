"""The workspace of a session over HTTP, which ends with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.mcp.workspace import Workspace

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

    from api.mcp.jobs import Jobs

__all__ = ["workspace_of_connection"]

_KEY = "cellblock.workspace"


def workspace_of_connection(context: ServerRequestContext[Any, Any], jobs: Jobs) -> Workspace:
    """The workspace of the session that a request belongs to. When the session ends, its job is cancelled."""
    connection = context.session._connection  # noqa: SLF001  there is no public way
    found = connection.state.get(_KEY)
    if isinstance(found, Workspace):
        return found
    workspace = connection.state[_KEY] = Workspace(jobs)
    connection.exit_stack.push_async_callback(workspace.end)
    return workspace
