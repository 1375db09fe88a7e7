"""Follows the memory of a container by the statistics of Docker Engine."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from sandbox.engines.docker.client import mapped_errors
from sandbox.errors import SandboxUnavailable
from sandbox.outage import level_of
from sandbox.starvation import Starvation
from sandbox.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker

__all__ = ["StarvationGauge"]

_log = logging.getLogger(__name__)


class StarvationGauge:
    """Follows one container's memory in a thread of its own, for as long as its job runs."""

    def __init__(self, name: str, client: Callable[[], docker.APIClient]) -> None:
        self._name = name
        self._client = client
        self._over = threading.Event()
        self._starving = threading.Event()
        start_thread(self._follow, name="cellblock-starvation", lasting=False)

    @property
    def starving(self) -> bool:
        """Whether the job stands still at its memory limit."""
        return self._starving.is_set()

    def close(self) -> None:
        """Tell the thread to end. It ends at its next sample, or when the container ends."""
        self._over.set()

    def _follow(self) -> None:
        starvation = Starvation()
        try:
            with mapped_errors("tell a cell's memory"):
                for sample in self._client().stats(self._name, decode=True, stream=True):
                    if starvation.feed(sample.get("memory_stats", {})):
                        self._starving.set()
                    if self._over.is_set() or self.starving:
                        return
        except SandboxUnavailable as error:
            _log.log(level_of(error), "Nobody watches %s for starvation: %s", self._name, error)
