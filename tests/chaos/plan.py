"""Everything that follows from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Self

from tests.chaos.faults import FAULTS, fault_plan
from tests.chaos.jobs import job_plan

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.chaos.faults import Fault
    from tests.chaos.jobs import ChaosJob

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs and the faults of a run, in order."""

    seed: int
    jobs: tuple[ChaosJob, ...]
    faults: tuple[Fault, ...]

    @classmethod
    def of(
        cls,
        seed: int,
        jobs: int,
        faults: int,
        *,
        workers: int,
        mean_gap_s: float,
        python: bool,
        kinds: Collection[str] = tuple(FAULTS),
    ) -> Self:
        """The plan for this seed. With `python` some jobs use the Python image."""
        random = Random(seed)
        made = tuple(job_plan(random, jobs, python=python))
        return cls(seed, made, tuple(fault_plan(random, kinds, faults, workers, mean_gap_s)))

    @property
    def lasts_s(self) -> float:
        """Seconds from the first job to the last fault."""
        return sum(fault.gap_s for fault in self.faults)
