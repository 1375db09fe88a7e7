"""What an attempt stores by itself, and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from celery.app.task import Context

from tasks import run_sandboxed
from tasks.results.outcome import outcome_of

REQUEST = Context(id="job")


@pytest.fixture(autouse=True)
def backend(results: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(results, "expires", 100)
    monkeypatch.setattr(results, "failure_expires", 200)
    return results


@pytest.mark.parametrize(("result", "kept_s"), [({}, 100), (ValueError("x"), 200)])
def test_a_result_and_an_error_are_kept_as_long_as_celery_would_keep_them(result: Any, kept_s: int) -> None:
    outcome = outcome_of(run_sandboxed, REQUEST, result)
    assert outcome is not None
    assert outcome.kept_s == kept_s


def test_a_result_that_redis_can_not_hold_is_left_to_celery_which_says_so(backend: Any) -> None:
    outcome = outcome_of(run_sandboxed, REQUEST, {"stdout": "x" * 100})
    assert outcome is not None
    backend._MAX_STR_VALUE_SIZE = len(outcome.payload)
    assert outcome_of(run_sandboxed, REQUEST, {"stdout": "x" * 100}) is not None
    backend._MAX_STR_VALUE_SIZE -= 1
    assert outcome_of(run_sandboxed, REQUEST, {"stdout": "x" * 100}) is None
