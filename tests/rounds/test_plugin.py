"""Which tests depend on a clock."""

from __future__ import annotations

import time

from tests.rounds.plugin import reads_clock
from tests.waiting import becomes


def measures() -> None:
    assert time.monotonic() > 0


def says_that_nothing_happens() -> None:
    assert not becomes(lambda: False, 0.01)


def counts() -> None:
    assert 1 + 1 == 2


def test_a_test_that_measures_or_says_that_nothing_happens_depends_on_a_clock() -> None:
    found = [test for test in (measures, says_that_nothing_happens, counts) if reads_clock(test)]
    assert found == [measures, says_that_nothing_happens]
