"""What a seed decides."""

from __future__ import annotations

from collections import Counter

from tests.chaos.faults import FAULTS
from tests.chaos.plan import Plan


def plan(seed: int) -> Plan:
    return Plan.of(seed, jobs=100, faults=2 * len(FAULTS), workers=2, mean_gap_s=5.0, python=True)


def test_a_seed_gives_the_same_jobs_and_faults_again() -> None:
    assert plan(1) == plan(1)
    assert plan(1) != plan(2)


def test_every_fault_strikes_as_often_as_any_other() -> None:
    assert set(Counter(fault.kind for fault in plan(1).faults).values()) == {2}
