"""A call that goes no further."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(Exception):
    """The guard does not let a call through; the message says why. It never leaves the guard."""
