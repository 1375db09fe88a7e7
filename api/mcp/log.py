"""Sets up the log of `cellblock mcp`, which goes to stderr: over stdio, stdout belongs to the protocol."""

from __future__ import annotations

import logging

from sandbox.log_lines import log_formatter
from tasks.settings import this_settings

__all__ = ["set_up_log"]


def set_up_log() -> None:
    """Log as the settings say. Of the SDK only errors: its other lines have ids of sessions in them."""
    settings = this_settings()
    (handler := logging.StreamHandler()).setFormatter(log_formatter(settings.log_format))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    logging.getLogger("mcp").setLevel(logging.ERROR)
