"""What must be there before a worker starts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import RedisError

from cli.redis_errors import explain_redis
from sandbox import BrokerUnreachable
from sandbox.docker_client import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config import Settings

__all__ = ["broker", "require_broker", "require_engine"]


def require_engine(settings: Settings) -> None:
    """Raise EngineUnreachable unless the container engine answers this user."""
    connect(settings).close()


def require_broker(settings: Settings) -> dict[str, Any]:
    """What Redis says of itself; nothing of a broker that is not Redis.

    Raises:
        BrokerUnreachable: it does not answer, or does not let us in.
    """
    with broker(settings.broker_url.get_secret_value()) as client:
        about: dict[str, Any] = client.info() if client else {}
    return about


@contextmanager
def broker(url: str) -> Iterator[redis.Redis | None]:
    """A client of the Redis at `url`; None where something else is.

    Raises:
        BrokerUnreachable: for whatever goes wrong in the context.
    """
    address = url.replace("redis+socket://", "unix://")
    if not address.startswith(("redis://", "rediss://", "unix://")):
        yield None
        return
    client = redis.Redis.from_url(address, socket_connect_timeout=5, socket_timeout=5, decode_responses=True)
    try:
        yield client
    except RedisError as error:
        raise BrokerUnreachable(explain_redis(error)) from None
    finally:
        client.close()
