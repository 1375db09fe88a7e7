"""Whether `doctor` finds the running workers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery

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


def test_jobs_that_wait_for_a_worker_that_is_busy_are_no_warning(broker_url: str, examine: Examine) -> None:
    with redis.Redis.from_url(broker_url) as client:
        client.lpush("cellblock", "a job")
        client.zadd("cellblock.consumers", {"busy": time.time() + 60, "gone": time.time() - 60})
        client.sadd("cellblock.consumer:busy", "cellblock")
        found = examine("workers", CELLBLOCK_BROKER_URL=broker_url)
        client.flushdb()
    assert [one["message"] for one in found] == ["1 worker takes jobs from cellblock"]


@pytest.fixture
def elsewhere(broker_url: str, client_of: Callable[[str], Celery]) -> Iterator[Celery]:
    """Gives an app that has sent one job, and one task of its own, to queues that no setting names."""
    app = client_of(broker_url)
    app.send_task("cellblock.run_sandboxed", ["true", "bash"], queue="elsewhere", priority=3)
    app.send_task("app.mail", queue="mails")
    yield app
    with redis.Redis.from_url(broker_url) as server:
        server.flushdb()


@pytest.mark.usefixtures("elsewhere")
def test_jobs_in_a_queue_that_no_setting_names_are_a_warning(broker_url: str, examine: Examine) -> None:
    found, _ = examine("workers", CELLBLOCK_BROKER_URL=broker_url)
    assert (found["level"], found["mend"]) == ("warning", "CELLBLOCK_QUEUES=elsewhere for a worker")
    assert found["message"] == "1 job waits in 'elsewhere', and no worker takes from it"


@pytest.mark.usefixtures("elsewhere")
def test_what_is_no_text_or_no_list_in_such_a_queue_hides_no_other(broker_url: str, examine: Examine) -> None:
    with redis.Redis.from_url(broker_url) as server:
        server.sadd("_kombu.binding.a", b"a\x06\x16\x06\x16a", b"b\x06\x16\x06\x16b")
        for number in range(50):
            server.set(f"_kombu.binding.{number}", "no set")
        server.lpush("a", b"\xff")
        server.set("b", "text")
    assert examine("workers", CELLBLOCK_BROKER_URL=broker_url)[0]["mend"].startswith(
        "CELLBLOCK_QUEUES=elsewhere"
    )
