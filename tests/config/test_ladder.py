"""The ladder of time limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from config import ladder, load_settings

timeouts = st.floats(0.001, 1e6)
graces = st.floats(0, 1e4)
margins = st.floats(0.01, 1e4)


@given(timeouts, graces, margins)
def test_soft_is_always_below_hard(timeout_s: float, grace_s: float, margin_s: float) -> None:
    rungs = ladder(timeout_s, grace_s, margin_s)
    assert rungs.soft_s < rungs.hard_s


@given(timeouts, graces, margins)
def test_each_rung_comes_after_the_one_before(timeout_s: float, grace_s: float, margin_s: float) -> None:
    rungs = ladder(timeout_s, grace_s, margin_s)
    assert rungs.terminate_s <= rungs.kill_s < rungs.soft_s < rungs.hard_s < rungs.reap_s


def test_the_cell_acts_at_the_timeout_and_a_grace_later() -> None:
    rungs = ladder(30, 1, 15)
    assert (rungs.terminate_s, rungs.kill_s, rungs.soft_s, rungs.hard_s, rungs.reap_s) == (30, 31, 46, 61, 76)


@given(timeouts, timeouts, graces, margins)
def test_no_job_has_longer_limits_than_the_longest(
    one: float, two: float, grace_s: float, margin_s: float
) -> None:
    shorter, longer = sorted((one, two))
    assert ladder(shorter, grace_s, margin_s).hard_s <= ladder(longer, grace_s, margin_s).hard_s


def test_the_longest_ladder_holds_two_stages_of_the_longest_job() -> None:
    settings = load_settings(max_timeout=100, max_grace=10, engine_margin=5)
    assert settings.longest == ladder(100 + 10 + 2 * 5 + 100, 10, 5)
