"""Whether this worker takes jobs: not while its engine can make no cell for anybody."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from celery.exceptions import Reject

from sandbox import EngineUnfit, EngineUnreachable

if TYPE_CHECKING:
    from sandbox import SandboxUnavailable
    from sandbox.outage import Outage
    from sandbox.warm import Sight

__all__ = ["EngineAway", "EngineGate", "engine_gate"]

_log = logging.getLogger("cellblock")

# An engine that answers and can make no cell is tried with a job, after this and then half as long again.
_TRIAL_S = 5.0
_LONGEST_TRIAL_S = 60.0


class EngineAway(Reject):
    """A job goes back to the head of its queue, because the engine is away."""

    def __init__(self, outage: Outage, requeue: bool = True) -> None:  # noqa: FBT001, FBT002  Celery's own
        super().__init__(str(outage.why), requeue)
        self.outage = outage
        # By which it is pickled on its way to the main process.
        self.args = (outage, requeue)


@dataclass(slots=True)
class _Outage:
    why: SandboxUnavailable
    began: float
    #: When a job met it last: what was seen of the engine before says nothing.
    met: float
    trial_s: float = _TRIAL_S

    @property
    def is_trial(self) -> bool:
        """Whether a job may see if it is over, which nothing else could tell."""
        return isinstance(self.why, EngineUnfit) and time.monotonic() >= self.met + self.trial_s


class EngineGate:
    """Shut from the first job that finds no engine, or the keeper's first look, until the engine is back.

    Of a worker's main process. An outage is told once when it begins, and once when it is over.
    """

    def __init__(self) -> None:
        self._outage: _Outage | None = None

    @property
    def is_open(self) -> bool:
        """Whether jobs may be taken."""
        return self._outage is None or self._outage.is_trial

    @property
    def trouble(self) -> str | None:
        """Why jobs wait, and for how long they have; None while they do not."""
        if self._outage is None:
            return None
        lasted_s = time.monotonic() - self._outage.began
        return f"no jobs are taken, for {lasted_s:.0f} s now. {self._outage.why}"

    def shut(self, why: SandboxUnavailable) -> None:
        """A job could have no cell, and no other could."""
        if self._outage is None:
            _log.error("The engine is away, and no jobs are taken until it is back: %s", why)
            now = time.monotonic()
            self._outage = _Outage(why, began=now, met=now)
            return
        if self._outage.is_trial:
            self._outage.trial_s = min(1.5 * self._outage.trial_s, _LONGEST_TRIAL_S)
        self._outage.why, self._outage.met = why, time.monotonic()

    def look(self, sight: Sight | None) -> None:
        """Hear what the keeper has seen of the engine."""
        if sight is None:
            return
        if sight.why:
            self.shut(EngineUnreachable(sight.why))
        elif self._outage and not isinstance(self._outage.why, EngineUnfit) and sight.at > self._outage.met:
            self._end()

    def note_success(self) -> None:
        """A job has had its cell."""
        if self._outage:
            self._end()

    def _end(self) -> None:
        if self._outage:
            lasted_s = time.monotonic() - self._outage.began
            _log.warning("The engine is back after %.0f s, and jobs are taken again", lasted_s)
            self._outage = None


engine_gate = EngineGate()
