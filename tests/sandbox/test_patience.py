"""How much of a time for several waits is left."""

from __future__ import annotations

import pytest

from sandbox import patience as under_test
from sandbox.patience import Patience
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(under_test, "time", clock)
    return clock


def wait(patience: Patience, clock: Clock, seconds: float) -> float:
    """Wait so long, and return how long the wait might have been."""
    with patience.spent() as left_s:
        clock.now_s += seconds
    return left_s


def test_waits_count_together_and_what_is_done_in_between_does_not(clock: Clock) -> None:
    patience = Patience(10)
    first_s = wait(patience, clock, 3)
    clock.now_s += 100
    assert (first_s, wait(patience, clock, 3), patience.left_s) == (10, 7, 4)


def test_a_wait_that_took_too_long_leaves_no_time_for_another(clock: Clock) -> None:
    patience = Patience(10)
    wait(patience, clock, 12)
    assert wait(patience, clock, 0) == 0
