"""What came of a job: the JSON object that every caller gets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Artifact", "Result", "SkippedArtifact", "Stage", "Status", "Timings"]


class Stage(StrEnum):
    """Which part of a job a result speaks of: a failed compilation ends it before the run."""

    COMPILE = "compile"
    RUN = "run"


class Status(StrEnum):
    """How a job ended, as the kernel and the engine saw it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SIGNALED = "signaled"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time went in all stages, in seconds; `total` is the sum of the others."""

    queued: float
    acquire: float
    run: float
    collect: float
    total: float


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
    exit_code: int | None
    signal: str | None
    duration: float
    compile_seconds: float | None
    cpu_seconds: float | None
    memory_peak: int | None
    timings: Timings
    stdout: str
    stderr: str
    stdout_bytes: int
    stderr_bytes: int
    stdout_truncated: bool
    stderr_truncated: bool
    stage: Stage
    runtime: str
    image: str | None
    image_id: str | None
    engine: str
    warm: bool
    container: str | None
    worker: str
    attempt: int
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    artifacts_skipped: list[SkippedArtifact] = field(default_factory=list)

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
