"""Decides whether this worker takes jobs: it takes none while its engine can't make any cell."""

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

__all__ = ["EngineAway", "EngineGate"]

_log = logging.getLogger("cellblock")

# An engine that answers but can't make cells is tried with a job after this time. Each failed trial makes the
# time half as long again.
_TRIAL_S = 5.0
_LONGEST_TRIAL_S = 60.0


class EngineAway(Reject):
    """A job goes back to the head of its queue, because the engine is away."""

    def __init__(self, outage: Outage, requeue: bool = True) -> None:  # noqa: FBT001, FBT002  Celery's own
        super().__init__(str(outage.why), requeue)
        self.outage = outage
        # Pickle recreates the exception from these in the main process.
        self.args = (outage, requeue)


@dataclass(slots=True)
class _Outage:
    why: SandboxUnavailable
    began: float
    #: When the outage was last met. Only a later look at the engine can show that it is over.
    met: float
    trial_s: float = _TRIAL_S

    @property
    def is_trial(self) -> bool:
        """Whether a job may try if the outage is over. Nothing else can find that out."""
        return isinstance(self.why, EngineUnfit) and time.monotonic() >= self.met + self.trial_s


class EngineGate:
    """Shuts when a job or the keeper finds the engine away, and opens when the engine is back.

    It lives in the worker's main process. An outage is logged once when it begins and once when it ends.
    """

    def __init__(self) -> None:
        self._outage: _Outage | None = None

    @property
    def is_open(self) -> bool:
        """Whether jobs may be taken."""
        return self._outage is None or self._outage.is_trial

    @property
    def trouble(self) -> str | None:
        """Why jobs wait, and for how long they have waited. None while jobs are taken."""
        if self._outage is None:
            return None
        lasted_s = time.monotonic() - self._outage.began
        return f"no jobs are taken, for {lasted_s:.0f} s now. {self._outage.why}"

    def shut(self, why: SandboxUnavailable) -> None:
        """Take no more jobs: the engine can't make a cell for any job, because of `why`."""
        if self._outage is None:
            _log.error("The engine is away, and no jobs are taken until it is back: %s", why)
            now = time.monotonic()
            self._outage = _Outage(why, began=now, met=now)
            return
        if self._outage.is_trial:
            self._outage.trial_s = min(1.5 * self._outage.trial_s, _LONGEST_TRIAL_S)
        self._outage.why, self._outage.met = why, time.monotonic()

    def look(self, sight: Sight | None) -> None:
        """Shut or open after what the keeper has last seen of the engine."""
        if sight is None:
            return
        if sight.why:
            self.shut(EngineUnreachable(sight.why))
        elif self._outage and not isinstance(self._outage.why, EngineUnfit) and sight.at > self._outage.met:
            self._end()

    def note_success(self) -> None:
        """A job got its cell, so the outage is over."""
        if self._outage:
            self._end()

    def _end(self) -> None:
        if self._outage:
            lasted_s = time.monotonic() - self._outage.began
            _log.warning("The engine is back after %.0f s, and jobs are taken again", lasted_s)
            self._outage = None
