"""Bounds the memory that bodies and results take, and how much each tenant has open."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.callers import Caller

__all__ = ["Budget", "Open"]


class Share:
    """What one request holds of a budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held_bytes = 0

    def take(self, count: int) -> None:
        """Hold `count` bytes more.

        Raises:
            Problem: there is no room for them now. A request gets its first bytes all the same.
        """
        if self._budget.held_bytes + count > self._budget.most_bytes and self._budget.held_bytes:
            raise Problem.later(503, "unavailable", "The API has no room for this now. Send it again soon.")
        self._budget.held_bytes += count
        self.held_bytes += count


class Budget:
    """The bytes that all requests together may hold at a time."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """A share for one request, given back in the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self.held_bytes -= share.held_bytes


class Open:
    """Counts the streams and waits that each tenant has open."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How many all tenants have open."""
        return self._count.total()

    @contextmanager
    def one(self, caller: Caller) -> Iterator[None]:
        """Count one for as long as the context lasts.

        Raises:
            Problem: the tenant has as many open as its token allows.
        """
        if self._count[caller.tenant] >= caller.caps.streams:
            detail = (
                f"This tenant has {caller.caps.streams} streams and waits open, as many as its token allows."
            )
            raise Problem.later(429, "too-many-open", detail)
        self._count[caller.tenant] += 1
        try:
            yield
        finally:
            self._count[caller.tenant] -= 1
            if not self._count[caller.tenant]:
                del self._count[caller.tenant]
