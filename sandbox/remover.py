"""Takes containers away, off the job's path but never far behind it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions

from sandbox.docker_client import connect, mapped_errors, says_away
from sandbox.engine_ping import level_of
from sandbox.errors import EngineFailed, EngineUnreachable, SandboxUnavailable
from sandbox.meter import count_error, measure
from sandbox.threads import start_thread

if TYPE_CHECKING:
    import socket

    import docker

    from config import Settings

__all__ = ["Remover", "count_leak", "remove_cell", "remove_container", "remove_until_gone"]

_log = logging.getLogger("cellblock.remover")

# A slow engine must push back on whoever makes new cells, not pile up dead ones.
_MOST_WAITING = 32
# Removing a container takes the engine longer than running a short job takes the cell: while jobs follow
# each other this closely their cells wait, as long as there are few of them and none waits for long.
_QUIET_S = 0.05
_LONGEST_WAIT_S = 0.5
# How long a cell may take to end by itself before it is killed.
_LAST_WORDS_S: Any = 0.25  # the SDK hands it to requests, which takes fractions; its stub knows none
# Between two attempts at an engine that is away.
_AWAY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Left:
    """What a job has left. A container's supervisor stays as long as the connection does."""

    name: str
    connection: socket.socket | None
    since: float


def remove_container(client: docker.APIClient, name: str, bound_s: float) -> None:
    """Kill and remove a container with its volumes, and make sure that it is gone.

    Raises:
        EngineFailed, EngineUnreachable: when it is still there after `bound_s` seconds.
    """
    # 409: a removal is in progress. 500: the engine lost a race with the container's own exit.
    with mapped_errors("remove a cell"):
        remove_until_gone(lambda: client.remove_container(name, v=True, force=True), name, bound_s)


def remove_until_gone(remove: Callable[[], None], name: str, bound_s: float) -> None:
    """Call `remove` until the engine has done it or knows nothing of it.

    Raises:
        EngineFailed: the engine still refuses after `bound_s` seconds.
    """
    until = time.monotonic() + bound_s
    while True:
        try:
            remove()
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if says_away(error):
                raise
            if time.monotonic() > until:
                raise EngineFailed(f"The engine could not remove {name}: {error.explanation}.") from error
            time.sleep(0.05)
        else:
            return


def remove_cell(settings: Settings, name: str) -> None:
    """Kill and remove a container whose process can't do it itself.

    Raises:
        SandboxUnavailable: it is still there after a margin.
    """
    with closing(connect(settings)) as client:
        remove_container(client, name, settings.margin)


def _await_end(client: docker.APIClient, name: str) -> None:
    """A supervisor that is let go of ends by itself, which costs the engine a tenth less than a kill."""
    with suppress(docker.errors.APIError, requests.exceptions.RequestException):
        client.wait(name, timeout=_LAST_WORDS_S)


def _is_news(error: Exception) -> bool:
    return not isinstance(error, SandboxUnavailable)


def count_leak(error: Exception) -> None:
    """Report that a container which should be gone is left to the reaper."""
    measure("cellblock_leaks_total", where="remover")
    count_error("remover", error)


class Remover:
    """A thread that removes containers in the order in which they are given to it.

    While the engine is away they wait for it, but for the end of the process: then the reaper has them.
    """

    def __init__(self, connect: Callable[[], docker.APIClient], bound_s: float) -> None:
        self._connect = connect
        self._bound_s = bound_s
        self._left: deque[_Left] = deque()
        self._last = 0.0
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._at_work = False
        self._hurry = 0
        self._closing = False

    def remove(self, name: str, connection: socket.socket | None = None) -> None:
        """Have the container called `name` removed soon; waits while too many are waiting already."""
        self.await_room()
        self.remove_at_once(name, connection)

    def await_room(self) -> None:
        """Wait while too many are waiting already: for who is about to make another cell."""
        with self._change:
            self._change.wait_for(lambda: len(self._left) < _MOST_WAITING or self._closing)

    def remove_at_once(self, name: str, connection: socket.socket | None = None) -> None:
        """Have it removed soon, and wait for nothing: for who has somebody else waiting."""
        with self._change:
            if self._thread is None:
                self._closing = False
                self._thread = start_thread(self._work, name="cellblock-remover")
            self._last = time.monotonic()
            self._left.append(_Left(name, connection, self._last))
            self._change.notify_all()

    def settle(self) -> None:
        """Wait until everything given so far has been removed."""
        with self._change:
            self._hurry += 1
            self._change.notify_all()
            self._change.wait_for(lambda: not self._left and not self._at_work)
            self._hurry -= 1

    def close(self) -> None:
        """Wait until everything given so far has been removed, and end."""
        with self._change:
            self._closing = True
            self._change.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        client: docker.APIClient | None = None
        while (left := self._next()) is not None:
            try:
                if left.connection is not None:
                    left.connection.close()
                client = client or self._connect()
                if left.connection is not None:
                    _await_end(client, left.name)
                remove_container(client, left.name, self._bound_s)
            except EngineUnreachable as error:
                self._wait_for_engine(left, error)
            except Exception as error:  # noqa: BLE001  a thread that has died would let its queue fill up
                _log.error("%s is left to the reaper: %s", left.name, error, exc_info=_is_news(error))
                count_leak(error)
        if client is not None:
            client.close()

    def _wait_for_engine(self, left: _Left, error: EngineUnreachable) -> None:
        with self._change:
            self._left.appendleft(left)
            self._change.wait_for(lambda: self._closing, _AWAY_S)
            if self._closing:
                self._give_up(error)
            self._change.notify_all()

    def _give_up(self, error: EngineUnreachable) -> None:
        _log.log(level_of(error), "%d cells are left to the reaper: %s", len(self._left), error)
        for left in self._left:
            count_leak(error)
            if left.connection is not None:
                left.connection.close()
        self._left.clear()

    def _next(self) -> _Left | None:
        with self._change:
            self._at_work = False
            self._change.notify_all()
            while not self._left or (patience_s := self._patience_s()) > 0:
                if not self._left and self._closing:
                    return None
                self._change.wait(patience_s if self._left else None)
            self._at_work = True
            return self._left.popleft()

    def _patience_s(self) -> float:
        """How much longer the first one may wait for a quiet moment."""
        if self._closing or self._hurry or len(self._left) > _MOST_WAITING // 2:
            return 0.0
        quiet, too_long = self._last + _QUIET_S, self._left[0].since + _LONGEST_WAIT_S
        return min(quiet, too_long) - time.monotonic()
