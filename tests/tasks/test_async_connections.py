"""A lost connection to Redis is told by an error of Redis, on every event loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from redis.exceptions import ConnectionError as LostConnection

from cellblock.addresses import addresses
from cellblock.redis_clients import open_redis_async
from tasks import app
from tasks.live import place
from tasks.live.place import live_redis_async
from tasks.results.worker_backend import PatientRedis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from redis.asyncio import Redis

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@asynccontextmanager
async def of_app(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Redis]:
    backend: Any = PatientRedis(app=app, url=url)
    backend.connparams.pop("retry", None)
    monkeypatch.setattr(place, "live_backend", lambda: backend)
    async with live_redis_async() as client:
        yield client


@asynccontextmanager
async def of_client(url: str, _: pytest.MonkeyPatch) -> AsyncIterator[Redis]:
    async with open_redis_async(addresses(url, None)[1], 5) as client:
        yield client


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("opened", [of_app, of_client])
def test_a_lost_connection_is_told_so_and_the_next_call_has_a_new_one(
    broker_url: str, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Any], loop: str
) -> None:
    async def lose_and_ask_again() -> bool:
        async with opened(broker_url, monkeypatch) as client:
            connection: Any = await client.connection_pool.get_connection()
            connection._writer.transport.abort()
            with pytest.raises(LostConnection):
                await connection.send_command("PING")
            await client.connection_pool.release(connection)
            return bool(await client.ping())

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(lose_and_ask_again())
