"""Keeps the shelves full: makes new cells for claimed ones, and replaces those that grow old."""

from __future__ import annotations

import logging
import select
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from config import load_catalogue
from sandbox.engines import open_engine
from sandbox.engines.clock import EngineClock
from sandbox.engines.engine import CellSpec, Engine, OpenCell, new_name
from sandbox.errors import ImageMissing, SandboxUnavailable
from sandbox.labels import new_labels
from sandbox.limits import warm_limits
from sandbox.meter import count_error, report
from sandbox.outage import level_of
from sandbox.remover import Remover
from sandbox.threads import start_thread
from sandbox.warm.shelf import Shelf

if TYPE_CHECKING:
    from config import Runtime, Settings
    from sandbox.meter import Measurement

__all__ = ["WarmPool"]

_log = logging.getLogger("cellblock.warm")

# Two at a time keep an engine busy. More would slow down each other, and the jobs beside them.
_MAKERS = 2
# After a failure, such as an engine that is away, so that it does not get too many requests.
_PAUSE_S = 5.0
_QUIET_S = 0.05


class WarmPool:
    """The warm cells of this process. Any thread may claim one. Maker threads make new ones."""

    def __init__(self, settings: Settings, worker: str = "") -> None:
        self._settings = settings
        self._worker = worker
        catalogue = load_catalogue(settings.runtimes)
        sizes = {name: settings.warm_sizes.of(name) for name in catalogue}
        self._runtimes = {name: catalogue[name] for name, size in sizes.items() if size.most}
        self._shelves = {name: Shelf(sizes[name], settings.warm_age) for name in self._runtimes}
        self._paused: dict[str, float] = {}
        self._last_claim = 0.0
        self._claims: list[tuple[str, str]] = []
        self._change = threading.Condition()
        self._closing = False
        self._remover = Remover(partial(open_engine, settings))
        self._makers = [
            start_thread(self._work, name=f"cellblock-maker-{number}") for number in range(_MAKERS)
        ]

    def claim(self, runtime: str) -> OpenCell | None:
        """A waiting cell of the runtime, checked to be alive, if there is one. Never waits for one."""
        cell = self.take(runtime)
        self.note_claims()
        return cell

    def take(self, runtime: str) -> OpenCell | None:
        """The same as `claim`, but what follows from it, such as a new cell, waits for `note_claims`."""
        with self._change:
            shelf = self._shelves.get(runtime)
            self._last_claim = time.monotonic()
            while shelf is not None and (cell := shelf.take(time.monotonic())):
                if _is_alive(cell):
                    self._claims.append((runtime, "hit"))
                    return cell
                self._discard(cell)
            if shelf is not None:
                self._claims.append((runtime, "miss"))
        return None

    def note_claims(self) -> None:
        """Report what was taken, and have it replaced."""
        if not self._claims:
            return
        with self._change:
            self._change.notify(len(self._claims))
            for runtime, outcome in self._claims:
                self._tell(runtime, self._shelves[runtime], outcome)
            self._claims.clear()

    def ask(self, runtime: str) -> None:
        """Do nothing: a claim waits for nobody."""

    def asked(self) -> OpenCell | None:
        """None, because nothing is requested ahead."""
        return None

    def wait_until_full(self, within_s: float) -> bool:
        """Wait at most `within_s` seconds until every shelf is full or paused; whether they are."""
        with self._change:
            return self._change.wait_for(self._is_full, within_s)

    def last_away(self) -> float:
        """Always 0: only a keeper watches the engine."""
        return 0.0

    def close(self) -> None:
        """Stop making cells, and remove those that wait."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        for maker in self._makers:
            maker.join()
        for shelf in self._shelves.values():
            for cell in shelf.take_all():
                self._discard(cell)
        self._remover.close()

    def _is_full(self) -> bool:
        now = time.monotonic()
        return all(
            len(shelf) >= shelf.target(now) or self._paused.get(name, 0.0) > now
            for name, shelf in self._shelves.items()
        )

    def _work(self) -> None:
        engine = open_engine(self._settings)
        clock = EngineClock(engine.now)
        while (name := self._next()) is not None:
            try:
                self._remover.await_room()
                self._finish(name, self._make(engine, clock, name))
            except SandboxUnavailable as error:
                # In this order: otherwise the other maker would start on this runtime in between.
                self._pause(name, error)
                self._finish(name, None)
        engine.close()

    def _next(self) -> str | None:
        """The runtime that lacks a cell; waits until there is one. None when the pool is closed."""
        with self._change:
            while not self._closing:
                now = time.monotonic()
                for name, shelf in self._shelves.items():
                    for cell in shelf.take_old(now):
                        self._discard(cell)
                    if shelf.missing(now) and self._may_make(name, now):
                        shelf.in_the_making += 1
                        return name
                self._change.wait(self._until_next_change(now))
        return None

    def _may_make(self, name: str, now: float) -> bool:
        """Not while the shelf is paused, nor while it is half full and many jobs come: it would slow them."""
        shelf = self._shelves[name]
        busy = now < self._last_claim + _QUIET_S and 2 * len(shelf) >= shelf.target(now)
        return not busy and self._paused.get(name, 0.0) <= now

    def _until_next_change(self, now: float) -> float | None:
        expiries = [shelf.next_expiry() for shelf in self._shelves.values()]
        quiet = self._last_claim + _QUIET_S
        moments = [moment for moment in (*expiries, *self._paused.values(), quiet) if moment and moment > now]
        return min(moments) - now if moments else None

    def _make(self, engine: Engine, clock: EngineClock, name: str) -> OpenCell:
        spec = self._spec(self._runtimes[name], clock.now())
        try:
            return engine.make(spec)
        except SandboxUnavailable:
            self._remover.remove(spec.name)
            raise

    def _spec(self, runtime: Runtime, now: float) -> CellSpec:
        limits = warm_limits(runtime, self._settings)
        labels = new_labels(
            owner=self._settings.owner,
            runtime=runtime.name,
            state="warm",
            deadline=now + self._settings.warm_age + self._settings.longest.reap_s,
            limits=limits.text,
            worker=self._worker,
        )
        return CellSpec(new_name(), runtime, limits, labels)

    def _finish(self, name: str, cell: OpenCell | None) -> None:
        with self._change:
            shelf = self._shelves[name]
            shelf.in_the_making -= 1
            if cell is not None:
                shelf.put(cell, time.monotonic())
            self._change.notify_all()
            self._tell(name, shelf)

    def _pause(self, name: str, error: SandboxUnavailable) -> None:
        _log.log(level_of(error), "No warm cells of %s for now: %s", name, error)
        count_error("keeper", error)
        pause_s = 12 * _PAUSE_S if isinstance(error, ImageMissing) else _PAUSE_S
        with self._change:
            self._paused[name] = time.monotonic() + pause_s

    def _tell(self, runtime: str, shelf: Shelf, outcome: str | None = None) -> None:
        labels = {"runtime": runtime}
        measured: list[Measurement] = [
            ("cellblock_warm_cells", len(shelf), labels),
            ("cellblock_warm_cells_wanted", shelf.target(time.monotonic()), labels),
        ]
        if outcome:
            measured.append(("cellblock_warm_claims_total", 1, labels | {"outcome": outcome}))
        report(measured)

    def _discard(self, cell: OpenCell) -> None:
        """Have a cell removed, without a wait: a claim may wait for its reply. The makers wait instead."""
        self._remover.remove_at_once(cell.name, cell.streams)


def _is_alive(cell: OpenCell) -> bool:
    """Whether the supervisor still waits: then it has written nothing, and no stream of it has ended."""
    poll = select.poll()
    for stream in cell.streams:
        poll.register(stream.fileno(), select.POLLIN)
    return not poll.poll(0)
