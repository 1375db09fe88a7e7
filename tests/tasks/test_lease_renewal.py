"""The thread that renews leases survives every answer of Redis, and forgets leases that have ended."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisGone

from tasks import lease_renewal as under_test
from tasks.lease_renewal import LeaseRenewal
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


class Counted:
    """A lease that counts its renewals, and raises `error` if that is set."""

    def __init__(self) -> None:
        self.renewals = 0
        self.last = 0.0
        self.error: Exception | None = None

    def renew(self) -> None:
        self.last = time.monotonic()
        self.renewals += 1
        if self.error:
            raise self.error


@pytest.fixture
def heartbeat(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(under_test, "_BEAT_S", 0.01)
    return LeaseRenewal()


def renewed_again(*leases: Counted) -> Callable[[], bool]:
    before = [lease.renewals for lease in leases]
    return lambda: all(lease.renewals >= count + 2 for lease, count in zip(leases, before, strict=True))


def test_it_beats_twice_a_second() -> None:
    heartbeat: Any = LeaseRenewal()
    lease = Counted()
    heartbeat.add(lease)
    wait_until(lambda: lease.renewals == 1, 5, "the first beat")
    first = lease.last
    wait_until(lambda: lease.renewals == 2, 5, "the second beat")
    heartbeat.drop(lease)
    assert 0.49 < lease.last - first < 3


@pytest.mark.parametrize("error", [RedisGone("gone"), RuntimeError("never seen before")])
def test_a_lease_that_cannot_be_renewed_keeps_no_other_from_it(heartbeat: Any, error: Exception) -> None:
    good, bad = Counted(), Counted()
    bad.error = error
    heartbeat.add(bad)
    heartbeat.add(good)
    wait_until(renewed_again(good, bad), 5, "both were tried again")
    heartbeat.drop(good)
    heartbeat.drop(bad)
    assert (heartbeat._leases, heartbeat._failing) == (set(), set())


def test_a_failing_lease_is_told_of_once_until_it_was_renewed(
    heartbeat: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lease = Counted()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            lease.error = RedisGone("a secret")
            heartbeat.add(lease)
            wait_until(renewed_again(lease), 5, "it was tried")
            lease.error = None
            wait_until(renewed_again(lease), 5, "it was renewed")
    heartbeat.drop(lease)
    assert [record.getMessage() for record in caplog.records] == [
        "A lease could not be renewed, and runs out: ConnectionError"
    ] * 2


def test_what_was_dropped_is_not_renewed_and_what_comes_later_is(heartbeat: Any) -> None:
    first, second = Counted(), Counted()
    heartbeat.add(first)
    wait_until(renewed_again(first), 5, "it is renewed")
    heartbeat.drop(first)
    heartbeat.add(second)
    wait_until(renewed_again(second), 5, "the next one is renewed")
    renewals = first.renewals
    wait_until(renewed_again(second), 5, "and again")
    heartbeat.drop(second)
    assert first.renewals == renewals


def test_a_lease_that_comes_while_the_thread_sleeps_wakes_it(heartbeat: Any) -> None:
    first, second = Counted(), Counted()
    heartbeat.add(first)
    heartbeat.drop(first)
    wait_until(lambda: heartbeat._change._waiters, 5, "the thread sleeps")
    heartbeat.add(second)
    wait_until(renewed_again(second), 5, "the next one is renewed")
    heartbeat.drop(second)


def test_all_leases_are_renewed_by_one_thread_and_by_another_once_it_has_died(heartbeat: Any) -> None:
    lease, thread = Counted(), threading.Thread()
    heartbeat.add(lease)
    alive = heartbeat._thread
    heartbeat.add(lease)
    assert heartbeat._thread is alive
    thread.start()
    thread.join()
    heartbeat._thread = thread
    heartbeat.add(lease)
    assert heartbeat._thread.is_alive()
    heartbeat.drop(lease)
