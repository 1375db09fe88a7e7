"""Removes containers in a thread of its own, so that no job waits for it."""

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

from sandbox.engines.docker.client import connect, mapped_errors, says_away
from sandbox.engines.docker.ping import level_of
from sandbox.errors import EngineFailed, EngineUnreachable, SandboxUnavailable
from sandbox.meter import count_error, measure
from sandbox.threads import start_thread

if TYPE_CHECKING:
    import socket

    import docker

    from config import Settings

__all__ = ["Remover", "count_leak", "remove_cell", "remove_container", "remove_until_gone"]

_log = logging.getLogger("cellblock.remover")

# With more than this, callers that want to make a cell wait: a slow engine must not pile up dead cells.
_MOST_WAITING = 32
# The engine needs longer to remove a container than a short job runs. So while jobs follow each other within
# this time, their cells wait to be removed, as long as only few wait and none has waited for long.
_QUIET_S = 0.05
_LONGEST_WAIT_S = 0.5
# How long a cell may take to end by itself before it is killed.
_LAST_WORDS_S: Any = 0.25  # the SDK passes it to requests, which takes fractions; the SDK's stub forbids them
# Between two attempts at an engine that is away.
_AWAY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Left:
    """A container to remove. Its supervisor runs as long as the connection is open."""

    name: str
    connection: socket.socket | None
    since: float


def remove_container(client: docker.APIClient, name: str, bound_s: float) -> None:
    """Kill and remove a container with its volumes, and make sure that it is gone.

    Raises:
        EngineFailed: it is still there after `bound_s` seconds.
        EngineUnreachable: the engine does not answer.
    """
    # Tried again: 409 (a removal is in progress) and 500 (the engine lost a race with the container's exit).
    with mapped_errors("remove a cell"):
        remove_until_gone(lambda: client.remove_container(name, v=True, force=True), name, bound_s)


def remove_until_gone(remove: Callable[[], None], name: str, bound_s: float) -> None:
    """Call `remove` until it succeeds, or the engine does not know the container.

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
        remove_container(client, name, settings.engine_margin)


def _await_end(client: docker.APIClient, name: str) -> None:
    """Wait a moment for the supervisor to end by itself: that costs the engine a tenth less than a kill."""
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

    While the engine is away, the containers wait. If `close` is called then, they are left to the reaper.
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
        """Have the container called `name` removed soon. Waits while too many others wait already."""
        self.await_room()
        self.remove_at_once(name, connection)

    def await_room(self) -> None:
        """Wait while too many containers wait to be removed. To be called before another cell is made."""
        with self._change:
            self._change.wait_for(lambda: len(self._left) < _MOST_WAITING or self._closing)

    def remove_at_once(self, name: str, connection: socket.socket | None = None) -> None:
        """Have the container called `name` removed soon. Never waits: for callers that must not block."""
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
        """How much longer the first container may wait for a quiet moment."""
        if self._closing or self._hurry or len(self._left) > _MOST_WAITING // 2:
            return 0.0
        quiet, too_long = self._last + _QUIET_S, self._left[0].since + _LONGEST_WAIT_S
        return min(quiet, too_long) - time.monotonic()
