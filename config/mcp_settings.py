"""The settings of `cellblock mcp`."""

from __future__ import annotations

from pydantic_settings import BaseSettings

from config.setting_types import Seconds, setting

__all__ = ["McpSettings"]


class McpSettings(BaseSettings):
    """How the MCP server answers, and who may reach it over HTTP."""

    mcp_answer: Seconds = setting(
        45.0,
        "Seconds after which `cellblock mcp` answers a call whose job still runs, with the job's id. Many"
        " clients give up after 60 s.",
    )
    mcp_hosts: str = setting(
        "",
        "The names under which clients reach `cellblock mcp --http`, such as `mcp.example.com,10.0.0.5`, with"
        " or without a port. Those of the loopback are always allowed.",
        pattern=r"^(([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(:[0-9]+)?(,|$))*$",
    )
    mcp_sessions: int = setting(64, "How many sessions a token may have open over HTTP.", ge=1)
    mcp_idle: Seconds = setting(
        1800.0, "Seconds after which `cellblock mcp --http` ends a session that has asked for nothing."
    )

    @property
    def mcp_host_names(self) -> tuple[str, ...]:
        """The names in `mcp_hosts`."""
        return tuple(filter(None, self.mcp_hosts.split(",")))
