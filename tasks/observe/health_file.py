"""The health file of a worker: its event loop rewrites it regularly, and `cellblock health` reads it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from celery import bootsteps

from sandbox.threads import dead_threads
from tasks.process import process_state
from tasks.settings import this_settings

__all__ = ["HealthFile", "remove_health_file"]

_INTERVAL_S = 2.0


class HealthFile(bootsteps.StartStopStep):
    """Writes the file while the worker consumes. Celery stops this step while the broker is away.

    The file says when the event loop and the keeper were last alive, by the machine's monotonic clock, and
    how old these times may be. It is replaced as a whole, so that no reader gets half of it.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:  # noqa: ANN401  Celery's own
        super().__init__(consumer, **options)
        self._seen = dict.fromkeys(("loop", "keeper"), time.monotonic())
        self._entry: Any = None

    def include_if(self, consumer: Any) -> bool:  # noqa: ANN401
        """Use this step only if the operator has named a file."""
        return this_settings().heartbeat is not None

    def start(self, consumer: Any) -> None:  # noqa: ANN401
        """Called by Celery when the broker has answered: write the file now, and then every two seconds."""
        self._beat()
        self._entry = consumer.timer.call_repeatedly(_INTERVAL_S, self._beat)

    def stop(self, consumer: Any) -> None:  # noqa: ANN401
        """Called by Celery when the connection is lost, or the worker ends."""
        if self._entry is not None:
            self._entry.cancel()

    def _beat(self) -> None:
        now = time.monotonic()
        self._seen["loop"] = now
        if process_state.keeper_is_alive() is not False:
            self._seen["keeper"] = now
        settings = this_settings()
        if settings.heartbeat:
            about = {"pid": os.getpid(), "bound_s": settings.heartbeat_bound, "trouble": _trouble()}
            fresh = settings.heartbeat.with_name(f"{settings.heartbeat.name}.{os.getpid()}")
            fresh.write_text(json.dumps({**about, **self._seen}))
            fresh.replace(settings.heartbeat)


def _trouble() -> str | None:
    """Why this worker can't run jobs, in one sentence, if that is certain without waiting. Else None."""
    if dead := dead_threads():
        return f"its thread {dead[0]} has died: see its log, and start it again."
    return process_state.engine_gate.trouble


def remove_health_file(**_: object) -> None:
    """Called when the worker ends, so that nobody takes it for one that hangs."""
    path = this_settings().heartbeat
    if path:
        path.unlink(missing_ok=True)
