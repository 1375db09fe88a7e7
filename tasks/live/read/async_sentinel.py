"""An asyncio client for a Redis behind Sentinels, which closes all its connections at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.asyncio import sentinel as of_sentinel
from redis.asyncio.sentinel import SentinelConnectionPool

from tasks.async_connections import tell_lost

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["by_sentinel"]

# Imported by name, because redis-py gives it no types.
_Sentinel: Any = vars(of_sentinel)["Sentinel"]


def by_sentinel(backend: Any) -> Redis:  # noqa: ANN401  Celery's SentinelBackend, whose stubs lack all of this
    """A client of the primary that the Sentinels of a result backend name."""
    params, options = dict(backend.connparams), backend._transport_options  # noqa: SLF001
    hosts = [(host["host"], host["port"]) for host in params.pop("hosts")]
    secure = params.pop("connection_class", None) is not None
    sentinel = _Sentinel(hosts, sentinel_kwargs=options["sentinel_kwargs"], **params, ssl=secure)
    client: Redis = sentinel.master_for(options["master_name"], connection_pool_class=_Pool)
    for one in (client, *sentinel.sentinels):
        tell_lost(one)
    return client


class _Pool(SentinelConnectionPool):
    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002  redis-py's own
        """At the end, also close the connections to the Sentinels, which redis-py leaves open."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()
