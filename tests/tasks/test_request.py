"""Celery's time limits are computed from the job itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kombu import Message

from config import ladder, load_settings
from tasks import app, run_sandboxed
from tasks.request import JobRequest, _bounded_eta

HEADERS: dict[str, Any] = {
    "lang": "py",
    "task": run_sandboxed.name,
    "id": "1",
    "timelimit": [99_999, 99_999],
    "retries": 0,
}


def limits_of(*args: object, **kwargs: object) -> tuple[float, float]:
    """The hard and the soft limit of a job whose message has arrived."""
    body = json.dumps([args, kwargs, {}])
    message = Message(
        body=body, content_type="application/json", content_encoding="utf-8", headers=HEADERS, properties={}
    )
    message.accept = {"application/json"}
    message.delivery_info = {}
    request = JobRequest(message, app=app, task=app.tasks[run_sandboxed.name], hostname="w@h")
    limits: Any = request.time_limits
    hard, soft = limits
    return hard, soft


def test_the_limits_follow_the_job_and_not_its_publisher() -> None:
    rungs = ladder(5, 2, load_settings().engine_margin)
    assert limits_of("true", timeout=5, grace=2) == (rungs.hard_s, rungs.soft_s)


def test_a_job_with_no_timeout_gets_the_operators() -> None:
    rungs = ladder(30, 1, load_settings().engine_margin)
    assert limits_of("true") == (rungs.hard_s, rungs.soft_s)


def test_the_operators_settings_move_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_ENGINE_MARGIN", "3")
    monkeypatch.setenv("CELLBLOCK_SILENCE", "1")
    assert limits_of("true", timeout=5, grace=1) == (12, 9)


@pytest.mark.parametrize(
    "request_",
    [
        {"runtime": "cobol"},
        {"timeout": "soon"},
        {"timeout": 10**400},
        {"cmd": 5},
        {"nonsense": 1},
        {"cmd": None},
    ],
)
def test_a_message_that_is_no_job_gets_the_limits_of_the_longest(request_: dict[str, object]) -> None:
    longest = load_settings().longest
    assert limits_of(**({"cmd": "true"} | request_)) == (longest.hard_s, longest.soft_s)


def test_a_message_with_no_arguments_gets_the_limits_of_the_longest() -> None:
    assert limits_of()[0] == load_settings().longest.hard_s


def test_soft_is_below_hard_for_the_shortest_job() -> None:
    hard, soft = limits_of("true", timeout=0.001, grace=0)
    assert soft < hard


@pytest.mark.parametrize(
    ("asked_s", "retries", "waits_s"),
    [
        *[(1.2, 1, 1.2), (300, 1, 1.5), (300, 2, 3.0), (-300, 1, -300), (300, 0, 300), (300, None, 300)],
        # From the 14th retry on, the wait is not limited.
        *[(20_000, 13, 6144), (20_000, 14, 20_000)],
    ],
)
def test_a_retry_waits_no_longer_than_it_can_have_meant_whatever_clock_it_was_asked_by(
    asked_s: float, retries: object, waits_s: float
) -> None:
    now = datetime.now(UTC)
    due = _bounded_eta(now + timedelta(seconds=asked_s), retries)
    assert due is not None
    assert (due - now).total_seconds() == pytest.approx(waits_s, abs=0.2)
