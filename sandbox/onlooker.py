"""Whoever wants to know of a job while it runs, or to end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.cell import CellInfo

__all__ = ["Onlooker", "together"]


class Onlooker:
    """Follows one job; this one does nothing. The job waits while it is told something, so it is quick.

    All of it is called in the thread that runs the job.
    """

    def placed(self, info: CellInfo) -> None:
        """A cell has been made for the job, or for a stage of it; the command has not started."""

    def heard(self, stream: int, data: bytes) -> None:
        """The job has written `data` to stream 1 or 2."""

    def wants_stop(self) -> bool:
        """Whether the job is to be killed, as `cancelled`; asked at least every half second."""
        return False


def together(*onlookers: Onlooker | None) -> Onlooker:
    """One onlooker that is all of those that are there."""
    there = [onlooker for onlooker in onlookers if onlooker is not None]
    return there[0] if len(there) == 1 else _Together(there)


class _Together(Onlooker):
    def __init__(self, parts: list[Onlooker]) -> None:
        self._parts = parts

    def placed(self, info: CellInfo) -> None:
        for part in self._parts:
            part.placed(info)

    def heard(self, stream: int, data: bytes) -> None:
        for part in self._parts:
            part.heard(stream, data)

    def wants_stop(self) -> bool:
        return any(part.wants_stop() for part in self._parts)
