"""The interface of a cell, which runs one job, and what is said of it."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sandbox.events import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.events import Event
    from sandbox.job import Job

__all__ = ["KILLED", "Cell", "CellInfo", "Evidence", "JobTags"]

#: The exit code of a cell, or of a command, that SIGKILL has ended.
KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True, slots=True)
class JobTags:
    """The task that a job is for, if any. A cell bears its id and its worker, for others to read.

    `queued_s` is how long it has waited, in seconds.
    """

    task_id: str = ""
    worker: str = ""
    attempt: int = 1
    queued_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CellInfo:
    """Where a job runs."""

    engine: str
    oci_runtime: str | None = None
    image: str | None = None
    image_id: str | None = None
    container: str | None = None
    warm: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the engine reports about a cell that closed without a report about its job."""

    exit_code: int | None = None
    out_of_memory: bool = False
    usage: Usage = field(default_factory=Usage)


class Cell(Protocol):
    """A place that runs exactly one job."""

    @property
    def info(self) -> CellInfo:
        """Where the job runs."""

    @property
    def starving(self) -> bool:
        """Whether the job has used up its memory, although the kernel has killed no process for it."""

    def start(self, job: Job) -> None:
        """Hand the job over. One of the next events is `Started`."""

    def poll(self, timeout_s: float) -> Iterable[Event]:
        """The next events, if any. Waits for them `timeout_s` seconds, but at most half a second."""

    def cpu_ns(self) -> int | None:
        """The CPU time that the job has used until now, in nanoseconds. None: nobody outside can read it."""

    def bound_cpu(self, limit_ns: int) -> bool:
        """Have the cell itself look now, and kill the job if it has used this much. False: it can't."""

    def terminate(self) -> None:
        """Send SIGTERM to every process of the job. It may fail without an error."""

    def kill(self) -> None:
        """Send SIGKILL to every process of the job in the quickest way, which the job can block."""

    def destroy(self) -> None:
        """Have the engine send SIGKILL, which the job cannot block.

        Afterwards the cell closes, or `poll` raises `SandboxUnavailable` if the engine does not confirm it.
        """

    def examine(self) -> Evidence:
        """What the engine knows of a cell that is closed."""
