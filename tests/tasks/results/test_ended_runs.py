"""The notes of a job's runs that have ended, with a real Redis."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import redis

from sandbox import Status
from sandbox.result import RunResult
from tasks.results.ended_runs import EndedRuns, ended_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDED = RunResult(name="1", status=Status.FAILED, exit_code=3)


@pytest.fixture
def database(broker_url: str) -> Iterator[redis.Redis]:
    """A client that gives bytes, as that of the results does."""
    with redis.Redis.from_url(broker_url) as client:
        yield client
        client.flushdb()


def test_a_run_that_is_noted_is_read_back_as_it_was(database: redis.Redis) -> None:
    EndedRuns(database, "job", 60).run_ended(4, ENDED)

    assert ended_runs(database, "job") == {4: ENDED}
    assert database.ttl("cellblock.runs:job") in range(1, 61)


@pytest.mark.parametrize(
    "note", ["{", "[]", "{}", json.dumps(ENDED.to_dict() | {"newer": 1}), '{"status": "x"}']
)
def test_a_note_that_can_not_be_read_is_left_out(database: redis.Redis, note: str) -> None:
    EndedRuns(database, "job", 60).run_ended(0, ENDED)
    database.hset("cellblock.runs:job", mapping={"1": note, "x": "1"})

    assert ended_runs(database, "job") == {0: ENDED}
