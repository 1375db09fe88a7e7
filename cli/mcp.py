"""`cellblock mcp`: the MCP server, for agents."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from config import InvalidSetting, load_settings
from config.blob_place import BlobKind
from config.tenants import is_tenant

__all__ = ["mcp"]


def mcp(
    http: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve over HTTP on this port; 0: any that is free.")
    ] = None,
    host: Annotated[str, typer.Option(help="With --http: the address to listen on.")] = "127.0.0.1",
    tenant: Annotated[str, typer.Option(help="Without tokens: for whom the jobs are.")] = "",
) -> None:
    """Serve tools to an agent by the Model Context Protocol.

    It uses stdin and stdout, unless told otherwise. Needs the extra `cellblock[mcp]`. The tools run
    commands in cells and share a workspace.

    Example: cellblock mcp --http 8001
    """
    if find_spec("mcp") is None:
        raise InvalidSetting("`cellblock mcp` needs the package mcp. Try: pip install 'cellblock[mcp]'")
    if tenant and not is_tenant(tenant):
        raise InvalidSetting("--tenant: give 1 to 64 of the characters A-Z a-z 0-9 . _ @ -")
    if load_settings().blob_place.kind is BlobKind.OFF:
        raise InvalidSetting("CELLBLOCK_BLOBS=off: `cellblock mcp` keeps workspaces in the blob store")
    if http is None:
        from api.mcp.over_stdio import serve_stdio

        serve_stdio(tenant)
    else:
        from api.mcp.over_http import serve_http

        serve_http(host, http, tenant)
