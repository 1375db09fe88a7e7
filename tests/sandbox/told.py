"""Cells that give the events that a test lists, at exact times. A real cell cannot do that."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sandbox.cell import CellInfo, Evidence
from sandbox.events import Closed, Event
from tests.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox import Job
    from sandbox.cell import JobTags

__all__ = ["Clock", "TimedCell", "ToldCell", "ToldEngine"]


class ToldCell:
    """A cell that gives one list of events for each poll, and then reports that its streams are closed."""

    info = CellInfo(engine="none")
    starving = False

    def __init__(self, *polls: list[Event]) -> None:
        self._polls = deque(polls)
        self.kills = 0
        #: What the job has used, by look; None: nobody outside can tell.
        self.used_ns: list[int | None] = []
        self.cpu_bounds_ns: list[int] = []
        self.evidence = Evidence(exit_code=1)

    @property
    def polls_left(self) -> int:
        """The number of polls that still give listed events."""
        return len(self._polls)

    def poll(self, timeout_s: float) -> list[Event]:
        return self._polls.popleft() if self._polls else [Closed()]

    def start(self, job: Job) -> None:
        """Do nothing: the events do not depend on the job."""

    def cpu_ns(self) -> int | None:
        return self.used_ns.pop(0)

    def bound_cpu(self, limit_ns: int) -> bool:
        self.cpu_bounds_ns.append(limit_ns)
        return True

    def kill(self) -> None:
        self.kills += 1

    terminate = destroy = kill

    def examine(self) -> Evidence:
        return self.evidence


class TimedCell(ToldCell):
    """A cell whose start takes `upload_s` seconds, and whose polls each take the seconds given with them."""

    def __init__(self, clock: Clock, upload_s: float, *polls: tuple[float, list[Event]]) -> None:
        super().__init__(*(events for _, events in polls))
        self._clock = clock
        self._upload_s = upload_s
        self._waits = deque(wait_s for wait_s, _ in polls)
        self.terminated_at_s: float | None = None

    def start(self, job: Job) -> None:
        self._clock.now_s += self._upload_s

    def poll(self, timeout_s: float) -> list[Event]:
        self._clock.now_s += self._waits.popleft() if self._waits else 0
        return super().poll(timeout_s)

    def terminate(self) -> None:
        self.terminated_at_s = self._clock.now_s


class ToldEngine:
    """An engine that gives its cells one after the other, and records the jobs and tags."""

    def __init__(self, *cells: ToldCell) -> None:
        self._cells = deque(cells)
        self.jobs: list[Job] = []
        self.tags: list[JobTags] = []
        self.left = 0

    @contextmanager
    def acquire(self, job: Job, tags: JobTags) -> Iterator[ToldCell]:
        self.jobs.append(job)
        self.tags.append(tags)
        try:
            yield self._cells.popleft()
        finally:
            self.left += 1
