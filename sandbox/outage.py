"""A time in which no job at all could have a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.errors import SandboxUnavailable

__all__ = ["Outage"]


@dataclass(frozen=True, slots=True)
class Outage:
    """What somebody met who needed the engine, and whether the engine is back already."""

    why: SandboxUnavailable
    is_over: bool = False
