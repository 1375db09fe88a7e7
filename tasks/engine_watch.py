"""Keeps a worker from taking jobs while its engine is away."""

from __future__ import annotations

import logging
from types import MethodType
from typing import Any

from celery import bootsteps

from tasks.engine_gate import EngineAway
from tasks.process import process_state

__all__ = ["EngineWatch", "log_outages_once"]

_LOOK_S = 1.0


class EngineWatch(bootsteps.StartStopStep):
    """Stops and restarts consuming as the gate says. Celery makes this step anew with each consumer."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    _entry: Any = None

    def start(self, consumer: Any) -> None:  # noqa: ANN401
        """Called by Celery when the broker has answered and no message has been taken yet."""
        qos = getattr(consumer.task_consumer.channel, "qos", None)
        if hasattr(qos, "can_consume"):
            _stand_before(qos)
        self._look(consumer)
        self._entry = consumer.timer.call_repeatedly(_LOOK_S, self._look, (consumer,))

    def stop(self, consumer: Any) -> None:  # noqa: ANN401
        """Called by Celery when the connection is lost, or the worker ends."""
        if self._entry is not None:
            self._entry.cancel()

    def _look(self, consumer: Any) -> None:  # noqa: ANN401
        process_state.engine_gate.look(process_state.keeper_sight())
        task_consumer = consumer.task_consumer
        if task_consumer is None or hasattr(task_consumer.channel, "unacked_key"):
            return
        if task_consumer.on_message is None:
            # Celery's loop has not begun. No handler would take a message. The loop itself starts to consume.
            return
        # This broker pushes messages. Calling either of these again has no effect.
        if process_state.engine_gate.is_open:
            task_consumer.consume()
        else:
            task_consumer.cancel()


def _stand_before(qos: Any) -> None:  # noqa: ANN401  kombu's own
    """Have the channel fetch no message while the gate is shut, as Celery does while no process is free."""
    has_room = qos.can_consume

    def can_consume(_: object) -> bool:
        return process_state.engine_gate.is_open and bool(has_room())

    qos.can_consume = MethodType(can_consume, qos)


def log_outages_once(**_: object) -> None:
    """Drop Celery's traceback for each job that is given back: the gate logs the outage, once."""
    logging.getLogger("celery.app.trace").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], EngineAway))
