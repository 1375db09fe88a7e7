"""Where a queue is in Redis."""

from __future__ import annotations

from typing import Any

__all__ = ["TICKET", "lists_of", "queue_key", "queue_keys", "tenants_lists"]

#: What stands in a queue's list for a message that is sorted by its tenant (lua/fair_functions.lua).
TICKET = b'"cellblock.ticket"'


def queue_keys(channel: Any, queue: str) -> list[str]:  # noqa: ANN401  kombu's own
    """The lists that a queue consists of: one for each priority, the most urgent first."""
    return [queue_key(channel, queue, step) for step in channel.priority_steps]


def lists_of(queue: str) -> tuple[str, ...]:
    """The lists that a queue may consist of, with any priorities, by the names that Kombu gives them."""
    return (queue, *(f"{queue}\x06\x16{step}" for step in range(1, 10)))


def queue_key(channel: Any, queue: str, priority: int) -> str:  # noqa: ANN401
    """The list for a message of this priority."""
    key: str = channel._q_for_pri(queue, priority)  # noqa: SLF001
    return key


def tenants_lists(client: Any, queue_key: str) -> list[str]:  # noqa: ANN401
    """The lists of the messages that are sorted by their tenants, the next tenant in turn first."""
    tenants = client.zrange(f"cellblock.order:{queue_key}", 0, -1)
    names = (one.decode() if isinstance(one, bytes) else one for one in tenants)
    return [f"cellblock.tenant:{queue_key}:{name}" for name in names]
