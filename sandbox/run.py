"""Runs all stages of one job, and makes its result."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from config import format_bytes
from sandbox.artifacts import ArtifactCaps
from sandbox.blobs import Blob, Source
from sandbox.encoded import ENCODED_FACTOR
from sandbox.errors import InvalidJob
from sandbox.events import STDERR, STDOUT
from sandbox.keeping import NO_REPORT, keep
from sandbox.result import Artifact, Result, Stage, Status, Timings, plain_fields
from sandbox.runs.ahead import CellsAhead
from sandbox.runs.batch import Batch
from sandbox.runs.summary import summary
from sandbox.workspace import content_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cell import JobTags
    from sandbox.cell_run import CellRun, Outcome
    from sandbox.job import Job
    from sandbox.observer import Observer
    from sandbox.runs.plan import Runs

__all__ = ["MOST_ARTIFACTS", "Run"]

#: The most files that one job brings back.
MOST_ARTIFACTS = 256

_SAID_BYTES = 64 << 10
# Cells made ahead, for each run that goes on at a time.
_AHEAD = 8


@dataclass(frozen=True, slots=True)
class Run:
    """Runs jobs on `engine`. `artifact_bytes` is the most that the artifacts of one job may have together.

    `cells_are_slow`: a cell takes more processor time than a short job.
    """

    cell_run: CellRun
    artifact_bytes: int
    engine: str
    cells_are_slow: bool = True

    def __call__(self, job: Job, tags: JobTags, observer: Observer) -> Result:
        """Run `job` and return its result.

        Raises:
            InvalidJob: its files, or what the compiler made of them, do not fit into its cell.
            SandboxUnavailable: the sandbox could not run the job. Its cells are removed all the same.
        """
        ahead = CellsAhead(self.cell_run.acquire, job, tags, self._count_ahead(job))
        with ahead:
            return self._run(job, tags, observer, ahead)

    def _run(self, job: Job, tags: JobTags, observer: Observer, ahead: CellsAhead) -> Result:
        compiled: Outcome | None = None
        facts: dict[str, Any] = {"runtime": job.runtime.name, "worker": tags.worker, "attempt": tags.attempt}
        if first := job.first_stage():
            compiled = self.cell_run(first, tags, None, observer)
            facts["compile_seconds"] = round(compiled.duration_s, 6)
            if compiled.verdict.status is not Status.SUCCEEDED:
                compiled = _kept_by_compiler(job, compiled)
                facts["timings"] = _timings(tags.queued_s, compiled.laps)
                return Result(stage=Stage.COMPILE, **facts, **_ending(compiled, job))
            facts["compile_output"] = _said(compiled, job.limits.output_bytes)
            job = job.second_stage(_fitting(compiled.workspace, job.limits.disk_bytes))
        if job.runs:
            ended, laps = self._all_runs(job, job.runs, tags, observer, ahead, compiled)
        else:
            ended, laps = self._only_run(job, tags, observer)
        for name, lap_s in (compiled.laps if compiled else {}).items():
            laps[name] = laps.get(name, 0.0) + lap_s
        return Result(stage=Stage.RUN, timings=_timings(tags.queued_s, laps), **facts, **ended)

    def _only_run(
        self, job: Job, tags: JobTags, observer: Observer
    ) -> tuple[dict[str, Any], dict[str, float]]:
        outcome = self.cell_run(job, tags, self._caps(job), observer)
        return _ending(outcome, job) | _artifacts(outcome), dict(outcome.laps)

    def _all_runs(
        self,
        job: Job,
        runs: Runs,
        tags: JobTags,
        observer: Observer,
        ahead: CellsAhead,
        compiled: Outcome | None,
    ) -> tuple[dict[str, Any], dict[str, float]]:
        batch = Batch(self.cell_run, job, runs, tags, observer, ahead)
        results, last = batch(), batch.last or compiled
        info = plain_fields(last.info) if last else {"engine": self.engine}
        silent = {"stdout": "", "stderr": "", "stdout_bytes": 0, "stderr_bytes": 0}
        return summary(results) | silent | info, batch.laps

    def _count_ahead(self, job: Job) -> int:
        """For how many runs cells are made while the program is compiled. They are in vain if it is wrong."""
        if job.compile is None or job.runs is None:
            return 0
        return job.runs.at_once * (1 if self.cells_are_slow else _AHEAD)

    def _caps(self, job: Job) -> ArtifactCaps:
        """The bounds of what comes back. What goes to the blob store is bounded by the disk it is on."""
        most = 2 * job.limits.disk_bytes if job.artifacts_as_refs else self.artifact_bytes
        return ArtifactCaps(MOST_ARTIFACTS, most, most)


def _kept_by_compiler(job: Job, outcome: Outcome) -> Outcome:
    """The outcome of a compiler that failed. What it left is kept, if the job wants that."""
    if not job.keep_workspace:
        return outcome
    if job.blobs is None or not outcome.workspace:
        return replace(outcome, kept=NO_REPORT)
    return replace(outcome, kept=keep(outcome.workspace, job.blobs, job.limits.disk_bytes))


def _ending(outcome: Outcome, job: Job) -> dict[str, Any]:
    """The keys of a result that say how a single command ended."""
    verdict, cpu_ns = outcome.verdict, outcome.verdict.usage.cpu_ns
    return {
        "duration": round(outcome.duration_s, 6),
        "status": verdict.status,
        "exit_code": verdict.exit_code,
        "signal": verdict.signal,
        "limit": verdict.limit,
        "cpu_seconds": None if cpu_ns is None else round(cpu_ns / 1e9, 6),
        "memory_peak": verdict.usage.peak_bytes,
        "workspace": outcome.kept.ref,
        "workspace_skipped": outcome.kept.skipped,
        **_streams(outcome, ENCODED_FACTOR * job.limits.output_bytes),
        **plain_fields(outcome.info),
    }


def _said(outcome: Outcome, output_bytes: int) -> str:
    """What the compiler wrote to both streams. It takes at most a small part of what a result may take."""
    most_bytes = min(_SAID_BYTES, output_bytes)
    return "".join(outcome.captures[stream].within(most_bytes // 2)[0] for stream in (STDOUT, STDERR))


def _fitting(workspace: bytes, disk_bytes: int) -> Source:
    size = content_bytes(workspace)
    if size is None:
        raise InvalidJob(
            f"What the compiler left, {format_bytes(len(workspace))} or more, is too much to be handed on;"
            " have it leave less, or no sparse files."
        )
    if size > disk_bytes:
        raise InvalidJob(
            f"What the compiler left takes {format_bytes(size)}, more than the job's"
            f" disk={format_bytes(disk_bytes)}; ask for more disk."
        )
    return Source.of(workspace)


def _timings(queued_s: float, laps: Mapping[str, float]) -> Timings:
    steps = dict.fromkeys(("acquire", "run", "collect"), 0.0)
    seconds = {"queued": queued_s, **steps, **laps}
    rounded = {name: round(value, 6) for name, value in seconds.items()}
    return Timings(**rounded, total=round(sum(rounded.values()), 6))


def _streams(outcome: Outcome, encoded_bytes: int) -> dict[str, Any]:
    out, err = outcome.captures[STDOUT], outcome.captures[STDERR]
    stdout, stdout_cut = out.within(encoded_bytes)
    stderr, stderr_cut = err.within(encoded_bytes)
    return {
        "stdout": stdout,
        "stderr": stderr,
        "stdout_bytes": out.total_bytes,
        "stderr_bytes": err.total_bytes,
        "stdout_truncated": stdout_cut,
        "stderr_truncated": stderr_cut,
    }


def _artifacts(outcome: Outcome) -> dict[str, Any]:
    return {
        "artifacts": {path: _artifact(content) for path, content in outcome.collected.files.items()},
        "artifacts_skipped": outcome.collected.skipped,
        "artifacts_unnamed": outcome.collected.unnamed,
    }


def _artifact(content: bytes | Blob) -> Artifact:
    if isinstance(content, Blob):
        return Artifact(content.size, ref=content.ref)
    return Artifact(len(content), base64.b64encode(content).decode())
