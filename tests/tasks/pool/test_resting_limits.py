"""A job's time limits count while it has its cell, and pause while it waits for a lease or for Redis."""

from __future__ import annotations

import pytest
from billiard import pool
from celery.exceptions import SoftTimeLimitExceeded

from tasks.pool import resting_limits as under_test
from tasks.pool.resting_limits import RESUME, SUSPEND, Limits
from tests.clock import Clock

SOFT_S = 20.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(under_test, "time", clock)
    return clock


@pytest.fixture
def told() -> list[int]:
    return []


@pytest.fixture
def limits(clock: Clock, told: list[int]) -> Limits:
    """The limits of a process that has just accepted a job."""
    limits = Limits()
    limits.attach(lambda message: told.append(message[0]))
    limits.accepted(7)
    return limits


def test_the_soft_limit_strikes_a_job_that_has_its_cell(limits: Limits, clock: Clock) -> None:
    with limits.running(SOFT_S):
        clock.now_s += SOFT_S
        with pytest.raises(SoftTimeLimitExceeded):
            limits.strike()


def test_a_soft_limit_that_was_due_while_the_job_waited_does_not_strike_its_cell(
    limits: Limits, clock: Clock
) -> None:
    limits.suspend()
    clock.now_s += 3 * SOFT_S
    with limits.running(SOFT_S):
        limits.strike()


def test_no_soft_limit_strikes_a_job_whose_result_is_being_stored(limits: Limits, clock: Clock) -> None:
    with limits.running(SOFT_S):
        pass
    clock.now_s += 3 * SOFT_S
    limits.strike()


def test_the_parent_is_told_when_they_rest_and_when_they_count_again(limits: Limits, told: list[int]) -> None:
    limits.suspend()
    limits.suspend()
    with limits.running(SOFT_S):
        pass
    limits.suspend()
    assert told == [SUSPEND, RESUME, SUSPEND]


def test_the_parent_is_told_nothing_of_a_job_that_neither_waits_nor_takes_long_to_store(
    limits: Limits, told: list[int]
) -> None:
    with limits.running(SOFT_S):
        pass
    assert told == []


def test_the_limits_of_a_job_that_runs_again_start_anew(
    limits: Limits, clock: Clock, told: list[int]
) -> None:
    with limits.running(SOFT_S):
        clock.now_s += SOFT_S
    with limits.running(SOFT_S):
        limits.strike()
    assert told == [SUSPEND, RESUME]


def test_the_limits_of_any_other_task_strike_as_celery_wants_it(limits: Limits) -> None:
    with pytest.raises(SoftTimeLimitExceeded):
        limits.strike()


@pytest.mark.parametrize(
    ("has_waited", "counted_s"),
    [(False, 5.0), (True, 0.0)],
    ids=["when the parent knows of the job", "the cell, where the job has waited"],
)
def test_the_soft_limit_counts_from(limits: Limits, clock: Clock, has_waited: bool, counted_s: float) -> None:
    if has_waited:
        limits.suspend()
    clock.now_s += 5
    with limits.running(SOFT_S):
        clock.now_s += SOFT_S - counted_s - 0.6
        limits.strike()
        clock.now_s += 0.2
        with pytest.raises(SoftTimeLimitExceeded):
            limits.strike()


def test_the_next_job_of_a_process_is_its_own(limits: Limits, told: list[int]) -> None:
    limits.suspend()
    limits.accepted(8)
    with pytest.raises(SoftTimeLimitExceeded):
        limits.strike()
    limits.suspend()
    assert told == [SUSPEND, SUSPEND]


def test_a_job_does_not_begin_with_what_the_one_before_it_has_spent(limits: Limits, told: list[int]) -> None:
    with limits.running(SOFT_S):
        pass
    limits.accepted(8)
    with limits.running(SOFT_S):
        pass
    assert told == []


def test_the_parent_is_told_whose_limits_rest_in_words_that_are_none_of_billiards(clock: Clock) -> None:
    said: list[object] = []
    limits = Limits()
    limits.attach(said.append)
    limits.suspend()
    assert said == []
    limits.accepted(7)
    limits.suspend()
    assert said == [(SUSPEND, (7,))]
    assert not {SUSPEND, RESUME} & {pool.ACK, pool.READY, pool.TASK, pool.NACK, pool.DEATH}
    assert SUSPEND != RESUME


def test_nobody_is_told_where_there_is_no_parent(clock: Clock) -> None:
    limits = Limits()
    limits.accepted(7)
    with limits.running(SOFT_S):
        limits.suspend()


def test_a_job_that_fails_in_its_cell_rests_too(limits: Limits, clock: Clock, told: list[int]) -> None:
    with pytest.raises(ValueError, match="the job"), limits.running(SOFT_S):
        raise ValueError("the job")
    clock.now_s += 3 * SOFT_S
    limits.strike()
    assert told == []


def test_while_contents_are_moved_the_limits_rest_and_then_start_anew(
    limits: Limits, clock: Clock, told: list[int]
) -> None:
    with limits.running(SOFT_S):
        with limits.resting():
            clock.now_s += 3 * SOFT_S
            limits.strike()
        clock.now_s += SOFT_S / 2
        limits.strike()
        clock.now_s += SOFT_S / 2
        with pytest.raises(SoftTimeLimitExceeded):
            limits.strike()
    assert told == [SUSPEND, RESUME]
