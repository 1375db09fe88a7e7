"""The messages that a consumer has taken and not acknowledged. Redis has them as kombu writes them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from kombu.transport import virtual
from kombu.utils.json import dumps
from kombu.utils.uuid import uuid

from tasks.delivery import dead_letters
from tasks.delivery.bounds import note_pace
from tasks.delivery.stock import stock
from tasks.envelope import UNREADABLE, Dead
from tasks.redis_script import RedisScript
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Held", "QoS", "Taken", "TakenBack"]

_TAKE, _RECORD = (
    RedisScript("unacked_functions", "fair_functions", name) for name in ("take_message", "record_message")
)
_UNRECORD, _SETTLE = (
    RedisScript("unacked_functions", name) for name in ("unrecord_message", "settle_messages")
)


_RECORDED, _RECORDED_LAST = 1, 3


class Held(Exception):
    """The message is back in its queue, because its tenant has as many jobs running as it may."""


class TakenBack(Exception):
    """Another consumer has put the message in hand back in its queue, because this one was silent."""


class Taken(NamedTuple):
    """A message, and where it is: recorded with the delivery tag `tag`, or still on the list of its queue."""

    key: str
    raw: bytes
    tag: str | None


class QoS(stock.QoS):  # type: ignore[misc]
    """In an event loop, it acknowledges with the next step of the loop, and takes and records in one step."""

    # The one of this package, which is made of this class.
    channel: Any

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  kombu's own
        super().__init__(*args, **options)
        self._thread = threading.get_ident()
        self._done: list[str] = []
        settings = this_settings()
        self._weights = dumps(settings.weights)
        self._most_running = settings.tenant_max_running or 0
        self._counts_pace = settings.bounds_queues

    def take(self, keys: Sequence[str]) -> Taken | list[str]:
        """Acknowledge what is done, and take the next message in turn of the first queue that has one.

        If there is none, returns those keys whose queues have messages of which none may run now.
        """
        tag, done, channel = uuid(), self._done, self.channel
        pairs = [name for key in keys for name in (key, channel.registration.taken_key(key))]
        fair = (self._weights, self._most_running)
        number, *found = _TAKE(self._client, self.keys + pairs, tag, time.time(), channel.sep, *fair, *done)
        self._settled(len(done))
        if number:
            return Taken(keys[int(number) - 1], found[0], tag if found[1] else None)
        return [keys[int(one) - 1] for one in found[0]]

    def record(
        self,
        keys: Sequence[str],
        tag: str,
        queue: str,
        instead: bytes | str,
        *,
        counts: bool,
        meanwhile: Callable[[], None],
    ) -> bool:
        """Record a message, or the one to write in its place. `counts`: its tenant's job runs.

        `meanwhile` is called while Redis does that.

        `keys` are the list that it is on, its queue's, and others that may have messages for this consumer.
        Returns whether all of them are empty now. A blocking move needs that: it must not put a second
        message on one list, because the step that records takes the oldest there.

        Raises:
            TakenBack: it is not there.
            Held: it is back in its queue.
        """
        bound = self._most_running if counts else 0
        sent = _RECORD.send(self._client, [*self.keys, *keys], tag, time.time(), queue, instead, bound)
        try:
            meanwhile()
        except BaseException:
            sent.drop()
            raise
        recorded = sent.answer()
        if recorded not in (_RECORDED, _RECORDED_LAST):
            raise Held if recorded else TakenBack
        return bool(recorded == _RECORDED_LAST)

    def unrecord(self, taken_key: str, tag: str, raw: bytes) -> None:
        """Put a recorded message back on the list.

        Raises:
            TakenBack: it is not recorded.
        """
        if not _UNRECORD(self._client, [*self.keys, taken_key], tag, raw):
            raise TakenBack

    def append(self, message: Any, delivery_tag: str) -> None:  # noqa: ANN401
        """Keep a message. It is recorded already if this channel takes its messages itself."""
        if self.channel.registration.enrolled:
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message: in the event loop, by the end of its current iteration."""
        if self.channel.registration.enrolled and threading.get_ident() == self._thread:
            self.forget(delivery_tag)
            virtual.QoS.ack(self, delivery_tag)
        else:
            super().ack(delivery_tag)

    def forget(self, delivery_tag: str) -> None:
        """Have a message removed from the unacknowledged ones with the next step."""
        self._done.append(delivery_tag)

    def settle(self) -> None:
        """Tell Redis which messages are acknowledged."""
        if done := self._done:
            _SETTLE(self._client, self.keys, *done)
            self._settled(len(done))

    def _settled(self, count: int) -> None:
        self._done = self._done[count:]
        if count and self._counts_pace:
            note_pace(self._client, count)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002
        """Put a message back in its queue. One that can't be read is buried: else each worker would fail."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except UNREADABLE:
            with self.channel.conn_or_acquire(client) as client:
                raw = client.hget(self.unacked_key, tag) or b""
                commands = dead_letters.buried(client.pipeline(), "", Dead("it can't be put back"), raw)
                self._remove_from_indices(tag, commands).execute()

    @property
    def keys(self) -> list[str]:
        """The keys in Redis of all unacknowledged messages, and of this consumer's."""
        return [self.unacked_index_key, self.unacked_key, self.channel.registration.held_key]

    @property
    def _client(self) -> Any:  # noqa: ANN401
        return self.channel.own_client

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:  # noqa: ANN401
        commands = super()._remove_from_indices(delivery_tag, pipe)
        if self.channel.registration.enrolled:
            commands.srem(self.channel.registration.held_key, delivery_tag)
        return commands
