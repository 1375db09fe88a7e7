"""Each step of an attempt, with its lease in a real Redis and without a worker."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery.exceptions import Ignore

from sandbox import Abandoned
from sandbox.cell import CellInfo
from tasks import app, attempt, lifecycle, run_sandboxed
from tasks.attempt import Attempt, Unwanted
from tasks.lease import Answer, Lease, ask_to_cancel, leased_cell
from tasks.observe.log_context import end_log_context, job_facts
from tasks.pool.resting_limits import SUSPEND, Limits
from tasks.process import process_state
from tasks.results.outcome import stored_here
from tests.tasks.test_lease import ATTEMPTS, CANCEL, JOB, KEYS, LEASE, RESULT, TURNS, of
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """A client of the result backend's Redis, with which a test also acts as a second process."""
    with redis.Redis.from_url(broker_url, decode_responses=True) as database:
        monkeypatch.setattr(attempt, "result_redis", lambda: database)
        yield database
        database.flushdb()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The list of messages to the parent about the job's limits."""
    told: list[int] = []
    limits = Limits()
    limits.attach(lambda message: told.append(message[0]))
    limits.accepted(1)
    monkeypatch.setattr(attempt, "limits", limits)
    return told


@pytest.fixture
def mine(client: redis.Redis, told: list[int]) -> Iterator[Attempt]:
    yield from an_attempt()


def an_attempt(**about: Any) -> Iterator[Attempt]:
    """Give the attempt of a task that was just called."""
    context = {"id": JOB, "hostname": "mine", "retries": 0} | about
    run_sandboxed.push_request(**context)
    mine = Attempt(run_sandboxed.request, process_state.lease_renewal)
    process_state.begin_attempt(mine)
    yield mine
    if mine._lease:
        process_state.lease_renewal.drop(mine._lease)
    run_sandboxed.pop_request()
    end_log_context()


def lease_of(mine: Attempt) -> Lease:
    assert mine._lease is not None
    return mine._lease


def is_renewed(mine: Attempt) -> bool:
    return lease_of(mine) in process_state.lease_renewal._leases


def end(state: str | None) -> None:
    """End the attempt as Celery's signal does."""
    lifecycle.end_attempt(JOB, state)


def store(client: redis.Redis, state: str = "SUCCESS") -> None:
    client.set(RESULT, json.dumps({"status": state, "result": None}), ex=60)


