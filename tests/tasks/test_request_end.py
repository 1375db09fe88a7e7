"""What a worker's main process does at the end of a job, for each way in which Celery reports it."""

from __future__ import annotations

import gc
import json
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from billiard.einfo import ExceptionInfo
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker import state as of_worker

from sandbox import EngineUnreachable
from sandbox.outage import Outage
from tasks import hard_timeout
from tasks import outline as module
from tasks.engine_gate import EngineAway
from tasks.lease import Lease, is_leased
from tasks.outline import _head, _outline
from tasks.process import process_state
from tasks.request import JobRequest
from tasks.settings import this_settings
from tests.tasks.requests import request_of
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.process import ProcessState

JOB = "the-job"
AWAY = EngineUnreachable("No engine.")


def told(error: BaseException) -> Any:
    """An exception as the pool reports it."""
    try:
        _raise(error)
    except BaseException:  # noqa: BLE001  as a pool does it
        return ExceptionInfo()


def _raise(error: BaseException) -> None:
    raise error


def begun(**about: Any) -> Any:
    """A request that a pool process has started."""
    request = request_of(JOB, **about)
    of_worker.task_accepted(request)
    request.on_accepted(os.getpid(), time.monotonic())
    return request


def is_done(request: Any, *words: str) -> Callable[[], bool]:
    return lambda: request.watch.told == list(words) and request not in of_worker.active_requests


def stored(results: Any) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads(results.get(results.get_key_for_task(JOB)) or "{}")
    return meta


def test_a_hard_limit_that_is_told_twice_ends_the_job_once_as_timed_out(
    results: Any, caplog: pytest.LogCaptureFixture
) -> None:
    request = begun(headers={"retries": 1})
    request.begun = time.monotonic() - 7
    request.on_timeout(soft=False, timeout=5)
    request.on_failure(told(TimeLimitExceeded(5)))
    wait_until(is_done(request, "acknowledged"), 5, "it is done with")
    answer = stored(results)["result"]
    assert (answer["status"], answer["runtime"], answer["attempt"]) == ("timed_out", "bash", 2)
    assert 7 <= answer["duration"] < 12
    assert [kind for kind, _ in request.watch.events].count("task-succeeded") == 1
    process_state.background.add((behind := threading.Event()).set)
    assert behind.wait(5)
    assert caplog.text.count("A job's process had to be killed") == 1


def test_the_hard_limit_may_be_told_as_a_failure_alone(results: Any) -> None:
    request = begun()
    request.on_failure(told(TimeLimitExceeded(5)))
    wait_until(is_done(request, "acknowledged"), 5, "it is done with")
    assert stored(results)["result"]["status"] == "timed_out"


def test_a_soft_limit_is_no_end(results: Any) -> None:
    request = begun()
    request.on_timeout(soft=True, timeout=5)
    assert (request.watch.told, stored(results), request._is_over) == ([], {}, False)
    of_worker.task_ready(request)


def test_a_job_lasts_from_when_its_process_began_with_it(results: Any) -> None:
    request = request_of(JOB)
    request.on_accepted(os.getpid(), 1234.5)
    assert request.begun == 1234.5
    of_worker.task_ready(request)


