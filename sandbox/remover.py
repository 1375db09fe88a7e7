"""Removes containers in a thread of its own, so that no job waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.engines import open_engine
from sandbox.errors import EngineUnreachable, SandboxUnavailable
from sandbox.meter import count_error, measure
from sandbox.outage import level_of
from sandbox.threads import start_thread

if TYPE_CHECKING:
    from config import Settings
    from sandbox.engines.engine import Engine, Stream

__all__ = ["Remover", "count_leak", "remove_cell"]

_log = logging.getLogger("cellblock.remover")

# With more than this, callers that want to make a cell wait: a slow engine must not pile up dead cells.
_MOST_WAITING = 32
# The engine needs longer to remove a container than a short job runs. So while jobs follow each other within
# this time, their cells wait to be removed, as long as only few wait and none has waited for long.
_QUIET_S = 0.05
_LONGEST_WAIT_S = 0.5
# Between two attempts at an engine that is away.
_AWAY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Left:
    """A container to remove. Its supervisor runs as long as its streams are open."""

    name: str
    streams: tuple[Stream, ...]
    since: float

    def close(self) -> None:
        for stream in self.streams:
            stream.close()


def remove_cell(settings: Settings, name: str) -> None:
    """Kill and remove a cell whose process can't do it itself.

    Raises:
        SandboxUnavailable: it is still there after a margin.
    """
    with closing(open_engine(settings)) as engine:
        engine.remove(name)


def count_leak(error: Exception) -> None:
    """Report that a container which should be gone is left to the reaper."""
    measure("cellblock_leaks_total", where="remover")
    count_error("remover", error)


class Remover:
    """A thread that removes containers in the order in which they are given to it.

    While the engine is away, the containers wait. If `close` is called then, they are left to the reaper.
    """

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open_engine = open_engine
        self._left: deque[_Left] = deque()
        self._last = 0.0
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._at_work = False
        self._hurry = 0
        self._closing = False

    def remove(self, name: str, streams: tuple[Stream, ...] = ()) -> None:
        """Have the container called `name` removed soon. Waits while too many others wait already."""
        self.await_room()
        self.remove_at_once(name, streams)

    def await_room(self) -> None:
        """Wait while too many containers wait to be removed. To be called before another cell is made."""
        with self._change:
            self._change.wait_for(lambda: len(self._left) < _MOST_WAITING or self._closing)

    def remove_at_once(self, name: str, streams: tuple[Stream, ...] = ()) -> None:
        """Have the container called `name` removed soon. Never waits: for callers that must not block."""
        with self._change:
            if self._thread is None:
                self._closing = False
                self._thread = start_thread(self._work, name="cellblock-remover")
            self._last = time.monotonic()
            self._left.append(_Left(name, streams, self._last))
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
        engine = self._open_engine()
        while (left := self._next()) is not None:
            try:
                left.close()
                engine.remove(left.name, ends=bool(left.streams))
            except EngineUnreachable as error:
                self._wait_for_engine(left, error)
            except Exception as error:  # noqa: BLE001  a thread that has died would let its queue fill up
                is_news = not isinstance(error, SandboxUnavailable)
                _log.error("%s is left to the reaper: %s", left.name, error, exc_info=is_news)
                count_leak(error)
        engine.close()

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
            left.close()
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
