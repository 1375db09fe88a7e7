"""Which job's cell started where and when, and when it ended, as seen from outside of the workers."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass

from tests.chaos.watch import Watch

__all__ = ["CellLog", "CellStart"]


@dataclass(frozen=True, slots=True)
class CellStart:
    """A cell that was started for a job, and the time of the start in Unix seconds."""

    job_id: str
    worker: str
    container: str
    at: float


class CellLog(Watch):
    """A watch, and the starts and ends that it has noted. Any thread may use it."""

    def __init__(self) -> None:
        super().__init__("cell watch")
        self._lock = threading.Lock()
        self._starts: dict[str, CellStart] = {}
        self._ends: dict[str, float] = {}

    def starts(self) -> list[CellStart]:
        """All starts so far, the oldest first."""
        with self._lock:
            return sorted(self._starts.values(), key=lambda start: start.at)

    def running_on(self, worker: str) -> list[str]:
        """The jobs whose cells run for the worker with this hostname, as far as is known."""
        with self._lock:
            open_ = (s for name, s in self._starts.items() if name not in self._ends)
            return [start.job_id for start in open_ if start.worker == worker]

    def twice_at_once(self) -> list[str]:
        """The jobs whose second cell started while the first one still ran."""
        by_job: dict[str, list[CellStart]] = {}
        for start in self.starts():
            by_job.setdefault(start.job_id, []).append(start)
        return [job_id for job_id, starts in by_job.items() if self._overlap(starts)]

    def note_start(self, start: CellStart) -> None:
        """Note a start. Only the first one of a cell counts."""
        with self._lock:
            self._starts.setdefault(start.container, start)

    def note_end(self, container: str, at: float) -> None:
        """Note an end. Only the first one of a cell counts."""
        with self._lock:
            self._ends.setdefault(container, at)

    def all_ended(self) -> None:
        """Note that every running cell has ended. A new engine reports no event for cells that it ends."""
        with self._lock:
            now = time.time()
            for name in self._starts.keys() - self._ends.keys():
                self._ends[name] = now

    def _overlap(self, starts: list[CellStart]) -> bool:
        pairs = itertools.pairwise(starts)
        return any(later.at < self._ends.get(first.container, float("inf")) for first, later in pairs)