@pytest.mark.parametrize("error", [WorkerLostError("killed"), SystemExit(70)])
def test_a_job_whose_process_was_killed_is_sent_again_and_nobody_waits_for_its_lease(
    results: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    request = begun()
    Lease(results.brisk_client, JOB, "w@h").acquire()
    again: list[int] = []
    monkeypatch.setattr(request.task, "apply_async", lambda *_, **options: again.append(options["retries"]))
    request.on_failure(told(error))
    wait_until(lambda: request.watch.told, 5, "it is done with")
    assert (again, request.watch.told) == ([1], ["acknowledged"])
    assert not is_leased(results.brisk_client, JOB)


def test_a_job_whose_process_was_killed_behind_its_result_is_done(results: Any) -> None:
    request = begun()
    Lease(results.brisk_client, JOB, "w@h").acquire()
    results.store_result(JOB, {"stdout": "whole"}, "SUCCESS")
    request.on_failure(told(WorkerLostError("killed")))
    wait_until(is_done(request, "acknowledged"), 5, "it is done with")
    assert stored(results)["result"] == {"stdout": "whole"}
    assert [kind for kind, _ in request.watch.events] == ["task-started"]
    assert not is_leased(results.brisk_client, JOB)


def test_a_job_that_was_tried_often_enough_has_failed(results: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    request = begun(headers={"retries": 3})
    monkeypatch.setattr(request.task, "max_retries", 3)
    request.on_failure(told(WorkerLostError("killed")))
    wait_until(is_done(request, "acknowledged"), 5, "it is done with")
    failure = stored(results)
    assert (failure["status"], failure["result"]["exc_type"]) == ("FAILURE", "Abandoned")
    assert failure["result"]["exc_message"][0].startswith("The job was begun 4 times")


def test_a_job_that_has_failed_is_acknowledged_once_that_is_stored(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, before = begun(headers={"retries": 3}), list[list[str]]()
    monkeypatch.setattr(request.task, "max_retries", 3)
    monkeypatch.setattr(results, "mark_as_failure", lambda *_, **__: before.append([*request.watch.told]))
    request.on_failure(told(WorkerLostError("killed")))
    wait_until(is_done(request, "acknowledged"), 5, "it is done with")
    assert before == [[]]


def test_a_job_that_the_worker_itself_has_stopped_is_not_acknowledged(results: Any) -> None:
    """Celery stops it so when the broker is gone, which delivers the message again."""
    request = begun()
    request._already_cancelled = True
    request.on_failure(told(SystemExit(70)))
    process_state.background.add((behind := threading.Event()).set)
    assert behind.wait(5)
    assert (request.watch.told, stored(results)) == ([], {})


@pytest.mark.parametrize(("is_over", "opens"), [(False, False), (True, True)])
def test_a_job_that_found_no_engine_goes_back_and_shuts_the_gate_unless_it_is_over(
    process: ProcessState, is_over: bool, opens: bool
) -> None:
    gate = process.engine_gate
    request = begun()
    request.on_failure(told(EngineAway(Outage(AWAY, is_over=is_over))))
    assert (request.watch.told, gate.is_open) == (["rejected, True"], opens)


def test_only_a_job_that_had_its_cell_opens_the_gate(process: ProcessState, results: Any) -> None:
    gate = process.engine_gate
    gate.shut(AWAY)
    request = begun()
    request.on_success((True, told(EngineAway(Outage(AWAY))), 1.0))
    assert not gate.is_open
    request = begun()
    request.on_success((False, "{}", 1.0))
    assert (gate.is_open, request.watch.told) == (True, ["acknowledged"])


def test_the_class_that_celery_derives_from_ours_hides_none_of_its_methods() -> None:
    derived, ours = vars(type(request_of(JOB))), vars(JobRequest)
    assert [name for name in derived.keys() & ours.keys() if callable(ours[name])] == []


def test_a_request_is_freed_with_its_message_as_soon_as_nobody_needs_it() -> None:
    gc.disable()
    try:
        kept = weakref.ref(request_of(JOB))
        assert kept() is None
    finally:
        gc.enable()


class Pool:
    """Records which processes are to be ended."""

    def __init__(self) -> None:
        self.ended: list[int] = []

    def terminate_job(self, pid: int, _: object) -> None:
        self.ended.append(pid)


def test_a_running_job_that_is_revoked_is_told_to_end_and_its_process_lives(results: Any) -> None:
    request, pool = begun(), Pool()
    request.terminate(pool, "TERM")
    wait_until(lambda: results.client.exists(f"cellblock.cancel:{JOB}"), 5, "it is told")
    assert (pool.ended, stored(results), request.watch.told) == ([], {}, [])
    of_worker.task_ready(request)


def test_where_there_is_no_redis_to_tell_it_by_the_process_is_ended(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, pool = begun(), Pool()
    monkeypatch.setattr(hard_timeout, "result_redis", lambda: None)
    request.terminate(pool, "TERM")
    wait_until(is_done(request, "acknowledged"), 5, "it is done with")
    assert (pool.ended, stored(results)["status"]) == ([os.getpid()], "REVOKED")


def test_a_job_that_has_not_begun_is_revoked_as_celery_does_it(results: Any) -> None:
    request, pool = request_of(JOB), Pool()
    request.terminate(pool, "TERM")
    wait_until(lambda: request._terminate_on_ack, 5, "it is marked")
    assert not results.client.exists(f"cellblock.cancel:{JOB}")


def test_a_job_that_has_expired_is_revoked_at_once_and_that_stored_beside_the_event_loop(
    results: Any,
) -> None:
    request = request_of(JOB)
    request._announce_revoked("expired", False, None, True)
    assert request._already_revoked
    wait_until(is_done(request, "acknowledged"), 5, "it is done with")
    assert stored(results)["status"] == "REVOKED"


def test_nobody_who_watches_is_told_what_a_job_runs() -> None:
    request = request_of(JOB, "echo secret", "bash", stdin="secret", headers={"argsrepr": "secret"})
    shown = request.info(safe=False)
    assert (request.argsrepr, request.kwargsrepr) == ("('…', 'bash')", "['stdin']")
    assert "secret" not in str(shown["args"]) + str(shown["kwargs"])


def test_a_worker_says_when_it_took_a_job_whose_app_does_not_say_when_it_sent_it() -> None:
    assert abs(request_of(JOB).request_dict["cellblock_received_at"] - time.time()) < 5
    known = request_of(JOB, headers={"cellblock_received_at": 5.0})
    assert known.request_dict["cellblock_received_at"] == 5.0


def test_the_event_loop_looks_at_no_more_than_the_heads_of_files() -> None:
    long = "x" * 10_000
    outline = _outline({"files": {"a": long, "b": {"base64": long}, "c": 5}, "stdin": long})
    assert outline == {"files": {"a": long[:4096], "b": {"base64": long[:4096]}, "c": 5}, "stdin": None}
    assert _outline({"files": [long]})["files"] == [long]
    assert _head({"base64": 5}) == {"base64": 5}


def test_a_job_that_cannot_be_judged_gets_the_longest_limits_and_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(module, "parse_job", refuse)
    longest = this_settings().longest
    assert request_of(JOB).time_limits == (longest.hard_s, longest.soft_s)
    assert "The limits of a job can't be determined: RuntimeError" in caplog.text
    assert "secret" not in caplog.text
