"""What a keeper sees of the engine. It writes that to a file, which its worker reads."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sandbox.engines import open_engine
from sandbox.errors import EngineUnreachable

if TYPE_CHECKING:
    from pathlib import Path

    from config import Settings

__all__ = ["SIGHT", "Sight", "look_again_and_again", "read_sight"]

#: The file's name, in the keeper's own folder.
SIGHT = "engine.json"

_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at the engine: when it began, and why the engine did not answer, if it did not.

    `last_away` is when the engine last did not answer; 0 if it always has. Times are those of the machine's
    monotonic clock.
    """

    at: float
    why: str | None = None
    last_away: float = 0.0


def look_again_and_again(settings: Settings, path: Path) -> None:
    """Ask the engine again and again whether it answers, and write that to `path` while its folder exists."""
    sight = read_sight(path) or Sight(0.0)
    while path.parent.exists():
        sight = _look(settings, sight.last_away)
        # The keeper removes its folder when it ends.
        with suppress(FileNotFoundError):
            _write(path, sight)
        time.sleep(_LOOK_S)


def read_sight(path: Path) -> Sight | None:
    """The last look; None before the first."""
    try:
        return Sight(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def _look(settings: Settings, last_away: float) -> Sight:
    began = time.monotonic()
    try:
        open_engine(settings).ping()
    except EngineUnreachable as error:
        return Sight(began, str(error), time.monotonic())
    return Sight(began, None, last_away)


def _write(path: Path, sight: Sight) -> None:
    """Replace the file as a whole, so that nobody reads half of it."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(json.dumps(asdict(sight)))
    fresh.replace(path)
