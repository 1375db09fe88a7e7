"""Whoever wants to know of a job while it runs, or to end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.cell import CellInfo

__all__ = ["Onlooker"]


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
