"""Sets up the log of `cellblock mcp`, which goes to stderr: over stdio, stdout belongs to the protocol."""

from __future__ import annotations

import logging

from api.listening import set_up_log

__all__ = ["set_up_mcp_log"]


def set_up_mcp_log() -> None:
    """Log as the settings say. Of the SDK only errors: its other lines have ids of sessions in them."""
    set_up_log()
    logging.getLogger("mcp").setLevel(logging.ERROR)
