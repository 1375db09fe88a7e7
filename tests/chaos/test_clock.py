"""Machines whose clocks differ, and are set while jobs run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.clocks import STEP_S, WrongClock
from tests.programs import runs, unique_sleep
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.conftest import Hire, Send
    from tests.chaos.proxy import StallingProxy

MARGIN_S = 2
MARGIN = {"CELLBLOCK_ENGINE_MARGIN": str(MARGIN_S)}


@pytest.fixture
def sleep() -> str:
    return unique_sleep(6)


@pytest.mark.parametrize(("its", "others"), [(-60, 0), (0, 60)])
def test_no_reaper_takes_a_running_cell_because_clocks_differ(
    hire: Hire, send: Send, tmp_path: Path, sleep: str, its: int, others: int
) -> None:
    hire("one", **MARGIN, **WrongClock(tmp_path / "one.clock", its).settings)
    handle = send(f"{sleep}; echo whole", "bash", timeout=15)
    wait_until(lambda: runs(sleep), 20, "the job runs")
    hire("two", **MARGIN, **WrongClock(tmp_path / "two.clock", others).settings)
    result = handle.get(timeout=40)
    assert (result["stdout"], result["attempt"]) == ("whole\n", 1)


@pytest.mark.parametrize("step_s", [STEP_S, -STEP_S])
def test_a_job_does_not_notice_that_the_clock_of_its_worker_is_set(
    hire: Hire, send: Send, tmp_path: Path, sleep: str, step_s: int
) -> None:
    clock = WrongClock(tmp_path / "clock")
    hire("one", **MARGIN, **clock.settings)
    handle = send(f"{sleep}; echo whole", "bash", timeout=15)
    wait_until(lambda: runs(sleep), 20, "the job runs")
    clock.set(step_s)
    result = handle.get(timeout=40)
    assert (result["stdout"], result["attempt"]) == ("whole\n", 1)
    assert 6 <= result["duration"] < 15


@pytest.mark.parametrize("step_s", [STEP_S, -STEP_S])
def test_cells_before_and_after_a_step_of_the_engines_clock_run_to_their_end(
    hire: Hire, send: Send, link: StallingProxy, sleep: str, step_s: int
) -> None:
    """A second worker's reaper, which looks every two seconds, must not remove the cells either."""
    hire("one", **MARGIN, CELLBLOCK_DOCKER_HOST=link.url)
    before = send(f"{sleep}; echo whole", "bash", timeout=15)
    wait_until(lambda: runs(sleep), 20, "the job runs")
    link.clock_off_s = step_s
    hire("two", **MARGIN, CELLBLOCK_DOCKER_HOST=link.url)
    after = send(f"sleep 5; {sleep}; echo whole", "bash", timeout=20)
    results = [handle.get(timeout=60) for handle in (before, after)]
    assert [(result["stdout"], result["attempt"]) for result in results] == [("whole\n", 1)] * 2
