"""The waiting cells of one runtime, and how many there should be."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.warm import WarmRange
    from sandbox.engines.engine import OpenCell

__all__ = ["Shelf"]

# Demand is the number of claims within this time. A shelf of that size would have served all of them.
_DEMAND_S = 10.0


class Shelf:
    """Holds the waiting cells, for one thread at a time. Times are in seconds of one monotonic clock."""

    def __init__(self, size: WarmRange, age_s: float) -> None:
        self._size = size
        self._age_s = age_s
        # Each with the time at which it will have waited too long; the oldest comes first.
        self._waiting: deque[tuple[OpenCell, float]] = deque()
        self._asked: deque[float] = deque()
        self.in_the_making = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, cell: OpenCell, now: float) -> None:
        """Add a cell that has been made for this shelf: it is a warm one from now on."""
        warm = replace(cell, info=replace(cell.info, warm=True))
        self._waiting.append((warm, now + self._age_s))

    def take(self, now: float) -> OpenCell | None:
        """Take the oldest cell, so that none grows old while others are used. Counts as demand."""
        self._asked.append(now)
        return self._waiting.popleft()[0] if self._waiting else None

    def take_old(self, now: float) -> list[OpenCell]:
        """Take the cells that have waited too long."""
        old = []
        while self._waiting and self._waiting[0][1] <= now:
            old.append(self._waiting.popleft()[0])
        return old

    def take_all(self) -> list[OpenCell]:
        """Take every cell."""
        cells = [cell for cell, _ in self._waiting]
        self._waiting.clear()
        return cells

    def missing(self, now: float) -> int:
        """How many more cells should be made now."""
        return max(0, self.target(now) - len(self._waiting) - self.in_the_making)

    def target(self, now: float) -> int:
        """How many cells should wait: as many as were claimed lately, within the shelf's least and most."""
        while self._asked and self._asked[0] < now - _DEMAND_S:
            self._asked.popleft()
        return min(self._size.most, max(self._size.least, len(self._asked)))

    def next_expiry(self) -> float | None:
        """When the oldest cell will have waited too long."""
        return self._waiting[0][1] if self._waiting else None
