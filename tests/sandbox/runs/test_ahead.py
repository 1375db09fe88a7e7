"""Cells that are made while a program is compiled: who gets them, and that none is left."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from sandbox import EngineFailed
from sandbox.cell import JobTags
from sandbox.runs.ahead import CellsAhead
from tests.sandbox.told import ToldCell, ToldEngine
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox import Job
    from tests.sandbox.conftest import Parse


class Failing(ToldEngine):
    """An engine that makes no cell."""

    @contextmanager
    def acquire(self, job: Job, tags: JobTags) -> Iterator[ToldCell]:
        raise EngineFailed("none")
        yield


@pytest.fixture
def job(parse: Parse) -> Job:
    return parse("true", runs=[{}, {"memory": "32m"}, {}], memory="64m")


def cells(count: int) -> list[ToldCell]:
    return [ToldCell() for _ in range(count)]


def test_each_of_the_first_runs_gets_the_cell_that_was_made_for_it(job: Job) -> None:
    made = cells(2)
    engine = ToldEngine(*made)
    with CellsAhead(engine.acquire, job, JobTags(), 2) as ahead:
        wait_until(lambda: len(engine.jobs) == 2, 5, "both are made")
        with ahead.acquire(1, job, JobTags()) as second, ahead.acquire(0, job, JobTags()) as first:
            assert [first, second] == made

    assert [one.limits.memory_bytes >> 20 for one in engine.jobs] == [64, 32]
    assert engine.left == 2


def test_a_run_without_one_gets_a_new_cell(job: Job) -> None:
    (fresh,) = made = cells(1)
    engine = ToldEngine(*made)
    with CellsAhead(engine.acquire, job, JobTags(), 0) as ahead, ahead.acquire(2, job, JobTags()) as cell:
        assert cell is fresh
    assert engine.left == 1


def test_cells_that_no_run_has_taken_are_removed(job: Job) -> None:
    engine = ToldEngine(*cells(3))
    with CellsAhead(engine.acquire, job, JobTags(), 3) as ahead:
        wait_until(lambda: len(engine.jobs) == 3, 5, "all are made")
        with ahead.acquire(0, job, JobTags()):
            """The others are not used."""
    assert engine.left == 3


def test_a_cell_that_could_not_be_made_is_the_failure_of_its_run(job: Job) -> None:
    engine = Failing()
    with (
        CellsAhead(engine.acquire, job, JobTags(), 1) as ahead,
        pytest.raises(EngineFailed),
        ahead.acquire(0, job, JobTags()),
    ):
        """There is no cell."""


def test_its_deadline_leaves_the_time_of_the_compiler(parse: Parse) -> None:
    job = parse(None, files={"a.c": "int main(){}"}, runs=[{"timeout": 2}])
    assert job.runs
    assert job.compile
    compiler_s = job.compile.limits.timeout_s + job.compile.limits.grace_s

    assert job.as_run(job.runs.planned[0]).ladder(15).terminate_s == compiler_s + 2
