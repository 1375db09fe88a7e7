"""The notes of a job's runs that have ended, with a real Redis."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox import Status
from sandbox.result import RunResult
from tasks.results.ended_runs import EndedRuns, ended_runs
from tests.programs import free_port

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


def test_notes_that_are_no_longer_needed_are_deleted_at_once(database: redis.Redis) -> None:
    notes = EndedRuns(database, "job", 60)
    notes.run_ended(0, ENDED)
    notes.forget()

    assert not database.exists("cellblock.runs:job")


def test_without_redis_the_runs_go_on_and_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "cellblock")
    with redis.Redis(port=free_port(), retry=Retry(NoBackoff(), 0)) as away:
        notes = EndedRuns(away, "job", 60)
        notes.run_ended(0, ENDED)
        assert notes.ended_runs() == {}
        notes.forget()

    assert caplog.messages == [
        "A run that has ended could not be noted: ConnectionError",
        "The runs that have ended could not be read: ConnectionError",
        "The notes of a job's runs are left to expire: ConnectionError",
    ]


def test_runs_are_read_back_in_their_order(database: redis.Redis) -> None:
    notes = EndedRuns(database, "job", 60)
    for run in (2, 10, 1):
        notes.run_ended(run, ENDED)

    assert list(notes.ended_runs()) == [1, 2, 10]
