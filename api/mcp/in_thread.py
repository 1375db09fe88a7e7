"""Does in a thread what would block the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_thread"]

T = TypeVar("T")

# Fewer than the connections to the broker that one process may have (broker_pool_limit).
_threads = CapacityLimiter(8)


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns. It goes on in its thread if the caller is cancelled, who waits for it."""
    return await run_sync(work, limiter=_threads)
