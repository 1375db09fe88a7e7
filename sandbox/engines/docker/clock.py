"""The engine's clock. Deadlines are times of this clock, because the clocks of workers may disagree."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from sandbox.engines.docker.client import mapped_errors

if TYPE_CHECKING:
    import docker

__all__ = ["HOLDS_S", "EngineClock", "ask_the_time"]

#: How long a reading is used, in seconds. Somebody may set the engine's clock at any time.
HOLDS_S = 10.0


class EngineClock:
    """Asks the engine now and then, and counts on by this machine's monotonic clock, which nobody sets."""

    def __init__(self, client: docker.APIClient) -> None:
        self._client = client
        self._offset = 0.0
        self._until = 0.0

    def now(self) -> float:
        """The engine's time in Unix seconds.

        Raises:
            SandboxUnavailable: the engine does not answer.
        """
        if time.monotonic() >= self._until:
            self._offset = ask_the_time(self._client) - time.monotonic()
            self._until = time.monotonic() + HOLDS_S
        return self._offset + time.monotonic()


def ask_the_time(client: docker.APIClient) -> float:
    """What the engine's clock says, to the second, in Unix seconds.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    with mapped_errors("tell the time"):
        # The cheapest call whose answer has the time. Every proxy before an engine lets it through.
        answer = client.get(f"{client.base_url}/_ping", timeout=client.timeout)
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()
