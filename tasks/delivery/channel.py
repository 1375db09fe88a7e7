"""The channel that consumes. Until a message is done, Redis has it in a list or as unacknowledged."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from kombu.exceptions import KombuError
from kombu.utils.json import dumps
from kombu.utils.uuid import uuid
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks.delivery import dead_letters
from tasks.delivery.blocking_moves import BlockingMoves
from tasks.delivery.bounds import excess, full
from tasks.delivery.consumers import Registration, give_back
from tasks.delivery.look import Look
from tasks.delivery.stock import stock
from tasks.delivery.unacked import Held, QoS, Taken, TakenBack
from tasks.delivery.wakeup import Wakeup
from tasks.envelope import JSON, Call, Dead, Stray, judge, sealed
from tasks.headers import FULL, TASK
from tasks.outline import Outline
from tasks.patience import PatientRetry, may_wait
from tasks.queue_keys import TICKET, queue_keys
from tasks.redis_script import RedisScript
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Channel", "SentinelChannel"]

_MEND = RedisScript("fair_functions", "mend_queue")

# How often a worker looks for messages that are too many.
_BOUND_S = 0.5
# Of messages that are refused or set aside, the loop takes no more in one iteration.
_AT_ONCE = 20

_log = logging.getLogger("cellblock.delivery")

# What a malformed control command or event raises before a handler gets it.
_NONSENSE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, KombuError)


class Message(stock.Channel.Message):  # type: ignore[misc]
    """A message that may have been judged. If so, it carries its payload and is not decoded again."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:  # noqa: ANN401  kombu's own
        super().__init__(payload, channel, **options)
        self._decoded_cache = payload.get("decoded")
        self.is_judged = self._decoded_cache is not None
        #: What its request needs to know of the job in it, if that was found out already.
        self.outline: Outline | None = payload.pop("outline", None)


