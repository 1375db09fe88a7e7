"""Finds packages of others that hide ours, whose names are common. Imports none of our packages."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["OURS", "PACKAGES", "put_ours_first", "strangers"]

#: The folder that our packages are in.
OURS = Path(__file__).resolve().parents[1]
#: Our packages whose names other distributions and apps are likely to use as well.
PACKAGES = ("config", "sandbox", "tasks")

# The path with which Python was started, before `put_ours_first` changes it.
_PATH = list(sys.path)


def strangers(*more: str) -> dict[str, Path]:
    """Those of our packages, and of `more`, that another module hides, each with the place of that module."""
    found = {name: _place(name) for name in (*PACKAGES, *more)}
    return {name: place for name, place in found.items() if place and place.parent != OURS}


def put_ours_first() -> None:
    """Make this process find our packages first."""
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
