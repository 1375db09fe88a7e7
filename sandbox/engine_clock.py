"""The engine's own clock, by which deadlines are told: the machines that write and read them may disagree."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from sandbox.docker_client import mapped_errors

if TYPE_CHECKING:
    import docker

__all__ = ["EngineClock"]


class EngineClock:
    """Asks the engine once, and goes on by this machine's monotonic clock, which nobody sets.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """

    def __init__(self, client: docker.APIClient) -> None:
        with mapped_errors("tell the time"):
            # The cheapest answer that has the time, to the second; and one that every proxy lets through.
            answer = client.get(f"{client.base_url}/_ping", timeout=client.timeout)
        self._asked = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        self._monotonic = time.monotonic()

    def now(self) -> float:
        """Unix seconds."""
        return self._asked + time.monotonic() - self._monotonic
