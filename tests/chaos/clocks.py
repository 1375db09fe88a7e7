"""Clocks that are wrong, and are set to another time while everything runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["STEP_S", "WrongClock"]

#: By how much a clock is set, either way.
STEP_S = 300


@dataclass(frozen=True, slots=True)
class WrongClock:
    """The clock of Python programs that have `settings` in their environment, but for their monotonic one."""

    path: Path
    off_s: float = 0.0

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables."""
        self.set(0.0)
        return {
            "CHAOS_CLOCK_FILE": str(self.path),
            "PYTHONPATH": str(Path(__file__).with_name("wrong_clock")),
        }

    def set(self, step_s: float) -> None:
        """Be so many seconds further off than at the beginning."""
        fresh = self.path.with_suffix(".fresh")
        fresh.write_text(str(self.off_s + step_s))
        fresh.replace(self.path)
