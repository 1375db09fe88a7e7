"""What a claim on the warm pool gives."""

from __future__ import annotations

from typing import Protocol

from sandbox.docker_maker import OpenCell

__all__ = ["Claim", "ClaimPool"]

#: A cell for the one who claimed it and nobody else; None when none waits.
Claim = OpenCell | None


class ClaimPool(Protocol):
    """Where warm cells are claimed: in this process, or in the keeper of a worker."""

    def claim(self, runtime: str) -> Claim:
        """A waiting cell of the runtime, checked to be alive, if there is one. Never waits for one."""

    def wait_until_full(self, within_s: float) -> bool:
        """Whether everything that should wait does, within so many seconds; True where that can't be told."""

    def last_away(self) -> float:
        """When the engine was last seen away, by the machine's monotonic clock; 0, where nobody looks."""

    def close(self) -> None:
        """Let go of the pool."""
