"""How many warm cells each runtime keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from config.quoting import quoted

__all__ = ["WarmRange", "WarmSizes", "parse_warm"]

_ENTRY = re.compile(r"(?:([a-z][a-z0-9_-]*)=)?(\d{1,4})(?:-(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class WarmRange:
    """The least and the most cells that wait. Demand decides in between."""

    least: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class WarmSizes:
    """The range of each runtime; `every` is the range of those that are not named."""

    every: WarmRange
    named: Mapping[str, WarmRange]

    def of(self, runtime: str) -> WarmRange:
        """The range of one runtime."""
        return self.named.get(runtime, self.every)

    @property
    def any(self) -> bool:
        """Whether anything is kept warm at all."""
        return any(size.most for size in (self.every, *self.named.values()))


def parse_warm(text: str) -> WarmSizes:
    """The sizes that "4", "2-8" or "0,python=2-8,bash=4" give.

    Raises:
        ValueError: the text has no such form.
    """
    every, named = WarmRange(), {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError('give a count such as 4, a range such as 2-8, or some by name: "0,python=2-8"')
        name, least, most = match[1], int(match[2]), int(match[3] or match[2])
        if most < least:
            raise ValueError(f"{quoted(entry)}: the second number is the larger one")
        if name:
            named[name] = WarmRange(least, most)
        else:
            every = WarmRange(least, most)
    return WarmSizes(every, named)
