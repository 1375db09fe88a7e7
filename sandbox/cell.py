"""What every engine offers: cells that run one job each."""

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
    """Who asked: what is written on the cell, so that others can tell whose it is."""

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
    """What the engine saw of a cell that closed with no word about its job."""

    exit_code: int | None = None
    out_of_memory: bool = False


class Cell(Protocol):
    """A place that runs exactly one job."""

    @property
    def info(self) -> CellInfo:
        """Where the job runs."""

    @property
    def starving(self) -> bool:
        """Whether the job has used up its memory, although nothing was killed for it."""

    def start(self, job: Job) -> None:
        """Hand the job over; `Started` follows among the events."""

    def poll(self, timeout_s: float) -> Iterable[Event]:
        """The next events, within `timeout_s` seconds, or half a second; none when nothing happened."""

    def terminate(self) -> None:
        """SIGTERM to every process of the job. A courtesy: it may fail in silence."""

    def kill(self) -> None:
        """SIGKILL to every process of the job, by the quickest way, which the job can block."""

    def destroy(self) -> None:
        """SIGKILL by the engine, which the job cannot block; `poll` tells how it went.

        It closes, or `poll` raises `SandboxUnavailable`, when the engine does not confirm it.
        """

    def examine(self) -> Evidence:
        """What the engine knows of a cell that is closed."""


class Engine(Protocol):
    """Makes cells, and takes them away whatever happened in them."""

    def acquire(self, job: Job, tags: JobTags) -> AbstractContextManager[Cell]:
        """A cell for `job`, removed when the block is left.

        Raises:
            SandboxUnavailable: when none can be had.
        """

    def outage(self, error: SandboxUnavailable, since: float) -> Outage | None:
        """The outage behind `error`, which a job met that began at `since`, by the monotonic clock.

        None: the engine is there, and was all the time.
        """

    def warm_up(self, within_s: float) -> bool:
        """Whether everything that is kept warm in this process is, within so many seconds."""

    def settle(self) -> None:
        """Wait until nothing is left of the jobs that have ended."""

    def close(self) -> None:
        """Give back everything, once no job runs any more."""
