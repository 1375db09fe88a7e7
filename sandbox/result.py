"""What came of a job: the JSON object that every caller gets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Artifact", "Result", "SkippedArtifact", "Stage", "Status", "Timings"]


class Stage(StrEnum):
    """Which part of a job a result speaks of: a failed compilation ends it before the run."""

    COMPILE = "compile"
    """The compiler, in a cell of its own."""
    RUN = "run"
    """The command itself."""


class Status(StrEnum):
    """How a job ended, as the kernel and the engine saw it."""

    SUCCEEDED = "succeeded"
    """Exit code 0."""
    FAILED = "failed"
    """Any other exit code."""
    SIGNALED = "signaled"
    """Killed by a signal that it, or the kernel, sent; `signal` names it."""
    TIMED_OUT = "timed_out"
    """Stopped at its deadline. The output so far is there."""
    OUT_OF_MEMORY = "out_of_memory"
    """The kernel killed it for its memory, or left it starving at the limit."""
    OUTPUT_LIMIT = "output_limit"
    """Stopped: it wrote more than 64 times what is kept of a stream."""
    CANCELLED = "cancelled"
    """Stopped on request."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time went in all stages, in seconds."""

    queued: float
    """From the call in the app to the start in a worker; from its arrival there, for want of a time."""
    acquire: float
    """Getting a cell: next to nothing for a warm one."""
    run: float
    """The commands."""
    collect: float
    """Bringing back the output, the artifacts and the usage."""
    total: float
    """The sum of the others."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that the job left, brought back whole."""

    size: int
    base64: str


@dataclass(frozen=True, slots=True)
class SkippedArtifact:
    """A path that matched but stayed behind, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a job; the keys are the contract's and so are their units (seconds, bytes).

    The outputs come late on purpose: logs and events show no more than the first keys.
    """

    status: Status
    """How the job ended; see the statuses."""
    exit_code: int | None
    """128 + n for signal n, as a shell reports it; null where there was none."""
    signal: str | None
    """The name of the signal that ended it, such as "SIGSEGV"."""
    duration: float
    """Seconds of wall time of the command; of the compiler, where `stage` is "compile"."""
    compile_seconds: float | None
    """Seconds of wall time of the compiler; null for a job of one stage."""
    cpu_seconds: float | None
    """Seconds of processor time of all its processes, from the cell's cgroup; null where it can't be read."""
    memory_peak: int | None
    """Bytes: the most that the cell held, files in it included; null where it can't be read."""
    timings: Timings
    """Seconds: where the time went."""
    stdout: str
    """Text; bytes that are not UTF-8 come as U+FFFD. Over the limit, its head and its tail."""
    stderr: str
    """As `stdout`."""
    stdout_bytes: int
    """What the job wrote in all."""
    stderr_bytes: int
    """As `stdout_bytes`."""
    stdout_truncated: bool
    """Whether anything was left out of `stdout`."""
    stderr_truncated: bool
    """As `stdout_truncated`."""
    stage: Stage
    """What the result speaks of: "run", or "compile" where that failed."""
    runtime: str
    """The runtime: the one named, or the one that its files told."""
    image: str | None
    """The image that the cell was made from, by the name that it was chosen by."""
    image_id: str | None
    """The same by its content: "sha256:…". It names one image for ever."""
    engine: str
    """"docker", or "host" where nothing was isolated."""
    warm: bool
    """Whether the cell was there before the job."""
    container: str | None
    """The container's name, for the engine's own logs; it is gone by now."""
    worker: str
    """The name of the worker that ran it."""
    attempt: int
    """1, or more where earlier attempts were lost."""
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    """The files brought back, by their path under `/workspace`: their size in bytes, and their content."""
    artifacts_skipped: list[SkippedArtifact] = field(default_factory=list)
    """What matched but stayed behind, each with the reason."""

    @classmethod
    def without_report(
        cls,
        status: Status,
        *,
        runtime: str,
        engine: str,
        worker: str,
        attempt: int,
        container: str | None = None,
        duration_s: float = 0.0,
        queued_s: float = 0.0,
        stdout: str = "",
        stderr: str = "",
    ) -> Result:
        """The result of a job of which no cell can tell any more, or never could."""
        return cls(
            status=status,
            exit_code=None,
            signal=None,
            duration=duration_s,
            compile_seconds=None,
            cpu_seconds=None,
            memory_peak=None,
            timings=Timings(queued_s, 0.0, duration_s, 0.0, queued_s + duration_s),
            stdout=stdout,
            stderr=stderr,
            stdout_bytes=len(stdout.encode()),
            stderr_bytes=len(stderr.encode()),
            stdout_truncated=False,
            stderr_truncated=False,
            stage=Stage.RUN,
            runtime=runtime,
            image=None,
            image_id=None,
            engine=engine,
            warm=False,
            container=container,
            worker=worker,
            attempt=attempt,
        )

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON takes it."""
        return asdict(self) | {"status": str(self.status), "stage": str(self.stage)}
