"""What a worker's main process knows of a job before a process of the pool has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox import InvalidJob
from tasks.outline import Outline, _outline
from tests.tasks.loops import QUEUE, looped, message
from tests.tasks.requests import request_of

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_request_that_is_right_has_a_job_and_one_that_is_wrong_a_refusal() -> None:
    right, wrong = Outline((("true", "bash"), {}), {}), Outline((("true", "no-such"), {}), {})
    assert (right.job is not None, right.refusal) == (True, None)
    assert (wrong.job, type(wrong.refusal)) == (None, InvalidJob)


def test_a_message_comes_with_what_was_read_of_its_job_while_redis_recorded_it(
    broker_url: str, database: Any
) -> None:
    with looped(broker_url, QUEUE) as one:
        one.turn_once()
        database.lpush(QUEUE, message("first"))
        one.turn(lambda: one.messages, "it has come")
        job = one.messages[0].outline.job
        assert job.argv[-1] == "first"
        one.messages[0].ack()


def test_a_request_reads_no_job_whose_message_brings_it(make_unreadable: Callable[[], None]) -> None:
    outline = Outline((("true", "bash"), {"timeout": 3}), {})
    limits = request_of("a", timeout=3).time_limits
    make_unreadable()
    assert request_of("b", timeout=7, outline=outline).time_limits == limits


def test_of_the_runs_of_a_job_only_their_limits_are_read() -> None:
    outline = _outline({"cmd": "true", "runs": [{"stdin": "secret", "timeout": 3}, "no run"]})
    assert outline["runs"] == [{"timeout": 3}, "no run"]


@pytest.fixture
def make_unreadable(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def refuse(**_: object) -> None:
        raise InvalidJob("read again")

    return lambda: monkeypatch.setattr("tasks.outline.parse_job", refuse)
