"""What a worker's main process does for a job whose pool process died or hung, with a real Redis."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import redis

from sandbox import Abandoned, CommandFailed, EngineUnreachable, NoLiveOutput, Status, meter
from sandbox import remover as of_sandbox
from sandbox.result import RunResult
from tasks import hard_timeout
from tasks.hard_timeout import abandoned, cancel, forget_lease, time_out
from tasks.lease import Lease, is_leased
from tasks.live.entry import STDERR, STDOUT, Piece, key_of
from tasks.results import so_far
from tasks.results.ended_runs import EndedRuns
from tasks.settings import this_settings
from tests.tasks.requests import request_of
from tests.waiting import wait_until

JOB = "the-job"


@pytest.fixture
def client(results: Any) -> redis.Redis:
    client: redis.Redis = results.brisk_client
    return client


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """The list of measurements during the test: the name and the labels of each."""
    counted: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(meter, "report", lambda told: counted.extend((one[0], one[2]) for one in told))
    monkeypatch.setattr(meter, "_collector", object())
    return counted


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The list of the cells that the engine was asked to remove. No removal fails."""
    removed: list[str] = []
    monkeypatch.setattr(of_sandbox, "remove_cell", lambda _, name: removed.append(name))
    return removed


def leased(client: redis.Redis, cell: str = "") -> Lease:
    """The lease of a process of this worker that has died."""
    lease = Lease(client, JOB, "w@h")
    lease.acquire()
    lease.cell = cell
    lease.renew()
    return lease


def a_request(**about: Any) -> Any:
    request = request_of(JOB, "true", "bash", **about)
    request.worker_pid = os.getpid()
    return request


def stored(results: Any) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads(results.get(results.get_key_for_task(JOB)) or "{}")
    return meta


def wrote(client: redis.Redis, *pieces: Piece) -> None:
    for piece in pieces:
        client.xadd(key_of(JOB), piece.fields())
    client.expire(key_of(JOB), 60)


@pytest.mark.parametrize(("out_lost", "err_lost"), [(5, 0), (0, 4)])
def test_a_job_that_could_not_be_stopped_has_timed_out_and_keeps_its_output(
    results: Any, client: redis.Redis, removed: list[str], out_lost: int, err_lost: int
) -> None:
    leased(client, "a-cell")
    wrote(client, Piece(STDOUT, 1.0, out_lost, b"late\xff"), Piece(STDERR, 1.0, err_lost, b"why"))
    time_out(a_request(headers={"retries": 2}), "bash", 12.3456789)
    answer = stored(results)["result"]
    expected = {
        "status": "timed_out",
        "runtime": "bash",
        "engine": "docker",
        "worker": "w@h",
        "attempt": 3,
        "container": "a-cell",
        "duration": 12.345679,
        "stdout": "late\ufffd",
        "stdout_bytes": 5 + out_lost,
        "stdout_truncated": out_lost > 0,
        "stderr": "why",
        "stderr_bytes": 3 + err_lost,
        "stderr_truncated": err_lost > 0,
    }
    assert {name: answer[name] for name in expected} == expected
    wait_until(lambda: removed, 5, "its cell is removed")
    assert (removed, is_leased(client, JOB)) == (["a-cell"], False)


def test_its_end_is_counted_and_told_once(
    results: Any, removed: list[str], counted: list[tuple[str, dict[str, str]]]
) -> None:
    request = a_request()
    time_out(request, "bash", 1.0)
    assert ("cellblock_jobs_total", {"runtime": "bash", "status": "timed_out", "warm": "false"}) in counted
    assert request.watch.events == [("task-succeeded", {"uuid": JOB, "result": "timed_out", "runtime": 1.0})]
    assert removed == []


def test_a_job_with_check_has_failed_and_tells_all_the_same(results: Any, removed: list[str]) -> None:
    request = a_request(check=True)
    time_out(request, "bash", 1.0)
    meta = stored(results)
    assert (meta["status"], meta["result"]["exc_type"]) == ("FAILURE", CommandFailed.__name__)
    assert meta["result"]["exc_message"][0] == "The command timed out."
    assert meta["result"]["exc_message"][1]["status"] == "timed_out"
    assert [kind for kind, _ in request.watch.events] == ["task-failed"]


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "REVOKED"])
def test_a_result_that_is_stored_stays_as_it_is_and_is_not_counted_again(
    results: Any,
    client: redis.Redis,
    removed: list[str],
    counted: list[tuple[str, dict[str, str]]],
    state: str,
) -> None:
    leased(client)
    meta = {"status": state, "result": {"exc_type": "E", "exc_message": ["m"], "exc_module": "builtins"}}
    client.set(results.get_key_for_task(JOB), json.dumps(meta), ex=60)
    request = a_request()
    time_out(request, "bash", 1.0)
    assert (stored(results), request.watch.events, counted) == (meta, [], [])
    assert not is_leased(client, JOB)


def test_on_the_host_no_engine_is_asked(
    results: Any, client: redis.Redis, removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENABLE_DOCKER", "false")
    this_settings.cache_clear()
    leased(client, "a-cell")
    time_out(a_request(), "bash", 1.0)
    assert (stored(results)["result"]["engine"], removed) == ("host", [])


@pytest.mark.parametrize(
    ("error", "leaks"), [(EngineUnreachable("It hangs."), 1), (RuntimeError("never seen before"), 0)]
)
def test_a_cell_that_cannot_be_removed_is_left_to_the_reaper_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    counted: list[tuple[str, dict[str, str]]],
    error: Exception,
    leaks: int,
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(of_sandbox, "remove_cell", refuse)
    hard_timeout._remove("a-cell")
    assert "The cell a-cell is left to the reaper" in caplog.text
    assert [name for name, _ in counted].count("cellblock_leaks_total") == leaks


def test_the_lease_of_a_process_is_dropped_where_there_is_one(results: Any, client: redis.Redis) -> None:
    lease = leased(client)
    request = a_request()
    request.worker_pid = None
    forget_lease(request)
    assert is_leased(client, JOB)
    request.worker_pid = os.getpid()
    forget_lease(request)
    assert (is_leased(client, JOB), lease.acquire(), lease.begun) == (False, "granted", 1)


def test_a_job_is_cancelled_through_the_redis_of_the_results_or_not_at_all(
    results: Any, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (cancel(JOB), client.exists(f"cellblock.cancel:{JOB}")) == (True, 1)
    monkeypatch.setattr(hard_timeout, "result_redis", lambda: None)
    assert cancel(JOB) is False
    forget_lease(a_request())
    assert hard_timeout._cell_of(JOB) is None


def test_whoever_gives_up_says_how_often_it_was_tried() -> None:
    error = abandoned(4).exception
    error = getattr(error, "exc", error)
    assert isinstance(error, Abandoned)
    assert str(error).startswith("The job was begun 4 times")


@pytest.mark.parametrize(
    ("error", "words"),
    [(NoLiveOutput("none"), ""), (redis.ResponseError("WRONGTYPE secret"), "ResponseError")],
)
def test_an_output_that_cannot_be_told_is_empty(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, words: str
) -> None:
    def refuse(_: str) -> None:
        raise error

    monkeypatch.setattr(so_far, "heard_so_far", refuse)
    assert so_far._heard(JOB) == (b"", b"", 0, 0)
    assert words in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.usefixtures("results")
def test_the_runs_that_had_ended_are_in_the_result_of_a_job_that_can_not_report(client: redis.Redis) -> None:
    ended = RunResult(name="2", status=Status.FAILED, exit_code=3)
    EndedRuns(client, JOB, 60).run_ended(1, ended)
    assert so_far._ended(JOB) == [ended]
