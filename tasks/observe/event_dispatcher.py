"""Sends a worker's events to monitors in batches, and drops those of jobs while no monitor listens."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BatchedEvents"]

# Imported by name, because its type stubs lack most of it.
_celerys: Any = import_module("celery.events.dispatcher")

# How long an event waits for others. To publish one costs a worker as much as to take a job from its queue.
_BATCH_S = 0.1
# How often a worker asks whether anybody listens. A monitor gets the events of this time before it began.
_UNHEARD_S = 1.0
_MOST_WAITING = 5000


class BatchedEvents(_celerys.EventDispatcher):  # type: ignore[misc]
    """Celery's dispatcher. The events of jobs are published together, and only if anybody receives them.

    Redis answers each message with the number of those who received it. Other brokers don't: there, somebody
    always listens.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Celery's own
        self._is_heard = True
        self._is_due = False
        super().__init__(*args, **(options | {"buffer_limit": _MOST_WAITING}))

    def flush_later(self, call_later: Callable[[float, Callable[[], None]], object]) -> None:
        """Have `call_later` call for a flush, unless one is due already."""
        if not self._is_due:
            self._is_due = True
            call_later(_BATCH_S if self._is_heard else _UNHEARD_S, self._flush_due)

    def flush(self, errors: bool = True, groups: bool = True) -> None:  # noqa: FBT001, FBT002  Celery's own
        """Publish the events that wait, or drop those of jobs if nobody listens."""
        if groups and not self._is_heard:
            self._ask()
        super().flush(errors=errors, groups=groups)
        if groups and self._is_heard:
            self._note_receivers()

    def close(self) -> None:
        """Publish what waits, if anybody listens, and then nothing more."""
        if self._is_heard:
            self.flush()
        super().close()

    def _flush_due(self) -> None:
        self._is_due = False
        self.flush()

    def _ask(self) -> None:
        """Publish an empty batch, which monitors ignore. If nobody receives it, drop the events of jobs."""
        with self.mutex:
            self._publish([], self.producer, "task.multi")
        self._note_receivers()
        if not self._is_heard:
            self._group_buffer.clear()

    def _note_receivers(self) -> None:
        channel = self.producer.channel if self.producer else None
        self._is_heard = getattr(channel, "receivers", 1) != 0
