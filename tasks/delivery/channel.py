"""The channel that consumes. Until a message is done, Redis has it in a list or as unacknowledged."""

from __future__ import annotations

import logging
import time
from importlib import import_module
from typing import Any

from kombu.exceptions import KombuError
from kombu.transport import virtual
from kombu.utils.json import dumps
from kombu.utils.uuid import uuid
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks.delivery import dead_letters
from tasks.delivery.blocking_moves import BlockingMoves
from tasks.delivery.consumers import Registration, give_back
from tasks.delivery.wakeup import Wakeup
from tasks.envelope import JSON, Call, Dead, Stray, judge, sealed
from tasks.patience import PatientRetry, may_wait
from tasks.queue_keys import queue_keys
from tasks.redis_script import RedisScript
from tasks.settings import this_settings

__all__ = ["Channel", "SentinelChannel", "stock"]

# Imported by name, because kombu's type stubs lack most of it.
stock: Any = import_module("kombu.transport.redis")

_log = logging.getLogger("cellblock.delivery")

_TAKE, _RECORD = map(RedisScript, ("take_message", "record_message"))

# What a malformed control command or event raises before a handler gets it.
_NONSENSE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, KombuError)


class _TakenBack(Exception):
    """Another consumer has put the message in hand back in its queue, because this one was silent."""


