"""A time in which the engine could not give a cell to any job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.errors import SandboxUnavailable

__all__ = ["Outage"]


@dataclass(frozen=True, slots=True)
class Outage:
    """The error that showed the outage, and whether the engine is back already."""

    why: SandboxUnavailable
    is_over: bool = False
