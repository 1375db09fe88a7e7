"""Runs one job in one cell, from the cell's start to the collection of what the job left there."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sandbox.artifacts import ArtifactCaps, Collected
from sandbox.cell import KILLED
from sandbox.errors import CellLost, EngineFailed, SandboxUnavailable
from sandbox.events import STDERR
from sandbox.keeping import NO_REPORT, NOT_ASKED, Kept, bring_back
from sandbox.result import Status
from sandbox.verdict import judge
from sandbox.watch import Watch
from sandbox.workspace import content_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sandbox.capture import Capture
    from sandbox.cell import Cell, CellInfo, JobTags
    from sandbox.job import Job
    from sandbox.observer import Observer
    from sandbox.verdict import Verdict
    from sandbox.watch import Ending

__all__ = ["CellRun", "Outcome"]

_log = logging.getLogger("cellblock.cell_run")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known after the job has ended. `laps` are the seconds that each step took.

    `workspace` is all that it left, as a tar archive, if that was asked for instead of single files. `kept`
    says where it was kept for a later job, if it was.
    """

    verdict: Verdict
    duration_s: float
    captures: dict[int, Capture]
    collected: Collected
    info: CellInfo
    laps: dict[str, float]
    workspace: bytes = b""
    kept: Kept = NOT_ASKED


@dataclass(frozen=True, slots=True)
class CellRun:
    """Runs each job in the cell that `acquire` gives. Its engine may need `bound_s` seconds for one step.

    `interrupts` are exceptions such as that of a soft limit: each ends the job's time wherever it is raised.
    """

    acquire: Callable[[Job, JobTags], AbstractContextManager[Cell]]
    bound_s: float
    interrupts: tuple[type[Exception], ...] = ()

    def __call__(self, job: Job, tags: JobTags, caps: ArtifactCaps | None, observer: Observer) -> Outcome:
        """Run `job` in a cell of its own. Without `caps`, what it leaves is kept as a whole.

        Raises:
            InvalidJob: its files do not fit into the cell, or are not what their refs say.
            SandboxUnavailable: the sandbox could not run the job. The cell is removed all the same.
        """
        laps = _Laps()
        try:
            with self.acquire(job, tags) as cell:
                return self._spend(cell, job, caps, observer, laps)
        except self.interrupts as error:
            raise EngineFailed("The engine took longer to give a cell than the job has time.") from error

    def _spend(
        self, cell: Cell, job: Job, caps: ArtifactCaps | None, observer: Observer, laps: _Laps
    ) -> Outcome:
        observer.placed(cell.info)
        watch = Watch(cell, job, self.bound_s, observer)
        ending = watch.until_started()
        laps.note("acquire")
        ending = ending or self._follow(watch)
        laps.note("run")
        # `Started` may have arrived late, so that some of the run was counted as "acquire".
        laps.shift("acquire", "run", ending.duration_s - laps.seconds["run"])
        collected, kept, workspace = Collected(), NO_REPORT if job.keep_workspace else NOT_ASKED, b""
        try:
            if (job.artifacts or job.keep_workspace) and ending.report:
                if caps:
                    collected, kept = bring_back(watch.archive(), job, caps)
                else:
                    workspace = b"".join(watch.archive())
                cut_short = (
                    (collected.cut_short or kept.cut_short) if caps else content_bytes(workspace) is None
                )
                if cut_short and watch.is_closed:
                    ending = _closed_early(cell, ending)
        except self.interrupts:
            ending = replace(ending, stopped=Status.TIMED_OUT)
        verdict = judge(ending, job, watch.captures[STDERR])
        laps.note("collect")
        return Outcome(
            verdict, ending.duration_s, watch.captures, collected, cell.info, laps.seconds, workspace, kept
        )

    def _follow(self, watch: Watch) -> Ending:
        """Follow the job to its end. Once it has been stopped, an error of the engine is only logged."""
        try:
            return watch.until_ended()
        except self.interrupts:
            return watch.cut_short()
        except SandboxUnavailable as error:
            if not watch.is_stopped:
                raise
            _log.error("A cell does not end and is left to the reaper: %s", error)
            return watch.unconfirmed()


def _closed_early(cell: Cell, ending: Ending) -> Ending:
    """How a job ended whose cell closed before it gave the files. A job may break its own archive.

    The job's files are in the cell's memory. If that has no room for the program that archives them, the job
    is out of memory: another attempt would end the same way.

    Raises:
        CellLost: the cell was killed from outside.
    """
    evidence = cell.examine()
    if evidence.exit_code != KILLED:
        return ending
    if not evidence.out_of_memory:
        raise CellLost("The cell was killed from outside before it gave the job's files.")
    usage = ending.report.usage if ending.report else evidence.usage
    return replace(ending, report=None, evidence=replace(evidence, usage=usage))


@dataclass(slots=True)
class _Laps:
    last: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)

    def note(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name], self.last = round(now - self.last, 6), now

    def shift(self, source: str, target: str, seconds: float) -> None:
        """Count `seconds` of the lap `source` as part of the lap `target`; none if they are negative."""
        moved = min(max(0.0, seconds), self.seconds[source])
        self.seconds[source] = round(self.seconds[source] - moved, 6)
        self.seconds[target] = round(self.seconds[target] + moved, 6)
