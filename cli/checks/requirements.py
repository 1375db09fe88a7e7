"""What must be there before a worker starts."""

from __future__ import annotations

import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from redis.exceptions import ClusterError, NoPermissionError, RedisError

from cli.show import note
from sandbox import BrokerUnreachable
from sandbox.engines import open_engine
from tasks.redis_client import open_redis
from tasks.redis_errors import explain_redis, is_busy
from tasks.redis_rights import require_rights

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from config import Settings
    from config.address import Address

__all__ = ["about_redis", "broker", "redis_places", "require_broker", "require_engine", "wait_for_broker"]

_LOOK_S = 1.0
_AGAIN_S = 60.0


def require_engine(settings: Settings) -> None:
    """Raise EngineUnreachable unless the container engine answers this user."""
    with closing(open_engine(settings)) as engine:
        engine.now()


def require_broker(settings: Settings) -> None:
    """Check each Redis in use.

    Raises:
        BrokerUnreachable: it does not answer, refuses the login or a needed command, or is a cluster.
    """
    for address, variable in redis_places(settings).items():
        with broker(address, variable) as client:
            if client:
                about_redis(client)
                require_rights(client, settings.queues.split(",")[0])


def wait_for_broker(settings: Settings) -> None:
    """Wait until Redis accepts jobs, if it answers. Says why it waits, once a minute.

    Raises:
        BrokerUnreachable: no server answers, or waiting does not help.
    """
    said_s = -_AGAIN_S
    while True:
        try:
            require_broker(settings)
        except BrokerUnreachable as error:
            if not is_busy(error):
                raise
            if time.monotonic() - said_s >= _AGAIN_S:
                note(f"{error} The worker waits.")
                said_s = time.monotonic()
            threading.Event().wait(_LOOK_S)
        else:
            return


def redis_places(settings: Settings) -> dict[Address, str]:
    """The addresses in use, the broker's first, each with the variable that gives it."""
    places = {settings.broker: "CELLBLOCK_BROKER_URL"}
    places.setdefault(settings.results, "CELLBLOCK_RESULT_BACKEND")
    return places


def about_redis(client: redis.Redis) -> dict[str, Any]:
    """What a Redis says of itself; empty if its user may not ask."""
    try:
        about: dict[str, Any] = client.info()
    except NoPermissionError:
        client.ping()
        return {}
    if about.get("cluster_enabled") or about.get("redis_mode") == "cluster":
        raise ClusterError("Cluster mode")
    return about


@contextmanager
def broker(address: Address, variable: str = "CELLBLOCK_BROKER_URL") -> Iterator[redis.Redis | None]:
    """A client of the Redis at `address`, which `variable` gives; None for RabbitMQ.

    Raises:
        BrokerUnreachable: for any error of Redis or the network in the context.
    """
    if not address.is_redis:
        yield None
        return
    try:
        with open_redis(address) as client:
            yield client
    except (RedisError, OSError) as error:
        raise BrokerUnreachable(explain_redis(error, address, variable)) from error
