"""An ordinary job next to a bomb, on one worker that runs two jobs at a time."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import pytest

from benchmarks.caller import Caller
from benchmarks.neighbour import BOMBS, NEIGHBOUR, exploding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs import Worker

pytestmark = [pytest.mark.engine, pytest.mark.alone]

JOBS = 4
ROUNDS = 2


@pytest.fixture(scope="module")
def caller(worker: Worker) -> Iterator[Caller]:
    made = Caller(worker.broker_url)
    yield made
    made.close()


def seconds(caller: Caller) -> list[float]:
    """The seconds of a few jobs, one after another. An unsuccessful job is an error."""
    return [caller.run(*NEIGHBOUR).seconds for _ in range(JOBS)]


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_job_takes_three_times_as_long_at_most_beside_a_bomb_of(
    worker: Worker, caller: Caller, bomb: str
) -> None:
    alone, beside, ends = list[float](), list[float](), set[str]()
    for _ in range(ROUNDS):
        alone += seconds(caller)
        with exploding(worker.broker_url, bomb, each_s=2) as endings:
            beside += seconds(caller)
        ends |= set(endings)

    assert statistics.median(beside) < 3 * statistics.median(alone)
    assert ends <= {"timed_out", "out_of_memory", "output_limit"}
