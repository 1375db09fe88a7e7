"""Clocks that are wrong, and that are set to another time during the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["STEP_S", "WrongClock"]

#: A clock is set forward or back by this much.
STEP_S = 300


@dataclass(frozen=True, slots=True)
class WrongClock:
    """Sets the clock of Python programs that have `settings` in their environment; not the monotonic one."""

    path: Path
    off_s: float = 0.0

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables for a program with this clock."""
        self.set(0.0)
        return {
            "CHAOS_CLOCK_FILE": str(self.path),
            "PYTHONPATH": str(Path(__file__).with_name("wrong_clock")),
        }

    def set(self, step_s: float) -> None:
        """Set the clock this many seconds further off than at the start."""
        fresh = self.path.with_suffix(".fresh")
        fresh.write_text(str(self.off_s + step_s))
        fresh.replace(self.path)
