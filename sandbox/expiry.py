"""Tells when containers are due, for a reaper that must not trust a clock that somebody may set."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from sandbox.engines.clock import HOLDS_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from config import Settings
    from sandbox.labels import FoundLabels

__all__ = ["Expiry"]

# A label may name a time years ahead by mistake. So no container may stay for more than a day, or for more
# than the longest job needs if that is longer.
_MOST_S = 86_400.0


class Expiry:
    """What one reaper remembers from look to look.

    A deadline is a time of the engine's clock. Once a container has been seen, its remaining time is counted
    by this machine's monotonic clock, so that a step of the engine's clock does not change it. The label of a
    new container may be older than such a step. So the reaper keeps its latest readings of the engine's
    clock, and uses the earliest time that any of them gives.
    """

    def __init__(self, settings: Settings) -> None:
        self._margin_s = settings.engine_margin
        self._most_s = max(_MOST_S, settings.longest.reap_s + settings.warm_age)
        # A maker's reading of the clock may be HOLDS_S old, and the maker may need four margins to use it.
        self._remembers_s = HOLDS_S + 4 * settings.engine_margin
        self._offsets: deque[tuple[float, float]] = deque()
        self._due: dict[str, float] = {}
        self._dead: dict[str, float] = {}
        self._looks = 0

    def begin_look(self, engine_now: float, names: Iterable[str]) -> None:
        """Begin a look at the containers `names`, at the engine's time `engine_now`. Forget all others."""
        now = time.monotonic()
        while len(self._offsets) > 1 and self._offsets[1][0] < now - self._remembers_s:
            self._offsets.popleft()
        self._offsets.append((now, engine_now - now))
        self._looks += 1
        there = set(names)
        self._due = {name: due for name, due in self._due.items() if name in there}
        self._dead = {name: since for name, since in self._dead.items() if name in there}

    @property
    def engine_now(self) -> float:
        """The engine's time in Unix seconds: the earliest that any of the latest readings gives."""
        return time.monotonic() + min(offset for _, offset in self._offsets)

    def is_past(self, name: str, labels: FoundLabels) -> bool:
        """Whether the deadline on the labels of the container `name` has passed."""
        if name not in self._due:
            self._due[name] = time.monotonic() + self._left_s(labels)
        return time.monotonic() > self._due[name]

    def is_long_dead(self, name: str, labels: FoundLabels, ended: float) -> bool:
        """Whether the container `name` has been dead for two margins; `ended` is by the engine's clock.

        From the second look on, only the time since it was first seen dead counts. The same is true if the
        process that made it runs here: it may be about to start it, and the clock may have been set.
        """
        since = self._dead.setdefault(name, time.monotonic())
        seen_s = time.monotonic() - since
        long_s = 2 * self._margin_s
        believes = self._looks == 1 and not labels.is_attended
        return seen_s > long_s or (believes and self.engine_now > ended + long_s)

    def _left_s(self, labels: FoundLabels) -> float:
        left_s = min(labels.deadline - self.engine_now, self._most_s)
        # The process that made the container still runs and will remove it. The deadline may have passed only
        # because the clock was set. So the container gets the most time that a job may have.
        return self._most_s if left_s <= 0 and labels.is_attended else left_s
