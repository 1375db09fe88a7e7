# Made by `python docs/generate.py` from sandbox/result.py. Change it there.
"""The result of a job: the JSON object that every caller gets."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any

from cellblock.text_enum import StrEnum

__all__ = [
    "Artifact",
    "Limit",
    "Result",
    "RunResult",
    "RunVerdict",
    "SkippedArtifact",
    "Stage",
    "Status",
    "Timings",
    "plain_fields",
]


def plain_fields(value: Any) -> dict[str, Any]:  # noqa: ANN401  any dataclass with slots
    """The fields of a dataclass with slots, by name. Unlike `asdict` it copies no value, which takes long."""
    return {name: getattr(value, name) for name in value.__slots__}


class Stage(StrEnum):
    """The part of a job that its result describes. A job whose compiler fails has no run."""

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
    """Killed by a signal, which `signal` names. An exit code above 128 that a program chose is `failed`."""
    TIMED_OUT = "timed_out"
    """Stopped at its time limit. The result has the output so far."""
    OUT_OF_MEMORY = "out_of_memory"
    """Killed by the kernel at its memory limit, failed with a full heap, or stopped standing still there."""
    OUTPUT_LIMIT = "output_limit"
    """Stopped: it wrote more than 64 times what is kept of a stream."""
    CANCELLED = "cancelled"
    """Stopped on request."""


class Limit(StrEnum):
    """The limit that ended a job."""

    TIMEOUT = "timeout"
    """Its wall time: `timeout`."""
    CPU_TIME = "cpu_time"
    """Its processor time: `cpu_time`."""
    MEMORY = "memory"
    """`memory`, or the heap that its runtime may have of it."""
    OUTPUT = "output"
    """64 times `output_limit`."""

    @classmethod
    def behind(cls, status: Status) -> Limit | None:
        """The limit that leads to this status, in most cases; None if none does."""
        return {
            Status.TIMED_OUT: cls.TIMEOUT,
            Status.OUT_OF_MEMORY: cls.MEMORY,
            Status.OUTPUT_LIMIT: cls.OUTPUT,
        }.get(status)


@dataclass(frozen=True, slots=True)
class Timings:
    """How long each step took, in seconds, over all stages."""

    queued: float
    """From the call in the app to the start in a worker. If the app sent no time: from the arrival there."""
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
    """A whole file that the job left; `size` is in bytes. It has `base64`, or the `ref` of its blob."""

    size: int
    base64: str = ""
    ref: str | None = None

    @property
    def content(self) -> bytes:
        """The file's bytes.

        Raises:
            ValueError: the file lies in the blob store.
        """
        if self.ref is not None:
            raise ValueError(f"the content is not here, but in the blob store: {self.ref}")
        return b64decode(self.base64)

    def to_dict(self) -> dict[str, Any]:
        """The size, and the content or its ref."""
        return {"size": self.size} | ({"base64": self.base64} if self.ref is None else {"ref": self.ref})


@dataclass(frozen=True, slots=True)
class SkippedArtifact:
    """A path that matched but was not brought back, and why."""

    path: str
    reason: str


class RunVerdict(StrEnum):
    """Whether a run that succeeded has written what was expected."""

    ACCEPTED = "accepted"
    """It has."""
    WRONG_ANSWER = "wrong_answer"
    """It has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The result of one run of a job with `runs`. The keys mean the same as in `Result`."""

    name: str
    """Its name in the request, else its number, from 1."""
    status: Status
    """How it ended. A run that was not begun has the status that ended the job."""
    verdict: RunVerdict | None = None
    """"accepted" or "wrong_answer"; null if it did not succeed, or nothing was expected."""
    exit_code: int | None = None
    """As in the result of a job."""
    signal: str | None = None
    """As in the result of a job."""
    limit: Limit | None = None
    """As in the result of a job."""
    duration: float = 0.0
    """Seconds of wall time."""
    cpu_seconds: float | None = None
    """Seconds of processor time."""
    memory_peak: int | None = None
    """Bytes."""
    stdout: str = ""
    """As in the result of a job. All runs together keep at most `CELLBLOCK_MAX_OUTPUT_LIMIT` of a stream."""
    stderr: str = ""
    """As `stdout`."""
    stdout_bytes: int = 0
    """How many bytes it wrote in all."""
    stderr_bytes: int = 0
    """As `stdout_bytes`."""
    stdout_truncated: bool = False
    """Whether anything was left out of `stdout`. The verdict is about all that it wrote."""
    stderr_truncated: bool = False
    """As `stdout_truncated`."""

    def to_dict(self) -> dict[str, Any]:
        """The result as a dict that can be encoded as JSON."""
        plain = plain_fields(self)
        return plain | {name: str(text) for name in _WORDS if (text := plain[name]) is not None}


_WORDS = ("status", "verdict", "limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a job. Callers rely on the keys and on their units (seconds, bytes).

    The outputs do not come first, on purpose: logs and events show only the first keys.
    """

    status: Status
    """How the job ended; see the statuses."""
    exit_code: int | None = None
    """The exit code: 128 + n for signal n, as a shell reports it; null if there is none."""
    signal: str | None = None
    """The name of the signal that ended it, such as "SIGSEGV"."""
    limit: Limit | None = None
    """The limit that ended it: "timeout", "cpu_time", "memory", "output"; null if none did."""
    duration: float
    """Seconds of wall time of the command; of the compiler, where `stage` is "compile"."""
    compile_seconds: float | None = None
    """Seconds of wall time of the compiler; null for a job of one stage."""
    compile_output: str = ""
    """What the compiler of a program that was then run has said, such as warnings; at most 64 KiB."""
    cpu_seconds: float | None = None
    """Seconds of processor time of all its processes, as the kernel counts it; null where unknown."""
    memory_peak: int | None = None
    """Bytes: the cell's peak of memory, including the files in it; null where it can't be read.

    Without a cell it is the largest process's peak. The kernel counts the worker's own peak as the least.
    """
    timings: Timings
    """Seconds: how long each step took."""
    stdout: str
    """Text; bytes that are not UTF-8 become U+FFFD. Over the limit, only the start and the end are kept."""
    stderr: str
    """As `stdout`."""
    stdout_bytes: int
    """How many bytes the job wrote to its standard output in all."""
    stderr_bytes: int
    """How many bytes the job wrote to its standard error in all."""
    stdout_truncated: bool = False
    """Whether anything was left out of `stdout`."""
    stderr_truncated: bool = False
    """As `stdout_truncated`."""
    stage: Stage = Stage.RUN
    """The part that the result describes: "run", or "compile" if the compiler failed."""
    runtime: str
    """The runtime that the job named, or that was chosen for its files."""
    image: str | None = None
    """The name of the image that the cell was made from, as it was chosen."""
    image_id: str | None = None
    """The image's id, a hash of its content: "sha256:…". It never names another image."""
    engine: str
    """"docker", "oci", or "host" where nothing was isolated."""
    oci_runtime: str | None = None
    """The program that made the container: "runc", "crun", "runsc", …; null on the host."""
    warm: bool = False
    """Whether the cell was a warm one, which was made before the job came."""
    container: str | None = None
    """The container's name, as in the engine's own logs. The container is removed after the job."""
    worker: str
    """The name of the worker that ran it."""
    attempt: int
    """1, or more if earlier attempts were lost."""
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    """The files brought back, by path under `/workspace`: bytes, content or ref. The first 256 by name."""
    artifacts_skipped: list[SkippedArtifact] = field(default_factory=list)
    """The first 256 paths by name that matched but were not brought back, each with the reason."""
    artifacts_unnamed: int = 0
    """How many more paths matched and were not brought back."""
    workspace: str | None = None
    """With `keep_workspace`: the ref of `/workspace` as the job left it; null if it could not be kept."""
    workspace_skipped: str | None = None
    """Why the workspace could not be kept, in one sentence; null if it was, or need not be."""
    verdict: RunVerdict | None = None
    """With `runs`: "accepted" if every run is; else the verdict of the first that is not."""
    runs: list[RunResult] = field(default_factory=list)
    """With `runs`: the result of each, in the order of the request."""

    @classmethod
    def without_report(
        cls,
        status: Status,
        *,
        duration_s: float = 0.0,
        queued_s: float = 0.0,
        stdout: str = "",
        stderr: str = "",
        **facts: Any,  # noqa: ANN401  each of its own type
    ) -> Result:
        """The result of a job for which no cell has made a report; `facts` are the other keys, if known."""
        return cls(
            status=status,
            limit=Limit.behind(status),
            duration=duration_s,
            timings=Timings(queued_s, 0.0, duration_s, 0.0, queued_s + duration_s),
            stdout=stdout,
            stderr=stderr,
            stdout_bytes=len(stdout.encode()),
            stderr_bytes=len(stderr.encode()),
            **facts,
        )

    def to_dict(self) -> dict[str, Any]:
        """The result as a dict that can be encoded as JSON."""
        plain = plain_fields(self)
        parts = {
            "timings": plain_fields(self.timings),
            "artifacts": {path: one.to_dict() for path, one in self.artifacts.items()},
            "artifacts_skipped": [plain_fields(one) for one in self.artifacts_skipped],
            "runs": [one.to_dict() for one in self.runs],
        }
        words = {name: str(text) for name in (*_WORDS, "stage") if (text := plain[name]) is not None}
        return plain | parts | words
