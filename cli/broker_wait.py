"""At a worker's start, waits for a Redis that answers but accepts no jobs for now."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from cli.checks.requirements import require_broker
from cli.show import note
from sandbox import BrokerUnreachable
from tasks.redis_errors import is_busy

if TYPE_CHECKING:
    from config import Settings

__all__ = ["wait_for_broker"]

_LOOK_S = 1.0
_AGAIN_S = 60.0


def wait_for_broker(settings: Settings) -> None:
    """Wait until Redis accepts jobs. Says why it waits, once a minute.

    Raises:
        BrokerUnreachable: no server answers, or waiting does not help.
    """
    said_s = -_AGAIN_S
    while True:
        try:
            require_broker(settings)
        except BrokerUnreachable as error:
            if not is_busy(error):
                raise
            if time.monotonic() - said_s >= _AGAIN_S:
                note(f"{error} The worker waits.")
                said_s = time.monotonic()
            threading.Event().wait(_LOOK_S)
        else:
            return
