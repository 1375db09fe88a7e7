"""Takes containers away, off the job's path but never far behind it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

import docker
import docker.errors

from sandbox.docker_client import mapped_errors
from sandbox.errors import EngineFailed, SandboxUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["Remover", "remove_container"]

_log = logging.getLogger("cellblock.remover")

# A slow engine must push back on whoever makes new cells, not pile up dead ones.
_MOST_WAITING = 8


def remove_container(client: docker.APIClient, name: str, bound_s: float) -> None:
    """Kill and remove a container with its volumes, and make sure that it is gone.

    Raises:
        EngineFailed, EngineUnreachable: when it is still there after `bound_s` seconds.
    """
    until = time.monotonic() + bound_s
    with mapped_errors("remove a cell"):
        while True:
            try:
                client.remove_container(name, v=True, force=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                # 409: a removal is in progress. 500: the engine lost a race with the container's own exit.
                if time.monotonic() > until:
                    raise EngineFailed(f"The engine could not remove {name}: {error.explanation}.") from error
                time.sleep(0.05)
            else:
                return


class Remover:
    """A thread that removes containers in the order in which they are given to it."""

    def __init__(self, connect: Callable[[], docker.APIClient], bound_s: float) -> None:
        self._connect = connect
        self._bound_s = bound_s
        self._names: queue.Queue[str | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def remove(self, name: str) -> None:
        """Have the container called `name` removed soon; waits while too many are waiting already."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="cellblock-remover", daemon=True)
                self._thread.start()
        self._names.put(name)

    def settle(self) -> None:
        """Wait until everything given so far has been removed."""
        self._names.join()

    def close(self) -> None:
        """Wait until everything given so far has been removed, and end."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._names.put(None)
            thread.join()

    def _work(self) -> None:
        client: docker.APIClient | None = None
        while (name := self._names.get()) is not None:
            try:
                client = client or self._connect()
                remove_container(client, name, self._bound_s)
            except SandboxUnavailable as error:
                _log.error("The container %s is left to the reaper: %s", name, error)
            finally:
                self._names.task_done()
        self._names.task_done()
        if client is not None:
            client.close()
