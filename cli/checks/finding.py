"""What a check reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "ok", "problem", "skipped", "unseen", "warning"]


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw, and the command or setting that mends it."""

    level: Level
    message: str
    mend: str = ""


def ok(message: str) -> Finding:
    """Something is as it should be."""
    return Finding(Level.OK, message)


def warning(message: str, mend: str) -> Finding:
    """Jobs run, but not as well or as safely as they could."""
    return Finding(Level.WARNING, message, mend)


def problem(message: str, mend: str) -> Finding:
    """Something prevents jobs from running, or from running as promised."""
    return Finding(Level.PROBLEM, message, mend)


def unseen(why: str) -> Finding:
    """Nothing could be examined, for a reason that is no fault."""
    return Finding(Level.SKIPPED, f"not examined: {why}")


def skipped(needed: str) -> Finding:
    """Nothing could be examined, because the server of the check `needed` can't be reached."""
    return Finding(Level.SKIPPED, f"not examined, see {needed}")
