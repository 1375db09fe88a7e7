"""The MCP server: tools for an agent, on a workspace of its own.

Needs the extra `mcp`. Only `cellblock mcp` imports it.
"""

__all__: list[str] = []
