"""What a cell tells the worker while a job runs in it, whatever the engine."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STDERR", "STDOUT", "Archived", "Closed", "Ended", "Event", "Fault", "Output", "Started", "Usage"]

STDOUT = 1
STDERR = 2


@dataclass(frozen=True, slots=True)
class Usage:
    """What the job has used: CPU time in nanoseconds, its peak of memory in bytes; None where unknown."""

    cpu_ns: int | None = None
    peak_bytes: int | None = None
    oom_kills: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that the job wrote to a stream."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Started:
    """The command runs from now on."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The command has ended and nothing of it is left in the cell.

    `lasted_s` is what it took by the cell's own clock, to a hundredth of a second; None: it is unknown.
    """

    exit_code: int
    usage: Usage
    lasted_s: float | None = None


@dataclass(frozen=True, slots=True)
class Archived:
    """Bytes of the tar archive that carries `/workspace` back, after the end."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """The job could not be started in the cell; `reason` is a word of the supervisor's."""

    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The cell's streams have ended with no word about the job."""


Event = Output | Started | Ended | Archived | Fault | Closed
