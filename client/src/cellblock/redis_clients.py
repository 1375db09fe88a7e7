"""Opens clients of the Redis that has the results. They connect when they are first used."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from redis.backoff import NoBackoff

from cellblock.shared.address import Address, Kind
from cellblock.shared.async_connections import tell_lost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

__all__ = ["open_redis", "open_redis_async"]


def open_redis(address: Address, within_s: float) -> Redis:
    """A client for all threads. Each network operation takes `within_s` seconds at most."""
    client: Redis = _open("redis", address, within_s)[0]
    return client


@asynccontextmanager
async def open_redis_async(address: Address, within_s: float) -> AsyncIterator[AsyncRedis]:
    """The same for one event loop of asyncio. It is closed at the end."""
    client, sentinels = _open("redis.asyncio", address, within_s)
    for one in (client, *sentinels):
        tell_lost(one)
    try:
        yield client
    finally:
        for one in (client, *sentinels):
            await one.aclose()


def _open(package: str, address: Address, within_s: float) -> tuple[Any, list[Any]]:
    """A client of either package, and its clients of the Sentinels."""
    library: Any = import_module(package)
    options: dict[str, Any] = {
        "db": address.database,
        "username": address.user or None,
        "password": address.password or None,
        "socket_timeout": within_s,
        # The callers decide themselves how long to try.
        "retry": import_module(f"{package}.retry").Retry(NoBackoff(), 0),
        **(address.tls.options() if address.tls else {}),
    }
    if address.kind is Kind.SOCKET:
        return library.Redis(unix_socket_path=address.path, **options), []
    options |= {"socket_connect_timeout": within_s, **({"ssl": True} if address.tls else {})}
    if address.kind is Kind.SENTINEL:
        return _by_sentinels(package, address, options, within_s)
    ((host, port),) = address.hosts
    return library.Redis(host=host, port=port, **options), []


def _by_sentinels(
    package: str, address: Address, options: dict[str, Any], within_s: float
) -> tuple[Any, list[Any]]:
    library: Any = import_module(f"{package}.sentinel")
    about = address.sentinel_options(socket_timeout=within_s, socket_connect_timeout=within_s)
    found = library.Sentinel(list(address.hosts), sentinel_kwargs=about["sentinel_kwargs"], **options)
    return found.master_for(about["master_name"]), list(found.sentinels)
