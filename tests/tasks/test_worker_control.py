"""Revoking and cancelling: what an app writes for the holder of the job, and what a worker then does."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from celery.app.control import Control as Celerys

from sandbox import BrokerUnreachable
from tasks import app, cancel, worker_control
from tasks.app_control import Control
from tasks.lease import Lease
from tasks.results import worker_backend
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS, WAITS = "runs", "waits"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """The list of revoke commands that Celery sends to the workers."""
    told: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(Celerys, "revoke", lambda _, ids, **options: told.append((ids, options)))
    return told


def wishes(results: Any) -> list[str]:
    keys = (key.decode() for key in results.client.scan_iter("cellblock.cancel:*"))
    return sorted(key.removeprefix("cellblock.cancel:") for key in keys)


@pytest.mark.parametrize(
    ("ids", "options", "left"),
    [
        ("one", {"terminate": True}, ["one"]),
        (["one", "two"], {"terminate": True}, ["one", "two"]),
        ("one", {"terminate": False}, []),
        ("one", {}, []),
        ([], {"terminate": True}, []),
    ],
)
def test_a_wish_is_left_where_the_job_is_to_be_cancelled_and_the_workers_are_told(
    results: Any, told: list[Any], ids: Any, options: dict[str, bool], left: list[str]
) -> None:
    Control(app).revoke(ids, **options)
    assert (wishes(results), told) == (left, [(ids, options)])


def test_the_workers_are_told_where_no_wish_can_be_left(
    told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_backend, "result_redis", lambda: None)
    Control(app).revoke("one", terminate=True)
    assert told == [("one", {"terminate": True})]
    with pytest.raises(BrokerUnreachable, match="set CELLBLOCK_RESULT_BACKEND"):
        cancel("one")


def test_our_app_revokes_so() -> None:
    assert isinstance(app.control, Control)


def test_a_job_is_cancelled_by_a_wish(results: Any) -> None:
    cancel("one")
    assert wishes(results) == ["one"]


@pytest.fixture
def flagged(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The list of calls in which Celery marks tasks as revoked."""
    flagged: list[Any] = []
    monkeypatch.setattr(
        worker_control, "_revoke", lambda state, ids, **options: flagged.append((state, ids, options))
    )
    return flagged


@pytest.fixture
def running(results: Any) -> Iterator[Lease]:
    """The lease of a job that runs."""
    lease = Lease(results.brisk_client, RUNS, "w@h")
    lease.acquire()
    yield lease
    lease.release(done=True)


@pytest.mark.parametrize("terminate", [True, False])
def test_what_runs_anywhere_is_told_to_end_and_what_waits_is_flagged(
    results: Any, running: Lease, flagged: list[Any], caplog: pytest.LogCaptureFixture, terminate: bool
) -> None:
    with caplog.at_level(logging.INFO):
        answer = worker_control.revoke("state", [RUNS, WAITS], terminate, "TERM", reply=True)
        wait_until(lambda: flagged, 5, "it is carried out")
    asked = {RUNS, WAITS}
    assert answer == {"ok": f"tasks {asked} flagged as revoked"}
    assert flagged == [("state", [WAITS], {"terminate": terminate, "signal": "TERM", "reply": True})]
    assert wishes(results) == ([RUNS] if terminate else [])
    assert ("Cancelling runs" in caplog.text) is terminate


def test_one_id_and_none_are_as_good_as_a_list(results: Any, flagged: list[Any]) -> None:
    for ids in (WAITS, None):
        worker_control.revoke("state", ids)
    wait_until(lambda: len(flagged) == 2, 5, "both are carried out")
    assert [ids for _, ids, _ in flagged] == [[WAITS], []]


def test_where_results_go_to_no_redis_everything_is_flagged(
    monkeypatch: pytest.MonkeyPatch, flagged: list[Any]
) -> None:
    monkeypatch.setattr(worker_control, "result_redis", lambda: None)
    worker_control._carry_out("state", {RUNS}, True, None, {})
    assert [ids for _, ids, _ in flagged] == [[RUNS]]


def test_the_event_loop_waits_for_none_of_it(monkeypatch: pytest.MonkeyPatch, flagged: list[Any]) -> None:
    answers = threading.Event()
    monkeypatch.setattr(worker_control, "result_redis", lambda: answers.wait(5) and None)
    worker_control.revoke("state", [RUNS])
    assert flagged == []
    answers.set()
    wait_until(lambda: flagged, 5, "it is carried out")
