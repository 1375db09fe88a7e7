"""A stored result is read as data only, whoever has written it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tasks.results import reader as stored_by
from tasks.results.reader import Failure, Stored, look_up, read_stored, wait_for
from tasks.results.worker_backend import has_result
from tests.clock import Clock

JOB = "the-job"


@pytest.mark.parametrize(
    ("payload", "stored"),
    [
        ('{"status": "SUCCESS", "result": {"a": 1}}', Stored("SUCCESS", {"a": 1})),
        ('{"status": "PENDING"}', Stored("PENDING")),
        ("{", Stored("", is_readable=False)),
        ("[" * 100_000, Stored("", is_readable=False)),
        (b"\xff", Stored("", is_readable=False)),
        ("[]", Stored("", is_readable=False)),
        ('{"status": 5}', Stored("", is_readable=False)),
        (
            '{"status": "FAILURE", "result": {"exc_type": "E", "exc_module": "m", "exc_message": ["a", 2]}}',
            Stored("FAILURE", failure=Failure("E", ["a", 2])),
        ),
        (
            '{"status": "RETRY", "result": {"exc_type": 5, "exc_module": [], "exc_message": "a"}}',
            Stored("RETRY", failure=Failure("an unknown error", ["a"])),
        ),
        (
            '{"status": "REVOKED", "result": 5}',
            Stored("REVOKED", failure=Failure("an unknown error", [None])),
        ),
    ],
)
def test_a_payload_says_what_it_says(payload: str | bytes, stored: Stored) -> None:
    assert read_stored(payload) == stored


@pytest.mark.parametrize(
    ("stored", "is_ready"),
    [
        (Stored("SUCCESS"), True),
        (Stored("FAILURE"), True),
        (Stored("REVOKED"), True),
        (Stored("RETRY"), False),
        (Stored("STARTED"), False),
        (Stored("", is_readable=False), True),
    ],
)
def test_nothing_more_is_to_come_of_what_has_ended_or_makes_no_sense(stored: Stored, is_ready: bool) -> None:
    assert stored.is_ready is is_ready


@pytest.mark.parametrize(
    ("args", "says"), [(["a", "b"], "a"), ([5], "5"), ([], ""), ([["a"]], ""), ([None], "")]
)
def test_a_failure_says_its_first_argument(args: list[Any], says: str) -> None:
    assert Failure("E", args).message == says


def test_nothing_is_stored_of_a_job_that_nobody_knows(results: Any) -> None:
    assert look_up(JOB) is None
    assert wait_for(JOB, within_s=0) is None


def test_a_result_is_had_as_soon_as_it_is_there_and_meanwhile_something_may_be_done(results: Any) -> None:
    looks: list[float] = []

    def meanwhile() -> None:
        looks.append(time.monotonic())
        if len(looks) == 2:
            results.set(results.get_key_for_task(JOB), json.dumps({"status": "STARTED"}))
        if len(looks) == 5:
            results.set(results.get_key_for_task(JOB), json.dumps({"status": "SUCCESS", "result": 5}))

    assert wait_for(JOB, None, meanwhile) == Stored("SUCCESS", 5)
    assert len(looks) == 5


def test_waiting_has_an_end_and_looks_less_and_less_often(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Clock()
    monkeypatch.setattr(stored_by, "time", time)
    assert wait_for(JOB, 3.0) is None
    assert time.slept_s[:3] == pytest.approx([0.02, 0.024, 0.0288])
    assert time.slept_s[-4:] == [0.25] * 4
    assert 3.0 <= sum(time.slept_s) < 3.25


class Chord:
    """A backend that has one result, and counts the parts of chords."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.counted: list[tuple[object, ...]] = []

    def get_task_meta(self, task_id: str, *, cache: bool) -> dict[str, object]:
        assert (task_id, cache) == (JOB, False)
        return {"status": self.state, "result": 5}

    def on_chord_part_return(self, request: Any, *result: object) -> None:
        self.counted.append((request.id, *result))


@pytest.mark.parametrize(
    ("state", "chord", "answer", "counted"),
    [
        ("SUCCESS", True, True, [(JOB, "SUCCESS", 5)]),
        ("FAILURE", True, True, [(JOB, "FAILURE", 5)]),
        ("SUCCESS", False, True, []),
        ("RETRY", True, False, []),
    ],
)
def test_a_chord_counts_the_result_of_its_member_and_nothing_else(
    state: str, chord: bool, answer: bool, counted: list[Any]
) -> None:
    backend = Chord(state)
    request = type("Request", (), {"id": JOB, "chord": chord})
    assert (has_result(backend, request), backend.counted) == (answer, counted)
