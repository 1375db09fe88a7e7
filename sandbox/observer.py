"""Callbacks for code that follows a job while it runs, and may stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cell import CellInfo
    from sandbox.result import RunResult

__all__ = ["Observer", "together"]


class Observer:
    """Follows one job. This base class does nothing.

    All methods are called in the thread that runs the job, which waits for them. So they must return quickly.
    If the job has several runs, each has a thread, and all but `ended_runs` may be called in any of them.
    """

    def placed(self, info: CellInfo) -> None:
        """A cell has been made for the job, or for a stage of it; the command has not started."""

    def heard(self, stream: int, data: bytes, run: int | None = None) -> None:
        """The job has written `data` to stream 1 or 2; which of its runs, if it has several."""

    def run_ended(self, run: int, result: RunResult) -> None:
        """One of the job's runs has ended."""

    def ended_runs(self) -> Mapping[int, RunResult]:
        """The runs that an earlier attempt of the job has ended. They are not run again."""
        return {}

    def wants_stop(self) -> bool:
        """Whether to kill the job, with the status `cancelled`. Called at least every half second."""
        return False


def together(*observers: Observer | None) -> Observer:
    """One observer that passes every call on to each of `observers` that is not None."""
    there = [observer for observer in observers if observer is not None]
    return there[0] if len(there) == 1 else _Together(there)


class _Together(Observer):
    def __init__(self, parts: list[Observer]) -> None:
        self._parts = parts

    def placed(self, info: CellInfo) -> None:
        for part in self._parts:
            part.placed(info)

    def heard(self, stream: int, data: bytes, run: int | None = None) -> None:
        for part in self._parts:
            part.heard(stream, data, run)

    def run_ended(self, run: int, result: RunResult) -> None:
        for part in self._parts:
            part.run_ended(run, result)

    def ended_runs(self) -> Mapping[int, RunResult]:
        return {run: result for part in self._parts for run, result in part.ended_runs().items()}

    def wants_stop(self) -> bool:
        return any(part.wants_stop() for part in self._parts)
