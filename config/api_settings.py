"""The settings of `cellblock api`."""

from __future__ import annotations

from pydantic_settings import BaseSettings

from config.setting_types import FileThere, setting

__all__ = ["ApiSettings"]


class ApiSettings(BaseSettings):
    """Who may call the HTTP API."""

    api_tokens_file: FileThere | None = setting(
        None,
        "The file of tokens of `cellblock api` and `cellblock mcp --http`: a line for each token and its"
        " tenant. Without it they listen on the loopback only, where they ask for no token.",
    )
