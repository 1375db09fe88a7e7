"""A consumer of cellblock on a real Redis. The test itself runs each turn of the event loop."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection, Consumer, Queue
from kombu.asynchronous import Hub

from tasks.delivery.transport import Transport
from tasks.queue_keys import TICKET, tenants_lists
from tests.tasks.hostile_messages import call, envelope
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["QUEUE", "Looped", "idle", "looped", "message", "waiting", "word_of"]

QUEUE = "cellblock"


class Looped:
    """Takes the messages of `queues`, and keeps each in `messages` until the test acks it."""

    def __init__(self, url: str, *queues: str, room: int = 1, no_ack: bool = False) -> None:
        self.messages: list[Any] = []
        self.connection: Any = Connection(url, transport=Transport, transport_options={"priority_steps": [0]})
        self.connection.connect()
        self.channel: Any = self.connection.default_channel
        self.hub = Hub()
        self.connection.register_with_event_loop(self.hub)
        declared = [Queue(name, routing_key=name) for name in queues]
        consumer = Consumer(self.channel, declared, on_message=self.messages.append, no_ack=no_ack)
        consumer.qos(prefetch_count=room)
        consumer.consume()
        self._loop = self.hub.create_loop()

    def turn(self, until: Callable[[], Any], what: str, within_s: float = 5.0) -> None:
        """Run turns of the loop until `until()` is true. Fail the test if that takes too long."""
        end = time.monotonic() + within_s * PATIENCE
        # The timer gives every turn something to do, so that no turn waits for long.
        timer = self.hub.call_repeatedly(0.02, lambda: None)
        while not until():
            if time.monotonic() > end:
                pytest.fail(f"Not within {within_s:g} s: {what}")
            self.turn_once()
        timer.cancel()

    def turn_once(self) -> None:
        """Run one turn of the loop."""
        next(self._loop)

    def close(self) -> None:
        """Close the connection and the loop, as a worker does at its end."""
        self.connection.release()
        self.hub.close()


@contextmanager
def looped(url: str, *queues: str, room: int = 1, no_ack: bool = False) -> Iterator[Looped]:
    """Give a consumer, and close it at the end."""
    one = Looped(url, *queues, room=room, no_ack=no_ack)
    try:
        yield one
    finally:
        one.close()


def message(word: str) -> bytes:
    """The message of a job with this command."""
    return envelope(call(word))


def word_of(raw: Any) -> str:
    """The command in a message, which was taken or still waits."""
    payload = json.loads(b64decode(json.loads(raw)["body"])) if isinstance(raw, str) else raw.decode()
    return str(payload[0][0])


def waiting(database: Any, queue: str = QUEUE) -> list[str]:
    """The commands of the jobs in a queue, the next one first, if all are of one tenant."""
    listed = list(reversed(database.lrange(queue, 0, -1)))
    back = list(takewhile(_is_message, listed))
    sorted_ = [raw for key in tenants_lists(database, queue) for raw in reversed(database.lrange(key, 0, -1))]
    newer = filter(_is_message, listed[len(back) :])
    return [word_of(raw) for raw in (*back, *sorted_, *newer)]


def _is_message(raw: str) -> bool:
    return raw != TICKET.decode()


def idle(one: Looped, *queues: str) -> None:
    """Run turns until the consumer waits for messages of each queue."""
    one.turn(
        lambda: one.channel._moves and all(map(one.channel._moves.is_waiting, queues or (QUEUE,))), "idle"
    )
