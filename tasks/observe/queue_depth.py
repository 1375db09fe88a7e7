"""The number of messages that wait at the broker, asked from the broker at each measurement."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ChannelError

from tasks.queue_keys import queue_keys, tenants_lists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

    from sandbox.meter import Measurement

__all__ = ["QueueDepth"]

_PATIENCE_S = 2.0
# Prometheus keeps a series for each label, and publishers choose the names of tenants.
_MOST_SHOWN, _MOST_ASKED = 20, 1000
# No tenant can have these names.
_OTHERS, _NOBODY = "(others)", "(none)"
_IMPATIENT = {"socket_timeout": _PATIENCE_S, "socket_connect_timeout": _PATIENCE_S, "retry_on_timeout": False}


class QueueDepth:
    """Asks for the lengths of the worker's queues, over its own connection. Calls run one at a time."""

    def __init__(self, app: Celery, queues: list[str]) -> None:
        self._app = app
        self._queues = queues
        self._lock = threading.Lock()
        self._connection: Any = None
        self._channel: Any = None

    def measure(self) -> Iterator[Measurement]:
        """Whether the broker answered, and the queue lengths if it did within two seconds."""
        with self._lock:
            try:
                measured = [*self._lengths()]
            except Exception:  # noqa: BLE001  a broker's library raises what it likes
                self._hang_up()
                measured = []
        yield "cellblock_broker_up", float(bool(measured)), {}
        yield from measured

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._hang_up()

    def _lengths(self) -> Iterator[Measurement]:
        if self._channel is None:
            self._dial()
        for queue in self._queues:
            yield "cellblock_queue_length", _length(self._channel, queue), {"queue": queue}
        if hasattr(self._channel, "unacked_key"):
            yield "cellblock_unacked", self._channel.client.hlen(self._channel.unacked_key), {}
            for queue in self._queues:
                for tenant, length in _tenants(self._channel, queue).items():
                    yield "cellblock_tenant_queue_length", length, {"queue": queue, "tenant": tenant}

    def _dial(self) -> None:
        self._connection = self._app.connection_for_read(
            connect_timeout=_PATIENCE_S, transport_options=_IMPATIENT
        )
        self._connection.connect()
        self._channel = self._connection.channel()

    def _hang_up(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            connection.release()


def _tenants(channel: Any, queue: str) -> dict[str, int]:  # noqa: ANN401
    """How many messages of each tenant are sorted. Only the largest have a label of their own."""
    lengths: Counter[str] = Counter()
    for key in queue_keys(channel, queue):
        lists = tenants_lists(channel.client, key)[:_MOST_ASKED]
        with channel.client.pipeline(transaction=False) as commands:
            for one in lists:
                commands.llen(one)
            for one, length in zip(lists, commands.execute(), strict=True):
                lengths[one.rpartition(":")[2] or _NOBODY] += length
    shown = dict(lengths.most_common(_MOST_SHOWN))
    rest = lengths.total() - sum(shown.values())
    return shown | ({_OTHERS: rest} if rest else {})


def _length(channel: Any, queue: str) -> int:  # noqa: ANN401  the transport's own
    """The number of messages of all priorities. Redis has no key for an empty queue: that gives 0."""
    try:
        length: int = channel.queue_declare(queue, passive=True).message_count
    except ChannelError:
        return 0
    return length
