"""The bounds of the queues: what a publisher is told, and what a worker refuses of those who did not ask."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from kombu.utils.json import dumps

from tasks.delivery.stock import stock
from tasks.headers import queue_full
from tasks.patience import may_wait
from tasks.queue_keys import queue_key, queue_keys
from tasks.redis_script import RedisScript
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.errors import QueueFull

__all__ = ["BoundedTransport", "bounded_transport", "excess", "full", "note_pace"]

_PUBLISH, _EXCESS = (RedisScript("fair_functions", name) for name in ("publish_bounded", "take_excess"))
_AT_ONCE = 100

# The number of jobs that have ended in each slice of time tells when there will be room.
_SLICE_S = 10
_SHORTEST_S, _LONGEST_S = 1.0, 60.0
_ROOM_FOR = 10


class BoundedChannel(stock.Channel):  # type: ignore[misc]
    """Publishes a message only if there is room for it. Both are one step."""

    def _put(self, queue: str, message: Any, **_: Any) -> None:  # noqa: ANN401  kombu's own
        keys, settings = queue_keys(self, queue), this_settings()
        mine = queue_key(self, queue, self._get_message_priority(message, reverse=False))
        with self.conn_or_acquire() as client:
            done, *why = _PUBLISH(client, keys, dumps(message), keys.index(mine) + 1, *settings.queue_bounds)
            if not done:
                raise full(client, is_tenants=why[0] in (b"tenant", "tenant"), waiting=int(why[1]))


class BoundedTransport(stock.Transport):  # type: ignore[misc]
    """The stock transport with that channel, for apps that publish jobs."""

    Channel = BoundedChannel


class BoundedSentinelChannel(BoundedChannel, stock.SentinelChannel):  # type: ignore[misc]
    """The same, for a Redis behind Sentinels."""


class BoundedSentinelTransport(BoundedTransport):
    """The same, for a Redis behind Sentinels."""

    Channel = BoundedSentinelChannel
    default_port = stock.SentinelTransport.default_port


def bounded_transport() -> str | None:
    """The transport to publish with in this process. None: kombu's own, or a worker's."""
    settings = this_settings()
    # What a worker publishes was accepted before.
    if not settings.bounds_queues or not settings.broker.is_redis or may_wait():
        return None
    name = BoundedSentinelTransport if settings.broker.celery_url.startswith("sentinel") else BoundedTransport
    return f"{__name__}:{name.__name__}"


def full(client: Any, *, is_tenants: bool | None = None, waiting: int | None = None) -> QueueFull:  # noqa: ANN401
    """The error for a publisher, with the seconds after which there may be room."""
    return queue_full(_retry_after_s(client), is_tenants=is_tenants, waiting=waiting)


def excess(client: Any, taken_key: str, keys: Sequence[str], unacked_keys: Sequence[str]) -> list[bytes]:  # noqa: ANN401
    """Take the newest of the messages that are too many to the end of the list `taken_key`."""
    bounds = this_settings().queue_bounds
    found: list[bytes] = _EXCESS(client, [*unacked_keys, taken_key, *keys], *bounds, _AT_ONCE)
    return found


def note_pace(client: Any, ended: int) -> None:  # noqa: ANN401
    """Count jobs that have ended, for `retry_after`."""
    key = _slice(time.time())
    with client.pipeline(transaction=False) as commands:
        commands.incrby(key, ended).expire(key, 4 * _SLICE_S).execute()


def _retry_after_s(client: Any) -> float:  # noqa: ANN401
    """When some jobs will have ended, at the pace of the last seconds. Each publisher gets another time."""
    now = time.time()
    ended = sum(int(one or 0) for one in client.mget(_slice(now - _SLICE_S), _slice(now)))
    room_s = _ROOM_FOR * (_SLICE_S + now % _SLICE_S) / ended if ended else _LONGEST_S / 12
    bounded_s = min(max(room_s, _SHORTEST_S), _LONGEST_S)
    return round(bounded_s * random.uniform(0.75, 1.25), 2)  # noqa: S311  not a secret


def _slice(moment: float) -> str:
    return f"cellblock.pace:{int(moment // _SLICE_S)}"
