"""What a tool answers instead of a result."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(Exception):
    """The tool did not do what it was asked. The message says why, and what to try; a model reads it."""
