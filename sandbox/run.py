"""Runs one job: acquire a cell, watch the job, collect what it left, let the cell go."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.artifacts import Collected, collect_artifacts
from sandbox.cell import JobTags
from sandbox.events import STDERR, STDOUT
from sandbox.result import Result, Status, Timings
from sandbox.verdict import judge
from sandbox.watch import Watch

if TYPE_CHECKING:
    from sandbox.cell import Engine
    from sandbox.job import Job
    from sandbox.verdict import Verdict
    from sandbox.watch import Ending

__all__ = ["Run"]


@dataclass(frozen=True, slots=True)
class Run:
    """How to run jobs on one engine. `bound_s` is what the engine may need for one step of its own.

    An exception of one of the `interrupts` counts as the end of the job's time, wherever it strikes.
    """

    engine: Engine
    bound_s: float
    interrupts: tuple[type[Exception], ...] = ()

    def __call__(
        self, job: Job, *, task_id: str = "", worker: str = "", attempt: int = 1, queued_s: float = 0.0
    ) -> Result:
        """The result of `job`.

        Raises:
            InvalidJob: its files do not fit into its cell.
            SandboxUnavailable: the sandbox could not do its job; the cell is gone all the same.
        """
        laps = _Laps()
        with self.engine.acquire(job, JobTags(task_id, worker)) as cell:
            watch = Watch(cell, job, self.bound_s)
            watch.until_started()
            laps.note("acquire")
            ending = self._follow(watch)
            laps.note("run")
            collected = _collect(watch, job) if job.artifacts and ending.report else Collected()
            verdict = judge(ending)
            laps.note("collect")
        return Result(
            runtime=job.runtime.name,
            worker=worker,
            attempt=attempt,
            duration=round(ending.duration_s, 6),
            timings=laps.timings(queued_s),
            artifacts=collected.artifacts,
            artifacts_skipped=collected.skipped,
            **_outcome(verdict),
            **_streams(watch),
            **asdict(cell.info),
        )

    def _follow(self, watch: Watch) -> Ending:
        try:
            return watch.until_ended()
        except self.interrupts:
            watch.stop(Status.TIMED_OUT)
            return watch.until_ended()


def _collect(watch: Watch, job: Job) -> Collected:
    return collect_artifacts(watch.archive(), job.artifacts, job.limits.disk_bytes)


def _outcome(verdict: Verdict) -> dict[str, Any]:
    cpu_ns = verdict.usage.cpu_ns
    return {
        "status": verdict.status,
        "exit_code": verdict.exit_code,
        "signal": verdict.signal,
        "cpu_seconds": None if cpu_ns is None else round(cpu_ns / 1e9, 6),
        "memory_peak": verdict.usage.peak_bytes,
    }


def _streams(watch: Watch) -> dict[str, Any]:
    out, err = watch.captures[STDOUT], watch.captures[STDERR]
    return {
        "stdout": out.text(),
        "stderr": err.text(),
        "stdout_bytes": out.total_bytes,
        "stderr_bytes": err.total_bytes,
        "stdout_truncated": out.truncated,
        "stderr_truncated": err.truncated,
    }


@dataclass(slots=True)
class _Laps:
    last: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)

    def note(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name], self.last = round(now - self.last, 6), now

    def timings(self, queued_s: float) -> Timings:
        queued_s = round(queued_s, 6)
        return Timings(queued=queued_s, **self.seconds, total=round(queued_s + sum(self.seconds.values()), 6))
