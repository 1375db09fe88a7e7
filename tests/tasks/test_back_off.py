"""How long a job waits before it is tried again."""

from __future__ import annotations

import random

import pytest

from tasks.back_off import back_off_s, longest_back_off_s


@pytest.mark.parametrize(("retries", "least_s"), [(0, 1), (1, 2), (2, 4), (5, 32)])
def test_each_wait_is_twice_the_one_before_and_up_to_half_of_it_more(retries: int, least_s: float) -> None:
    waits = [back_off_s(retries) for _ in range(300)]
    assert least_s <= min(waits) < 1.1 * least_s
    assert 1.4 * least_s < max(waits) <= longest_back_off_s(retries) == 1.5 * least_s


def test_workers_do_not_march_in_step() -> None:
    random.seed(1)
    assert len({back_off_s(3) for _ in range(10)}) == 10
