"""When things are due, for a reaper that must not trust any clock that somebody may set."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING

from sandbox.engine_clock import HOLDS_S
from sandbox.process_mark import lives_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from config import Settings

__all__ = ["Deadlines"]

# A label may name a moment years ahead that nobody meant: a day, or the longest job, is the most.
_MOST_S = 86_400.0


class Deadlines:
    """What one reaper remembers from look to look.

    A deadline is a moment of the engine's clock. What has been seen once is judged by this machine's
    monotonic clock from then on, so that no step of the engine's moves it. What is new may have been labelled
    by the engine's clock as it was before a step, and so the slowest of its latest readings counts.
    """

    def __init__(self, settings: Settings) -> None:
        self._margin_s = settings.margin
        self._most_s = max(_MOST_S, settings.longest.reap_s + settings.warm_age)
        # A maker's reading is that old, and it may need that long to use it.
        self._remembers_s = HOLDS_S + 4 * settings.margin
        self._offsets: deque[tuple[float, float]] = deque()
        self._due: dict[str, float] = {}
        self._dead: dict[str, float] = {}
        self._looks = 0

    def begin_look(self, engine_now: float, names: Iterable[str]) -> None:
        """Another look, at `engine_now` by the engine's clock, at `names`; all others are forgotten."""
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
        """The engine's time in Unix seconds, by the slowest of its latest readings."""
        return time.monotonic() + min(offset for _, offset in self._offsets)

    def is_past(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the deadline on the labels of what is called `name` has passed."""
        if name not in self._due:
            self._due[name] = time.monotonic() + self._left_s(labels)
        return time.monotonic() > self._due[name]

    def is_long_dead(self, name: str, ended: float) -> bool:
        """Whether what `ended` then, by the engine's clock, has been dead for two margins.

        From the second look on only what was seen counts.
        """
        since = self._dead.setdefault(name, time.monotonic())
        seen_s = time.monotonic() - since
        long_s = 2 * self._margin_s
        return seen_s > long_s or (self._looks == 1 and self.engine_now > ended + long_s)

    def _left_s(self, labels: Mapping[str, str]) -> float:
        left_s = min(_moment(labels) - self.engine_now, self._most_s)
        # Its process is there to see to it, and the clock may have been set meanwhile: it gets all that a job
        # may have.
        return self._most_s if left_s <= 0 and lives_here(labels.get("cellblock.process", "")) else left_s


def _moment(labels: Mapping[str, str]) -> float:
    """What the label says; nothing can be made of any other text, and so it protects nothing."""
    text = labels.get("cellblock.deadline", "inf")
    try:
        moment = float(text)
    except ValueError:
        return 0.0
    return 0.0 if math.isnan(moment) else moment
