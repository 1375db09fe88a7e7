"""Stops a worker: the first signal is a warm shutdown. It turns cold after `CELLBLOCK_DRAIN` seconds."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from celery.worker import state

from sandbox.threads import start_thread
from tasks.settings import this_settings

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["bound_shutdown", "drain_at_sigquit"]


def drain_at_sigquit(**_: object) -> None:
    """Make the first SIGQUIT act like SIGTERM. Celery's own handler gives up the running jobs at once."""
    warm: Any = signal.getsignal(signal.SIGTERM)
    cold: Any = signal.getsignal(signal.SIGQUIT)
    main = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        is_first = os.getpid() == main and state.should_stop is None
        (warm if is_first else cold)(number, frame)

    signal.signal(signal.SIGQUIT, stop)


def bound_shutdown(how: str, **_: object) -> None:
    """Have a warm shutdown turn cold after a while. Else it waits for the running jobs without a limit."""
    if how == "Warm":
        start_thread(_turn_cold, name="cellblock-drain")


def _turn_cold() -> None:
    threading.Event().wait(this_settings().drain)
    os.kill(os.getpid(), signal.SIGQUIT)
