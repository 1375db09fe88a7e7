"""The events that a cell reports to the worker. They are the same for every engine."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STDERR", "STDOUT", "Archived", "Closed", "Ended", "Event", "Fault", "Output", "Started", "Usage"]

STDOUT = 1
STDERR = 2


@dataclass(frozen=True, slots=True)
class Usage:
    """What the job has used: CPU time in nanoseconds, peak memory in bytes; None where unknown."""

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
    """The command has been started."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The command has ended and nothing of it is left in the cell.

    `lasted_s` is how long it ran by the cell's own clock, to a hundredth of a second; None if unknown.
    `by_signal`: whether a signal killed it. `heap_full`: whether its runtime has reported a full heap.
    """

    exit_code: int
    usage: Usage
    lasted_s: float | None = None
    by_signal: bool = False
    heap_full: bool = False


@dataclass(frozen=True, slots=True)
class Archived:
    """Bytes of the tar archive that carries `/workspace` back, after the end."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """The job could not be started in the cell; `reason` is one word that the supervisor sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The cell's streams have ended. Without an `Ended` before, the cell has not reported the job's end."""


Event = Output | Started | Ended | Archived | Fault | Closed
