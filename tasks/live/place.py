"""The Redis that live output is kept in: that of the result backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.backends.redis import RedisBackend, SentinelBackend

from sandbox import NoLiveOutput
from tasks._app import app

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

__all__ = ["keeps_live_output", "live_backend", "live_redis", "live_redis_async"]


def keeps_live_output() -> bool:
    """Whether the result backend can."""
    return isinstance(app.backend, RedisBackend)


def live_backend() -> Any:  # noqa: ANN401  its types lack what is used here
    """The result backend.

    Raises:
        NoLiveOutput: it is not Redis.
    """
    if not keeps_live_output():
        name = type(app.backend).__name__
        raise NoLiveOutput(
            f"Live output needs Redis as the result backend, and this is {name}."
            " Try: set CELLBLOCK_RESULT_BACKEND to a redis:// address."
        )
    return app.backend


def live_redis() -> Redis:
    """The result backend's own client."""
    client: Redis = live_backend().client
    return client


def live_redis_async() -> AsyncRedis:
    """A client of the same server for asyncio; close it.

    Raises:
        NoLiveOutput: it is not a single Redis server.
    """
    backend = live_backend()
    if isinstance(backend, SentinelBackend):
        raise NoLiveOutput("follow_async knows no Sentinel. Try: follow, in a thread.")
    # Few apps need it, and it takes a while to import.
    from redis import asyncio, connection

    params = dict(backend.connparams)
    kinds = {
        connection.SSLConnection: asyncio.SSLConnection,
        connection.UnixDomainSocketConnection: asyncio.UnixDomainSocketConnection,
    }
    kind = kinds.get(params.pop("connection_class", None), asyncio.Connection)
    return asyncio.Redis.from_pool(asyncio.ConnectionPool(connection_class=kind, **params))