class Channel(stock.Channel):  # type: ignore[misc]
    """In an event loop, consumes messages by moving them. Without one, it is the stock channel."""

    QoS = QoS
    Message = Message

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        self.registration = Registration(this_settings().silence)
        self.is_acknowledged = False
        #: How many consumers have received the last broadcast message.
        self.receivers = 1
        self._last_queue = ""
        self._keys: dict[tuple[str, ...], list[str]] = {}
        self._unanswered: list[str] = []
        self._moves: BlockingMoves | None = None
        self._wakeup: Wakeup | None = None
        self._look: Look | None = None
        self._client: Any = None
        # Whether no message waited when the one that has just arrived was recorded.
        self._was_last = False
        super().__init__(*args, **options)

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **options: Any) -> Any:  # noqa: ANN401, FBT001
        """Consume, as kombu does. Messages that need no acknowledgement, such as events, may be lost."""
        self.is_acknowledged = self.is_acknowledged or not no_ack
        self._unanswered += [queue] if no_ack else []
        return super().basic_consume(queue, no_ack, *args, **options)

    def fetch(self, loop: Any) -> None:  # noqa: ANN401
        """Take the messages that are there, as far as the worker has room for them, and wait for more."""
        if self._moves is None:
            self._begin(loop)
        if not self.registration.enrolled:
            # Until Redis has registered this consumer, nobody would put back what it takes.
            self.beat()
        self._take()

    def _begin(self, loop: Any) -> None:  # noqa: ANN401
        pool = self._get_pool(asynchronous=True)
        # There is one connection for each key, however many keys there are.
        pool.max_connections = 1 << 16
        self._moves = BlockingMoves(pool, loop, self._arrived)
        self._wakeup = Wakeup(loop)
        self._look = Look(loop, self._wakeup.wake)
        if this_settings().bounds_queues:
            self._look.repeat(_BOUND_S, self._refuse_excess)

    def _take(self) -> None:
        was_last, self._was_last = self._was_last, False
        for _ in range(_AT_ONCE):
            if not (self.qos.can_consume() and (idle := self._not_waiting())):
                return
            taken = [] if was_last else self.qos.take(idle)
            if not isinstance(taken, Taken):
                self._wait(set(idle).difference(taken), is_held=bool(taken))
                return
            self._accept(taken)
            if self._wakeup:
                self._wakeup.wake()

    def _wait(self, keys: Iterable[str], *, is_held: bool) -> None:
        """Wait for messages of these queues. `is_held`: others have messages that may run soon."""
        for key in keys:
            if self._moves:
                self._moves.wait(key, self.registration.taken_key(key))
        if is_held and self._look:
            self._look.soon()

    @property
    def own_client(self) -> Any:  # noqa: ANN401  kombu's own
        """A client of the broker. Kombu would make one for each command."""
        if self._client is None:
            self._client = self._create_client()
        return self._client

    def beat(self) -> None:
        """Report that this consumer is alive, and put back the messages of consumers that are gone."""
        if self._moves is None:
            return
        dead_letters.flush()
        client = self.own_client
        keys = self._queue_keys()
        _MEND(client, keys)
        for silent in self.registration.beat(client, keys):
            give_back(client, silent, lambda tag: self.qos.restore_by_tag(tag, client=client))

    def close(self) -> None:
        """Put unacknowledged messages back, as the stock channel does, and leave the register."""
        moves, self._moves = self._moves, None
        if moves is None:
            super().close()
            return
        moves.close()
        if self._look:
            self._look.close()
        if self._wakeup:
            self._wakeup.close()
        client = self.own_client
        try:
            self.qos.settle()
        except self.connection_errors as error:
            _log.debug("What is done could not be acknowledged: %s", error)
        super().close()
        try:
            self.registration.leave(client)
        except self.connection_errors as error:
            _log.debug("This consumer could not leave the register: %s", error)
        client.connection_pool.disconnect()

    def _put_fanout(self, exchange: str, message: Any, routing_key: str, **options: Any) -> None:  # noqa: ANN401
        """Send a broadcast message, as the stock channel does, and note how many have received it."""
        if "_publish_batch" in options:
            super()._put_fanout(exchange, message, routing_key, **options)
            return
        content = dumps(message)
        with self.conn_or_acquire() as client:
            topics = self._get_publish_topics(exchange, routing_key)
            self.receivers = sum(client.publish(topic, content) for topic in topics)

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
        queues = tuple(sorted(self.active_queues, key=lambda queue: (queue <= self._last_queue, queue)))
        # Each iteration of the loop asks, and queues are seldom added.
        if queues not in self._keys:
            by_priority = zip(*(queue_keys(self, queue) for queue in queues), strict=True)
            self._keys = {queues: [key for keys in by_priority for key in keys]}
        return self._keys[queues]

    def _not_waiting(self) -> list[str]:
        moves = self._moves
        return [key for key in self._queue_keys() if moves and not moves.is_waiting(key)]

    def _arrived(self, key: str, message: bytes) -> None:
        """Accept the message of a blocking move. If others have taken the room, put it back."""
        self._was_last = False
        if self.qos.can_consume() and message != TICKET:
            # Without room, the next look is not at once: others may have come by then.
            self._was_last = self._accept(Taken(key, message, None)) and self.qos.can_consume()
        else:
            self.own_client.lmove(self.registration.taken_key(key), key, "RIGHT", "RIGHT")

    def _refuse_excess(self) -> None:
        """Refuse the newest messages for which there is no room: their publishers did not ask."""
        self._was_last = False
        for queue in self.active_queues:
            keys = queue_keys(self, queue)
            taken_key = self.registration.taken_key(keys[0])
            found = excess(self.own_client, taken_key, keys, self.qos.keys)
            retry_after = full(self.own_client).retry_after if found else 0.0
            for raw in reversed(found):
                self._accept(Taken(keys[0], raw, None), full_s=retry_after)

    def _accept(self, taken: Taken, full_s: float | None = None) -> bool:
        """Judge a message and hand it on. `full_s`: there is no room for it until after so many seconds.

        Returns whether no message waited when it was recorded, as far as that is known.
        """
        queue = self._last_queue = taken.key.rsplit(self.sep, 1)[0]
        verdict = judge(taken.raw, this_settings().max_message)
        try:
            if isinstance(verdict, Call):
                if full_s is not None:
                    verdict.headers[FULL] = full_s
                return self._hand_on(verdict, queue, taken)
            self._set_down(verdict, queue, taken)
        except Held:
            self._wait((), is_held=True)
        except TakenBack:
            _log.warning("A message was taken back before it was recorded. Its queue is %s", queue)
        return False

    def _hand_on(self, call: Call, queue: str, taken: Taken) -> bool:
        message, was_last = _in_kombus_form(call, queue, taken.tag or uuid()), False
        if call.is_refused or taken.tag is None:
            instead = sealed(call, message["properties"]) if call.is_refused else ""
            tag = message["properties"]["delivery_tag"]
            counts = not call.is_refused and FULL not in call.headers
            others = [key for key in self._not_waiting() if key != taken.key]
            taken_others = map(self.registration.taken_key, others)
            keys = [self._on_list(taken), taken.key, *others, *taken_others]
            look = partial(_note_outline, message, call)
            was_last = self.qos.record(keys, tag, queue, instead, counts=counts, meanwhile=look)
        self.connection._deliver(message, queue)  # noqa: SLF001  kombu's own way in
        if queue in self._unanswered:
            # Nobody acknowledges the messages of this queue.
            self.qos.forget(message["properties"]["delivery_tag"])
        return was_last

    def _set_down(self, verdict: Stray | Dead, queue: str, taken: Taken) -> None:
        on_list = self._on_list(taken)
        if isinstance(verdict, Stray):
            dead_letters.put_aside(self.own_client, on_list, queue, verdict)
        else:
            dead_letters.bury(self.own_client, on_list, queue, verdict, taken.raw)

    def _on_list(self, taken: Taken) -> str:
        """The list with the message at its end. A message that is recorded is put back there first."""
        taken_key = self.registration.taken_key(taken.key)
        if taken.tag is not None:
            self.qos.unrecord(taken_key, taken.tag, taken.raw)
        return taken_key


class SentinelChannel(Channel, stock.SentinelChannel):  # type: ignore[misc]
    """The same channel, for a Redis behind Sentinels: each new connection goes to the current primary."""


def _note_outline(message: dict[str, Any], call: Call) -> None:
    if call.headers.get("task") == TASK:
        message["outline"] = Outline(call.payload, call.headers)


def _in_kombus_form(call: Call, queue: str, tag: str) -> dict[str, Any]:
    """The message with a new delivery tag: two messages with one tag would be acknowledged as one."""
    where = {"exchange": "", "routing_key": queue, "redelivered": call.headers.get("redelivered", False)}
    properties = call.properties | {"delivery_tag": tag, "delivery_info": where}
    return {
        "body": call.body,
        "content-type": JSON,
        "content-encoding": "utf-8",
        "headers": call.headers,
        "properties": properties,
        "decoded": call.payload,
    }
