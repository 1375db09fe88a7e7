"""Tasks that nobody needs any more are ended for certain."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from api import ending
from api.ending import end

if TYPE_CHECKING:
    import pytest


async def _deaf() -> None:
    """Forget the first cancellation, as redis-py may while it connects."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    await asyncio.sleep(60)


async def _ends(task: asyncio.Task[None]) -> None:
    try:
        await asyncio.sleep(60)
    finally:
        await end(task)


async def _cancelled_twice() -> tuple[bool, bool]:
    """Cancel a task that ends another, twice. Whether both tasks have been cancelled then."""
    inner = asyncio.create_task(_deaf())
    outer = asyncio.create_task(_ends(inner))
    for _ in range(2):
        await asyncio.sleep(0.01)
        outer.cancel()
    await asyncio.wait([outer])
    return outer.cancelled(), inner.cancelled()


def test_a_task_that_forgets_a_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ended() -> bool:
        task = asyncio.create_task(_deaf())
        await asyncio.sleep(0)
        await end(task)
        return task.cancelled()

    monkeypatch.setattr(ending, "_AGAIN_S", 0.01)
    assert asyncio.run(ended())


def test_who_is_cancelled_again_while_it_ends_a_task_still_ends_it() -> None:
    assert asyncio.run(_cancelled_twice()) == (True, True)
