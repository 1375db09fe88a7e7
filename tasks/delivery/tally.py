"""Logs a frequent event at most once a minute, with the number of times that it has happened."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Tally"]

_EVERY_S = 60.0
_MOST_SENTENCES = 100


class Tally:
    """Counts sentences by their `key`, and passes the newest and the count to `say` once a minute at most."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._said: dict[str, float] = {}
        self._waiting: defaultdict[str, int] = defaultdict(int)
        self._last: dict[str, str] = {}

    def note(self, key: str, sentence: str) -> None:
        """Count one more event. The newest sentence is said for all events of its key."""
        if key not in self._said and len(self._said) >= _MOST_SENTENCES:
            key = "others"
        self._waiting[key] += 1
        self._last[key] = sentence
        self.flush()

    def flush(self) -> None:
        """Say the sentences whose minute is over."""
        now = self._clock()
        for key, count in list(self._waiting.items()):
            if now - self._said.get(key, -_EVERY_S) >= _EVERY_S:
                self._said[key] = now
                del self._waiting[key]
                more = f" ({count} like it since the last such line)" if count > 1 else ""
                self._say(self._last.pop(key) + more)