def test_whoever_comes_second_waits_for_the_first_with_its_limits_at_rest(
    client: redis.Redis, told: list[int], mine: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = of(client, 0)
    first.acquire()
    asked = _asked(monkeypatch)
    waiting = threading.Thread(target=mine.begin)
    waiting.start()
    wait_until(lambda: told, 5, "its limits rest")
    assert (told, waiting.is_alive(), is_renewed(mine)) == ([SUSPEND], True, False)
    begin, before = time.monotonic(), len(asked)
    waiting.join(0.6)
    assert len(asked) - before <= (time.monotonic() - begin) / attempt._LOOK_S + 1
    first.release(done=False)
    waiting.join(5)
    assert (client.hget(LEASE, "holder"), is_renewed(mine)) == (lease_of(mine)._holder, True)


def _asked(monkeypatch: pytest.MonkeyPatch) -> list[Lease]:
    """The leases that Redis is asked for from now on, each as often as it is asked."""
    asked: list[Lease] = []
    acquire = Lease.acquire

    def counted(lease: Lease) -> Answer:
        asked.append(lease)
        return acquire(lease)

    monkeypatch.setattr(Lease, "acquire", counted)
    return asked


def test_it_looks_four_times_a_second_whether_the_first_is_done() -> None:
    assert attempt._LOOK_S == 0.25


def test_the_lease_is_asked_for_before_it_is_waited_for(mine: Attempt) -> None:
    mine.request()
    assert lease_of(mine)._sent is not None
    mine.begin()


def test_nobody_waits_where_nobody_else_is(client: redis.Redis, told: list[int], mine: Attempt) -> None:
    mine.begin()
    assert (told, mine.number, lease_of(mine).answer) == ([], 1, Answer.GRANTED)
    assert str(client.hget(LEASE, "holder")).startswith(f"mine|{os.getpid()}|")


def test_a_job_that_has_its_result_is_ignored_and_nothing_is_renewed(
    client: redis.Redis, mine: Attempt
) -> None:
    store(client)
    with pytest.raises(Ignore, match="has its result"):
        mine.begin()
    assert (is_renewed(mine), client.exists(LEASE)) == (False, 0)


def test_a_job_that_was_cancelled_before_is_held_while_that_is_reported(
    client: redis.Redis, mine: Attempt
) -> None:
    ask_to_cancel(client, JOB)
    with pytest.raises(Unwanted):
        mine.begin()
    assert is_renewed(mine)
    end("SUCCESS")
    assert (is_renewed(mine), client.exists(*KEYS)) == (False, 0)


def test_attempts_are_those_of_celery_and_those_of_which_celery_knows_nothing(
    client: redis.Redis, told: list[int]
) -> None:
    client.set(ATTEMPTS, 1, ex=60)
    for mine in an_attempt(retries=1):
        assert mine.number == 2
        mine.begin()
        assert mine.number == 3


@pytest.mark.parametrize(("begun", "gives_up"), [(1, False), (2, True)])
def test_a_job_is_begun_as_often_as_the_operator_allows(
    client: redis.Redis, mine: Attempt, monkeypatch: pytest.MonkeyPatch, begun: int, gives_up: bool
) -> None:
    monkeypatch.setenv("CELLBLOCK_MAX_ATTEMPTS", "2")
    client.set(ATTEMPTS, begun, ex=60)
    if gives_up:
        with pytest.raises(Abandoned, match="begun 2 times"):
            mine.begin()
    else:
        mine.begin()
    assert (mine.number, is_renewed(mine)) == (begun + 1, True)


def test_a_job_of_one_holder_runs_on(mine: Attempt) -> None:
    mine.begin()
    assert (mine.wants_stop(), mine.gave_up) == (False, False)


def test_a_job_that_is_cancelled_while_it_runs_is_stopped_and_its_result_stored(
    client: redis.Redis, mine: Attempt
) -> None:
    mine.begin()
    ask_to_cancel(client, JOB)
    wait_until(mine.wants_stop, 5, "it is to stop")
    assert (mine.gave_up, mine.may_store()) == (False, True)


def test_a_lease_that_is_lost_in_mid_job_stops_it_and_the_job_begins_anew_at_no_cost(
    client: redis.Redis, mine: Attempt
) -> None:
    mine.begin()
    before = lease_of(mine)._holder
    client.delete(LEASE)
    wait_until(mine.wants_stop, 5, "it is to stop")
    assert (mine.gave_up, mine.may_store(), mine.gave_up, is_renewed(mine)) == (True, False, False, False)
    mine.begin()
    assert (mine.number, client.get(ATTEMPTS), client.scard(TURNS)) == (1, "1", 1)
    assert lease_of(mine)._holder != before


def test_what_came_of_a_job_that_somebody_else_has_begun_is_not_stored(
    client: redis.Redis, mine: Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    mine.begin()
    client.delete(LEASE)
    of(client, 0).acquire()
    assert (mine.may_store(), is_renewed(mine)) == (False, False)
    assert "The lease was lost while the job ran" in caplog.text


def test_a_job_that_somebody_else_has_ended_is_not_stored_again(client: redis.Redis, mine: Attempt) -> None:
    mine.begin()
    store(client, "FAILURE")
    with pytest.raises(Ignore):
        mine.may_store()


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "REVOKED"])
def test_a_turn_that_ends_with_a_result_leaves_nothing(
    client: redis.Redis, mine: Attempt, state: str
) -> None:
    mine.begin()
    ask_to_cancel(client, JOB)
    end(state)
    assert (client.exists(*KEYS), is_renewed(mine)) == (0, False)


@pytest.mark.parametrize("state", ["RETRY", "IGNORED", None])
def test_a_turn_that_ends_without_one_keeps_the_wish_to_cancel_and_no_lease(
    client: redis.Redis, mine: Attempt, state: str | None
) -> None:
    mine.begin()
    ask_to_cancel(client, JOB)
    end(state)
    assert (client.keys(), is_renewed(mine)) == ([CANCEL], False)


