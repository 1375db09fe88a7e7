"""Enforces a job's deadline: when its time is over, and what is then done to its cell."""

from __future__ import annotations

import time
from enum import Enum, auto
from typing import TYPE_CHECKING

from sandbox.errors import EngineFailed
from sandbox.result import Status

if TYPE_CHECKING:
    from sandbox.cell import Cell
    from sandbox.limits import Limits

__all__ = ["Deadline"]

# The share of `bound_s` in which the supervisor must kill the job and report its end: half a second by
# default. After that the engine kills the container.
_INWARD_KILL_SHARE = 1 / 30


class _Phase(Enum):
    RUNNING = auto()
    TERMINATED = auto()
    KILLED = auto()
    DESTROYED = auto()


class Deadline:
    """The steps that end one job. Each is taken if the one before has not ended the job in its time.

    The time is counted by the worker's own clock, which the job can't change. The engine may need `bound_s`
    seconds for one step of its own.
    """

    def __init__(self, cell: Cell, limits: Limits, bound_s: float) -> None:
        #: Why the job is being ended; None if it is not.
        self.stopped: Status | None = None
        #: How long the supervisor may need to kill the job and to report its end.
        self.inward_kill_s = bound_s * _INWARD_KILL_SHARE
        self._cell = cell
        self._limits = limits
        self._bound_s = bound_s
        self._phase = _Phase.RUNNING
        self._next_step = 0.0

    @property
    def left_s(self) -> float:
        """The seconds until the next step is due."""
        return self._next_step - time.monotonic()

    def await_start(self) -> None:
        """Set the time within which the cell must start the job."""
        self._next_step = time.monotonic() + self._bound_s - self.inward_kill_s

    def start(self, started: float) -> None:
        """Count the timeout from `started`, a time of the monotonic clock, unless the job is being ended."""
        if self.stopped is None:
            self._next_step = started + self._limits.timeout_s

    def stop(self, status: Status) -> None:
        """Kill the job now. If `stop` was called before, the first reason is kept."""
        self.stopped = self.stopped or status
        if self._phase in (_Phase.RUNNING, _Phase.TERMINATED):
            self._cell.kill()
            self._enter(_Phase.KILLED, self.inward_kill_s)

    def step(self) -> None:
        """Take the next step: SIGTERM, SIGKILL by the supervisor, SIGKILL by the engine, then an error.

        Raises:
            EngineFailed: all steps were taken, and the cell still exists.
        """
        match self._phase:
            case _Phase.RUNNING:
                self.stopped = Status.TIMED_OUT
                self._cell.terminate()
                self._enter(_Phase.TERMINATED, self._limits.grace_s)
            case _Phase.TERMINATED:
                self.stop(Status.TIMED_OUT)
            case _Phase.KILLED:
                self._cell.destroy()
                self._enter(_Phase.DESTROYED, self._bound_s)
            case _Phase.DESTROYED:
                raise EngineFailed("The engine killed the cell but never closed its streams.")

    def _enter(self, phase: _Phase, lasts_s: float) -> None:
        self._phase = phase
        self._next_step = time.monotonic() + lasts_s
