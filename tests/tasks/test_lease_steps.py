"""Each step of a lease in Redis: what it writes, for how long, and whom it refuses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tasks import lease as under_test
from tasks.lease import Answer, ask_to_cancel, drop_lease_of, is_leased, leased_cell
from tasks.settings import this_settings
from tests.clock import Clock
from tests.tasks.test_lease import ATTEMPTS, CANCEL, JOB, KEYS, LEASE, RESULT, TURNS, Line, of

if TYPE_CHECKING:
    pass

READY = ("SUCCESS", "FAILURE", "REVOKED")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(under_test, "time", clock)
    return clock


def test_all_that_is_kept_for_a_job_expires_the_count_with_the_last_rung(database: redis.Redis) -> None:
    lease = of(database, 0)
    assert (lease.begun, lease.answer, lease.acquire()) == (0, Answer.LOST, Answer.GRANTED)
    lease_ms, kept_s = this_settings().lease_s * 1000, round(this_settings().longest.reap_s)
    assert lease_ms - 1000 < database.pttl(LEASE) <= lease_ms
    assert {database.ttl(ATTEMPTS), database.ttl(TURNS)} <= {kept_s, kept_s - 1}


def test_the_count_is_kept_anew_by_whoever_begins_next(database: redis.Redis) -> None:
    of(database, 0).acquire()
    for key in (LEASE, ATTEMPTS, TURNS):
        database.expire(key, 60)
    database.delete(LEASE)
    of(database, 1).acquire()
    assert min(database.ttl(ATTEMPTS), database.ttl(TURNS)) > 60


def test_whoever_is_next_learns_how_often_the_job_was_begun(database: redis.Redis) -> None:
    begun = []
    for process in range(3):
        lease = of(database, process)
        lease.acquire()
        begun.append(lease.begun)
        database.delete(LEASE)
    assert begun == [1, 2, 3]


def test_who_asks_again_because_the_answer_was_lost_has_begun_once(database: redis.Redis) -> None:
    lease = of(database, 0)
    assert [lease.acquire(), lease.acquire()] == [Answer.GRANTED] * 2
    assert (lease.begun, database.get(ATTEMPTS), database.scard(TURNS)) == (1, "1", 1)


@pytest.mark.parametrize("state", READY)
def test_a_job_that_has_its_result_is_never_run_again(database: redis.Redis, state: str) -> None:
    database.set(RESULT, f'{{"status": "{state}", "result": null}}', ex=60)
    assert of(database, 0).acquire() is Answer.DONE
    assert database.exists(*KEYS) == 0


@pytest.mark.parametrize(
    "stored",
    [
        '{"status": "RETRY"}',
        f'{{"result": "{"x" * 40}", "more": {{"status": "SUCCESS"}}}}',
        '{"status": "STARTED"}',
        '{"result": {"x": ["status: SUCCESS"]}}',
        "{}",
    ],
)
def test_what_is_no_result_yet_stands_in_nobodys_way(database: redis.Redis, stored: str) -> None:
    database.set(RESULT, stored, ex=60)
    assert of(database, 0).acquire() is Answer.GRANTED


@pytest.mark.parametrize("state", READY)
def test_nothing_is_stored_over_a_result(database: redis.Redis, state: str) -> None:
    lease = of(database, 0)
    lease.acquire()
    database.set(RESULT, f'{{"status": "{state}"}}', ex=60)
    assert lease.claim() is Answer.DONE


def test_a_claim_keeps_the_lease_while_the_result_is_stored(database: redis.Redis) -> None:
    lease = of(database, 0)
    lease.acquire()
    database.pexpire(LEASE, 50)
    assert (lease.claim(), database.pttl(LEASE) > 1000) == (Answer.GRANTED, True)
    database.delete(LEASE)
    assert (lease.claim(), database.pttl(LEASE) > 1000) == (Answer.GRANTED, True)


def test_a_renewal_keeps_the_lease_and_says_where_the_job_runs(database: redis.Redis) -> None:
    lease = of(database, 0)
    lease.acquire()
    database.pexpire(LEASE, 50)
    assert (leased_cell(database, JOB), is_leased(database, JOB)) == (None, True)
    lease.cell = "cell-1"
    assert lease.renew() is Answer.GRANTED
    assert (leased_cell(database, JOB), database.pttl(LEASE) > 1000) == ("cell-1", True)
    lease.cell = "cell-2"
    lease.renew()
    assert leased_cell(database, JOB) == "cell-2"


def test_nobody_runs_a_job_without_a_lease(database: redis.Redis) -> None:
    database.set(ATTEMPTS, 1, ex=60)
    assert (is_leased(database, JOB), leased_cell(database, JOB)) == (False, None)


def test_a_lease_that_is_taken_over_names_no_cell_of_the_one_before(database: redis.Redis) -> None:
    database.hset(LEASE, mapping={"cell": "old"})
    of(database, 1).acquire()
    assert leased_cell(database, JOB) is None


def test_who_has_lost_it_to_somebody_else_hears_so_and_changes_nothing(database: redis.Redis) -> None:
    first, second = of(database, 0), of(database, 1)
    first.acquire()
    database.delete(LEASE)
    second.acquire()
    database.pexpire(LEASE, 500)
    first.cell = "mine"
    assert (first.renew(), first.answer) == (Answer.LOST, Answer.LOST)
    assert (database.pttl(LEASE) <= 500, leased_cell(database, JOB)) == (True, None)


def test_a_wish_to_cancel_is_heard_at_the_next_renewal_and_by_who_begins(database: redis.Redis) -> None:
    first = of(database, 0)
    first.acquire()
    ask_to_cancel(database, JOB)
    assert (first.renew(), first.answer) == (Answer.CANCELLED, Answer.CANCELLED)
    first.release(done=False)
    second = of(database, 1)
    assert (second.acquire(), second.begun) == (Answer.CANCELLED, 0)
    assert database.hget(LEASE, "holder") == second._holder


def test_a_lease_that_is_lost_and_had_again_for_a_cancelled_job_counts_no_attempt(
    database: redis.Redis,
) -> None:
    lease = of(database, 0)
    lease.acquire()
    lease.lose()
    ask_to_cancel(database, JOB)
    assert (lease.acquire(), lease.begun, database.exists(ATTEMPTS)) == (Answer.CANCELLED, 0, 0)


def test_a_job_that_is_done_leaves_nothing_but_its_result(database: redis.Redis) -> None:
    lease = of(database, 0)
    lease.acquire()
    ask_to_cancel(database, JOB)
    lease.release(done=True)
    assert database.keys() == []


def test_a_job_that_is_done_leaves_nothing_though_its_lease_ran_out(database: redis.Redis) -> None:
    lease = of(database, 0)
    lease.acquire()
    database.delete(LEASE)
    lease.release(done=True)
    assert database.keys() == []


def test_a_job_that_is_given_back_keeps_the_wish_and_counts_nothing(database: redis.Redis) -> None:
    lease = of(database, 0)
    lease.acquire()
    ask_to_cancel(database, JOB)
    lease.release(done=False)
    assert database.keys() == [CANCEL]


@pytest.mark.parametrize("done", [True, False])
def test_nobody_gives_back_what_somebody_else_has(database: redis.Redis, done: bool) -> None:
    first, second = of(database, 0), of(database, 1)
    first.acquire()
    database.delete(LEASE)
    second.acquire()
    first.release(done=done)
    assert (database.hget(LEASE, "holder"), database.sismember(TURNS, second._holder)) == (second._holder, 1)


def test_what_is_given_back_is_held_no_longer_even_if_redis_does_not_answer(database: redis.Redis) -> None:
    def gone() -> None:
        raise redis.ConnectionError

    line: Any = Line(database, lambda: None)
    lease = of(line, 0)
    lease.acquire()
    line.meanwhile = gone
    with pytest.raises(redis.ConnectionError):
        lease.release(done=True)
    assert lease.answer is Answer.LOST


def test_a_renewal_that_was_under_way_does_not_bring_back_what_was_given_up(database: redis.Redis) -> None:
    line: Any = Line(database, lambda: None)
    lease = of(line, 0)
    lease.acquire()
    line.meanwhile = lease.lose
    assert lease.renew() is Answer.LOST


def test_a_lease_counts_from_when_it_was_asked_for(database: redis.Redis, clock: Clock) -> None:
    def a_slow_answer() -> None:
        clock.now_s += this_settings().lease_s * 0.8

    line: Any = Line(database, a_slow_answer)
    lease = of(line, 0)
    lease.acquire()
    assert lease.answer is Answer.LOST


def test_a_holder_has_three_quarters_of_the_lease(database: redis.Redis, clock: Clock) -> None:
    lease = of(database, 0)
    lease.acquire()
    answers = []
    for part in (0.74, 0.01):
        clock.now_s += this_settings().lease_s * part
        answers.append(lease.answer)
    assert answers == [Answer.GRANTED, Answer.LOST]


def test_the_lease_of_a_dead_process_is_dropped_and_no_attempt_counted(database: redis.Redis) -> None:
    of(database, 0).acquire()
    drop_lease_of(database, JOB, "worker0", os.getpid())
    assert database.keys() == []


@pytest.mark.parametrize(
    ("worker", "pid"),
    [("worker1", os.getpid()), ("worker0", os.getpid() // 10)],
    ids=["another worker", "another process"],
)
def test_a_process_that_has_died_takes_no_other_ones_lease_along(
    database: redis.Redis, worker: str, pid: int
) -> None:
    lease = of(database, 0)
    lease.acquire()
    drop_lease_of(database, JOB, worker, pid)
    assert (lease.renew(), database.get(ATTEMPTS)) == (Answer.GRANTED, "1")


@pytest.mark.parametrize(("kept_s", "wish_s"), [("60", 30 * 86_400), (str(40 * 86_400), 40 * 86_400)])
def test_a_wish_is_kept_for_thirty_days_or_as_long_as_results_are(
    database: redis.Redis, monkeypatch: pytest.MonkeyPatch, kept_s: str, wish_s: int
) -> None:
    monkeypatch.setenv("CELLBLOCK_RESULT_EXPIRES", kept_s)
    ask_to_cancel(database, JOB)
    assert wish_s - 1 <= database.ttl(CANCEL) <= wish_s
