"""When the worker looks at what a job has used of its CPU time, and what it does then."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sandbox import Status
from sandbox.cpu_watch import CpuWatch
from sandbox.errors import EngineFailed
from sandbox.events import Ended, Event, Started, Usage
from sandbox.observer import Observer
from sandbox.result import Limit
from sandbox.verdict import judge
from sandbox.watch import Watch
from tests.clock import Clock
from tests.sandbox.told import TimedCell, ToldCell

if TYPE_CHECKING:
    from sandbox import Job
    from tests.sandbox.conftest import Parse

SECOND = 10**9
CORES = os.cpu_count() or 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of everybody who follows a job."""
    clock = Clock()
    for module in ("cpu_watch", "watch", "deadline"):
        monkeypatch.setattr(f"sandbox.{module}.time", clock)
    return clock


@pytest.fixture
def job(parse: Parse) -> Job:
    """A job with a second of CPU time, which no more cores may use than the host has."""
    return parse(cpu_time=1, cpus=1)


def watch_of(job: Job, *used_ns: int | None) -> CpuWatch:
    cell = ToldCell()
    cell.used_ns = list(used_ns)
    watch = CpuWatch(cell, job.limits)
    watch.start()
    return watch


def test_it_looks_when_all_cores_together_can_have_used_up_the_time(job: Job, clock: Clock) -> None:
    assert watch_of(job).left_s == pytest.approx(1 / CORES)


def test_before_that_it_does_not_look(job: Job, clock: Clock) -> None:
    watch = watch_of(job)
    clock.sleep(0.9 / CORES)

    assert not watch.is_spent()


def test_after_a_look_it_waits_for_what_is_left(job: Job, clock: Clock) -> None:
    watch = watch_of(job, SECOND // 2)
    clock.sleep(1 / CORES)

    assert not watch.is_spent()
    assert watch.left_s == pytest.approx(0.5 / CORES)


@pytest.mark.parametrize(("used_ns", "spent"), [(SECOND - 1, False), (SECOND, True), (2 * SECOND, True)])
def test_the_time_is_spent_once_all_of_it_is_used(job: Job, clock: Clock, used_ns: int, spent: bool) -> None:
    watch = watch_of(job, used_ns)
    clock.sleep(1)

    assert watch.is_spent() is spent


def test_looks_are_never_closer_than_four_milliseconds(job: Job, clock: Clock) -> None:
    watch = watch_of(job, SECOND - 1)
    clock.sleep(1)
    watch.is_spent()

    assert watch.left_s == pytest.approx(0.004)


def test_a_job_without_such_a_limit_is_never_looked_at(parse: Parse, clock: Clock) -> None:
    watch = watch_of(parse())
    clock.sleep(1e6)

    assert not watch.is_spent()


def test_a_cell_that_nobody_outside_can_read_is_told_to_look_itself(job: Job, clock: Clock) -> None:
    cell = ToldCell()
    cell.used_ns = [None]
    watch = CpuWatch(cell, job.limits)
    watch.start()
    clock.sleep(1)

    assert (watch.is_spent(), cell.cpu_bounds_ns) == (False, [SECOND])
    assert watch.left_s == pytest.approx(0.02)


def test_a_limit_that_nobody_can_watch_is_the_engines_failure(job: Job, clock: Clock) -> None:
    class Blind(ToldCell):
        def bound_cpu(self, limit_ns: int) -> bool:
            return False

    cell = Blind()
    cell.used_ns = [None]
    watch = CpuWatch(cell, job.limits)
    watch.start()
    clock.sleep(1)

    with pytest.raises(EngineFailed, match="can't be read"):
        watch.is_spent()


def test_a_job_that_has_spent_its_time_is_killed_and_its_result_names_the_limit(
    job: Job, clock: Clock
) -> None:
    cell = TimedCell(clock, 0, (0, [Started()]), (1.0, []), (0, [Ended(137, Usage(), by_signal=True)]))
    cell.used_ns = [SECOND]
    watch = Watch(cell, job, 5, Observer())
    watch.until_started()
    verdict = judge(watch.until_ended(), job)

    assert cell.kills == 1
    assert (verdict.status, verdict.limit) == (Status.TIMED_OUT, Limit.CPU_TIME)


def test_the_worker_waits_for_output_no_longer_than_until_the_next_look(job: Job, clock: Clock) -> None:
    waits_s = []

    class Noting(TimedCell):
        def poll(self, timeout_s: float) -> list[Event]:
            waits_s.append(timeout_s)
            return super().poll(timeout_s)

    watch = Watch(Noting(clock, 0, (0, [Started()]), (0, [Ended(0, Usage())])), job, 5, Observer())
    watch.until_started()
    watch.until_ended()

    assert waits_s[1] == pytest.approx(1 / CORES)


def test_a_job_that_ends_beyond_its_time_before_anybody_looks_has_timed_out(job: Job, clock: Clock) -> None:
    cell = TimedCell(clock, 0, (0, [Started()]), (0.1, [Ended(0, Usage(cpu_ns=SECOND))]))
    watch = Watch(cell, job, 5, Observer())
    watch.until_started()
    verdict = judge(watch.until_ended(), job)

    assert (verdict.status, verdict.limit, verdict.exit_code) == (Status.TIMED_OUT, Limit.CPU_TIME, 0)
