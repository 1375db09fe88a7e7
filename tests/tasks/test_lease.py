"""A job's lease in a real Redis: whatever happens, at most one process holds it at any time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.exceptions import TimeoutError as RedisSilent

from tasks import lease as under_test
from tasks.lease import Answer, Lease, ask_to_cancel, drop_lease_of
from tasks.settings import this_settings
from tests.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

JOB = "the-job"
KEYS = [f"cellblock.{kind}:{JOB}" for kind in ("lease", "attempts", "cancel", "turns")]
LEASE, ATTEMPTS, CANCEL, TURNS = KEYS
RESULT = f"celery-task-meta-{JOB}"
PROCESSES = range(3)
HOLDS = (Answer.GRANTED, Answer.CANCELLED)


class Line:
    """A connection that calls `meanwhile` during each call to Redis."""

    def __init__(self, database: redis.Redis, meanwhile: Callable[[], object]) -> None:
        self._client = database
        self.meanwhile = meanwhile

    def script_load(self, source: Any) -> Any:
        return self._client.script_load(source)

    def evalsha(self, *args: Any) -> Any:
        answer = self._client.evalsha(*args)
        self.meanwhile()
        return answer


class Wire(Line):
    """The connection of one process. A reply can be lost after Redis has carried out the call."""

    def __init__(self, database: redis.Redis) -> None:
        super().__init__(database, self._lose)
        self.loses_replies = 0

    def _lose(self) -> None:
        if self.loses_replies:
            self.loses_replies -= 1
            raise RedisSilent("the reply was lost")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(under_test, "time", clock)
    return clock


def of(database: Any, process: int) -> Lease:
    return Lease(database, JOB, f"worker{process}")


class Holders(RuleBasedStateMachine):
    """Three processes that are given the same job again and again."""

    database: redis.Redis
    clock: Clock

    def __init__(self) -> None:
        super().__init__()
        self.database.flushdb()
        self.wires = [Wire(self.database) for _ in PROCESSES]
        self.leases = [of(wire, process) for process, wire in enumerate(self.wires)]
        #: Turns that have begun and have not been given back.
        self.begun: set[str] = set()

    process = st.sampled_from(PROCESSES)

    @rule(process=process, lost_replies=st.integers(0, 2))
    def somebody_asks(self, process: int, lost_replies: int) -> None:
        mine, wire = self.leases[process], self.wires[process]
        if mine.answer in HOLDS:
            return
        if mine._holder in self.begun:
            self.begun.discard(mine._holder)
            mine.lose()
        wire.loses_replies = lost_replies
        others_hold = any(other.answer in HOLDS for other in self.leases if other is not mine)
        answer = mine.acquire()
        assert not (others_hold and answer in HOLDS)
        if answer is Answer.GRANTED:
            self.begun.add(mine._holder)
            assert mine.begun == len(self.begun)

    @rule(process=process, loses_reply=st.booleans())
    def somebody_renews(self, process: int, loses_reply: bool) -> None:
        mine, wire = self.leases[process], self.wires[process]
        held_before = mine.answer in HOLDS
        wire.loses_replies = int(loses_reply and held_before)
        try:
            answer = mine.renew()
        except RedisSilent:
            return
        assert held_before or answer is Answer.LOST

    @rule(seconds=st.sampled_from([0.5, 3.0, 7.4, 8.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now_s += seconds
        left_ms = self.database.pttl(LEASE) - round(seconds * 1000)
        if left_ms > 0:
            self.database.pexpire(LEASE, left_ms)
        else:
            self.database.delete(LEASE)

    @rule(process=process, drops=st.booleans())
    def somebody_is_killed_and_its_parent_sees_it(self, process: int, drops: bool) -> None:
        dead = self.leases[process]
        if drops:
            drop_lease_of(self.database, JOB, dead.worker, os.getpid())
            self.begun = {turn for turn in self.begun if not turn.startswith(f"{dead.worker}|")}
        self.leases[process] = of(self.wires[process], process)

    @rule(process=process, times=st.integers(1, 2), loses_reply=st.booleans())
    def somebody_gives_it_back(self, process: int, times: int, loses_reply: bool) -> None:
        mine = self.leases[process]
        for _ in range(times):
            self.wires[process].loses_replies = int(loses_reply)
            try:
                mine.release(done=False)
            except RedisSilent:
                continue
        self.wires[process].loses_replies = 0
        self.begun.discard(mine._holder)

    @rule(process=process)
    def somebodys_job_ends(self, process: int) -> None:
        """The cell is gone, and the process asks if it may store the result. Its lease may have expired."""
        mine = self.leases[process]
        if mine._holder not in self.begun:
            return
        others_hold = any(other.answer in HOLDS for other in self.leases if other is not mine)
        answer = mine.claim()
        assert not (others_hold and answer is Answer.GRANTED)
        if answer is Answer.GRANTED:
            self.database.set(RESULT, '{"status": "SUCCESS"}')
            mine.release(done=True)
            assert mine.acquire() is Answer.DONE
            self.database.delete(RESULT, *KEYS)
            self.leases = [of(wire, number) for number, wire in enumerate(self.wires)]
            self.begun.clear()

    @precondition(lambda self: not self.database.exists(CANCEL))
    @rule()
    def somebody_cancels_it(self) -> None:
        ask_to_cancel(self.database, JOB)

    @invariant()
    def at_most_one_holds_it(self) -> None:
        holders = [lease for lease in self.leases if lease.answer in HOLDS]
        assert len(holders) <= 1
        if holders:
            assert self.database.hget(LEASE, "holder") == holders[0]._holder

    @invariant()
    def no_attempt_is_counted_twice_or_forgotten(self) -> None:
        assert int(self.database.get(ATTEMPTS) or 0) == len(self.begun) == self.database.scard(TURNS)


def test_whatever_happens_at_most_one_process_holds_a_job_and_no_attempt_is_spent_in_vain(
    database: redis.Redis, clock: Clock
) -> None:
    machine = type("Machine", (Holders,), {"database": database, "clock": clock})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_lease_is_lost_by_its_holders_own_clock_before_anybody_else_can_get_it(
    database: redis.Redis, clock: Clock
) -> None:
    mine = of(database, 0)
    mine.acquire()
    clock.now_s += this_settings().lease_s * 3 / 4
    assert (mine.answer, of(database, 1).acquire()) == (Answer.LOST, Answer.HELD)


def test_a_lease_that_is_gone_is_not_taken_by_renewing_it(database: redis.Redis) -> None:
    mine = of(database, 0)
    mine.acquire()
    database.delete(LEASE)
    assert (mine.renew(), database.exists(LEASE)) == (Answer.LOST, 0)


def test_what_was_given_up_is_no_longer_renewed(database: redis.Redis, clock: Clock) -> None:
    mine = of(database, 0)
    mine.acquire()
    clock.now_s += this_settings().lease_s * 3 / 4
    database.pexpire(LEASE, 50)
    mine.renew()
    assert database.pttl(LEASE) <= 50


def test_who_lost_it_can_have_it_again_at_once_and_has_spent_no_attempt(database: redis.Redis) -> None:
    mine = of(database, 0)
    mine.acquire()
    mine.lose()
    assert (mine.acquire(), mine.begun) == (Answer.GRANTED, 1)


def test_what_came_of_a_job_is_not_stored_once_another_has_begun_it(database: redis.Redis) -> None:
    first, second = of(database, 0), of(database, 1)
    first.acquire()
    database.delete(LEASE)
    second.acquire()
    assert (first.claim(), second.renew()) == (Answer.HELD, Answer.GRANTED)


def test_what_came_of_a_job_is_stored_though_the_lease_ran_out_if_nobody_else_has_begun_it(
    database: redis.Redis,
) -> None:
    first, second = of(database, 0), of(database, 1)
    first.acquire()
    database.delete(LEASE)
    assert (first.claim(), second.acquire()) == (Answer.GRANTED, Answer.HELD)


def test_giving_back_twice_counts_once(database: redis.Redis) -> None:
    of(database, 0).acquire()
    database.delete(LEASE)
    second = of(database, 1)
    second.acquire()
    second.release(done=False)
    second.release(done=False)
    assert database.get(ATTEMPTS) == "1"


def test_a_duplicate_of_a_cancelled_job_waits_for_who_runs_it(database: redis.Redis) -> None:
    first, second = of(database, 0), of(database, 1)
    first.acquire()
    ask_to_cancel(database, JOB)
    assert (first.renew(), second.acquire()) == (Answer.CANCELLED, Answer.HELD)


def test_a_wish_to_cancel_is_kept_for_as_long_as_a_job_may_wait(database: redis.Redis) -> None:
    ask_to_cancel(database, JOB)
    assert database.ttl(CANCEL) > 29 * 86_400


def test_a_job_that_has_its_result_is_not_marked(database: redis.Redis) -> None:
    database.set(RESULT, '{"status": "SUCCESS"}', ex=60)
    ask_to_cancel(database, JOB)
    assert not database.exists(CANCEL)


def test_a_full_redis_still_renews_a_lease_and_lets_go_of_it(database: redis.Redis) -> None:
    mine = of(database, 0)
    mine.acquire()
    database.config_set("maxmemory", 1)
    try:
        answer = mine.renew()
        mine.release(done=True)
    finally:
        database.config_set("maxmemory", 0)
    assert (answer, database.exists(*KEYS)) == (Answer.GRANTED, 0)