class Message(stock.Channel.Message):  # type: ignore[misc]
    """A message that may have been judged. If so, it carries its payload and is not decoded again."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:  # noqa: ANN401  kombu's own
        super().__init__(payload, channel, **options)
        self._decoded_cache = payload.get("decoded")
        self.is_judged = self._decoded_cache is not None


class QoS(stock.QoS):  # type: ignore[misc]
    """Also records in Redis which unacknowledged messages this consumer has."""

    channel: Channel

    def append(self, message: Any, delivery_tag: str) -> None:  # noqa: ANN401
        """Record a message as unacknowledged, in the step that takes it off its list."""
        if not self.channel.registration.enrolled:
            super().append(message, delivery_tag)
            return
        channel = self.channel
        keys = [channel.in_hand, self.unacked_index_key, self.unacked_key, channel.registration.held_key]
        queue, instead = dumps(message.delivery_info["routing_key"]), message._raw["instead"]  # noqa: SLF001
        recorded = _RECORD(channel._create_client(), keys, delivery_tag, time.time(), queue, instead)  # noqa: SLF001
        channel.in_hand = ""
        if not recorded:
            raise _TakenBack
        virtual.QoS.append(self, message, delivery_tag)

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:  # noqa: ANN401
        commands = super()._remove_from_indices(delivery_tag, pipe)
        if self.channel.registration.enrolled:
            commands.srem(self.channel.registration.held_key, delivery_tag)
        return commands


class Channel(stock.Channel):  # type: ignore[misc]
    """In an event loop, consumes messages by moving them. Without one, it is the stock channel."""

    QoS = QoS
    Message = Message

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        self.registration = Registration(this_settings().silence)
        self.in_hand = ""
        self.is_acknowledged = False
        self._last_queue = ""
        self._moves: BlockingMoves | None = None
        self._wakeup: Wakeup | None = None
        super().__init__(*args, **options)

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **options: Any) -> Any:  # noqa: ANN401, FBT001
        """Consume, as kombu does. Messages that need no acknowledgement, such as events, may be lost."""
        self.is_acknowledged = self.is_acknowledged or not no_ack
        return super().basic_consume(queue, no_ack, *args, **options)

    def fetch(self, loop: Any) -> None:  # noqa: ANN401
        """Take the messages that are there, as far as the worker has room for them, and wait for more."""
        if self._moves is None:
            pool = self._get_pool(asynchronous=True)
            # There is one connection for each key, however many keys there are.
            pool.max_connections = 1 << 16
            self._moves = BlockingMoves(pool, loop, self._arrived)
            self._wakeup = Wakeup(loop)
            self.beat()
        while self.qos.can_consume() and (idle := self._not_waiting()):
            taken = self._take(idle)
            if taken is None:
                for key in idle:
                    self._moves.wait(key, self.registration.taken_key(key))
                return
            self._accept(*taken)
            if self._wakeup:
                self._wakeup.wake()

    def beat(self) -> None:
        """Report that this consumer is alive, and put back the messages of consumers that are gone."""
        if self._moves is None:
            return
        dead_letters.flush()
        client = self._create_client()
        for silent in self.registration.beat(client, self._queue_keys()):
            give_back(client, silent, lambda tag: self.qos.restore_by_tag(tag, client=client))

    def close(self) -> None:
        """Put unacknowledged messages back, as the stock channel does, and leave the register."""
        moves, self._moves = self._moves, None
        if moves is None:
            super().close()
            return
        moves.close()
        if self._wakeup:
            self._wakeup.close()
        client = self._create_client()
        super().close()
        try:
            self.registration.leave(client)
        except self.connection_errors as error:
            _log.debug("This consumer could not leave the register: %s", error)
        client.connection_pool.disconnect()

    def _receive_one(self, c: Any) -> Any:  # noqa: ANN401  kombu's own
        """Receive a broadcast message. It is never a job, so a malformed one is only logged."""
        try:
            return super()._receive_one(c)
        except RecursionError:
            _log.warning("A control command or event is nested too deep")
            return None

    def _deliver_fanout_message(self, message: Any, exchange: str) -> Any:  # noqa: ANN401
        try:
            return super()._deliver_fanout_message(message, exchange)
        except _NONSENSE as error:
            _log.warning("A control command or event is malformed: %s", type(error).__name__)
            return None

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  kombu's own
        """The event loop must learn that a connection which it reads from is broken: redis-py must not retry.

        By itself redis-py would reconnect, and then block the loop until data arrives.
        """
        parameters: dict[str, Any] = super()._connparams(asynchronous=asynchronous)
        if may_wait() and self.connection.client.transport_options.get("retry_on_timeout"):
            # In a job's process, publishing waits for the broker, as storing the result does.
            return parameters | {"retry": PatientRetry(), "retry_on_timeout": False}
        own = {"retry": Retry(NoBackoff(), 0), "retry_on_timeout": False} if asynchronous else {}
        return parameters | own

    def _queue_keys(self) -> list[str]:
        """Every key that may have messages, by priority: the most urgent keys of all queues come first.

        Among keys of one priority, the queue that was served last comes last.
        """
        queues = sorted(self.active_queues, key=lambda queue: (queue <= self._last_queue, queue))
        by_priority = zip(*(queue_keys(self, queue) for queue in queues), strict=True)
        return [key for keys in by_priority for key in keys]

    def _not_waiting(self) -> list[str]:
        moves = self._moves
        return [key for key in self._queue_keys() if moves and not moves.is_waiting(key)]

    def _take(self, keys: list[str]) -> tuple[str, bytes] | None:
        pairs = [name for key in keys for name in (key, self.registration.taken_key(key))]
        found = _TAKE(self._create_client(), pairs)
        return (keys[int(found[0]) - 1], found[1]) if found else None

    def _arrived(self, key: str, message: bytes) -> None:
        """Accept the message of a blocking move. If others have taken the room, put it back."""
        if self.qos.can_consume():
            self._accept(key, message)
        else:
            self._create_client().lmove(self.registration.taken_key(key), key, "RIGHT", "RIGHT")

    def _accept(self, key: str, raw: bytes) -> None:
        queue, self.in_hand = key.rsplit(self.sep, 1)[0], self.registration.taken_key(key)
        self._last_queue = queue
        match judge(raw, this_settings().max_message):
            case Call() as call:
                self._hand_on(call, queue)
            case Stray() as stray:
                dead_letters.put_aside(self._create_client(), self.in_hand, queue, stray)
            case Dead() as dead:
                dead_letters.bury(self._create_client(), self.in_hand, queue, dead, raw)

    def _hand_on(self, call: Call, queue: str) -> None:
        try:
            self.connection._deliver(_in_kombus_form(call, queue), queue)  # noqa: SLF001  kombu's own way in
        except _TakenBack:
            _log.warning("A message was taken back before it was recorded: %s", call.task_id)
            return
        if self.in_hand:
            # Messages of this queue are not acknowledged, so nothing else takes this one off the list.
            self._create_client().rpop(self.in_hand)


class SentinelChannel(Channel, stock.SentinelChannel):  # type: ignore[misc]
    """The same channel, for a Redis behind Sentinels: each new connection goes to the current primary."""


def _in_kombus_form(call: Call, queue: str) -> dict[str, Any]:
    """The message with a new delivery tag: two messages with one tag would be acknowledged as one."""
    where = {"exchange": "", "routing_key": queue, "redelivered": call.headers.get("redelivered", False)}
    properties = call.properties | {"delivery_tag": uuid(), "delivery_info": where}
    return {
        "body": call.body,
        "content-type": JSON,
        "content-encoding": "utf-8",
        "headers": call.headers,
        "properties": properties,
        "decoded": call.payload,
        "instead": sealed(call, properties) if call.is_refused else "",
    }
