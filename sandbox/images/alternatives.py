"""The links that `update-alternatives` makes on an installed system, read from the packages' scripts.

The scripts are not run. A link whose paths are not written out in the script is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["Alternative", "best", "parse_alternatives"]

# --install LINK NAME PATH PRIORITY --slave LINK NAME PATH …
_OPTION: Final = re.compile(r"--(?:install|slave)\s+(/[^\s$]+)\s+\S+\s+(/[^\s$]+)(?:\s+(\d+))?")


@dataclass(frozen=True)
class Alternative:
    """A path that stands for another one, if no other package offers a higher priority."""

    link: str
    target: str
    priority: int


def parse_alternatives(script: str) -> list[Alternative]:
    """What the script registers. A link that goes along with another one has that one's priority."""
    found: list[Alternative] = []
    priority = 0
    for link, target, given in _OPTION.findall(script.replace("\\\n", " ")):
        priority = int(given) if given else priority
        found.append(Alternative(link, target, priority))
    return found


def best(alternatives: Iterable[Alternative]) -> dict[str, str]:
    """The target of each link: the one with the highest priority, and of several the first."""
    targets: dict[str, Alternative] = {}
    for one in alternatives:
        if one.link not in targets or targets[one.link].priority < one.priority:
            targets[one.link] = one
    return {link: one.target for link, one in sorted(targets.items())}
