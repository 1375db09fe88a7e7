"""Where a queue is in Redis."""

from __future__ import annotations

from typing import Any

__all__ = ["queue_keys"]


def queue_keys(channel: Any, queue: str) -> list[str]:  # noqa: ANN401  kombu's own
    """The lists that a queue consists of: one for each priority, the most urgent first."""
    return [channel._q_for_pri(queue, step) for step in channel.priority_steps]  # noqa: SLF001
