"""A well-behaved job beside a bomb, on one worker that runs two at a time."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import pytest

from benchmarks.caller import Caller
from benchmarks.neighbour import BOMBS, NEIGHBOUR, exploding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs import Worker

pytestmark = pytest.mark.engine

JOBS = 7


@pytest.fixture(scope="module")
def caller(worker: Worker) -> Iterator[Caller]:
    made = Caller(worker.broker_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def alone_s(caller: Caller) -> float:
    """The median, once the worker has got going."""
    middle_s(caller, 3)
    return middle_s(caller, JOBS)


def middle_s(caller: Caller, jobs: int) -> float:
    """The median of so many jobs, one after the other; any that does not succeed is an error."""
    return statistics.median(caller.run(*NEIGHBOUR).seconds for _ in range(jobs))


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_job_takes_three_times_as_long_at_most_beside_a_bomb_of(
    worker: Worker, caller: Caller, alone_s: float, bomb: str
) -> None:
    with exploding(worker.broker_url, bomb, each_s=1.5) as endings:
        beside_s = middle_s(caller, JOBS)

    assert beside_s < 3 * alone_s
    assert set(endings) <= {"timed_out", "out_of_memory", "output_limit"}
