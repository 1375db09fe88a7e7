"""Runs all stages of one job, and makes its result."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from config import format_bytes
from sandbox.artifacts import ArtifactCaps
from sandbox.blobs import Blob, Source
from sandbox.encoded import ENCODED_FACTOR
from sandbox.errors import InvalidJob
from sandbox.events import STDERR, STDOUT
from sandbox.keeping import NO_REPORT, keep
from sandbox.result import Artifact, Result, Stage, Status, Timings
from sandbox.workspace import content_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cell import JobTags
    from sandbox.cell_run import CellRun, Outcome
    from sandbox.job import Job
    from sandbox.observer import Observer

__all__ = ["MOST_ARTIFACTS", "Run"]

#: The most files that one job brings back.
MOST_ARTIFACTS = 256

_SAID_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Run:
    """Runs jobs. `artifact_bytes` is the most that the artifacts of one job may have together."""

    cell_run: CellRun
    artifact_bytes: int

    def __call__(self, job: Job, tags: JobTags, observer: Observer) -> Result:
        """Run `job` and return its result.

        Raises:
            InvalidJob: its files, or what the compiler made of them, do not fit into its cell.
            SandboxUnavailable: the sandbox could not run the job. Its cells are removed all the same.
        """
        stage, outcome, laps, compile_s, said = Stage.RUN, None, Counter[str](), None, ""
        if first := job.first_stage():
            outcome = self.cell_run(first, tags, None, observer)
            laps.update(outcome.laps)
            compile_s = round(outcome.duration_s, 6)
            stage = Stage.COMPILE
            if job.keep_workspace and outcome.verdict.status is not Status.SUCCEEDED:
                outcome = _kept_by_compiler(job, outcome)
        if outcome is None or outcome.verdict.status is Status.SUCCEEDED:
            said = _said(outcome, job.limits.output_bytes) if outcome else ""
            last = job.second_stage(_fitting(outcome.workspace, job.limits.disk_bytes)) if outcome else job
            outcome = self.cell_run(last, tags, self._caps(job), observer)
            laps.update(outcome.laps)
            stage = Stage.RUN
        verdict, cpu_ns = outcome.verdict, outcome.verdict.usage.cpu_ns
        return Result(
            stage=stage,
            runtime=job.runtime.name,
            worker=tags.worker,
            attempt=tags.attempt,
            duration=round(outcome.duration_s, 6),
            compile_seconds=compile_s,
            compile_output=said,
            timings=_timings(tags.queued_s, laps),
            status=verdict.status,
            exit_code=verdict.exit_code,
            signal=verdict.signal,
            cpu_seconds=None if cpu_ns is None else round(cpu_ns / 1e9, 6),
            memory_peak=verdict.usage.peak_bytes,
            **_streams(outcome, ENCODED_FACTOR * job.limits.output_bytes),
            **(_artifacts(outcome) if stage is Stage.RUN else {}),
            workspace=outcome.kept.ref,
            workspace_skipped=outcome.kept.skipped,
            **asdict(outcome.info),
        )

    def _caps(self, job: Job) -> ArtifactCaps:
        """The bounds of what comes back. What goes to the blob store is bounded by the disk it is on."""
        most = 2 * job.limits.disk_bytes if job.artifacts_as_refs else self.artifact_bytes
        return ArtifactCaps(MOST_ARTIFACTS, most, most)


def _kept_by_compiler(job: Job, outcome: Outcome) -> Outcome:
    """The outcome of a compiler that failed, with what it left kept for a later job."""
    if job.blobs is None or not outcome.workspace:
        return replace(outcome, kept=NO_REPORT)
    return replace(outcome, kept=keep(outcome.workspace, job.blobs, job.limits.disk_bytes))


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
    seconds = {"queued": queued_s, **laps}
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
