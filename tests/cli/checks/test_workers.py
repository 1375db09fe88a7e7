"""Whether `doctor` finds the running workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.programs import Worker

    Examine = Callable[..., list[dict[str, Any]]]


def test_a_worker_is_seen_with_its_queues(worker: Worker, examine: Examine) -> None:
    (found,) = examine("workers", CELLBLOCK_BROKER_URL=worker.broker_url)
    assert (found["level"], found["message"]) == ("ok", "1 worker takes jobs from cellblock")


def test_no_worker_is_a_warning(broker_url: str, examine: Examine) -> None:
    (found,) = examine("workers", CELLBLOCK_BROKER_URL=broker_url)
    assert (found["level"], found["mend"]) == ("warning", "cellblock worker")


def test_workers_that_take_from_elsewhere_are_a_warning(worker: Worker, examine: Examine) -> None:
    (found,) = examine("workers", CELLBLOCK_BROKER_URL=worker.broker_url, CELLBLOCK_QUEUES="other")
    assert (found["level"], "no worker takes from 'other'" in found["message"]) == ("warning", True)


def test_jobs_that_wait_where_no_worker_takes_from_are_a_warning(broker_url: str, examine: Examine) -> None:
    with redis.Redis.from_url(broker_url) as client:
        client.lpush("heavy", "a job")
        client.lpush("heavy\x06\x163", "another one")
        found = examine("workers", CELLBLOCK_BROKER_URL=broker_url, CELLBLOCK_ROUTES="java=heavy")
        client.flushdb()
    assert (found[0]["level"], "2 jobs wait in 'heavy'" in found[0]["message"]) == ("warning", True)
