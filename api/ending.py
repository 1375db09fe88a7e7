"""Ends tasks that nobody needs any more."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["end"]

_AGAIN_S = 0.5


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel these tasks, and return once they have ended.

    They are told more than once: redis-py forgets a cancellation that comes just as it connects. So who ends
    them may be told more than once too, and must not leave earlier for that.
    """
    told: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=_AGAIN_S)
        except asyncio.CancelledError as error:
            told = error
    if told:
        raise told
