"""Ends tasks that nobody needs any more."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["end"]

_AGAIN_S = 0.5


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel these tasks, and return once they have ended.

    They are told more than once: redis-py forgets a cancellation that comes just as it connects.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_AGAIN_S)
