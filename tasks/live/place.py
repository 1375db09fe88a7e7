"""The Redis that holds live output: the one of the result backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.backends.redis import RedisBackend, SentinelBackend

from sandbox import NoLiveOutput
from tasks._app import app
from tasks.async_connections import tell_lost
from tasks.results.worker_backend import redis_of

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

__all__ = ["keeps_live_output", "live_backend", "live_redis", "live_redis_async"]


def keeps_live_output() -> bool:
    """Whether the result backend can hold live output."""
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
    """A client of that Redis. In a worker, its commands fail soon: no job may wait for its live output.

    Raises:
        NoLiveOutput: the result backend is not Redis.
    """
    client = redis_of(live_backend())
    assert client is not None  # noqa: S101  Redis is where the results go
    return client


def live_redis_async() -> AsyncRedis:
    """An asyncio client of the same Redis. The caller must close it.

    Raises:
        NoLiveOutput: the result backend is not Redis.
    """
    backend = live_backend()
    if isinstance(backend, SentinelBackend):
        from tasks.live.read.async_sentinel import by_sentinel

        return by_sentinel(backend)
    client = _client_like(backend)
    tell_lost(client)
    return client


def _client_like(backend: Any) -> AsyncRedis:  # noqa: ANN401  its types lack what is used here
    # Few apps need it, and it takes a while to import.
    from redis import asyncio, connection

    params = dict(backend.connparams)
    kinds = {
        connection.SSLConnection: asyncio.SSLConnection,
        connection.UnixDomainSocketConnection: asyncio.UnixDomainSocketConnection,
    }
    kind = kinds.get(params.pop("connection_class", None), asyncio.Connection)
    return asyncio.Redis.from_pool(asyncio.ConnectionPool(connection_class=kind, **params))
