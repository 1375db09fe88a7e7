"""A subscription that is lost while two tasks use it costs no waiter its result."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from api import arrivals as under_test
from api.arrivals import Arrivals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

CHANNEL = "celery-task-meta-job"


class Heard:
    """Stands for a subscription at a moment at which redis-py has no connection for one of two tasks."""

    def __init__(self, *, fails: bool) -> None:
        self.fails = fails

    async def subscribe(self, *channels: str) -> None:
        self.channels = channels

    async def get_message(self, timeout: float) -> Any:
        if self.fails:
            raise AttributeError("'NoneType' object has no attribute 'writelines'")
        await asyncio.sleep(0)
        return {"type": "message", "channel": CHANNEL.encode(), "data": b"result"}


class Redis:
    """Stands in for the client: its first subscription is lost."""

    def __init__(self) -> None:
        self.begun = 0

    @asynccontextmanager
    async def pubsub(self) -> AsyncIterator[Heard]:
        self.begun += 1
        yield Heard(fails=self.begun == 1)


def test_who_listens_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hear() -> bytes | None:
        found: Any = Arrivals(Redis())  # type: ignore[arg-type]
        listening = asyncio.create_task(found._listen())
        async with found.of("job") as arrival:
            payload: bytes | None = await arrival.wait(5)
        listening.cancel()
        return payload

    monkeypatch.setattr(under_test, "_channel", lambda _: CHANNEL)
    monkeypatch.setattr(under_test, "_AGAIN_S", 0)
    assert asyncio.run(hear()) == b"result"


def test_who_waits_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(Heard):
        async def subscribe(self, *channels: str) -> None:
            raise AttributeError("'NoneType' object has no attribute 'credential_provider'")

        unsubscribe = subscribe

    async def wait() -> bytes | None:
        found: Any = Arrivals(Redis())  # type: ignore[arg-type]
        found._heard = Lost(fails=False)
        async with found.of("job") as arrival:
            payload: bytes | None = await arrival.wait(0.01)
        return payload

    monkeypatch.setattr(under_test, "_channel", lambda _: CHANNEL)
    assert asyncio.run(wait()) is None
