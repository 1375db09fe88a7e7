"""How a worker stops: first warm, whatever it was told by, and cold after a while."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.worker import state

from sandbox.threads import start_thread
from tasks.settings import this_settings

if TYPE_CHECKING:
    from types import FrameType

__all__: list[str] = []


@signals.worker_ready.connect
def _drain_at_sigquit(**_: object) -> None:
    """Celery's own SIGQUIT gives the running jobs up at once; here the first one does what SIGTERM does."""
    warm: Any = signal.getsignal(signal.SIGTERM)
    cold: Any = signal.getsignal(signal.SIGQUIT)
    main = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        is_first = os.getpid() == main and state.should_stop is None
        (warm if is_first else cold)(number, frame)

    signal.signal(signal.SIGQUIT, stop)


@signals.worker_shutting_down.connect
def _bound_shutdown(how: str, **_: object) -> None:
    """A warm shutdown waits for the running jobs for as long as they take; after a while it turns cold."""
    if how == "Warm":
        start_thread(_turn_cold, name="cellblock-drain")


def _turn_cold() -> None:
    threading.Event().wait(this_settings().drain)
    os.kill(os.getpid(), signal.SIGQUIT)
