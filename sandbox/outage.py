"""A time in which the engine could not give a cell to any job."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sandbox.errors import EngineUnreachable, SandboxUnavailable

__all__ = ["Outage", "level_of"]


@dataclass(frozen=True, slots=True)
class Outage:
    """The error that showed the outage, and whether the engine is back already."""

    why: SandboxUnavailable
    is_over: bool = False


def level_of(error: SandboxUnavailable) -> int:
    """The log level for an error of the engine, where other code has already met the same error.

    A worker that stops taking jobs logs once that the engine is unreachable. Other code logs it as debug.
    """
    return logging.DEBUG if isinstance(error, EngineUnreachable) else logging.WARNING
