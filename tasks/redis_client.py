"""Opens a Redis client for an address, separate from Celery's connections, such as for a check."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import redis
from redis import sentinel as of_sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.address import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.address import Address

__all__ = ["open_redis"]

# Looked up by name, because redis-py gives it no types.
_Sentinel: Any = vars(of_sentinel)["Sentinel"]


@contextmanager
def open_redis(address: Address, *, within_s: float = 5.0, decodes: bool = True) -> Iterator[redis.Redis]:
    """A client for short use. Each network operation takes `within_s` seconds at most.

    Answers are text if it `decodes`, else bytes.

    Raises:
        redis.exceptions.RedisError: while it is used.
    """
    options: dict[str, Any] = {
        "db": address.database,
        "username": address.user or None,
        "password": address.password or None,
        "socket_timeout": within_s,
        # redis-py's default would retry for some seconds where no server listens.
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": decodes,
        **(address.tls.options() if address.tls else {}),
    }
    with ExitStack() as stack:
        client = _client(address, options, within_s, stack)
        stack.callback(client.close)
        yield client


def _client(address: Address, options: dict[str, Any], within_s: float, stack: ExitStack) -> redis.Redis:
    if address.kind is Kind.SOCKET:
        return redis.Redis(unix_socket_path=address.path, **options)
    options |= {"socket_connect_timeout": within_s, **({"ssl": True} if address.tls else {})}
    if address.kind is Kind.SENTINEL:
        timeouts = {"socket_timeout": within_s, "socket_connect_timeout": within_s}
        about = address.sentinel_options(**timeouts)
        sentinel: Any = _Sentinel(list(address.hosts), sentinel_kwargs=about["sentinel_kwargs"], **options)
        stack.callback(sentinel.close)
        master: redis.Redis = sentinel.master_for(about["master_name"])
        return master
    ((host, port),) = address.hosts
    return redis.Redis(host=host, port=port, **options)
