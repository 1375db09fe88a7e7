"""The register of consumers in the broker's Redis, and what happens when a consumer falls silent."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from tasks.redis_script import RedisScript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Registration"]

_log = logging.getLogger("cellblock.delivery")

_CONSUMERS = "cellblock.consumers"
# How long Redis keeps the last consumer's keys, until some worker puts its messages back.
_KEPT_S = 30 * 86_400

_BEAT, _LEAVE, _GIVE_BACK = map(RedisScript, ("consumer_beat", "consumer_leave", "give_back"))


class Registration:
    """One consumer's entry in the register. A consumer that is silent for `silence_s` seconds is gone."""

    def __init__(self, silence_s: float) -> None:
        self.consumer = uuid.uuid4().hex
        self._silence_s = max(1, round(silence_s))
        self.enrolled = False
        #: The key of the set of delivery tags that this consumer has not acknowledged.
        self.held_key = _held(self.consumer)

    def taken_key(self, queue_key: str) -> str:
        """The key of the list to which this consumer takes messages of a queue."""
        return _taken(self.consumer, queue_key)

    def beat(self, client: Any, queue_keys: Iterable[str]) -> list[str]:  # noqa: ANN401  kombu's own
        """Report that this consumer is alive, and its queues. Returns the consumers that are silent."""
        keys = [_CONSUMERS, _queues(self.consumer), self.held_key]
        args: list[str | int] = [self.consumer, self._silence_s, _KEPT_S, *queue_keys]
        silent = _BEAT(client, keys, *args)
        self.enrolled = True
        return [_text(name) for name in silent]

    def leave(self, client: Any) -> None:  # noqa: ANN401
        """Take this consumer off the register, unless it still has messages: others must put those back."""
        mine = _queues(self.consumer)
        lists = [self.taken_key(_text(key)) for key in client.smembers(mine)]
        keys = [_CONSUMERS, mine, self.held_key, *lists]
        _LEAVE(client, keys, self.consumer)
        self.enrolled = False


def give_back(client: Any, consumer: str, restore: Callable[[str], None]) -> None:  # noqa: ANN401
    """Put a silent consumer's messages back at the head of their queues; `restore` puts back a delivery tag.

    Several workers may do this at once: each step is atomic, and a repeated step finds nothing.
    """
    count = 0
    for key in map(_text, client.smembers(_queues(consumer))):
        count += _GIVE_BACK(client, [_taken(consumer, key), key])
    for tag in map(_text, client.smembers(_held(consumer))):
        restore(tag)
        count += client.srem(_held(consumer), tag)
    client.zrem(_CONSUMERS, consumer)
    client.delete(_queues(consumer))
    if count:
        _log.warning("A worker has fallen silent: %d of its messages are back in their queues", count)


def _queues(consumer: str) -> str:
    return f"cellblock.consumer:{consumer}"


def _held(consumer: str) -> str:
    return f"cellblock.held:{consumer}"


def _taken(consumer: str, queue_key: str) -> str:
    return f"cellblock.taken:{consumer}:{queue_key}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
