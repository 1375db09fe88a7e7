"""The interface of every engine, and of its cells, which run one job each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from sandbox.errors import SandboxUnavailable
    from sandbox.events import Event
    from sandbox.job import Job
    from sandbox.outage import Outage

__all__ = ["Cell", "CellInfo", "Engine", "Evidence", "JobTags"]


@dataclass(frozen=True, slots=True)
class JobTags:
    """The task and the worker that a cell is for. They are written on the cell, for others to read."""

    task_id: str = ""
    worker: str = ""


@dataclass(frozen=True, slots=True)
class CellInfo:
    """Where a job runs."""

    engine: str
    image: str | None = None
    image_id: str | None = None
    container: str | None = None
    warm: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the engine reports about a cell that closed without a report about its job."""

    exit_code: int | None = None
    out_of_memory: bool = False


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


class Engine(Protocol):
    """Makes cells, and removes them whatever happened in them."""

    def acquire(self, job: Job, tags: JobTags) -> AbstractContextManager[Cell]:
        """A cell for `job`, removed when the block is left.

        Raises:
            SandboxUnavailable: the engine cannot give one.
        """

    def outage(self, error: SandboxUnavailable, since: float) -> Outage | None:
        """The outage that caused `error` in a job that began at `since`, a time of the monotonic clock.

        None: the engine answers, and has answered all the time since then.
        """

    def warm_up(self, within_s: float) -> bool:
        """Whether all warm cells of this process are ready within `within_s` seconds."""

    def settle(self) -> None:
        """Wait until nothing is left of the jobs that have ended."""

    def close(self) -> None:
        """Release everything. No job may run any more."""
