"""Celery's consumer, which gets only judged messages, whatever the broker."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kombu import Producer, Queue

from tasks.delivery import dead_letters
from tasks.envelope import JSON, Call, Dead, Parts, Stray, judge_parts
from tasks.settings import this_settings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Consumer"]

_log = logging.getLogger("cellblock.delivery")

# Imported by name, because its type stubs lack most of it.
_celerys: Any = import_module("celery.worker.consumer.consumer")
_MOST_DEAD = {"x-max-length": dead_letters.MOST_DEAD, "x-message-ttl": dead_letters.DEAD_S * 1000}


class Consumer(_celerys.Consumer):  # type: ignore[misc]
    """Judges messages that no channel of ours has judged.

    It also buries the messages that Celery rejects: Celery itself would log their content.
    """

    def __init__(self, on_task_request: Callable[[Any], object], *args: Any, **options: Any) -> None:  # noqa: ANN401
        """`on_task_request` gives a request to the pool. It does not get one that is refused here."""

        def begin(request: Any) -> None:  # noqa: ANN401
            refuse = getattr(request, "refuse", None)
            if not (refuse and refuse()):
                on_task_request(request)

        super().__init__(begin, *args, **options)

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:  # noqa: ANN401  Celery's own
        """The function that handles a message that has arrived."""
        self._accept = super().create_task_handler(*args, **options)
        return self._take

    def on_send_event_buffered(self) -> None:
        """Called by Celery when an event waits to be published."""
        if self.hub:
            self.event_dispatcher.flush_later(self.hub.call_later)

    def _take(self, message: Any) -> None:  # noqa: ANN401
        if getattr(message, "is_judged", False):
            self._accept(message)
        else:
            # Kombu has already decompressed the body.
            self._dispose(message, _parts_of(message, _uncompressed(message.headers)))

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ANN401
        """Called instead of `_take` when kombu can't decompress a body."""
        self._dispose(message, _parts_of(message, message.headers))

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ANN401
        """Called when Celery rejects a message that was judged to be a call."""
        self._bury(message, Dead(type(exc).__name__))

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ANN401
        """Called when Celery knows no protocol for a message."""
        self._bury(message, Dead("it has no protocol of Celery's"))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ANN401
        """Called when no such task is registered."""
        self._bury(message, Dead("its task is unknown"))

    def _dispose(self, message: Any, parts: Parts) -> None:  # noqa: ANN401
        match judge_parts(parts, this_settings().max_message):
            case Call() as call:
                self._accept(_filled(message, call))
            case Stray() as stray:
                self._put_aside(message, stray)
            case Dead() as dead:
                self._bury(message, dead)

    def _put_aside(self, message: Any, stray: Stray) -> None:  # noqa: ANN401
        queue = _queue_of(message)
        kinds = {"content_type": message.content_type, "content_encoding": message.content_encoding}
        headers = _uncompressed(message.headers)
        self._publish(message, Queue(dead_letters.foreign(queue)), message.body, headers=headers, **kinds)
        dead_letters.note_stray(queue, stray)

    def _bury(self, message: Any, dead: Dead) -> None:  # noqa: ANN401
        queue, place = _queue_of(message), Queue(dead_letters.DEAD, queue_arguments=_MOST_DEAD)
        entry = dead_letters.entry_of(queue, dead, _bytes(message.body))
        self._publish(message, place, entry, content_type=JSON, content_encoding="utf-8")
        dead_letters.note_dead(queue, dead)

    def _publish(self, message: Any, place: Queue, body: Any, **kinds: Any) -> None:  # noqa: ANN401
        """Publish the copy, then acknowledge. A broker handles what one channel sends in that order."""
        Producer(message.channel).publish(body, routing_key=place.name, declare=[place], **kinds)
        message.ack_log_error(_log, self.connection_errors)


def _queue_of(message: Any) -> str:  # noqa: ANN401
    return str(message.delivery_info.get("routing_key"))


def _uncompressed(headers: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name != "compression"}


def _parts_of(message: Any, headers: dict[str, Any]) -> Parts:  # noqa: ANN401
    """The parts of a message. A broker other than Redis gives the tag outside of the message."""
    about = message.properties
    properties = {name: about.get(name) for name in ("correlation_id", "reply_to", "priority")}
    properties |= {"delivery_tag": str(message.delivery_tag), "delivery_info": {}}
    return Parts(headers, properties, message.content_type, message.content_encoding, message.body)


def _filled(message: Any, call: Call) -> Any:  # noqa: ANN401
    """The message with the call in it. Acknowledging it still goes to its broker."""
    message.headers, message.body, message.content_type = call.headers, call.body, JSON
    message.content_encoding, message._decoded_cache = "utf-8", call.payload  # noqa: SLF001
    return message


def _bytes(body: Any) -> bytes:  # noqa: ANN401
    return body.encode("utf-8", "replace") if isinstance(body, str) else bytes(body or b"")
