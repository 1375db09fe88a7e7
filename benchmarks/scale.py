"""How much to measure: for a run of about ten minutes, for published figures, or for a quick trial."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT", "FULL", "QUICK", "Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """The counts and seconds of each benchmark."""

    rounds: int
    slow_rounds: int
    settings_rounds: int
    sustained_s: float
    sustained_rounds: int
    host_jobs: tuple[int, ...]
    cell_jobs: tuple[int, ...]
    bursts: int
    hellos: int
    idle_s: float
    stress_jobs: int


DEFAULT = Scale(
    rounds=50,
    slow_rounds=3,
    settings_rounds=30,
    sustained_s=4.0,
    sustained_rounds=2,
    host_jobs=(100, 1000, 3000),
    cell_jobs=(50, 150, 450),
    bursts=5,
    hellos=5,
    idle_s=20.0,
    stress_jobs=500,
)
FULL = Scale(
    rounds=200,
    slow_rounds=5,
    settings_rounds=100,
    sustained_s=15.0,
    sustained_rounds=3,
    host_jobs=(100, 1000, 10_000),
    cell_jobs=(50, 250, 1000),
    bursts=20,
    hellos=15,
    idle_s=60.0,
    stress_jobs=500,
)
QUICK = Scale(
    rounds=4,
    slow_rounds=1,
    settings_rounds=4,
    sustained_s=1.5,
    sustained_rounds=1,
    host_jobs=(20, 60),
    cell_jobs=(10, 30),
    bursts=2,
    hellos=2,
    idle_s=4.0,
    stress_jobs=5,
)
