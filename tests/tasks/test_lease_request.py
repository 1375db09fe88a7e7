"""A lease that is requested ahead: its answer is read once the process has done something else."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks.lease import Answer
from tests.heard import said_to
from tests.tasks.test_lease import CANCEL, KEYS, LEASE, of
from tests.waiting import wait_until


def test_a_lease_that_was_requested_is_not_asked_for_again(database: redis.Redis) -> None:
    # A Redis that is new does not know the script yet.
    of(database, 1).acquire()
    database.delete(*KEYS)
    lease = of(database, 0)
    with said_to(database) as said:
        lease.request()
        wait_until(lambda: database.exists(LEASE), 5, "Redis has the request")
        assert lease.acquire() is Answer.GRANTED
    assert (said.count("EVALSHA"), lease.begun, lease.answer) == (1, 1, Answer.GRANTED)


def test_a_request_whose_answer_is_lost_is_made_again_and_counts_once(database: redis.Redis) -> None:
    lease = of(database, 0)
    lease.request()
    assert lease._sent is not None
    lease._sent._connection.disconnect()
    assert (lease.acquire(), lease.begun) == (Answer.GRANTED, 1)


def test_the_second_of_two_that_request_a_lease_does_not_get_it(database: redis.Redis) -> None:
    first, second = of(database, 0), of(database, 1)
    first.request()
    assert first.acquire() is Answer.GRANTED
    second.request()
    assert second.acquire() is Answer.HELD


def test_a_lease_lasts_from_the_moment_in_which_it_was_requested(database: redis.Redis) -> None:
    lease = of(database, 0)
    lease.request()
    lease._sent_at -= 100
    assert (lease.acquire(), lease.answer) == (Answer.GRANTED, Answer.LOST)


def test_a_request_for_a_cancelled_job_says_so(database: redis.Redis) -> None:
    database.set(CANCEL, "1")
    lease = of(database, 0)
    lease.request()
    assert lease.acquire() is Answer.CANCELLED


def test_a_lease_that_was_requested_and_never_used_is_given_back(
    database: redis.Redis, broker_url: str
) -> None:
    """As by a process that finds that it can't read the job. Its connection is free for what comes next."""
    with redis.Redis.from_url(broker_url, max_connections=1) as single:
        lease = of(single, 0)
        lease.request()
        lease.release(done=False)
    assert database.exists(*KEYS) == 0
    assert of(database, 1).acquire() is Answer.GRANTED


def test_a_redis_that_is_away_when_a_lease_is_requested_is_asked_by_acquire(database: redis.Redis) -> None:
    lease = of(redis.Redis(port=1, retry=Retry(NoBackoff(), 0)), 0)
    lease.request()
    lease.redis = database
    assert lease.acquire() is Answer.GRANTED
