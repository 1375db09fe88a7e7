"""Our packages have everyday names: whether Python finds somebody else's first. Imports nothing of ours."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["OURS", "PACKAGES", "put_ours_first", "strangers"]

#: The folder that our packages are in.
OURS = Path(__file__).resolve().parents[1]
#: What other distributions and apps are likely to have as well.
PACKAGES = ("config", "sandbox", "tasks")

# As Python was started, before anything is put right.
_PATH = list(sys.path)


def strangers() -> dict[str, Path]:
    """The packages that somebody else's module stands before, and where that is."""
    found = {name: _place(name) for name in PACKAGES}
    return {name: place for name, place in found.items() if place and place.parent != OURS}


def put_ours_first() -> None:
    """Let this process go on all the same."""
    sys.path.insert(0, str(OURS))


def _place(name: str) -> Path | None:
    """The folder or file that an import of `name` would find."""
    spec = PathFinder.find_spec(name, _PATH)
    if spec is None:
        return None
    if spec.origin is None:
        return Path(next(iter(spec.submodule_search_locations or ["?"]))).resolve()
    place = Path(spec.origin).resolve()
    return place.parent if place.name == "__init__.py" else place
