"""Machines whose clocks differ by a minute."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.chaos.workers import clock_off_by
from tests.programs import runs
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.chaos.conftest import Hire, Send

MARGIN = {"CELLBLOCK_MARGIN": "2"}


@pytest.mark.parametrize(("its", "others"), [(-60, 0), (0, 60)])
def test_no_reaper_takes_a_running_cell_because_clocks_differ(
    hire: Hire, send: Send, its: int, others: int
) -> None:
    sleep = f"sleep 6.{secrets.randbelow(10**9):09}"
    hire("one", **MARGIN, **clock_off_by(its))
    handle = send(f"{sleep}; echo whole", "bash", timeout=15)
    wait_until(lambda: runs(sleep), 20, "the job runs")
    hire("two", **MARGIN, **clock_off_by(others))
    result = handle.get(timeout=40)
    assert (result["stdout"], result["attempt"]) == ("whole\n", 1)
