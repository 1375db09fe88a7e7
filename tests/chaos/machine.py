"""A machine: an engine and a worker that share only the broker with other machines."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Self

import psutil

from tests.chaos.engine import PrivateEngine
from tests.chaos.workers import ChaosWorker
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import docker

__all__ = ["Machine"]

_START_S = 60.0


class Machine:
    """A context. `folder` is for this machine only; its path must be short, because it holds sockets."""

    def __init__(self, folder: Path, source: docker.APIClient, **settings: str) -> None:
        folder.mkdir()
        self.engine = PrivateEngine(folder)
        self._source = source
        settings = {"CELLBLOCK_DOCKER_HOST": self.engine.url} | settings
        self.worker = ChaosWorker(folder.name, settings, folder.with_suffix(".log"))

    def __enter__(self) -> Self:
        self.engine.__enter__()
        try:
            self.engine.load(self._source, ["cellblock/bash:local"])
            self.worker.start()
            wait_until(lambda: self.worker.is_ready, _START_S, "the machine's worker is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.worker.stop()
        self.engine.__exit__()

    def cells(self) -> list[str]:
        """The ids of all containers of this machine."""
        with closing(self.engine.client()) as client:
            return [cell["Id"] for cell in client.containers(all=True)]

    def die(self) -> None:
        """Kill everything. The worker goes first, so that it can't see its cells end."""
        others = [*self.worker.pool(), *self.worker.keepers()]
        self.worker.kill()
        for process in others:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.engine.die_whole()
