"""The exception for a call that the guard refuses."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(Exception):
    """The guard does not let a call through; the message says why. The exception never leaves the guard."""
