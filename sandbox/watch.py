"""Follows a running job: keeps its output, enforces its limits, and reports how it ended."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.capture import Capture
from sandbox.cell import KILLED, Evidence
from sandbox.cpu_watch import CpuWatch
from sandbox.deadline import Deadline
from sandbox.errors import EngineFailed, InvalidJob
from sandbox.events import STDERR, STDOUT, Archived, Closed, Ended, Event, Fault, Output, Started
from sandbox.result import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cell import Cell
    from sandbox.job import Job
    from sandbox.observer import Observer

__all__ = ["Ending", "Watch"]

# The resolution of the cell's clock: a reading may be too early by this much.
_CLOCK_STEP_S = 0.01
# A kept workspace must be whole, so the headers of its files get room too.
_HEADERS_BYTES = 4 << 20
_FAULTS = {
    "unpack": "The job's files could not be unpacked in the cell; ask for more disk, or give no file the path"
    " of a folder in the workspace.",
    "names": "workspace: it has names that are too long for the tar of this image; use an image with GNU tar,"
    " as the job had that kept it.",
    "workspace": "workspace: it could not be unpacked in the cell: it is no whole tar archive of files under"
    " /workspace, or it is too large; ask for more disk.",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended: why the worker stopped it, if so, and what the supervisor or the engine reported.

    `cpu_spent`: the worker stopped it because its CPU time was used up.
    """

    stopped: Status | None
    report: Ended | None
    evidence: Evidence | None
    duration_s: float
    cpu_spent: bool = False


