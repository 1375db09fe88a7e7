"""Lets each asyncio connection to Redis say that it is lost by an error of Redis, on every event loop."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as LostConnection

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["tell_lost"]


def tell_lost(client: Redis) -> None:
    """Have this client raise redis.exceptions.ConnectionError where a connection of its pool is lost.

    uvloop raises RuntimeError for a lost connection, and redis-py hands it on as it is.
    """
    pool: Any = client.connection_pool
    pool.connection_class = _telling(pool.connection_class)


@cache
def _telling(kind: type[Any]) -> type[Any]:
    return type(kind.__name__, (_Telling, kind), {})


class _Telling:
    """What is put in front of a class of connections."""

    async def send_packed_command(self, *args: object, **options: object) -> None:
        """Called by redis-py."""
        try:
            await getattr(super(), "send_packed_command")(*args, **options)  # noqa: B009  it is not its base yet
        except RuntimeError as error:
            raise LostConnection(str(error)) from error
