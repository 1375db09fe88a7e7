"""What follows from a seed."""

from __future__ import annotations

import re
from collections import Counter

from tests.chaos.faults import FAULTS, OCI_FAULTS
from tests.chaos.plan import Plan
from tests.programs import ROOT


def plan(seed: int) -> Plan:
    return Plan.of(seed, jobs=100, faults=2 * len(FAULTS), workers=2, mean_gap_s=5.0, python=True)


def test_a_seed_gives_the_same_jobs_and_faults_again() -> None:
    assert plan(1) == plan(1)
    assert plan(1) != plan(2)


def test_every_fault_strikes_as_often_as_any_other() -> None:
    assert set(Counter(fault.kind for fault in plan(1).faults).values()) == {2}


def test_the_page_names_every_fault() -> None:
    page = (ROOT / "docs/explanation/chaos.md").read_text()
    rows = page.partition("| fault |")[2].partition("\n\n")[0].splitlines()[2:]
    named = [name.strip() for row in rows for name in re.split(",", row.split("|")[1])]
    assert sorted(named) == sorted(FAULTS | OCI_FAULTS)