class Watch:
    """Watches one cell from the hand-over of its job to the end.

    The worker uses its own clock and its own counts, which the job can't change.
    """

    def __init__(self, cell: Cell, job: Job, bound_s: float, observer: Observer) -> None:
        self.captures = {
            STDOUT: Capture(job.limits.output_bytes),
            STDERR: Capture(job.limits.output_bytes),
        }
        self.is_closed = False
        self.deadline = Deadline(cell, job.limits, bound_s)
        self._cpu = CpuWatch(cell, job.limits)
        self._cpu_spent = False
        self._cell = cell
        self._job = job
        self._bound_s = bound_s
        self._observer = observer
        self._sent = 0.0
        self._started: float | None = None
        self._early_end: Ending | None = None
        self._pending: deque[Event] = deque()
        self._early_archive: list[bytes] = []
        # Sparse files look larger than the disk that they are on. At most twice the disk's size is read.
        self._archive_left = 2 * job.limits.disk_bytes + (_HEADERS_BYTES if job.keep_workspace else 0)

    def until_started(self) -> Ending | None:
        """Hand the job over and wait until its command runs. Returns its end if its memory is too small.

        Raises:
            InvalidJob: its files do not fit into the cell.
            SandboxUnavailable: the cell did not start it.
        """
        self._sent = time.monotonic()
        self._cell.start(self._job)
        self.deadline.await_start()
        while not self._hears_start():
            if self._early_end:
                return self._early_end
            if self.deadline.left_s <= 0:
                self._demand_end()
        self.deadline.start(self._started or self._sent)
        self._cpu.start()
        return None

    def until_ended(self) -> Ending:
        """Follow the job to its end, and stop it at its limits.

        Raises:
            SandboxUnavailable: the cell can't be killed, or its end says nothing about the job.
        """
        while True:
            for event in self._events():
                if isinstance(event, Output):
                    self._take_output(event)
                elif isinstance(event, Archived):
                    self._take_early(event)
                elif isinstance(event, Ended):
                    return self._ending(event)
                elif isinstance(event, Closed):
                    return self._ending(None)
            self._enforce_limits()

    def _enforce_limits(self) -> None:
        if self._cell.starving:
            self.deadline.stop(Status.OUT_OF_MEMORY)
        if not self.is_stopped and self._observer.wants_stop():
            self.deadline.stop(Status.CANCELLED)
        if not self.is_stopped and self._cpu.is_spent():
            self._cpu_spent = True
            self.deadline.stop(Status.TIMED_OUT)
        if self.deadline.left_s <= 0:
            self.deadline.step()

    @property
    def is_stopped(self) -> bool:
        """Whether the job was told to end."""
        return self.deadline.stopped is not None

    def cut_short(self) -> Ending:
        """Kill the job and read its last output, but do not wait for anything that the engine must do."""
        self.deadline.stop(Status.TIMED_OUT)
        until = time.monotonic() + self.deadline.inward_kill_s
        while (left_s := until - time.monotonic()) > 0:
            for event in self._events(left_s):
                if isinstance(event, Output):
                    self._take_output(event)
                elif isinstance(event, Ended):
                    return self._ending(event)
                elif isinstance(event, Closed):
                    return self.unconfirmed()
        return self.unconfirmed()

    def unconfirmed(self) -> Ending:
        """The ending of a job that was told to end, although nothing confirms that it has ended."""
        return Ending(self.deadline.stopped, None, None, self._duration_s(), self._cpu_spent)

    def archive(self) -> Iterator[bytes]:
        """The pieces of the archive that follows the end of a job with artifacts; its size is bounded."""
        yield from self._early_archive
        # What the reader does with a piece takes no time from the cell.
        left_s = self._bound_s
        while left_s > 0 and self._archive_left > 0:
            began = time.monotonic()
            events = list(self._events(left_s))
            left_s -= time.monotonic() - began
            for event in events:
                if isinstance(event, Archived):
                    self._archive_left -= len(event.data)
                    yield event.data
                elif isinstance(event, Closed):
                    self.is_closed = True
                    return

    def _events(self, wait_s: float | None = None) -> Iterator[Event]:
        """The events that are left over from the last poll; if there are none, those of the next poll."""
        if not self._pending:
            wait_s = self._next_look_s() if wait_s is None else wait_s
            self._pending.extend(self._cell.poll(wait_s))
        while self._pending:
            yield self._pending.popleft()

    def _next_look_s(self) -> float:
        """The seconds until the worker must do something, whatever the cell reports until then."""
        return self.deadline.left_s if self.is_stopped else min(self.deadline.left_s, self._cpu.left_s)

    def _hears_start(self) -> bool:
        """Whether the next events show that the command has started. The events after that stay pending.

        A quick job can read the start mark out of its own pipe, so that `Started` never comes. So every event
        that only a started job can cause counts as its start, too.
        """
        for event in self._events():
            if isinstance(event, Started) and self.deadline.stopped is not Status.TIMED_OUT:
                self._started = time.monotonic()
                return True
            if isinstance(event, Archived | Ended) or (isinstance(event, Output) and event.stream == STDOUT):
                self._pending.appendleft(event)
                return True
            self._take_early_word(event)
        return False

    def _take_early_word(self, event: Event) -> None:
        if self._early_end:
            return
        if isinstance(event, Fault | Closed) and (evidence := self._cell.examine()).out_of_memory:
            killed = Evidence(KILLED, out_of_memory=True, usage=evidence.usage)
            self._early_end = Ending(self.deadline.stopped, None, killed, self._duration_s())
            return
        if isinstance(event, Fault):
            raise InvalidJob(_FAULTS.get(event.reason, _FAULTS["unpack"]))
        if isinstance(event, Closed):
            raise EngineFailed("The cell closed before it started its job.")
        if isinstance(event, Started):
            raise self._too_late()
        if isinstance(event, Output):
            self._take_output(event)

    def _demand_end(self) -> None:
        """Kill a job whose start was not seen. Raise `EngineFailed` if it was killed already.

        If a silent job has taken the start mark out of its pipe, its end shows that it had started.
        """
        if self.is_stopped:
            raise self._too_late()
        self.deadline.stop(Status.TIMED_OUT)

    def _too_late(self) -> EngineFailed:
        return EngineFailed(f"The cell did not start its job within {self._bound_s:g} s.")

    def _take_early(self, event: Archived) -> None:
        """Keep archive bytes that come before `Ended`.

        Either the end mark on the other stream is still on its way, or the job forged one and writes more.
        """
        self._archive_left -= len(event.data)
        if self._archive_left > 0:
            self._early_archive.append(event.data)
        else:
            self.deadline.stop(Status.OUTPUT_LIMIT)

    def _take_output(self, event: Output) -> None:
        capture = self.captures[event.stream]
        capture.feed(event.data)
        self._observer.heard(event.stream, event.data)
        if capture.total_bytes > self._job.limits.flood_bytes:
            self.deadline.stop(Status.OUTPUT_LIMIT)

    def _ending(self, report: Ended | None) -> Ending:
        duration_s = self._duration_s(report.lasted_s if report else None)
        evidence = None if report else self._cell.examine()
        return Ending(self.deadline.stopped, report, evidence, duration_s, self._cpu_spent)

    def _duration_s(self, reported_s: float | None = None) -> float:
        """The seconds that the command took: never fewer than it did, nor more than since the hand-over.

        `Started` may arrive late. So the time that the cell reports counts if it is longer than the time
        since `Started`. Without a report it is the time since the hand-over. The job can forge a report, but
        only within these bounds.
        """
        now = time.monotonic()
        most_s = now - self._sent
        if reported_s is None:
            return most_s
        return min(max(now - (self._started or now), reported_s + _CLOCK_STEP_S), most_s)