def test_a_lease_that_cannot_be_given_back_runs_out_and_is_renewed_no_more(
    mine: Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    mine.begin()

    def gone(*_: object) -> None:
        raise redis.ConnectionError("what was stored")

    lease_of(mine).redis = type("Gone", (), {"evalsha": staticmethod(gone)})()
    with caplog.at_level(logging.INFO):
        end("SUCCESS")
    assert not is_renewed(mine)
    assert caplog.messages[-1] == "A lease could not be given back, and runs out: ConnectionError"


def test_the_lease_and_the_log_say_where_the_job_runs(client: redis.Redis, mine: Attempt) -> None:
    mine.begin()
    mine.placed(CellInfo("docker", container="a-cell"))
    assert job_facts()["container"] == "a-cell"
    wait_until(lambda: leased_cell(client, JOB) == "a-cell", 5, "the lease says so")


@pytest.mark.parametrize("about", [{"is_eager": True}, {"id": None}])
def test_a_job_that_nobody_else_can_have_needs_no_lease(
    client: redis.Redis, about: dict[str, object]
) -> None:
    for mine in an_attempt(**about):
        mine.begin()
        mine.placed(CellInfo("docker", container="a-cell"))
        assert (mine._lease, mine.number, mine.wants_stop(), mine.may_store()) == (None, 1, False, True)
        end("SUCCESS")
    assert client.keys() == []


def test_a_task_that_never_got_to_its_turn_ends_all_the_same(client: redis.Redis) -> None:
    run_sandboxed.push_request(id=JOB)
    end("FAILURE")
    run_sandboxed.pop_request()
    assert client.keys() == []


def test_a_result_is_stored_as_celery_does_and_the_lease_is_given_back_in_the_same_step(
    client: redis.Redis, mine: Attempt
) -> None:
    mine.begin()
    database: Any = client
    with database.pubsub() as heard:
        heard.subscribe(RESULT)
        assert mine.store(run_sandboxed, {"status": "succeeded"})
        wait_until(lambda: (heard.get_message() or {}).get("type") == "message", 5, "it is published")
    stored = json.loads(client.get(RESULT) or "")
    assert (stored["status"], stored["result"], stored["task_id"]) == (
        "SUCCESS",
        {"status": "succeeded"},
        JOB,
    )
    assert (set(client.keys()), client.ttl(RESULT) > 0) == ({RESULT}, True)
    assert lease_of(mine).answer is Answer.LOST


def test_celery_stores_nothing_over_what_the_attempt_has_stored(
    client: redis.Redis, mine: Attempt, results: Any
) -> None:
    mine.begin()
    mine.store(run_sandboxed, {})
    app.backend.store_result(JOB, {"other": 1}, "SUCCESS")
    app.backend.store_result("another", {}, "SUCCESS")
    assert json.loads(client.get(RESULT) or "")["result"] == {}
    assert client.get("celery-task-meta-another")


def test_nothing_is_stored_of_a_job_that_another_process_runs(client: redis.Redis, mine: Attempt) -> None:
    mine.begin()
    client.hset(LEASE, "holder", "another")
    assert (mine.store(run_sandboxed, {}), client.exists(RESULT)) == (False, 0)
    assert (is_renewed(mine), stored_here.task_id) == (False, None)


def test_celery_stores_what_comes_of_a_job_that_is_begun_again(client: redis.Redis, told: list[int]) -> None:
    for mine in an_attempt():
        mine.begin()
        mine.store(run_sandboxed, {})
        assert stored_here.task_id == JOB
    for _ in an_attempt(retries=1):
        assert stored_here.task_id is None


@pytest.mark.parametrize(("size", "rests"), [(1 << 20, True), (1 << 10, False)])
def test_the_limits_rest_while_a_large_result_is_stored(
    told: list[int], mine: Attempt, size: int, rests: bool
) -> None:
    mine.begin()
    mine.store(run_sandboxed, {"stdout": "x" * size})
    assert told == [SUSPEND] * rests


def test_the_limits_rest_while_celery_is_left_to_store_the_result(told: list[int], mine: Attempt) -> None:
    mine.begin()
    assert mine.may_store()
    assert told == [SUSPEND]


def test_a_job_that_has_a_result_by_now_gets_no_second_one(client: redis.Redis, mine: Attempt) -> None:
    mine.begin()
    store(client, "FAILURE")
    with pytest.raises(Ignore):
        mine.store(run_sandboxed, {})
    assert json.loads(client.get(RESULT) or "")["status"] == "FAILURE"


@pytest.mark.parametrize("follower", ["callbacks", "errbacks", "chain", "chord"])
def test_celery_stores_the_result_of_a_job_that_others_wait_for(
    client: redis.Redis, told: list[int], follower: str
) -> None:
    for mine in an_attempt(**{follower: [{"task": "next"}]}):
        mine.begin()
        assert (mine.store(run_sandboxed, {}), mine.is_stored, client.exists(RESULT)) == (True, False, 0)
        assert client.exists(LEASE)


def test_nothing_is_stored_of_a_job_whose_result_nobody_wants(client: redis.Redis, told: list[int]) -> None:
    for mine in an_attempt(ignore_result=True):
        mine.begin()
        assert (mine.store(run_sandboxed, {}), client.exists(RESULT)) == (True, 0)
