"""The messages that a consumer has taken and not acknowledged. Redis has them as kombu writes them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from kombu.transport import virtual
from kombu.utils.uuid import uuid

from tasks.delivery import dead_letters
from tasks.delivery.stock import stock
from tasks.envelope import UNREADABLE, Dead
from tasks.redis_script import RedisScript

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.delivery.channel import Channel

__all__ = ["QoS", "Taken", "TakenBack"]

_TAKE, _RECORD, _UNRECORD, _SETTLE = (
    RedisScript("unacked_functions", name)
    for name in ("take_message", "record_message", "unrecord_message", "settle_messages")
)
# Redis reads a message of this size within a fraction of a millisecond.
_READ_BYTES = 64 << 10


class TakenBack(Exception):
    """Another consumer has put the message in hand back in its queue, because this one was silent."""


class Taken(NamedTuple):
    """A message, and where it is: recorded with the delivery tag `tag`, or still on the list of its queue."""

    key: str
    raw: bytes
    tag: str | None


class QoS(stock.QoS):  # type: ignore[misc]
    """In an event loop, it acknowledges with the next step of the loop, and takes and records in one step."""

    channel: Channel

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  kombu's own
        super().__init__(*args, **options)
        self._thread = threading.get_ident()
        self._done: list[str] = []

    def take(self, keys: Sequence[str]) -> Taken | None:
        """Acknowledge what is done, and take the first message of the first queue that has one."""
        tag, done, channel = uuid(), self._done, self.channel
        pairs = [name for key in keys for name in (key, channel.registration.taken_key(key))]
        found = _TAKE(self._client, self._keys + pairs, tag, time.time(), channel.sep, _READ_BYTES, *done)
        self._done = self._done[len(done) :]
        return Taken(keys[int(found[0]) - 1], found[1], tag if found[2] else None) if found else None

    def record(self, taken_key: str, tag: str, queue: str, instead: bytes | str) -> None:
        """Record the message on the list, or the one to write in its place.

        Raises:
            TakenBack: it is not there.
        """
        if not _RECORD(self._client, [*self._keys, taken_key], tag, time.time(), queue, instead):
            raise TakenBack

    def unrecord(self, taken_key: str, tag: str, raw: bytes) -> None:
        """Put a recorded message back on the list.

        Raises:
            TakenBack: it is not recorded.
        """
        if not _UNRECORD(self._client, [*self._keys, taken_key], tag, raw):
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
            _SETTLE(self._client, self._keys, *done)
            self._done = self._done[len(done) :]

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
    def _keys(self) -> list[str]:
        return [self.unacked_index_key, self.unacked_key, self.channel.registration.held_key]

    @property
    def _client(self) -> Any:  # noqa: ANN401
        return self.channel.own_client

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:  # noqa: ANN401
        commands = super()._remove_from_indices(delivery_tag, pipe)
        if self.channel.registration.enrolled:
            commands.srem(self.channel.registration.held_key, delivery_tag)
        return commands
