"""A subscription that is lost while two tasks use it costs no waiter its result."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from api import arrivals as under_test
from api.arrivals import Arrivals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHANNEL = "celery-task-meta-job"


class Heard:
    """Stands for a subscription at a moment at which redis-py has no connection for one of two tasks."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def subscribe(self, *channels: str) -> None:
        self.channels = channels

    async def get_message(self, timeout: float) -> Any:
        if self.error:
            raise self.error
        await asyncio.sleep(0)
        return {"type": "message", "channel": CHANNEL.encode(), "data": b"result"}


class Redis:
    """Stands in for the client: its first subscription is lost."""

    def __init__(self, error: Exception) -> None:
        self.begun, self.error = 0, error

    @asynccontextmanager
    async def pubsub(self) -> AsyncIterator[Heard]:
        self.begun += 1
        yield Heard(self.error if self.begun == 1 else None)


#: What redis-py raises in one task while the other renews the connection.
RENEWED = (
    AttributeError("'NoneType' object has no attribute 'writelines'"),
    RuntimeError("read() called while another coroutine is already waiting for incoming data"),
)


@pytest.mark.parametrize("error", RENEWED)
def test_who_listens_begins_anew(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def hear() -> bytes | None:
        found: Any = Arrivals(Redis(error))  # type: ignore[arg-type]
        listening = asyncio.create_task(found._listen())
        async with found.of("job") as arrival:
            payload: bytes | None = await arrival.wait(5)
        listening.cancel()
        return payload

    monkeypatch.setattr(under_test, "_channel", lambda _: CHANNEL)
    monkeypatch.setattr(under_test, "_AGAIN_S", 0)
    assert asyncio.run(hear()) == b"result"


class Lost(Heard):
    """Takes no request, because the other task renews the connection."""

    async def subscribe(self, *channels: str) -> None:
        assert self.error
        raise self.error

    unsubscribe = subscribe


@pytest.mark.parametrize("error", RENEWED)
def test_who_waits_goes_on(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def wait() -> bytes | None:
        found: Any = Arrivals(Redis(error))  # type: ignore[arg-type]
        found._heard = Lost(error)
        async with found.of("job") as arrival:
            payload: bytes | None = await arrival.wait(0.01)
        return payload

    monkeypatch.setattr(under_test, "_channel", lambda _: CHANNEL)
    assert asyncio.run(wait()) is None


def test_a_subscription_that_could_not_be_completed_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def begun() -> int:
        redis = Redis(RENEWED[0])
        redis.begun = 1
        found: Any = Arrivals(redis)  # type: ignore[arg-type]
        listening = asyncio.create_task(found._listen())
        await asyncio.sleep(0)
        found._heard = Lost(RENEWED[1])
        async with found.of("job") as arrival:
            await arrival.wait(5)
        listening.cancel()
        return redis.begun

    monkeypatch.setattr(under_test, "_channel", lambda _: CHANNEL)
    monkeypatch.setattr(under_test, "_AGAIN_S", 0)
    assert asyncio.run(begun()) > 2
