"""How warm cells are claimed, and what a claim gives."""

from __future__ import annotations

from typing import Protocol

from sandbox.engines.engine import OpenCell

__all__ = ["Claim", "ClaimPool"]

#: A cell that belongs to its claimant alone; None if no cell waits.
Claim = OpenCell | None


class ClaimPool(Protocol):
    """Where warm cells are claimed: in this process, or in the keeper of a worker."""

    def claim(self, runtime: str) -> Claim:
        """A waiting cell of the runtime, checked to be alive, if there is one. Never waits for one."""

    def wait_until_full(self, within_s: float) -> bool:
        """Wait at most `within_s` seconds until the pool is full; whether it is. True if that is unknown."""

    def last_away(self) -> float:
        """When the engine last did not answer, by the machine's monotonic clock; 0 if it is not watched."""

    def close(self) -> None:
        """Close the pool, or the connection to it."""
